"""How does an operator add an account, or get a token for one, at the command line?

Each is one of `server.operator_acts`. What an account is and which of them are refused is left to `commands.accounts`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from commands import accounts
from commands.accounts import AddUser, GrantRole, is_client, locked_user, user_id_of
from commands.session_records import open_session
from domain.errors import InvalidInput
from domain.identifiers import UserId
from policies.passwords import Passwords
from policies.tokens import TokenMint
from server.operator_acts import operator_origin, operator_transaction, organization_id_of, role_of
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

    Raises `NotFound`, or `InvalidInput` DISABLED, or API_CLIENT for an account of one; `SettingsError` where there is no good secret to sign with.
    """
    lifetime = timedelta(minutes=settings.access_token_minutes)
    mint = TokenMint(token_secret(settings), lifetime)
    return asyncio.run(_issue_token(mint, lifetime, database_url, username))


async def _add_user(database_url: str, account: NewAccount) -> UserId:
    origin = operator_origin()
    async with operator_transaction(database_url) as session:
        command = AddUser(
            username=account.username,
            name=account.name,
            organization_id=await organization_id_of(session, account.organization_code),
            password=account.password,
            email=account.email,
            phone=account.phone,
        )
        user_id = await accounts.add_user(session, origin, command, Passwords())
        for role in account.roles:
            await accounts.grant_role(session, origin, GrantRole(user_id, *await role_of(session, role)))
    return user_id


async def _issue_token(mint: TokenMint, lifetime: timedelta, database_url: str, username: str) -> str:
    origin = operator_origin()
    async with operator_transaction(database_url) as session:
        user = await locked_user(session, await user_id_of(session, username))
        if user.disabled_at is not None:
            raise InvalidInput("DISABLED", "This account is disabled.", ("username",))
        if await is_client(session, UserId(user.id)):
            raise InvalidInput(
                "API_CLIENT", "An API client gets its tokens at /oauth/token, with its secret.", ("username",)
            )
        # Nobody gets the refresh token, so the session need not outlive the access token.
        opened = await open_session(session, origin, UserId(user.id), lifetime)
    return mint.issue(opened.user_id, opened.session_id, origin.now).token
