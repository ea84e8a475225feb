"""Are grants what they are in the database, at every moment?"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import event
from structlog.testing import capture_logs

from commands.accounts import (
    DisableUser,
    EnableUser,
    GrantRole,
    RevokeRole,
    disable_user,
    enable_user,
    grant_role,
    revoke_role,
)
from commands.session_records import Revocation, locked_session_of_user, open_session, revoke
from commands.transactions import transaction
from db.engine import open_database
from db.identifiers import new_id
from db.limits import PoolLimits
from domain.errors import Unauthenticated, Unavailable
from domain.identifiers import SessionId, UserId
from policies.grants import Grants
from policies.roles import Role
from policies.tokens import Claims, SessionClaims
from policies.viewer import Grant, Viewer
from tests.integration.identity_world import World, eventually, opened_world, origin

LISTENER = "application_name LIKE 'eoms listen%' AND datname = current_database()"


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def grants(world: World, database_url: str) -> AsyncGenerator[Grants]:
    async with Grants(world.database, database_url, cache_size=3, cache_seconds=60) as opened:
        assert opened.is_listening
        yield opened


class LookupCount:
    """How many lookups of grants reached the database."""

    def __init__(self, world: World) -> None:
        self.value = 0
        event.listen(world.engine.sync_engine, "before_cursor_execute", self._seen)

    def _seen(self, *arguments: object) -> None:
        self.value += "seconds_left" in str(arguments[2])


async def claims_of(world: World, lifetime: timedelta = timedelta(days=1)) -> SessionClaims:
    async with transaction(world.engine) as session:
        opened = await open_session(session, origin(), world.li_wei, lifetime)
    return SessionClaims(world.li_wei, opened.session_id, datetime.now(UTC) + timedelta(minutes=15))


async def grant(world: World, role: str) -> None:
    async with transaction(world.engine) as session:
        await grant_role(session, origin(), GrantRole(world.li_wei, role, world.project_id))


async def end(world: World, claims: SessionClaims) -> None:
    async with transaction(world.engine) as session:
        row = await locked_session_of_user(session, claims.session_id, claims.user_id)
        await revoke(session, origin(), row, Revocation.SIGNED_OUT)


async def refused(grants: Grants, claims: Claims) -> None:
    with pytest.raises(Unauthenticated) as caught:
        await grants.viewer(claims)
    assert caught.value.code == "UNAUTHENTICATED"


async def told(grants: Grants, world: World) -> asyncio.Event:
    heard = asyncio.Event()
    grants.on_change(lambda user_id: heard.set() if user_id == world.li_wei else None)
    return heard


async def kill_listener(world: World) -> None:
    killed = await world.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENER}")
    assert killed == [(True,)]


async def test_viewer_has_the_roles_he_holds(world: World, grants: Grants) -> None:
    await grant(world, "engineer")
    await grant(world, "buyer")
    claims = await claims_of(world)
    assert await grants.viewer(claims) == Viewer(
        user_id=world.li_wei,
        organization_id=world.organization_id,
        session_id=claims.session_id,
        grants=frozenset({Grant(Role.ENGINEER, world.project_id), Grant(Role.BUYER, world.project_id)}),
    )


async def test_viewer_without_a_role_has_none(world: World, grants: Grants) -> None:
    assert (await grants.viewer(await claims_of(world))).grants == frozenset()


async def test_one_statement_looks_up_and_then_none(world: World, grants: Grants) -> None:
    await grant(world, "engineer")
    claims = await claims_of(world)
    statements: list[str] = []
    event.listen(
        world.engine.sync_engine, "before_cursor_execute", lambda *seen: statements.append(str(seen[2]))
    )
    first = await grants.viewer(claims)
    assert len(statements) == 1
    assert await grants.viewer(claims) is first
    assert len(statements) == 1


async def test_role_the_program_does_not_know_grants_nothing(world: World, grants: Grants) -> None:
    await world.rows(
        "INSERT INTO membership (id, user_id, role) VALUES (:id, :user, 'king')",
        id=new_id(),
        user=world.li_wei,
    )
    await grant(world, "engineer")
    with capture_logs() as logs:
        viewer = await grants.viewer(await claims_of(world))
    assert viewer.grants == {Grant(Role.ENGINEER, world.project_id)}
    assert [(entry["log_level"], entry["role"]) for entry in logs] == [("warning", "king")]


async def test_changes_by_others_are_seen_as_soon_as_they_are_told(world: World, grants: Grants) -> None:
    claims = await claims_of(world)
    heard = await told(grants, world)
    roles: list[set[str]] = []
    # Each change goes through a connection of the pool, none of which is the one that listens.
    for change in (GrantRole, RevokeRole):
        await grants.viewer(claims)
        heard.clear()
        async with transaction(world.engine) as session:
            command = change(world.li_wei, "engineer", world.project_id)
            if isinstance(command, GrantRole):
                await grant_role(session, origin(), command)
            else:
                await revoke_role(session, origin(), command)
        async with asyncio.timeout(5):
            await heard.wait()
        roles.append({grant.role.value for grant in (await grants.viewer(claims)).grants})
    assert roles == [{"engineer"}, set()]


async def test_change_is_not_told_before_it_is_committed(world: World, grants: Grants) -> None:
    claims = await claims_of(world)
    heard = await told(grants, world)
    async with transaction(world.engine) as session:
        await grant_role(session, origin(), GrantRole(world.li_wei, "engineer"))
        await asyncio.sleep(0.1)
        assert not heard.is_set()
        assert (await grants.viewer(claims)).grants == frozenset()
    async with asyncio.timeout(5):
        await heard.wait()
    assert (await grants.viewer(claims)).grants == {Grant(Role.ENGINEER, None)}


async def test_revoked_session_is_refused_and_another_is_not(world: World, grants: Grants) -> None:
    claims, other = await claims_of(world), await claims_of(world)
    await grants.viewer(claims)
    heard = await told(grants, world)
    await end(world, claims)
    await heard.wait()
    await refused(grants, claims)
    assert (await grants.viewer(other)).session_id == other.session_id


async def test_disabled_user_is_refused_and_stays_out_of_old_sessions(world: World, grants: Grants) -> None:
    claims = await claims_of(world)
    await grants.viewer(claims)
    heard = await told(grants, world)
    async with transaction(world.engine) as session:
        await disable_user(session, origin(), DisableUser(world.li_wei))
    await heard.wait()
    await refused(grants, claims)
    async with transaction(world.engine) as session:
        await enable_user(session, origin(), EnableUser(world.li_wei))
    await refused(grants, claims)
    assert (await grants.viewer(await claims_of(world))).user_id == world.li_wei


async def test_session_of_another_user_or_of_nobody_is_refused(world: World, grants: Grants) -> None:
    claims = await claims_of(world)
    await refused(grants, SessionClaims(UserId(uuid4()), claims.session_id, claims.expires_at))
    await refused(grants, SessionClaims(claims.user_id, SessionId(uuid4()), claims.expires_at))


async def test_session_that_expires_while_it_is_remembered_is_refused(world: World, grants: Grants) -> None:
    claims = await claims_of(world, timedelta(seconds=1))
    await grants.viewer(claims)
    await asyncio.sleep(1.05)
    await refused(grants, claims)


async def test_what_is_remembered_has_a_bound(world: World, grants: Grants) -> None:
    lookups = LookupCount(world)
    claims = [await claims_of(world) for _ in range(4)]
    for one in claims[:3]:
        await grants.viewer(one)
    await grants.viewer(claims[0])
    await grants.viewer(claims[3])
    assert lookups.value == 4
    # Of three, the one unused for the longest time had to go: the second, not the first.
    await grants.viewer(claims[0])
    assert lookups.value == 4
    await grants.viewer(claims[1])
    assert lookups.value == 5


async def test_what_is_remembered_is_looked_up_again_after_its_time(world: World, database_url: str) -> None:
    async with Grants(world.database, database_url, cache_size=10, cache_seconds=0.2) as grants:
        lookups, claims = LookupCount(world), await claims_of(world)
        await grants.viewer(claims)
        await grants.viewer(claims)
        assert lookups.value == 1
        await asyncio.sleep(0.25)
        await grants.viewer(claims)
        assert lookups.value == 2


async def test_lookup_overtaken_by_a_change_is_not_remembered(
    world: World, grants: Grants, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = await claims_of(world)
    heard = await told(grants, world)
    look_up = grants._looked_up  # pyright: ignore[reportPrivateUsage]

    async def overtaken(claims: Claims) -> object:
        rows = await look_up(claims)
        heard.clear()
        await grant(world, "engineer")
        await heard.wait()
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(grants, "_looked_up", overtaken)
        assert (await grants.viewer(claims)).grants == frozenset()
    assert (await grants.viewer(claims)).grants == {Grant(Role.ENGINEER, world.project_id)}


async def test_forgetting_takes_effect_at_once_in_the_own_process(world: World, grants: Grants) -> None:
    claims = await claims_of(world)
    await grants.viewer(claims)
    await grant(world, "engineer")
    grants.forget(world.li_wei)
    assert (await grants.viewer(claims)).grants == {Grant(Role.ENGINEER, world.project_id)}


async def test_killed_listener_serves_nothing_stale_and_is_restored(world: World, grants: Grants) -> None:
    gaps: list[bool] = []
    grants.on_gap(lambda: gaps.append(grants.is_listening))
    claims = await claims_of(world)
    await grants.viewer(claims)
    await kill_listener(world)
    await eventually(lambda: not grants.is_listening)
    await grant(world, "engineer")
    assert (await grants.viewer(claims)).grants == {Grant(Role.ENGINEER, world.project_id)}
    await eventually(lambda: grants.is_listening)
    # Once when it was lost and once when it was back, both before anything may be remembered again.
    assert gaps == [False, False]
    heard = await told(grants, world)
    await grants.viewer(claims)
    await grant(world, "buyer")
    await heard.wait()
    assert {grant.role for grant in (await grants.viewer(claims)).grants} == {Role.ENGINEER, Role.BUYER}


async def test_nothing_is_remembered_while_nobody_listens(world: World, database_url: str) -> None:
    nowhere = database_url.replace("/test_", "/absent_")
    with capture_logs() as logs:
        async with Grants(world.database, nowhere, cache_size=10, cache_seconds=60) as grants:
            assert not grants.is_listening
            lookups, claims = LookupCount(world), await claims_of(world)
            for role in ("engineer", "buyer"):
                await grant(world, role)
                assert role in {held.role for held in (await grants.viewer(claims)).grants}
            assert lookups.value == 2
    assert {entry["sqlstate"] for entry in logs} == {"3D000"}


async def test_notice_that_names_nobody_makes_everything_forgotten(world: World, grants: Grants) -> None:
    lookups, claims = LookupCount(world), await claims_of(world)
    await grants.viewer(claims)
    gap = asyncio.Event()
    grants.on_gap(gap.set)
    with capture_logs() as logs:
        await world.rows("SELECT pg_notify('eoms_grants', 'everybody')")
        await gap.wait()
    assert [entry["log_level"] for entry in logs] == ["warning"]
    assert grants.is_listening
    await grants.viewer(claims)
    assert lookups.value == 2


async def test_failing_callback_keeps_nobody_else_from_hearing(world: World, grants: Grants) -> None:
    def fail(_: UserId) -> None:
        raise RuntimeError("a listener's own mistake")

    grants.on_change(fail)
    heard = await told(grants, world)
    claims = await claims_of(world)
    await grants.viewer(claims)
    with capture_logs() as logs:
        await grant(world, "engineer")
        await heard.wait()
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert (await grants.viewer(claims)).grants == {Grant(Role.ENGINEER, world.project_id)}


async def test_closing_leaves_no_listening_connection(world: World, database_url: str) -> None:
    async with Grants(world.database, database_url, cache_size=10, cache_seconds=60):
        assert await world.rows(f"SELECT count(*) FROM pg_stat_activity WHERE {LISTENER}") == [(1,)]
    for _ in range(500):
        if not await world.rows(f"SELECT 1 FROM pg_stat_activity WHERE {LISTENER}"):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the listening connection is still there")


async def test_lookup_without_a_database_says_unavailable(world: World) -> None:
    url = "postgresql+asyncpg://postgres@/absent?host=/nowhere"
    nowhere = open_database(url, url, PoolLimits(), PoolLimits())
    claims = await claims_of(world)
    with capture_logs():
        async with Grants(nowhere, url, cache_size=10, cache_seconds=60) as grants:
            with pytest.raises(Unavailable) as caught:
                await grants.viewer(claims)
    assert caught.value.code == "UNAVAILABLE"
