"""Who has an account, and which roles does he hold?

System commands, given by an operator at the command line and later by an administrator. Each locks the user's
row, changes it, and records one event with what changed. They work in the caller's transaction; whether the
caller may give them is the caller's to know. An API client acts through an account too; what it has beside that is
left to `commands.clients`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from commands.session_records import Revocation, revoke_all
from db.events import Happening, Origin, record
from db.identifiers import new_id
from db.sessions import WriteSession
from db.snapshots import user_snapshot
from db.tables import ApiClientRow, MembershipRow, OrganizationRow, ProjectRow, UserRow
from domain.errors import InvalidInput, NotFound
from domain.events import Snapshot, difference
from domain.identifiers import OrganizationId, ProjectId, UserId
from domain.values import TITLE_LENGTH, line
from policies.passwords import Passwords, checked_password
from policies.roles import CLIENT_ROLE, PEOPLE_ONLY_ROLES, PROJECT_ROLES, Role

AGGREGATE = "User"
USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")

NO_PASSWORD = "!"  # noqa: S105  (the absence of one)
"""Stands for the hash of a password in an account that has none; Argon2 writes no such thing."""

_CONTACT_LENGTH = 200


@dataclass(frozen=True, slots=True)
class AddUser:
    """Give a person of an organization an account; he holds no role yet."""

    username: str
    name: str
    organization_id: OrganizationId
    password: str = field(repr=False)
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class GrantRole:
    """Let a user hold a role: in one project, or globally where `project_id` is null."""

    user_id: UserId
    role: str
    project_id: ProjectId | None = None


@dataclass(frozen=True, slots=True)
class RevokeRole:
    """Take a role from a user: the one in this project, or the global one where `project_id` is null."""

    user_id: UserId
    role: str
    project_id: ProjectId | None = None


@dataclass(frozen=True, slots=True)
class DisableUser:
    """Shut a user out; all his sessions end."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class EnableUser:
    """Let a disabled user sign in again."""

    user_id: UserId


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Give a user another password; all his sessions end, since the old one may be known to others."""

    user_id: UserId
    password: str = field(repr=False)


async def user_id_of(session: WriteSession, username: str) -> UserId:
    """Return the id of the user with this name; raise `NotFound`."""
    if USERNAME.fullmatch(username) is None:
        raise NotFound("user", ("username",))
    found = await session.orm.scalar(select(UserRow.id).where(UserRow.username == username))
    if found is None:
        raise NotFound("user", ("username",))
    return UserId(found)


async def add_user(session: WriteSession, origin: Origin, command: AddUser, passwords: Passwords) -> UserId:
    """Add a user and return his id.

    Raises `InvalidInput`, TAKEN where the name is used already, and `NotFound` for the organization.
    """
    columns = {
        **_identity(command.username, command.name, command.organization_id),
        "email": _contact(command.email, "email"),
        "phone": _contact(command.phone, "phone"),
        "password_hash": await passwords.hash(checked_password(command.password)),
    }
    return await _added(session, origin, columns)


async def add_client_account(
    session: WriteSession, origin: Origin, username: str, name: str, organization_id: OrganizationId
) -> UserId:
    """Add the account of an API client, which no password opens, and return its id; raise as `add_user`."""
    columns = {
        **_identity(username, name, organization_id),
        "email": None,
        "phone": None,
        "password_hash": NO_PASSWORD,
    }
    return await _added(session, origin, columns)


async def grant_role(session: WriteSession, origin: Origin, command: GrantRole) -> None:
    """Grant a role.

    Raises `NotFound`, or `InvalidInput` UNKNOWN_ROLE, ROLE_IS_GLOBAL, ALREADY_HELD, ROLE_IS_OF_CLIENTS where a person
    would hold the role of API clients, ROLE_IS_OF_PEOPLE where an API client would hold one that is for people only.
    """
    role = _role(command.role)
    if command.project_id is not None and role not in PROJECT_ROLES:
        raise InvalidInput("ROLE_IS_GLOBAL", "This role is not held in a project.", ("projectId",))
    user = await locked_user(session, command.user_id)
    is_of_client = await is_client(session, command.user_id)
    if role is CLIENT_ROLE and not is_of_client:
        raise InvalidInput("ROLE_IS_OF_CLIENTS", "Only an API client holds this role.", ("role",))
    if role in PEOPLE_ONLY_ROLES and is_of_client:
        raise InvalidInput("ROLE_IS_OF_PEOPLE", "No API client holds this role.", ("role",))
    before = await _snapshot(session, user)
    if command.project_id is not None and await session.orm.get(ProjectRow, command.project_id) is None:
        raise NotFound("project", ("projectId",))
    if await _membership(session, user.id, role, command.project_id) is not None:
        raise InvalidInput("ALREADY_HELD", "The user holds this role already.", ("role",))
    session.orm.add(
        MembershipRow(id=new_id(), user_id=user.id, role=role.value, project_id=command.project_id)
    )
    await _changed(session, origin, user, "RoleGranted", before)


async def revoke_role(session: WriteSession, origin: Origin, command: RevokeRole) -> None:
    """Take a role away.

    Raises `NotFound` where it is not held, or `InvalidInput` UNKNOWN_ROLE, ROLE_IS_OF_CLIENTS for the role by which
    an API client is known as one: it keeps that.
    """
    role = _role(command.role)
    user = await locked_user(session, command.user_id)
    if role is CLIENT_ROLE and await is_client(session, command.user_id):
        raise InvalidInput("ROLE_IS_OF_CLIENTS", "An API client keeps this role.", ("role",))
    before = await _snapshot(session, user)
    membership = await _membership(session, user.id, role, command.project_id)
    if membership is None:
        raise NotFound("membership", ("role",))
    await session.orm.delete(membership)
    await _changed(session, origin, user, "RoleRevoked", before)


async def disable_user(session: WriteSession, origin: Origin, command: DisableUser) -> None:
    """Disable a user and end his sessions; raise `NotFound`, or `InvalidInput` ALREADY_DISABLED."""
    user = await locked_user(session, command.user_id)
    if user.disabled_at is not None:
        raise InvalidInput("ALREADY_DISABLED", "The user is disabled already.", ("userId",))
    before = await _snapshot(session, user)
    user.disabled_at = origin.now
    await _changed(session, origin, user, "UserDisabled", before)
    await revoke_all(session, origin, UserId(user.id), Revocation.USER_DISABLED)


async def enable_user(session: WriteSession, origin: Origin, command: EnableUser) -> None:
    """Enable a user; raise `NotFound`, or `InvalidInput` NOT_DISABLED."""
    user = await locked_user(session, command.user_id)
    if user.disabled_at is None:
        raise InvalidInput("NOT_DISABLED", "The user is not disabled.", ("userId",))
    before = await _snapshot(session, user)
    user.disabled_at = None
    await _changed(session, origin, user, "UserEnabled", before)


async def set_password(
    session: WriteSession, origin: Origin, command: SetPassword, passwords: Passwords
) -> None:
    """Set a password and end the user's sessions; raise `NotFound` or `InvalidInput`, API_CLIENT for a client's account.

    The event has no changes: not even a password's hash goes into the log.
    """
    password_hash = await passwords.hash(checked_password(command.password))
    user = await locked_user(session, command.user_id)
    if await is_client(session, command.user_id):
        raise InvalidInput("API_CLIENT", "An API client has secrets, no password.", ("userId",))
    before = await _snapshot(session, user)
    user.password_hash = password_hash
    await _changed(session, origin, user, "PasswordSet", before)
    await revoke_all(session, origin, UserId(user.id), Revocation.PASSWORD_SET)


async def locked_user(session: WriteSession, user_id: UserId) -> UserRow:
    """Return the user's row, locked until the transaction ends, as it is now; raise `NotFound`."""
    # NO KEY UPDATE: why a stronger lock would not do stands in `commands.session_records`.
    statement = select(UserRow).where(UserRow.id == user_id).with_for_update(key_share=True)
    user = await session.orm.scalar(statement.execution_options(populate_existing=True))
    if user is None:
        raise NotFound("user", ("userId",))
    return user


