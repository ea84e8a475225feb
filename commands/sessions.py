"""How does a person sign in, stay signed in, and sign out?

The door: it bounds the attempts, checks the password outside of any transaction, and keeps the outcome with
`commands.session_records`. What a signed-in person may do is left to `policies.grants`; programs come in by
`commands.client_tokens` and never here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, select

from commands.accounts import USERNAME, locked_user
from commands.session_records import (
    OpenSession,
    ReusedToken,
    Revocation,
    locked_session_of_token,
    locked_session_of_user,
    open_session,
    revoke,
    rotate,
)
from commands.transactions import transaction
from db.engine import Database
from db.events import Origin
from db.sessions import ReadSession
from db.tables import ApiClientRow, UserRow
from domain.errors import InvalidCredentials, NotFound, Unavailable
from domain.identifiers import SessionId, UserId
from policies.grants import Grants
from policies.passwords import Passwords
from policies.throttle import SignInThrottle
from policies.tokens import AccessToken, TokenMint

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class SignedIn:
    """An access token, the refresh token that gets the next one, and until when each is good (UTC)."""

    user_id: UserId
    session_id: SessionId
    access: AccessToken
    refresh_token: str = field(repr=False)
    refresh_expires_at: datetime


@dataclass(frozen=True, slots=True)
class Sessions:
    """Opens, continues and ends sessions; `origin` says from which address and when."""

    database: Database
    mint: TokenMint
    passwords: Passwords
    throttle: SignInThrottle
    grants: Grants
    refresh_lifetime: timedelta

    async def sign_in(self, username: str, password: str, origin: Origin) -> SignedIn:
        """Open a session for the right name (in any case) and password.

        Raises `InvalidCredentials`, the same for an unknown user, a wrong password and a disabled user;
        `SignInThrottled`; `Unavailable`.
        """
        account = username.strip().casefold()
        await self.throttle.admit(account, origin.address)
        try:
            opened = await self._opened(account, password, origin)
        except Unavailable:
            await self.throttle.abandoned(account, origin.address)
            raise
        await self.throttle.succeeded(account, origin.address)
        return self._signed_in(opened, origin.now)

    async def refresh(self, refresh_token: str, origin: Origin) -> SignedIn:
        """Exchange a refresh token for new tokens; each is good for one exchange.

        Raises `InvalidCredentials`; where the token was used before, the session has ended with that.
        """
        async with transaction(self.database.write) as session:
            outcome = await rotate(
                session, replace(origin, actor_id=None), refresh_token, self.refresh_lifetime
            )
        if isinstance(outcome, ReusedToken):
            self.grants.forget(outcome.user_id)
            raise InvalidCredentials
        return self._signed_in(outcome, origin.now)

    async def sign_out(self, refresh_token: str, origin: Origin) -> None:
        """End the session of a refresh token, good or used; raise `InvalidCredentials` for an unknown one."""
        async with transaction(self.database.write) as session:
            row = await locked_session_of_token(session, refresh_token)
            await revoke(session, replace(origin, actor_id=row.user_id), row, Revocation.SIGNED_OUT)
        self.grants.forget(UserId(row.user_id))

    async def end(self, session_id: SessionId, origin: Origin) -> None:
        """End a session of `origin.actor_id`'s own; raise `NotFound` for anybody else's."""
        if origin.actor_id is None:
            raise NotFound("session")
        user_id = UserId(origin.actor_id)
        async with transaction(self.database.write) as session:
            row = await locked_session_of_user(session, session_id, user_id)
            await revoke(session, origin, row, Revocation.SIGNED_OUT)
        self.grants.forget(user_id)

    async def _opened(self, account: str, password: str, origin: Origin) -> OpenSession:
        for _ in range(_ATTEMPTS):
            known = await self._known(account)
            stored: str | None = known["password_hash"] if known is not None else None
            if not await self.passwords.matches(password, stored):
                raise InvalidCredentials
            assert known is not None, "no password matches an unknown user"
            if known["disabled_at"] is not None:
                raise InvalidCredentials
            opened = await self._opened_for(known, password, origin)
            if opened is not None:
                return opened
        raise Unavailable("The account is being changed right now; try again.")

    async def _opened_for(self, known: RowMapping, password: str, origin: Origin) -> OpenSession | None:
        """Return null where the password or the account changed since it was looked up."""
        verified: str = known["password_hash"]
        renewed = await self.passwords.hash(password) if self.passwords.needs_rehash(verified) else verified
        user_id = UserId(known["id"])
        async with transaction(self.database.write) as session:
            user = await locked_user(session, user_id)
            if user.disabled_at is not None or user.password_hash != verified:
                return None
            user.password_hash = renewed
            await session.orm.flush()
            return await open_session(
                session, replace(origin, actor_id=user_id), user_id, self.refresh_lifetime
            )

    async def _known(self, account: str) -> RowMapping | None:
        # What can't be a name is not shown to the database, which would take offence at some characters.
        if USERNAME.fullmatch(account) is None:
            return None
        # An API client is unknown here, whatever stands in its row: the same answer in the same time as for nobody.
        is_client = select(ApiClientRow.id).where(ApiClientRow.user_id == UserRow.id).exists()
        statement = select(UserRow.id, UserRow.password_hash, UserRow.disabled_at).where(
            UserRow.username == account, ~is_client
        )
        # A password that was just set must count, so a replica won't do.
        lookup = ReadSession(self.database.write.execution_options(isolation_level="AUTOCOMMIT"))
        try:
            rows = await lookup.fetch(statement, {})
        finally:
            await lookup.close()
        return rows[0] if rows else None

    def _signed_in(self, opened: OpenSession, now: datetime) -> SignedIn:
        return SignedIn(
            user_id=opened.user_id,
            session_id=opened.session_id,
            access=self.mint.issue(opened.user_id, opened.session_id, now),
            refresh_token=opened.refresh_token,
            refresh_expires_at=opened.refresh_expires_at,
        )
