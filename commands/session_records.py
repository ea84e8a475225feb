"""What is kept of a sign-in?

A *session* is one sign-in. Its refresh tokens follow one another, each used once; a second use says that one
was stolen, and ends the session for the thief and the owner alike. Of a token only its SHA-256 is kept: with
256 random bits there is nothing to guess. Sessions have event chains of their own (`SessionOpened`,
`SessionRevoked`), so the audit trail tells who signed in from where. These functions work in the caller's
transaction; who may call them is left to `commands.sessions` and `commands.accounts`.

Locks are taken in one order, user before session, and leave the keys alone (NO KEY UPDATE): events and
sessions refer to users, and would otherwise wait for a lock whose holder waits for them.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Select, delete, select

from db.events import Happening, Origin, record
from db.identifiers import new_id
from db.sessions import WriteSession
from db.tables import RefreshTokenRow, SessionRow, UserRow
from domain.errors import InvalidCredentials, NotFound
from domain.events import Changes, timestamp
from domain.identifiers import SessionId, UserId

AGGREGATE = "Session"

_TOKEN_BYTES = 32
_TOKEN_LENGTH = 43
"""32 bytes in base64url without padding."""


class Revocation(StrEnum):
    """Why a session ended before its time."""

    SIGNED_OUT = "SIGNED_OUT"
    TOKEN_REUSED = "TOKEN_REUSED"  # noqa: S105  (a reason, not a secret)
    USER_DISABLED = "USER_DISABLED"
    PASSWORD_SET = "PASSWORD_SET"  # noqa: S105  (a reason, not a secret)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session with the one refresh token that continues it, shown only now, and until when it can."""

    user_id: UserId
    session_id: SessionId
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class ReusedToken:
    """A refresh token was used a second time, and the session of this user has been revoked."""

    user_id: UserId


async def open_session(
    session: WriteSession, origin: Origin, user_id: UserId, lifetime: timedelta
) -> OpenSession:
    """Open a session of an existing user, and record it; the caller has made sure who is asking."""
    row = SessionRow(
        id=new_id(),
        user_id=user_id,
        created_at=origin.now,
        expires_at=origin.now + lifetime,
        revoked_at=None,
        address=origin.address,
    )
    session.orm.add(row)
    await session.orm.flush()
    opened = await _continued(session, row, origin.now)
    changes: Changes = {"user": [None, str(user_id)]}
    if origin.address is not None:
        changes["address"] = [None, origin.address]
    await record(session, origin, Happening(AGGREGATE, row.id, 1, "SessionOpened", None, changes))
    return opened


async def rotate(
    session: WriteSession, origin: Origin, refresh_token: str, lifetime: timedelta
) -> OpenSession | ReusedToken:
    """Use a refresh token up and return its successor; the session now lasts for `lifetime` from here.

    A token that was used before revokes the session, which the caller has to commit. Raises
    `InvalidCredentials` for any other token that is not good.
    """
    row = await locked_session_of_token(session, refresh_token)
    # Read under the session's lock: of two who come with the same token, the second one finds it used.
    token = await session.orm.get(RefreshTokenRow, _digest(refresh_token), populate_existing=True)
    if row.revoked_at is not None or token is None:
        raise InvalidCredentials
    if token.used_at is not None:
        await revoke(session, origin, row, Revocation.TOKEN_REUSED)
        return ReusedToken(UserId(row.user_id))
    disabled_at = await session.orm.scalar(select(UserRow.disabled_at).where(UserRow.id == row.user_id))
    if token.expires_at <= origin.now or disabled_at is not None:
        raise InvalidCredentials
    token.used_at = origin.now
    row.expires_at = origin.now + lifetime
    await session.orm.flush()
    # Without this a session that is never closed would grow by a token at each refresh, for ever.
    await session.orm.execute(
        delete(RefreshTokenRow).where(
            RefreshTokenRow.session_id == row.id, RefreshTokenRow.expires_at <= origin.now
        )
    )
    return await _continued(session, row, origin.now)


async def locked_session_of_token(session: WriteSession, refresh_token: str) -> SessionRow:
    """Return the locked session that a refresh token, good or used, belongs to.

    Raises `InvalidCredentials` where there is none.
    """
    if len(refresh_token) != _TOKEN_LENGTH or not refresh_token.isascii():
        raise InvalidCredentials
    session_id = await session.orm.scalar(
        select(RefreshTokenRow.session_id).where(RefreshTokenRow.token_hash == _digest(refresh_token))
    )
    if session_id is None:
        raise InvalidCredentials
    row = await session.orm.scalar(_locked().where(SessionRow.id == session_id))
    assert row is not None, "a refresh token refers to its session"
    return row


async def locked_session_of_user(session: WriteSession, session_id: SessionId, user_id: UserId) -> SessionRow:
    """Return a user's own session, locked; raise `NotFound` for anybody else's."""
    row = await session.orm.scalar(
        _locked().where(SessionRow.id == session_id, SessionRow.user_id == user_id)
    )
    if row is None:
        raise NotFound("session")
    return row


async def revoke(session: WriteSession, origin: Origin, row: SessionRow, reason: Revocation) -> None:
    """End a locked session, and record it; one that has been ended stays as it is."""
    if row.revoked_at is not None:
        return
    row.revoked_at = origin.now
    await session.orm.flush()
    happening = Happening(
        aggregate_type=AGGREGATE,
        aggregate_id=row.id,
        version=2,
        type="SessionRevoked",
        project_id=None,
        changes={"revokedAt": [None, timestamp(origin.now)]},
        details={"reason": reason.value},
    )
    await record(session, origin, happening)


async def revoke_all(session: WriteSession, origin: Origin, user_id: UserId, reason: Revocation) -> None:
    """End every session of a user; the caller holds the lock of his row, so that no new one opens."""
    live = _locked().where(
        SessionRow.user_id == user_id, SessionRow.revoked_at.is_(None), SessionRow.expires_at > origin.now
    )
    for row in (await session.orm.scalars(live.order_by(SessionRow.id))).all():
        await revoke(session, origin, row, reason)


async def _continued(session: WriteSession, row: SessionRow, now: datetime) -> OpenSession:
    """Issue the session's next refresh token, which lasts as long as the session does now."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    session.orm.add(
        RefreshTokenRow(
            token_hash=_digest(token),
            session_id=row.id,
            issued_at=now,
            expires_at=row.expires_at,
            used_at=None,
        )
    )
    await session.orm.flush()
    return OpenSession(UserId(row.user_id), SessionId(row.id), token, row.expires_at)


def _locked() -> Select[SessionRow]:
    return select(SessionRow).with_for_update(key_share=True).execution_options(populate_existing=True)


def _digest(refresh_token: str) -> bytes:
    return hashlib.sha256(refresh_token.encode()).digest()