async def is_client(session: WriteSession, user_id: UserId) -> bool:
    """Return whether the account is an API client's."""
    found = await session.orm.scalar(select(ApiClientRow.id).where(ApiClientRow.user_id == user_id))
    return found is not None


async def _added(session: WriteSession, origin: Origin, columns: Mapping[str, object]) -> UserId:
    if await session.orm.get(OrganizationRow, columns["organization_id"]) is None:
        raise NotFound("organization", ("organizationId",))
    added = insert(UserRow).values(columns).on_conflict_do_nothing(index_elements=["username"])
    user = await session.orm.scalar(added.returning(UserRow))
    if user is None:
        raise InvalidInput("TAKEN", "This username is taken.", ("username",))
    await _record(session, origin, user, "UserAdded", {})
    return UserId(user.id)


async def _changed(
    session: WriteSession, origin: Origin, user: UserRow, event_type: str, before: Snapshot
) -> None:
    user.version += 1
    await session.orm.flush()
    await _record(session, origin, user, event_type, before)


async def _record(
    session: WriteSession, origin: Origin, user: UserRow, event_type: str, before: Snapshot
) -> None:
    changes = difference(before, await _snapshot(session, user))
    await record(session, origin, Happening(AGGREGATE, user.id, user.version, event_type, None, changes))


async def _snapshot(session: WriteSession, user: UserRow) -> Snapshot:
    return user_snapshot(user, await _memberships(session, user.id))


async def _memberships(session: WriteSession, user_id: UUID) -> Sequence[MembershipRow]:
    held = select(MembershipRow).where(MembershipRow.user_id == user_id)
    return (await session.orm.scalars(held.execution_options(populate_existing=True))).all()


async def _membership(
    session: WriteSession, user_id: UUID, role: Role, project_id: UUID | None
) -> MembershipRow | None:
    held = await _memberships(session, user_id)
    return next((row for row in held if row.role == role and row.project_id == project_id), None)


def _identity(username: str, name: str, organization_id: OrganizationId) -> dict[str, object]:
    """Return the columns that every new account has."""
    return {
        "id": new_id(),
        "username": _username(username),
        "name": line(name, TITLE_LENGTH, ("name",)),
        "organization_id": organization_id,
        "disabled_at": None,
        "version": 1,
    }


def _username(text: str) -> str:
    if USERNAME.fullmatch(text) is None:
        raise InvalidInput(
            "MALFORMED", "2 to 40 of a-z, 0-9, dot, underscore and hyphen; a letter first.", ("username",)
        )
    return text


def _contact(text: str | None, name: str) -> str | None:
    return None if text is None else line(text, _CONTACT_LENGTH, (name,))


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError as error:
        raise InvalidInput("UNKNOWN_ROLE", "There is no such role.", ("role",)) from error
