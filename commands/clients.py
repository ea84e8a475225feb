"""Which programs may call the API, and with which secrets?

System commands over API clients, given by an operator at the command line and later by an administrator. A client is
an account without a password, which holds the roles and acts (`commands.accounts`), and what is kept here beside it:
scopes, mode and secrets. Each command locks the client's row and records one event of it, in the caller's transaction;
neither a secret nor its hash goes into the log. What is got for a secret is left to `commands.client_tokens`.

Locks are taken in one order, account before client; see `commands.session_records` for why they leave the keys alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from commands.accounts import (
    USERNAME,
    DisableUser,
    EnableUser,
    GrantRole,
    add_client_account,
    disable_user,
    enable_user,
    grant_role,
)
from db.events import Happening, Origin, record
from db.identifiers import new_id
from db.sessions import WriteSession
from db.snapshots import client_snapshot
from db.tables import ApiClientRow, ApiClientSecretRow, UserRow
from domain.errors import InvalidInput, NotFound
from domain.events import Snapshot, difference
from domain.identifiers import ClientId, OrganizationId, ProjectId, SecretId, UserId
from policies.client_secrets import new_secret, secret_hash
from policies.roles import CLIENT_ROLE
from policies.viewer import OperationScope

AGGREGATE = "ApiClient"

GOOD_SECRETS_MOST = 2
"""One in use, and one that follows it: more would be secrets that nobody knows the holders of."""

KEEP_MOST = timedelta(days=30)
"""Longest time for which an earlier secret stays good beside the one that follows it."""

STANDARD_KEEP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class AddClient:
    """Let a program of an organization call the API, with these roles, each in one project or globally (null)."""

    username: str
    name: str
    organization_id: OrganizationId
    scopes: tuple[str, ...]
    may_send_text: bool = False
    roles: tuple[tuple[str, ProjectId | None], ...] = ()


@dataclass(frozen=True, slots=True)
class RotateSecret:
    """Give a client another secret; the earlier one stays good for `keep`, so that the program can change over."""

    client_id: ClientId
    keep: timedelta = STANDARD_KEEP


@dataclass(frozen=True, slots=True)
class RevokeSecret:
    """End one secret of a client at once, and the tokens that were got for it."""

    client_id: ClientId
    secret_id: SecretId


@dataclass(frozen=True, slots=True)
class DisableClient:
    """Shut a client out at once; its secrets stay and are good for nothing meanwhile."""

    client_id: ClientId


@dataclass(frozen=True, slots=True)
class EnableClient:
    """Let a disabled client in again, with the secrets that are still good."""

    client_id: ClientId


@dataclass(frozen=True, slots=True)
class SetScopes:
    """Say which kinds of operation a client may send."""

    client_id: ClientId
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetMode:
    """Say whether a client may send texts, or registered documents only."""

    client_id: ClientId
    may_send_text: bool


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret, shown only now, and the id by which it is known from here on."""

    client_id: ClientId
    secret_id: SecretId
    secret: str = field(repr=False)


async def client_id_of(session: WriteSession, username: str) -> ClientId:
    """Return the id of the API client whose account has this name; raise `NotFound`."""
    if USERNAME.fullmatch(username) is None:
        raise NotFound("API client", ("username",))
    of_account = select(ApiClientRow.id).join(UserRow, UserRow.id == ApiClientRow.user_id)
    found = await session.orm.scalar(of_account.where(UserRow.username == username))
    if found is None:
        raise NotFound("API client", ("username",))
    return ClientId(found)


async def add_client(session: WriteSession, origin: Origin, command: AddClient) -> NewSecret:
    """Add an API client with its account, roles and first secret.

    Raises what adding an account and granting a role raise, and `InvalidInput` REQUIRED or UNKNOWN_SCOPE.
    """
    scopes = _scopes(command.scopes)
    user_id = await add_client_account(
        session, origin, command.username, command.name, command.organization_id
    )
    client = ApiClientRow(
        id=new_id(),
        user_id=user_id,
        scopes=scopes,
        may_send_text=command.may_send_text,
        version=1,
        created_at=origin.now,
    )
    session.orm.add(client)
    await session.orm.flush()
    added = await _with_secret(session, origin, client)
    await _record(session, origin, client, "ApiClientAdded", {})
    for role, project_id in ((CLIENT_ROLE, None), *command.roles):
        await grant_role(session, origin, GrantRole(user_id, role, project_id))
    return added


async def rotate_secret(session: WriteSession, origin: Origin, command: RotateSecret) -> NewSecret:
    """Return a new secret of a client; the earlier one ends after `keep`, or sooner where it would have anyway.

    Raises `NotFound`, or `InvalidInput` OUT_OF_RANGE, or TOO_MANY_SECRETS where two are good already.
    """
    if not timedelta(0) <= command.keep <= KEEP_MOST:
        raise InvalidInput("OUT_OF_RANGE", f"From 0 to {KEEP_MOST.days} days.", ("keep",))
    client = await locked_client(session, command.client_id)
    secrets = await _secrets(session, client.id)
    before = client_snapshot(client, secrets)
    good = [secret for secret in secrets if is_good(secret, origin)]
    if len(good) >= GOOD_SECRETS_MOST:
        raise InvalidInput(
            "TOO_MANY_SECRETS",
            "Two secrets are good already; revoke one, or wait for its end.",
            ("clientId",),
        )
    for secret in good:
        end = origin.now + command.keep
        secret.expires_at = end if secret.expires_at is None else min(end, secret.expires_at)
    added = await _with_secret(session, origin, client)
    await _changed(session, origin, client, "SecretRotated", before)
    return added


