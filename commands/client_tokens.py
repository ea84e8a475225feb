"""How does an API client get an access token?

The door for programs, as `commands.sessions` is the one for people: OAuth 2.0's client credentials (RFC 6749, section
4.4). The token is short-lived and carries identity only, so it ends with the secret and with the account, and there is
no session and no event. What the client may do is left to `policies.grants`.

Only failures are counted, unlike those of passwords: there is nothing to guess in 256 random bits, so a right secret
need not wait. Otherwise five wrong attempts of a stranger would shut a partner out, and so would six processes of the
partner's that start together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from commands.accounts import USERNAME
from commands.transactions import transaction
from db.engine import Database
from db.sessions import ReadSession
from db.tables import ApiClientRow, ApiClientSecretRow, UserRow
from domain.errors import InvalidCredentials, InvalidInput
from domain.identifiers import SecretId, UserId
from policies.client_secrets import could_be_secret, is_good, secret_hash
from policies.throttle import SignInThrottle
from policies.tokens import AccessToken, TokenMint
from policies.viewer import OperationScope

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exactly it is kept when a secret was last used; each token would otherwise cost a write."""


@dataclass(frozen=True, slots=True)
class ClientToken:
    """An access token, and the scopes it is narrowed to."""

    access: AccessToken
    scopes: frozenset[OperationScope]


@dataclass(frozen=True, slots=True)
class _Proven:
    """Which client has proved itself, by which secret."""

    user_id: UserId
    secret_id: SecretId
    secret_ends_at: datetime | None
    last_used_at: datetime | None
    scopes: frozenset[OperationScope]


@dataclass(frozen=True, slots=True)
class ClientTokens:
    """Gives access tokens for secrets."""

    database: Database
    mint: TokenMint
    throttle: SignInThrottle

    async def issue(
        self, client: str, secret: str, scope: str | None, address: str | None, now: datetime
    ) -> ClientToken:
        """Return a token for the right name and secret, for all scopes of the client or those that `scope` names.

        Raises `InvalidCredentials`, the same for an unknown client, a wrong or ended secret and a disabled client;
        `SignInThrottled` in its place where too many were wrong; `InvalidInput` INVALID_SCOPE; `Unavailable`.
        """
        proven = await self._proven(client, secret)
        if proven is None:
            # What was admitted counts as failed unless it is taken back.
            await self.throttle.admit(f"client {client}", address)
            raise InvalidCredentials
        scopes = proven.scopes if scope is None else _narrowed(scope, proven.scopes)
        await self._note_use(proven, now)
        access = self.mint.issue_to_client(
            proven.user_id, proven.secret_id, scopes, now, proven.secret_ends_at
        )
        return ClientToken(access, scopes)

    async def _proven(self, client: str, secret: str) -> _Proven | None:
        # Of which form both are is no secret, and the database would take offence at some characters.
        if USERNAME.fullmatch(client) is None or not could_be_secret(secret):
            return None
        statement = (
            select(
                ApiClientRow.user_id,
                ApiClientRow.scopes,
                ApiClientSecretRow.id,
                ApiClientSecretRow.expires_at,
                ApiClientSecretRow.last_used_at,
            )
            .join(ApiClientRow, ApiClientRow.id == ApiClientSecretRow.client_id)
            .join(UserRow, UserRow.id == ApiClientRow.user_id)
            .where(
                ApiClientSecretRow.secret_hash == secret_hash(secret),
                is_good(),
                UserRow.username == client,
                UserRow.disabled_at.is_(None),
            )
        )
        # A secret that was just revoked must not count, so a replica won't do.
        lookup = ReadSession(self.database.write.execution_options(isolation_level="AUTOCOMMIT"))
        try:
            rows = await lookup.fetch(statement, {})
        finally:
            await lookup.close()
        if not rows:
            return None
        row = rows[0]
        return _Proven(
            user_id=UserId(row["user_id"]),
            secret_id=SecretId(row["id"]),
            secret_ends_at=row["expires_at"],
            last_used_at=row["last_used_at"],
            scopes=frozenset(scope for scope in OperationScope if scope in row["scopes"]),
        )

    async def _note_use(self, proven: _Proven, now: datetime) -> None:
        stale = now - USE_NOTED_EVERY
        if proven.last_used_at is not None and proven.last_used_at > stale:
            return
        row = ApiClientSecretRow
        # Asked again by the statement: of many processes that come together, one writes.
        note = update(row).where(
            row.id == proven.secret_id, or_(row.last_used_at.is_(None), row.last_used_at <= stale)
        )
        async with transaction(self.database.write) as session:
            await session.orm.execute(note.values(last_used_at=now))


def _narrowed(scope: str, held: frozenset[OperationScope]) -> frozenset[OperationScope]:
    """Return the scopes of a text such as `read write`; raise `InvalidInput` INVALID_SCOPE for any that is not held."""
    names = scope.split(" ")
    if not set(names) <= held:
        raise InvalidInput("INVALID_SCOPE", "The client does not have this scope.", ("scope",))
    return frozenset(each for each in held if each in names)
