"""What do the commands over API clients change, record and refuse?"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from commands.accounts import GrantRole, RevokeRole, SetPassword, grant_role, revoke_role, set_password
from commands.clients import (
    AddClient,
    DisableClient,
    EnableClient,
    NewSecret,
    RevokeSecret,
    RotateSecret,
    SetMode,
    SetScopes,
    add_client,
    client_id_of,
    disable_client,
    enable_client,
    revoke_secret,
    rotate_secret,
    set_mode,
    set_scopes,
)
from commands.transactions import transaction
from db.sessions import WriteSession
from domain.errors import Refusal
from domain.identifiers import ClientId, OrganizationId, SecretId, UserId
from policies.passwords import CHEAP_COST, Passwords
from tests.integration.identity_world import World, opened_world, origin

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
STAMP = "2026-03-01T08:30:00.000000Z"
NOBODY = ClientId(uuid4())

Handler = Callable[[WriteSession], Awaitable[object]]


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


def robot(world: World) -> AddClient:
    return AddClient("robot", "Robot", world.organization_id, ("read",))


async def added(world: World, command: AddClient | None = None, now: datetime = NOW) -> NewSecret:
    async with transaction(world.engine) as session:
        return await add_client(session, origin(now=now), command or robot(world))


async def run(world: World, handler: Handler) -> None:
    async with transaction(world.engine) as session:
        await handler(session)


async def rotated(world: World, command: RotateSecret, now: datetime = NOW) -> NewSecret:
    async with transaction(world.engine) as session:
        return await rotate_secret(session, origin(now=now), command)


async def user_id_of(world: World, client_id: ClientId) -> UserId:
    [(user_id,)] = await world.rows("SELECT user_id FROM api_client WHERE id = :id", id=client_id)
    return UserId(user_id)


async def state(world: World) -> dict[str, Sequence[tuple[Any, ...]]]:
    """Everything that these commands can change."""
    clients = {
        table: await world.rows(f"SELECT * FROM {table} ORDER BY 1")
        for table in ("api_client", "api_client_secret")
    }
    return {**await world.state(), **clients}


async def last_event(world: World, client_id: ClientId) -> tuple[Any, ...]:
    rows = await world.rows(
        "SELECT type, version, changes, actor_id FROM event WHERE aggregate_id = :id"
        " ORDER BY version DESC LIMIT 1",
        id=client_id,
    )
    return rows[0]


async def ends(world: World) -> dict[SecretId, tuple[datetime | None, datetime | None]]:
    """When each secret ends, and since when it is revoked."""
    found = await world.rows("SELECT id, expires_at, revoked_at FROM api_client_secret")
    return {SecretId(key): (expires_at, revoked_at) for key, expires_at, revoked_at in found}


async def refused(world: World, handler: Handler) -> tuple[str, tuple[str, ...]]:
    """Return code and path of the refusal, which has changed nothing."""
    before = await state(world)
    with pytest.raises(Refusal) as caught:
        await run(world, handler)
    assert await state(world) == before
    return caught.value.code, caught.value.path


async def test_added_client_is_an_account_with_its_roles_and_one_secret(world: World) -> None:
    command = replace(robot(world), scopes=("write", "read", "read"), roles=(("engineer", world.project_id),))
    async with transaction(world.engine) as session:
        new = await add_client(session, origin(actor_id=world.li_wei, now=NOW), command)
    user_id = await user_id_of(world, new.client_id)
    account = await world.rows(
        "SELECT username, name, organization_id, password_hash, disabled_at FROM app_user WHERE id = :id",
        id=user_id,
    )
    assert account == [("robot", "Robot", world.organization_id, "!", None)]
    held = "SELECT role, project_id FROM membership WHERE user_id = :id ORDER BY role"
    assert await world.rows(held, id=user_id) == [("engineer", world.project_id), ("partner", None)]
    assert await world.rows("SELECT scopes, may_send_text, version, created_at FROM api_client") == [
        (["read", "write"], False, 1, NOW)
    ]
    assert await world.rows("SELECT id, client_id, secret_hash, created_at FROM api_client_secret") == [
        (new.secret_id, new.client_id, hashlib.sha256(new.secret.encode()).digest(), NOW)
    ]
    assert await ends(world) == {new.secret_id: (None, None)}
    assert await last_event(world, new.client_id) == (
        "ApiClientAdded",
        1,
        {
            "maySendText": [None, False],
            "scopes.read": [None, True],
            "scopes.write": [None, True],
            f"secrets.{new.secret_id}.createdAt": [None, STAMP],
            "user": [None, str(user_id)],
        },
        world.li_wei,
    )
    assert await world.event_types(user_id) == ["UserAdded", "RoleGranted", "RoleGranted"]


async def test_neither_secret_nor_hash_is_told_by_an_event_or_a_representation(world: World) -> None:
    first = await added(world)
    second = await rotated(world, RotateSecret(first.client_id))
    told = str(await world.rows("SELECT row_to_json(event)::text FROM event"))
    for each in (first, second):
        assert each.secret not in told
        assert hashlib.sha256(each.secret.encode()).hexdigest() not in told
        assert each.secret not in repr(each)
    assert first.secret != second.secret


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"username": "li.wei"}, "TAKEN", ("username",)),
        ({"username": "Robot"}, "MALFORMED", ("username",)),
        ({"name": " "}, "REQUIRED", ("name",)),
        ({"organization_id": OrganizationId(uuid4())}, "NOT_FOUND", ("organizationId",)),
        ({"scopes": ()}, "REQUIRED", ("scopes",)),
        ({"scopes": ("read", "everything")}, "UNKNOWN_SCOPE", ("scopes",)),
        ({"roles": (("king", None),)}, "UNKNOWN_ROLE", ("role",)),
        ({"roles": (("admin", None),)}, "ROLE_IS_OF_PEOPLE", ("role",)),
        ({"roles": (("partner", None),)}, "ALREADY_HELD", ("role",)),
        ({"roles": (("engineer", None), ("engineer", None))}, "ALREADY_HELD", ("role",)),
    ],
)
async def test_client_that_is_refused_leaves_nothing_behind(
    world: World, change: dict[str, Any], code: str, path: tuple[str, ...]
) -> None:
    command = replace(robot(world), **change)
    assert await refused(world, lambda s: add_client(s, origin(), command)) == (code, path)


async def test_role_of_clients_is_not_granted_to_a_person(world: World) -> None:
    command = GrantRole(world.li_wei, "partner")
    assert await refused(world, lambda s: grant_role(s, origin(), command)) == (
        "ROLE_IS_OF_CLIENTS",
        ("role",),
    )


async def test_role_of_clients_is_not_taken_from_a_client(world: World) -> None:
    user_id = await user_id_of(world, (await added(world)).client_id)
    command = RevokeRole(user_id, "partner")
    assert await refused(world, lambda s: revoke_role(s, origin(), command)) == (
        "ROLE_IS_OF_CLIENTS",
        ("role",),
    )


async def test_client_gets_no_password(world: World) -> None:
    command = SetPassword(await user_id_of(world, (await added(world)).client_id), "correct-horse")
    passwords = Passwords(CHEAP_COST)
    code = await refused(world, lambda s: set_password(s, origin(), command, passwords))
    assert code == ("API_CLIENT", ("userId",))


async def test_rotated_secret_lets_the_earlier_one_live_for_a_day(world: World) -> None:
    first = await added(world)
    second = await rotated(world, RotateSecret(first.client_id))
    end = NOW + timedelta(days=1)
    assert await ends(world) == {first.secret_id: (end, None), second.secret_id: (None, None)}
    assert await last_event(world, first.client_id) == (
        "SecretRotated",
        2,
        {
            f"secrets.{first.secret_id}.expiresAt": [None, "2026-03-02T08:30:00.000000Z"],
            f"secrets.{second.secret_id}.createdAt": [None, STAMP],
        },
        None,
    )


async def test_third_secret_is_refused_while_two_are_good(world: World) -> None:
    command = RotateSecret((await added(world)).client_id)
    await rotated(world, command)
    last_moment = NOW + timedelta(days=1) - timedelta(microseconds=1)
    code = await refused(world, lambda s: rotate_secret(s, origin(now=last_moment), command))
    assert code == ("TOO_MANY_SECRETS", ("clientId",))
    third = await rotated(world, command, NOW + timedelta(days=1))
    assert (await ends(world))[third.secret_id] == (None, None)


async def test_secret_that_is_to_end_is_never_made_to_live_longer(world: World) -> None:
    first = await added(world)
    second = await rotated(world, RotateSecret(first.client_id, timedelta(hours=1)))
    await run(
        world, lambda s: revoke_secret(s, origin(now=NOW), RevokeSecret(first.client_id, second.secret_id))
    )
    await rotated(world, RotateSecret(first.client_id, timedelta(hours=9)))
    assert (await ends(world))[first.secret_id] == (NOW + timedelta(hours=1), None)


@pytest.mark.parametrize("keep", [timedelta(microseconds=-1), timedelta(days=30, microseconds=1)])
async def test_time_to_keep_a_secret_has_bounds(world: World, keep: timedelta) -> None:
    first = await added(world)
    command = RotateSecret(first.client_id, keep)
    assert await refused(world, lambda s: rotate_secret(s, origin(), command)) == ("OUT_OF_RANGE", ("keep",))
    for fitting in (timedelta(), timedelta(days=30)):
        await rotated(world, RotateSecret(first.client_id, fitting))
    assert (await ends(world))[first.secret_id] == (NOW, None)


async def test_of_two_simultaneous_rotations_one_is_refused(world: World) -> None:
    first = await added(world)
    both = await asyncio.gather(
        *(rotated(world, RotateSecret(first.client_id)) for _ in range(2)), return_exceptions=True
    )
    [new] = [each for each in both if isinstance(each, NewSecret)]
    [error] = [each for each in both if isinstance(each, Refusal)]
    assert error.code == "TOO_MANY_SECRETS"
    assert (await ends(world)).keys() == {first.secret_id, new.secret_id}
    assert await world.event_types(first.client_id) == ["ApiClientAdded", "SecretRotated"]


async def test_revoked_secret_is_over_at_once_and_once(world: World) -> None:
    first = await added(world)
    command = RevokeSecret(first.client_id, first.secret_id)
    await run(world, lambda s: revoke_secret(s, origin(now=NOW), command))
    assert await ends(world) == {first.secret_id: (None, NOW)}
    assert await last_event(world, first.client_id) == (
        "SecretRevoked",
        2,
        {f"secrets.{first.secret_id}.revokedAt": [None, STAMP]},
        None,
    )
    code = await refused(world, lambda s: revoke_secret(s, origin(), command))
    assert code == ("ALREADY_REVOKED", ("secretId",))


async def test_secret_of_another_client_is_not_found(world: World) -> None:
    mine = await added(world)
    other = await added(world, replace(robot(world), username="other"))
    for secret_id in (other.secret_id, SecretId(uuid4())):
        command = RevokeSecret(mine.client_id, secret_id)
        code = await refused(world, lambda s, command=command: revoke_secret(s, origin(), command))
        assert code == ("NOT_FOUND", ("secretId",))


async def test_disabled_client_keeps_its_secrets_for_the_day_it_is_enabled(world: World) -> None:
    new = await added(world)
    client_id, user_id = new.client_id, await user_id_of(world, new.client_id)
    code = await refused(world, lambda s: enable_client(s, origin(), EnableClient(client_id)))
    assert code == ("NOT_DISABLED", ("userId",))
    await run(world, lambda s: disable_client(s, origin(now=NOW), DisableClient(client_id)))
    disabled = "SELECT disabled_at FROM app_user WHERE id = :id"
    assert await world.rows(disabled, id=user_id) == [(NOW,)]
    assert await ends(world) == {new.secret_id: (None, None)}
    code = await refused(world, lambda s: disable_client(s, origin(), DisableClient(client_id)))
    assert code == ("ALREADY_DISABLED", ("userId",))
    await run(world, lambda s: enable_client(s, origin(), EnableClient(client_id)))
    assert await world.rows(disabled, id=user_id) == [(None,)]
    assert (await world.event_types(user_id))[-2:] == ["UserDisabled", "UserEnabled"]


async def test_scopes_and_mode_are_set_and_what_is_so_already_is_no_event(world: World) -> None:
    client_id = (await added(world)).client_id
    for _ in range(2):
        command = SetScopes(client_id, ("subscribe", "read"))
        await run(world, lambda s, command=command: set_scopes(s, origin(), command))
    assert await last_event(world, client_id) == (
        "ScopesSet",
        2,
        {"scopes.subscribe": [None, True]},
        None,
    )
    for _ in range(2):
        await run(world, lambda s: set_mode(s, origin(), SetMode(client_id, may_send_text=True)))
    assert await last_event(world, client_id) == ("ModeSet", 3, {"maySendText": [False, True]}, None)
    assert await world.rows("SELECT scopes, may_send_text, version FROM api_client") == [
        (["read", "subscribe"], True, 3)
    ]


@pytest.mark.parametrize(("scopes", "code"), [((), "REQUIRED"), (("all",), "UNKNOWN_SCOPE")])
async def test_wrong_scopes_are_not_set(world: World, scopes: tuple[str, ...], code: str) -> None:
    command = SetScopes((await added(world)).client_id, scopes)
    assert await refused(world, lambda s: set_scopes(s, origin(), command)) == (code, ("scopes",))


async def test_command_on_a_client_that_is_not_there_is_refused(world: World) -> None:
    await added(world)
    handlers: dict[str, Handler] = {
        "rotate": lambda s: rotate_secret(s, origin(), RotateSecret(NOBODY)),
        "revoke": lambda s: revoke_secret(s, origin(), RevokeSecret(NOBODY, SecretId(uuid4()))),
        "disable": lambda s: disable_client(s, origin(), DisableClient(NOBODY)),
        "enable": lambda s: enable_client(s, origin(), EnableClient(NOBODY)),
        "scopes": lambda s: set_scopes(s, origin(), SetScopes(NOBODY, ("read",))),
        "mode": lambda s: set_mode(s, origin(), SetMode(NOBODY, may_send_text=True)),
    }
    for name, handler in handlers.items():
        assert await refused(world, handler) == ("NOT_FOUND", ("clientId",)), name


@pytest.mark.parametrize("username", ["li.wei", "nobody", "Robot", "r\x00bot", ""])
async def test_no_client_is_found_by_a_name_that_is_not_a_clients(world: World, username: str) -> None:
    await added(world)
    assert await refused(world, lambda s: client_id_of(s, username)) == ("NOT_FOUND", ("username",))