async def revoke_secret(session: WriteSession, origin: Origin, command: RevokeSecret) -> None:
    """End a secret; raise `NotFound` for another client's too, or `InvalidInput` ALREADY_REVOKED."""
    client = await locked_client(session, command.client_id)
    secrets = await _secrets(session, client.id)
    before = client_snapshot(client, secrets)
    secret = next((each for each in secrets if each.id == command.secret_id), None)
    if secret is None:
        raise NotFound("secret", ("secretId",))
    if secret.revoked_at is not None:
        raise InvalidInput("ALREADY_REVOKED", "This secret is revoked already.", ("secretId",))
    secret.revoked_at = origin.now
    await _changed(session, origin, client, "SecretRevoked", before)


async def disable_client(session: WriteSession, origin: Origin, command: DisableClient) -> None:
    """Disable a client's account; raise `NotFound`, or `InvalidInput` ALREADY_DISABLED."""
    await disable_user(session, origin, DisableUser(await _user_id(session, command.client_id)))


async def enable_client(session: WriteSession, origin: Origin, command: EnableClient) -> None:
    """Enable a client's account; raise `NotFound`, or `InvalidInput` NOT_DISABLED."""
    await enable_user(session, origin, EnableUser(await _user_id(session, command.client_id)))


async def set_scopes(session: WriteSession, origin: Origin, command: SetScopes) -> None:
    """Set a client's scopes; those it has already are no event. Raise `NotFound`, or `InvalidInput` as `add_client`."""
    scopes = _scopes(command.scopes)
    client = await locked_client(session, command.client_id)
    if client.scopes != scopes:
        before = client_snapshot(client, await _secrets(session, client.id))
        client.scopes = scopes
        await _changed(session, origin, client, "ScopesSet", before)


async def set_mode(session: WriteSession, origin: Origin, command: SetMode) -> None:
    """Set a client's mode; the one it is in already is no event. Raise `NotFound`."""
    client = await locked_client(session, command.client_id)
    if client.may_send_text != command.may_send_text:
        before = client_snapshot(client, await _secrets(session, client.id))
        client.may_send_text = command.may_send_text
        await _changed(session, origin, client, "ModeSet", before)


async def locked_client(session: WriteSession, client_id: ClientId) -> ApiClientRow:
    """Return the client's row as it is now, locked until the transaction ends; raise `NotFound`."""
    statement = select(ApiClientRow).where(ApiClientRow.id == client_id).with_for_update(key_share=True)
    client = await session.orm.scalar(statement.execution_options(populate_existing=True))
    if client is None:
        raise NotFound("API client", ("clientId",))
    return client


def is_good(secret: ApiClientSecretRow, origin: Origin) -> bool:
    """Return whether a secret is neither revoked nor past its end."""
    is_over = secret.expires_at is not None and secret.expires_at <= origin.now
    return secret.revoked_at is None and not is_over


async def _with_secret(session: WriteSession, origin: Origin, client: ApiClientRow) -> NewSecret:
    secret = new_secret()
    row = ApiClientSecretRow(
        id=new_id(),
        client_id=client.id,
        secret_hash=secret_hash(secret),
        created_at=origin.now,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )
    session.orm.add(row)
    await session.orm.flush()
    return NewSecret(ClientId(client.id), SecretId(row.id), secret)


async def _secrets(session: WriteSession, client_id: UUID) -> Sequence[ApiClientSecretRow]:
    of_client = select(ApiClientSecretRow).where(ApiClientSecretRow.client_id == client_id)
    in_order = of_client.order_by(ApiClientSecretRow.id)
    return (await session.orm.scalars(in_order.execution_options(populate_existing=True))).all()


async def _user_id(session: WriteSession, client_id: ClientId) -> UserId:
    found = await session.orm.scalar(select(ApiClientRow.user_id).where(ApiClientRow.id == client_id))
    if found is None:
        raise NotFound("API client", ("clientId",))
    return UserId(found)


async def _changed(
    session: WriteSession, origin: Origin, client: ApiClientRow, event_type: str, before: Snapshot
) -> None:
    client.version += 1
    await session.orm.flush()
    await _record(session, origin, client, event_type, before)


async def _record(
    session: WriteSession, origin: Origin, client: ApiClientRow, event_type: str, before: Snapshot
) -> None:
    changes = difference(before, client_snapshot(client, await _secrets(session, client.id)))
    await record(session, origin, Happening(AGGREGATE, client.id, client.version, event_type, None, changes))


def _scopes(names: Collection[str]) -> list[str]:
    """Return the scopes in their one order, each once."""
    if not names:
        raise InvalidInput("REQUIRED", "A client has at least one scope.", ("scopes",))
    unknown = sorted(set(names) - set(OperationScope))
    if unknown:
        known = ", ".join(OperationScope)
        raise InvalidInput("UNKNOWN_SCOPE", f"There is no such scope; there are {known}.", ("scopes",))
    return [scope.value for scope in OperationScope if scope in names]
