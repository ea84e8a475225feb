"""What may this token's owner do at this moment?

One statement looks up the user, the session and the memberships, or for an API client its account, secret, scopes
and memberships; the answer is remembered until PostgreSQL says that something about the account changed
(`policies.notices`). While nobody listens nothing is remembered: slower, never wrong. Whether the token is genuine is
left to `policies.tokens`.
"""

from __future__ import annotations

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy import RowMapping, Select, bindparam, func, select

from db.engine import Database
from db.sessions import ReadSession
from db.tables import ApiClientRow, ApiClientSecretRow, MembershipRow, SessionRow, UserRow
from domain.errors import Unauthenticated
from domain.identifiers import ClientId, OrganizationId, SecretId, SessionId, UserId
from policies.client_secrets import is_good
from policies.notices import Notices
from policies.roles import Role
from policies.tokens import Claims, ClientClaims, SessionClaims
from policies.viewer import ClientPass, Grant, OperationScope, Viewer

CHANNEL = "eoms_grants"
"""Triggers of everything that is looked up here notify it with the user's id when a change commits."""

_Source = SessionId | tuple[SecretId, frozenset[OperationScope]]
"""What tells two tokens of one account apart: two of one session are alike, of one secret they may be narrowed."""

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
        self.generation = 0
        """Grows with every change of anybody's grants that is heard of."""

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

        Raises `Unauthenticated` where the user is gone or disabled, or the session or the client's secret revoked
        or expired; `Unavailable`.
        """
        source = _source(claims)
        if self.is_listening:
            known = self._cache.get(claims.user_id, source)
            if known is not None:
                return known
        generation = self.generation
        rows = await self._looked_up(claims)
        if not rows:
            raise Unauthenticated(_ended(claims))
        viewer = _viewer(claims, rows)
        # A change that was told while we looked may not be in what we saw: such an answer is used once, not
        # kept.
        if self.is_listening and generation == self.generation:
            left: float | None = rows[0]["seconds_left"]
            seconds = self._cache_seconds if left is None else min(self._cache_seconds, float(left))
            self._cache.put(viewer, source, time.monotonic() + seconds)
        return viewer

    def forget(self, user_id: UserId) -> None:
        """Look this user up anew from now on; whoever changed something calls it right after the commit."""
        self.generation += 1
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
        self.generation += 1
        self._cache.clear()
        for callback in self._missed:
            _call(callback)

    async def _looked_up(self, claims: Claims) -> Sequence[RowMapping]:
        session = ReadSession(self._engine)
        try:
            match claims:
                case SessionClaims(user_id=user_id, session_id=session_id):
                    return await session.fetch(_LOOKUP, {"user_id": user_id, "session_id": session_id})
                case ClientClaims(user_id=user_id, secret_id=secret_id):
                    return await session.fetch(_CLIENT_LOOKUP, {"user_id": user_id, "secret_id": secret_id})
        finally:
            await session.close()


# Both give one row per membership, one with null where there is none, no row where the token's source doesn't hold.
def _lookup() -> Select[UUID, int, str, UUID | None]:
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
            # A program never counts as a person, whose operations no scope bounds: such a session is nobody's.
            ~select(ApiClientRow.id).where(ApiClientRow.user_id == UserRow.id).exists(),
        )
    )


def _client_lookup() -> Select[UUID, int, str, UUID | None, UUID, list[str], bool]:
    return (
        select(
            UserRow.organization_id,
            func.extract("epoch", ApiClientSecretRow.expires_at - func.now()).label("seconds_left"),
            MembershipRow.role,
            MembershipRow.project_id,
            ApiClientRow.id.label("client_id"),
            ApiClientRow.scopes,
            ApiClientRow.may_send_text,
        )
        .join(ApiClientRow, ApiClientRow.user_id == UserRow.id)
        .join(ApiClientSecretRow, ApiClientSecretRow.client_id == ApiClientRow.id)
        .outerjoin(MembershipRow, MembershipRow.user_id == UserRow.id)
        .where(
            UserRow.id == bindparam("user_id"),
            UserRow.disabled_at.is_(None),
            ApiClientSecretRow.id == bindparam("secret_id"),
            is_good(),
        )
    )


_LOOKUP = _lookup()
_CLIENT_LOOKUP = _client_lookup()


def _source(claims: Claims) -> _Source:
    match claims:
        case SessionClaims(session_id=session_id):
            return session_id
        case ClientClaims(secret_id=secret_id, scopes=scopes):
            return secret_id, scopes


def _ended(claims: Claims) -> str:
    match claims:
        case SessionClaims():
            return "The session has ended; sign in again."
        case ClientClaims():
            return "The API client is disabled, or its secret is not good any more."


def _viewer(claims: Claims, rows: Sequence[RowMapping]) -> Viewer:
    return Viewer(
        user_id=claims.user_id,
        organization_id=OrganizationId(rows[0]["organization_id"]),
        session_id=claims.session_id if isinstance(claims, SessionClaims) else None,
        grants=frozenset(
            Grant(role, row["project_id"]) for row in rows if (role := _known_role(row["role"])) is not None
        ),
        client=_client_pass(claims, rows[0]) if isinstance(claims, ClientClaims) else None,
        ends_at=_end(rows[0]["seconds_left"]),
    )


# Any: PostgreSQL's numeric.
def _end(seconds_left: Any) -> datetime | None:
    return None if seconds_left is None else datetime.now(UTC) + timedelta(seconds=float(seconds_left))


def _client_pass(claims: ClientClaims, row: RowMapping) -> ClientPass:
    """What the token was narrowed to, of what the client has now; a scope that this version doesn't know is in no token."""
    return ClientPass(
        client_id=ClientId(row["client_id"]),
        scopes=frozenset(scope for scope in claims.scopes if scope in row["scopes"]),
        may_send_text=row["may_send_text"],
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
    """Viewers by account and source, the longest unused of them dropped when there are too many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[tuple[UserId, _Source], _Remembered] = OrderedDict()
        self._sources: defaultdict[UserId, set[_Source]] = defaultdict(set)

    def get(self, user_id: UserId, source: _Source) -> Viewer | None:
        entry = self._entries.get((user_id, source))
        if entry is None:
            return None
        if entry.until <= time.monotonic():
            self._remove(user_id, source)
            return None
        self._entries.move_to_end((user_id, source))
        return entry.viewer

    def put(self, viewer: Viewer, source: _Source, until: float) -> None:
        self._entries[viewer.user_id, source] = _Remembered(viewer, until)
        self._entries.move_to_end((viewer.user_id, source))
        self._sources[viewer.user_id].add(source)
        while len(self._entries) > self._size:
            self._remove(*next(iter(self._entries)))

    def drop(self, user_id: UserId) -> None:
        for source in self._sources.pop(user_id, set[_Source]()):
            del self._entries[user_id, source]

    def clear(self) -> None:
        self._entries.clear()
        self._sources.clear()

    def _remove(self, user_id: UserId, source: _Source) -> None:
        del self._entries[user_id, source]
        sources = self._sources[user_id]
        sources.discard(source)
        if not sources:
            del self._sources[user_id]
