"""How does an operator add an account, or get a token for one, at the command line?

System acts: each is one transaction that leaves its event without an actor and without an address. What an account is
and which of them are refused is left to `commands.accounts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from commands import accounts
from commands.accounts import AddUser, GrantRole, locked_user, user_id_of
from commands.session_records import open_session
from commands.transactions import transaction
from db.events import Origin
from db.sessions import WriteSession
from db.tables import OrganizationRow, ProjectRow
from domain.errors import InvalidInput, NotFound
from domain.identifiers import OrganizationId, ProjectId, UserId
from policies.passwords import Passwords
from policies.tokens import TokenMint
from server.settings import Settings, token_secret


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A person of an organization, with the roles he starts with, each `role` or `role@project code`."""

    username: str
    name: str
    organization_code: str
    password: str = field(repr=False)
    email: str | None = None
    phone: str | None = None
    roles: tuple[str, ...] = ()


def add_user(database_url: str, account: NewAccount) -> UserId:
    """Add the account with all its roles, or nothing of it; return the user's id.

    Raises `InvalidInput`, or `NotFound` for the organization or a project.
    """
    return asyncio.run(_add_user(database_url, account))


def issue_token(settings: Settings, database_url: str, username: str) -> str:
    """Return an access token of a new session that ends with it.

    Raises `NotFound`, or `InvalidInput` DISABLED; `SettingsError` where there is no good secret to sign with.
    """
    lifetime = timedelta(minutes=settings.access_token_minutes)
    mint = TokenMint(token_secret(settings), lifetime)
    return asyncio.run(_issue_token(mint, lifetime, database_url, username))


async def _add_user(database_url: str, account: NewAccount) -> UserId:
    origin = _origin()
    async with _transaction(database_url) as session:
        command = AddUser(
            username=account.username,
            name=account.name,
            organization_id=await _organization_id(session, account.organization_code),
            password=account.password,
            email=account.email,
            phone=account.phone,
        )
        user_id = await accounts.add_user(session, origin, command, Passwords())
        for role in account.roles:
            name, is_in_project, code = role.partition("@")
            project_id = await _project_id(session, code) if is_in_project else None
            await accounts.grant_role(session, origin, GrantRole(user_id, name, project_id))
    return user_id


async def _issue_token(mint: TokenMint, lifetime: timedelta, database_url: str, username: str) -> str:
    origin = _origin()
    async with _transaction(database_url) as session:
        user = await locked_user(session, await user_id_of(session, username))
        if user.disabled_at is not None:
            raise InvalidInput("DISABLED", "This account is disabled.", ("username",))
        # Nobody gets the refresh token, so the session need not outlive the access token.
        opened = await open_session(session, origin, UserId(user.id), lifetime)
    return mint.issue(opened.user_id, opened.session_id, origin.now).token


@asynccontextmanager
async def _transaction(database_url: str) -> AsyncGenerator[WriteSession]:
    engine = create_async_engine(database_url, poolclass=NullPool, hide_parameters=True)
    try:
        async with transaction(engine) as session:
            yield session
    finally:
        await engine.dispose()


async def _organization_id(session: WriteSession, code: str) -> OrganizationId:
    found = await session.orm.scalar(select(OrganizationRow.id).where(OrganizationRow.code == code))
    if found is None:
        raise NotFound("organization", ("organization",))
    return OrganizationId(found)


async def _project_id(session: WriteSession, code: str) -> ProjectId:
    found = await session.orm.scalar(select(ProjectRow.id).where(ProjectRow.code == code))
    if found is None:
        raise NotFound("project", ("role",))
    return ProjectId(found)


def _origin() -> Origin:
    return Origin(actor_id=None, request_id=None, address=None, now=datetime.now(UTC))
