"""What may this token's owner do at this moment?

One statement looks up the user, the session and the memberships; the answer is remembered until PostgreSQL
says that something about the user changed (`policies.notices`). While nobody listens nothing is remembered:
slower, never wrong. Whether the token is genuine is left to `policies.tokens`.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog
from sqlalchemy import RowMapping, Select, bindparam, func, select

from db.engine import Database
from db.sessions import ReadSession
from db.tables import MembershipRow, SessionRow, UserRow
from domain.errors import Unauthenticated
from domain.identifiers import OrganizationId, SessionId, UserId
from policies.notices import Notices
from policies.roles import Role
from policies.tokens import Claims
from policies.viewer import Grant, Viewer

CHANNEL = "eoms_grants"
"""The triggers of membership, app_user and session notify it with the user's id when a change commits."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Grants:
    """Viewers by their tokens' claims; open it with `async with`.

    Lookups go to the primary (`database.write`), whose notices arrive after its commits; a replica might
    still give the old grants after the notice, and they would then stay. `url` leads to the primary too.
    """

    def __init__(self, database: Database, url: str, cache_size: int, cache_seconds: float) -> None:
        # One statement needs no transaction around it.
        self._engine = database.write.execution_options(isolation_level="AUTOCOMMIT")
        self._notices = Notices(url, CHANNEL, heard=self._heard, interrupted=self._interrupted)
        self._cache = _Cache(cache_size)
        self._cache_seconds = cache_seconds
        self._generation = 0
        self._changed: list[Callable[[UserId], object]] = []
        self._missed: list[Callable[[], object]] = []

    async def __aenter__(self) -> Self:
        await self._notices.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._notices.__aexit__(kind, error, trace)
        self._interrupted()

    @property
    def is_listening(self) -> bool:
        """Whether changes are being heard of, so that lookups may be remembered."""
        return self._notices.is_listening

    async def viewer(self, claims: Claims) -> Viewer:
        """Return the owner of a token with the roles he holds now.

        Raises `Unauthenticated` where the user is gone or disabled, or the session revoked or expired;
        `Unavailable`.
        """
        if self.is_listening:
            known = self._cache.get(claims.user_id, claims.session_id)
            if known is not None:
                return known
        generation = self._generation
        rows = await self._looked_up(claims)
        if not rows:
            raise Unauthenticated("The session has ended; sign in again.")
        viewer = _viewer(claims, rows)
        # A change that was told while we looked may not be in what we saw: such an answer is used once, not
        # kept.
        if self.is_listening and generation == self._generation:
            seconds = min(self._cache_seconds, float(rows[0]["seconds_left"]))
            self._cache.put(viewer, claims.session_id, time.monotonic() + seconds)
        return viewer

    def forget(self, user_id: UserId) -> None:
        """Look this user up anew from now on; whoever changed something calls it right after the commit."""
        self._generation += 1
        self._cache.drop(user_id)
        for callback in self._changed:
            _call(lambda callback=callback: callback(user_id))

    def on_change(self, callback: Callable[[UserId], object]) -> None:
        """Call `callback` when something about a user changed, perhaps more than once for one change."""
        self._changed.append(callback)

    def on_gap(self, callback: Callable[[], object]) -> None:
        """Call `callback` when changes may have been missed, about anybody."""
        self._missed.append(callback)

    def _heard(self, payload: str) -> None:
        try:
            user_id = UserId(UUID(payload))
        except ValueError:
            # Anybody who may connect may notify; what we can't read may concern anybody.
            _log.warning("a notice of changed grants names no user")
            self._interrupted()
            return
        self.forget(user_id)

    def _interrupted(self) -> None:
        self._generation += 1
        self._cache.clear()
        for callback in self._missed:
            _call(callback)

    async def _looked_up(self, claims: Claims) -> Sequence[RowMapping]:
        session = ReadSession(self._engine)
        try:
            return await session.fetch(_LOOKUP, {"user_id": claims.user_id, "session_id": claims.session_id})
        finally:
            await session.close()


def _lookup() -> Select[UUID, int, str, UUID | None]:
    """One row per membership, one with null where there is none, no row where the session doesn't hold."""
    return (
        select(
            UserRow.organization_id,
            func.extract("epoch", SessionRow.expires_at - func.now()).label("seconds_left"),
            MembershipRow.role,
            MembershipRow.project_id,
        )
        .join(SessionRow, SessionRow.user_id == UserRow.id)
        .outerjoin(MembershipRow, MembershipRow.user_id == UserRow.id)
        .where(
            UserRow.id == bindparam("user_id"),
            UserRow.disabled_at.is_(None),
            SessionRow.id == bindparam("session_id"),
            SessionRow.revoked_at.is_(None),
            SessionRow.expires_at > func.now(),
        )
    )


_LOOKUP = _lookup()


def _viewer(claims: Claims, rows: Sequence[RowMapping]) -> Viewer:
    return Viewer(
        user_id=claims.user_id,
        organization_id=OrganizationId(rows[0]["organization_id"]),
        session_id=claims.session_id,
        grants=frozenset(
            Grant(role, row["project_id"]) for row in rows if (role := _known_role(row["role"])) is not None
        ),
    )


def _known_role(name: str | None) -> Role | None:
    """A role that this version doesn't know grants nothing."""
    if name is None:
        return None
    try:
        return Role(name)
    except ValueError:
        _log.warning("membership ignored: unknown role", role=name)
        return None


def _call(callback: Callable[[], object]) -> None:
    """One listener's mistake must not keep the others from hearing."""
    try:
        callback()
    except Exception:  # noqa: BLE001  (whatever went wrong, it is the listener's)
        _log.exception("a listener to changed grants failed")


@dataclass(frozen=True, slots=True)
class _Remembered:
    viewer: Viewer
    until: float


class _Cache:
    """Viewers by user and session, the longest unused of them dropped when there are too many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[tuple[UserId, SessionId], _Remembered] = OrderedDict()
        self._sessions: defaultdict[UserId, set[SessionId]] = defaultdict(set)

    def get(self, user_id: UserId, session_id: SessionId) -> Viewer | None:
        entry = self._entries.get((user_id, session_id))
        if entry is None:
            return None
        if entry.until <= time.monotonic():
            self._remove(user_id, session_id)
            return None
        self._entries.move_to_end((user_id, session_id))
        return entry.viewer

    def put(self, viewer: Viewer, session_id: SessionId, until: float) -> None:
        self._entries[viewer.user_id, session_id] = _Remembered(viewer, until)
        self._entries.move_to_end((viewer.user_id, session_id))
        self._sessions[viewer.user_id].add(session_id)
        while len(self._entries) > self._size:
            self._remove(*next(iter(self._entries)))

    def drop(self, user_id: UserId) -> None:
        for session_id in self._sessions.pop(user_id, set[SessionId]()):
            del self._entries[user_id, session_id]

    def clear(self) -> None:
        self._entries.clear()
        self._sessions.clear()

    def _remove(self, user_id: UserId, session_id: SessionId) -> None:
        del self._entries[user_id, session_id]
        sessions = self._sessions[user_id]
        sessions.discard(session_id)
        if not sessions:
            del self._sessions[user_id]
