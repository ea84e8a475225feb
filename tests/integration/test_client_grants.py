"""Is what an API client may do what it is in the database, at every moment?"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import event

from commands.accounts import GrantRole, grant_role
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
    disable_client,
    enable_client,
    revoke_secret,
    rotate_secret,
    set_mode,
    set_scopes,
)
from commands.session_records import open_session
from commands.transactions import transaction
from domain.errors import Unauthenticated
from domain.identifiers import SecretId, SessionId, UserId
from policies.grants import Grants
from policies.roles import Role
from policies.tokens import ClientClaims, SessionClaims
from policies.viewer import ClientPass, Grant, OperationScope, Viewer
from tests.integration.identity_world import World, opened_world, origin

READ, WRITE = OperationScope.READ, OperationScope.WRITE
ENDED = "The API client is disabled, or its secret is not good any more."


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def grants(world: World, database_url: str) -> AsyncGenerator[Grants]:
    async with Grants(world.database, database_url, cache_size=10, cache_seconds=60) as opened:
        assert opened.is_listening
        yield opened


@pytest_asyncio.fixture
async def robot(world: World) -> NewSecret:
    command = AddClient("robot", "Robot", world.organization_id, ("read", "write"))
    async with transaction(world.engine) as session:
        return await add_client(session, origin(), command)


async def user_id_of(world: World, robot: NewSecret) -> UserId:
    [(user_id,)] = await world.rows("SELECT user_id FROM api_client WHERE id = :id", id=robot.client_id)
    return UserId(user_id)


async def claims_of(world: World, robot: NewSecret, *scopes: OperationScope) -> ClientClaims:
    user_id = await user_id_of(world, robot)
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    return ClientClaims(user_id, robot.secret_id, frozenset(scopes or OperationScope), expires_at)


async def passed(grants: Grants, claims: ClientClaims) -> ClientPass:
    client = (await grants.viewer(claims)).client
    assert client is not None
    return client


async def refused(grants: Grants, claims: ClientClaims) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await grants.viewer(claims)
    assert (caught.value.code, caught.value.message) == ("UNAUTHENTICATED", ENDED)


async def told(grants: Grants, user_id: UserId) -> asyncio.Event:
    """What lets a process close the sockets of an account (`server.app`)."""
    heard = asyncio.Event()
    grants.on_change(lambda changed: heard.set() if changed == user_id else None)
    return heard


def statements_of(world: World) -> list[str]:
    """Every statement that reaches the database from here on."""
    seen: list[str] = []
    event.listen(world.engine.sync_engine, "before_cursor_execute", lambda *told: seen.append(str(told[2])))
    return seen


async def test_client_is_a_viewer_with_its_roles_and_its_pass(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    async with transaction(world.engine) as session:
        await grant_role(session, origin(), GrantRole(claims.user_id, "engineer", world.project_id))
    assert await grants.viewer(claims) == Viewer(
        user_id=claims.user_id,
        organization_id=world.organization_id,
        session_id=None,
        grants=frozenset({Grant(Role.PARTNER, None), Grant(Role.ENGINEER, world.project_id)}),
        client=ClientPass(robot.client_id, frozenset({READ, WRITE}), may_send_text=False),
    )


async def test_one_statement_looks_a_client_up_and_then_none(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    statements = statements_of(world)
    first = await grants.viewer(claims)
    assert len(statements) == 1
    assert await grants.viewer(claims) is first
    assert len(statements) == 1


async def test_token_narrows_the_scopes_and_never_widens_them(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    # Both are remembered, under one secret.
    for _ in range(2):
        assert (await passed(grants, await claims_of(world, robot, READ))).scopes == {READ}
        assert (await passed(grants, await claims_of(world, robot))).scopes == {READ, WRITE}
    beside = await claims_of(world, robot, OperationScope.SUBSCRIBE)
    assert (await passed(grants, beside)).scopes == frozenset()


async def test_revoked_secret_ends_its_tokens_at_once_and_no_others(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    async with transaction(world.engine) as session:
        second = await rotate_secret(session, origin(), RotateSecret(robot.client_id))
    await grants.viewer(claims)
    heard = await told(grants, claims.user_id)
    async with transaction(world.engine) as session:
        await revoke_secret(session, origin(), RevokeSecret(robot.client_id, robot.secret_id))
    async with asyncio.timeout(5):
        await heard.wait()
    await refused(grants, claims)
    assert (await passed(grants, await claims_of(world, second))).client_id == robot.client_id


async def test_disabled_client_is_refused_until_it_is_enabled(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    await grants.viewer(claims)
    heard = await told(grants, claims.user_id)
    async with transaction(world.engine) as session:
        await disable_client(session, origin(), DisableClient(robot.client_id))
    async with asyncio.timeout(5):
        await heard.wait()
    await refused(grants, claims)
    async with transaction(world.engine) as session:
        await enable_client(session, origin(), EnableClient(robot.client_id))
    assert (await passed(grants, claims)).client_id == robot.client_id


async def test_new_scopes_and_mode_count_as_soon_as_they_are_told(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    await grants.viewer(claims)
    heard = await told(grants, claims.user_id)
    async with transaction(world.engine) as session:
        await set_scopes(session, origin(), SetScopes(robot.client_id, ("write",)))
    async with asyncio.timeout(5):
        await heard.wait()
    assert await passed(grants, claims) == ClientPass(
        robot.client_id, frozenset({WRITE}), may_send_text=False
    )
    heard.clear()
    async with transaction(world.engine) as session:
        await set_mode(session, origin(), SetMode(robot.client_id, may_send_text=True))
    async with asyncio.timeout(5):
        await heard.wait()
    assert (await passed(grants, claims)).may_send_text is True


async def test_two_secrets_are_good_until_the_earlier_one_ends(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    earlier = await claims_of(world, robot)
    async with transaction(world.engine) as session:
        command = RotateSecret(robot.client_id, timedelta(seconds=1))
        later = await claims_of(world, await rotate_secret(session, origin(), command))
    # Looked up and remembered: the end of the secret bounds that too.
    for claims in (earlier, later):
        assert (await passed(grants, claims)).client_id == robot.client_id
    await asyncio.sleep(1.05)
    await refused(grants, earlier)
    assert (await passed(grants, later)).client_id == robot.client_id


async def test_secret_of_another_client_or_of_nobody_is_refused(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    command = AddClient("other", "Other", world.organization_id, ("read",))
    async with transaction(world.engine) as session:
        other = await add_client(session, origin(), command)
    for user_id, secret_id in (
        (claims.user_id, other.secret_id),
        (claims.user_id, SecretId(uuid4())),
        (world.li_wei, robot.secret_id),
        (UserId(uuid4()), robot.secret_id),
    ):
        await refused(grants, ClientClaims(user_id, secret_id, claims.scopes, claims.expires_at))


async def test_session_id_is_no_secret_and_a_secret_id_no_session(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    claims = await claims_of(world, robot)
    async with transaction(world.engine) as session:
        opened = await open_session(session, origin(), world.li_wei, timedelta(days=1))
    theirs = SecretId(opened.session_id)
    await refused(grants, ClientClaims(world.li_wei, theirs, claims.scopes, claims.expires_at))
    with pytest.raises(Unauthenticated):
        await grants.viewer(SessionClaims(claims.user_id, SessionId(robot.secret_id), claims.expires_at))


async def test_session_of_a_clients_account_makes_no_person_of_it(
    world: World, grants: Grants, robot: NewSecret
) -> None:
    user_id = await user_id_of(world, robot)
    async with transaction(world.engine) as session:
        opened = await open_session(session, origin(), user_id, timedelta(days=1))
    claims = SessionClaims(user_id, opened.session_id, opened.refresh_expires_at)
    with pytest.raises(Unauthenticated) as caught:
        await grants.viewer(claims)
    assert caught.value.code == "UNAUTHENTICATED"
