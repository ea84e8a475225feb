"""How does an operator give programs access at the command line, and see which have it?

Each act is one of `server.operator_acts`. What an API client is and which acts are refused is left to
`commands.clients`; how it is all printed, to `server.cli_clients`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from commands import clients
from commands.clients import (
    AddClient,
    DisableClient,
    EnableClient,
    NewSecret,
    RevokeSecret,
    RotateSecret,
    SetMode,
    SetScopes,
    client_id_of,
)
from db.events import Origin
from db.sessions import WriteSession
from db.tables import (
    ApiClientRow,
    ApiClientSecretRow,
    MembershipRow,
    OrganizationRow,
    ProjectRow,
    UserRow,
)
from domain.errors import InvalidInput, NotFound
from domain.identifiers import ClientId, SecretId
from server.operator_acts import done, organization_id_of, role_of


@dataclass(frozen=True, slots=True)
class NewClient:
    """A program of an organization, with the roles it starts with, each `role` or `role@project code`."""

    username: str
    name: str
    organization_code: str
    scopes: tuple[str, ...]
    roles: tuple[str, ...] = ()
    may_send_text: bool = False


@dataclass(frozen=True, slots=True)
class ListedSecret:
    """A secret as an operator sees it: never the secret."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class ListedClient:
    """An API client as an operator sees it; secrets that are over are left out."""

    username: str
    name: str
    organization_code: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]
    may_send_text: bool
    is_disabled: bool
    secrets: tuple[ListedSecret, ...]


def add_client(database_url: str, client: NewClient) -> NewSecret:
    """Add the client with all its roles, or nothing of it; return its first secret.

    Raises `InvalidInput`, or `NotFound` for the organization or a project.
    """

    async def add(session: WriteSession, origin: Origin) -> NewSecret:
        command = AddClient(
            username=client.username,
            name=client.name,
            organization_id=await organization_id_of(session, client.organization_code),
            scopes=client.scopes,
            may_send_text=client.may_send_text,
            roles=tuple([await role_of(session, role) for role in client.roles]),
        )
        return await clients.add_client(session, origin, command)

    return done(database_url, add)


def rotate_secret(database_url: str, username: str, keep: timedelta) -> NewSecret:
    """Return a new secret; raise `NotFound`, or `InvalidInput` TOO_MANY_SECRETS or OUT_OF_RANGE."""

    async def rotate(session: WriteSession, origin: Origin) -> NewSecret:
        client_id = await client_id_of(session, username)
        return await clients.rotate_secret(session, origin, RotateSecret(client_id, keep))

    return done(database_url, rotate)


def revoke_secret(database_url: str, username: str, secret: str) -> None:
    """End the secret with this id at once; raise `NotFound`, or `InvalidInput` ALREADY_REVOKED."""

    async def revoke(session: WriteSession, origin: Origin) -> None:
        client_id = await client_id_of(session, username)
        try:
            secret_id = SecretId(UUID(secret))
        except ValueError as error:
            raise NotFound("secret", ("secret",)) from error
        await clients.revoke_secret(session, origin, RevokeSecret(client_id, secret_id))

    done(database_url, revoke)


def disable_client(database_url: str, username: str) -> None:
    """Shut a client out at once; raise `NotFound`, or `InvalidInput` ALREADY_DISABLED."""

    async def disable(session: WriteSession, origin: Origin) -> None:
        await clients.disable_client(session, origin, DisableClient(await client_id_of(session, username)))

    done(database_url, disable)


def enable_client(database_url: str, username: str) -> None:
    """Let a client in again; raise `NotFound`, or `InvalidInput` NOT_DISABLED."""

    async def enable(session: WriteSession, origin: Origin) -> None:
        await clients.enable_client(session, origin, EnableClient(await client_id_of(session, username)))

    done(database_url, enable)


def set_client(database_url: str, username: str, scopes: tuple[str, ...], may_send_text: bool | None) -> None:
    """Set what is given, scopes or mode or both, together; raise `NotFound` or `InvalidInput`."""
    if not scopes and may_send_text is None:
        raise InvalidInput("REQUIRED", "Say what to set.", ())

    async def change(session: WriteSession, origin: Origin) -> None:
        client_id = await client_id_of(session, username)
        if scopes:
            await clients.set_scopes(session, origin, SetScopes(client_id, scopes))
        if may_send_text is not None:
            await clients.set_mode(session, origin, SetMode(client_id, may_send_text))

    done(database_url, change)


def list_clients(database_url: str) -> list[ListedClient]:
    """Return every API client, sorted by name."""

    async def listed(session: WriteSession, origin: Origin) -> list[ListedClient]:
        found = select(ApiClientRow, UserRow, OrganizationRow.code).join(
            UserRow, UserRow.id == ApiClientRow.user_id
        )
        found = found.join(OrganizationRow, OrganizationRow.id == UserRow.organization_id)
        rows = (await session.orm.execute(found.order_by(UserRow.username))).all()
        roles, secrets = await _roles(session), await _good_secrets(session, origin)
        return [
            ListedClient(
                username=user.username,
                name=user.name,
                organization_code=code,
                roles=tuple(roles[user.id]),
                scopes=tuple(client.scopes),
                may_send_text=client.may_send_text,
                is_disabled=user.disabled_at is not None,
                secrets=tuple(secrets[ClientId(client.id)]),
            )
            for client, user, code in rows
        ]

    return done(database_url, listed)


async def _roles(session: WriteSession) -> defaultdict[UUID, list[str]]:
    """Return the roles of every client's account, as an operator writes them."""
    held = (
        select(MembershipRow.user_id, MembershipRow.role, ProjectRow.code)
        .join(ApiClientRow, ApiClientRow.user_id == MembershipRow.user_id)
        .outerjoin(ProjectRow, ProjectRow.id == MembershipRow.project_id)
        .order_by(MembershipRow.role, ProjectRow.code)
    )
    roles: defaultdict[UUID, list[str]] = defaultdict(list)
    for user_id, role, code in (await session.orm.execute(held)).all():
        roles[user_id].append(f"{role}@{code}" if code else role)
    return roles


async def _good_secrets(session: WriteSession, origin: Origin) -> defaultdict[ClientId, list[ListedSecret]]:
    secrets: defaultdict[ClientId, list[ListedSecret]] = defaultdict(list)
    for row in await session.orm.scalars(select(ApiClientSecretRow).order_by(ApiClientSecretRow.id)):
        if clients.is_good(row, origin):
            secrets[ClientId(row.client_id)].append(
                ListedSecret(row.id, row.created_at, row.expires_at, row.last_used_at)
            )
    return secrets
