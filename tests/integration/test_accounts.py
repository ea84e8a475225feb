"""What do the commands over accounts change, record and refuse?"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from sqlalchemy import select

from commands.accounts import (
    AddUser,
    DisableUser,
    EnableUser,
    GrantRole,
    RevokeRole,
    SetPassword,
    add_user,
    disable_user,
    enable_user,
    grant_role,
    revoke_role,
    set_password,
    user_id_of,
)
from commands.session_records import open_session
from commands.transactions import transaction
from db.sessions import WriteSession
from db.snapshots import user_snapshot
from db.tables import EventRow, MembershipRow, UserRow
from domain.errors import Refusal
from domain.events import FIRST_HASH, EventBody, chained_hash, fold
from domain.identifiers import OrganizationId, ProjectId, UserId
from policies.passwords import CHEAP_COST, Passwords
from tests.integration.identity_world import PASSWORD, World, opened_world, origin

NOW = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
PASSWORDS = Passwords(CHEAP_COST)
NOBODY = UserId(uuid4())

Handler = Callable[[WriteSession], Awaitable[object]]


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


async def run(world: World, handler: Handler) -> None:
    async with transaction(world.engine) as session:
        await handler(session)


async def last_event(world: World, user_id: UserId) -> tuple[Any, ...]:
    rows = await world.rows(
        "SELECT type, version, changes, actor_id, address, project_id, details FROM event"
        " WHERE aggregate_id = :id ORDER BY version DESC LIMIT 1",
        id=user_id,
    )
    return rows[0]


async def proved(world: World, user_id: UserId) -> None:
    """The user's chain holds, ends at his version, and folds to his row."""
    async with transaction(world.engine) as session:
        user = await session.orm.get_one(UserRow, user_id)
        held = await session.orm.scalars(select(MembershipRow).where(MembershipRow.user_id == user_id))
        snapshot = user_snapshot(user, held.all())
        chain = select(EventRow).where(EventRow.aggregate_id == user_id).order_by(EventRow.version)
        events = (await session.orm.scalars(chain)).all()
    assert [event.version for event in events] == list(range(1, user.version + 1))
    previous = FIRST_HASH
    for event in events:
        fields = {name: getattr(event, name) for name in EventBody.__dataclass_fields__}
        assert event.previous_hash == previous
        assert event.hash == chained_hash(previous, EventBody(**fields))
        previous = event.hash
    assert fold(event.changes for event in events) == snapshot


async def test_added_user_is_stored_without_his_password_and_recorded(world: World) -> None:
    command = AddUser(
        "zhang.min", "  张敏 ", world.organization_id, PASSWORD, "zm@example.com", "+86 10 5555 0100"
    )
    async with transaction(world.engine) as session:
        user_id = await add_user(session, origin(actor_id=world.li_wei, now=NOW), command, PASSWORDS)
    changes = {
        "email": [None, "zm@example.com"],
        "name": [None, "张敏"],
        "organization": [None, str(world.organization_id)],
        "phone": [None, "+86 10 5555 0100"],
        "username": [None, "zhang.min"],
    }
    assert await last_event(world, user_id) == (
        "UserAdded",
        1,
        changes,
        world.li_wei,
        "192.0.2.7",
        None,
        {},
    )
    stored = (await world.rows("SELECT password_hash FROM app_user WHERE id = :id", id=user_id))[0][0]
    assert await PASSWORDS.matches(PASSWORD, stored)
    assert PASSWORD not in repr(command)
    await proved(world, user_id)


async def test_role_is_granted_in_a_project_and_taken_away(world: World) -> None:
    project_id = world.project_id
    await run(world, lambda s: grant_role(s, origin(), GrantRole(world.li_wei, "engineer", project_id)))
    key = f"roles.engineer.{project_id}"
    assert (await last_event(world, world.li_wei))[:3] == ("RoleGranted", 2, {key: [None, True]})
    assert await world.rows("SELECT role, project_id FROM membership") == [("engineer", project_id)]
    await run(world, lambda s: revoke_role(s, origin(), RevokeRole(world.li_wei, "engineer", project_id)))
    assert (await last_event(world, world.li_wei))[:3] == ("RoleRevoked", 3, {key: [True, None]})
    assert await world.rows("SELECT * FROM membership") == []
    await proved(world, world.li_wei)


async def test_same_role_can_be_held_globally_and_in_a_project(world: World) -> None:
    await run(world, lambda s: grant_role(s, origin(), GrantRole(world.li_wei, "engineer")))
    await run(world, lambda s: grant_role(s, origin(), GrantRole(world.li_wei, "engineer", world.project_id)))
    await run(world, lambda s: revoke_role(s, origin(), RevokeRole(world.li_wei, "engineer")))
    assert await world.rows("SELECT role, project_id FROM membership") == [("engineer", world.project_id)]
    await proved(world, world.li_wei)


async def test_disabling_ends_every_live_session_and_enabling_brings_none_back(world: World) -> None:
    lifetime = timedelta(days=1)
    async with transaction(world.engine) as session:
        long_ago = origin(now=NOW - timedelta(days=9))
        expired = await open_session(session, long_ago, world.li_wei, lifetime)
        live = [await open_session(session, origin(now=NOW), world.li_wei, lifetime) for _ in range(2)]
    await run(world, lambda s: disable_user(s, origin(now=NOW), DisableUser(world.li_wei)))
    stamp = "2026-03-01T08:30:00.000000Z"
    assert (await last_event(world, world.li_wei))[:3] == (
        "UserDisabled",
        2,
        {"disabledAt": [None, stamp]},
    )
    revoked = await world.rows("SELECT id FROM session WHERE revoked_at IS NOT NULL ORDER BY id")
    assert revoked == sorted((one.session_id,) for one in live)
    for one in live:
        assert await world.event_types(one.session_id) == ["SessionOpened", "SessionRevoked"]
    assert await world.event_types(expired.session_id) == ["SessionOpened"]
    await run(world, lambda s: enable_user(s, origin(now=NOW), EnableUser(world.li_wei)))
    assert (await last_event(world, world.li_wei))[:3] == (
        "UserEnabled",
        3,
        {"disabledAt": [stamp, None]},
    )
    assert await world.rows("SELECT id FROM session WHERE revoked_at IS NOT NULL ORDER BY id") == revoked
    await proved(world, world.li_wei)


async def test_new_password_replaces_the_old_one_and_ends_the_sessions(world: World) -> None:
    async with transaction(world.engine) as session:
        opened = await open_session(session, origin(), world.li_wei, timedelta(days=1))
    command = SetPassword(world.li_wei, "another-password")
    await run(world, lambda s: set_password(s, origin(), command, PASSWORDS))
    assert (await last_event(world, world.li_wei))[:3] == ("PasswordSet", 2, {})
    reasons = await world.rows(
        "SELECT details FROM event WHERE aggregate_id = :id AND version = 2", id=opened.session_id
    )
    assert reasons == [({"reason": "PASSWORD_SET"},)]
    stored = (await world.rows("SELECT password_hash FROM app_user WHERE username = 'li.wei'"))[0][0]
    assert await PASSWORDS.matches("another-password", stored)
    assert not await PASSWORDS.matches(PASSWORD, stored)
    await proved(world, world.li_wei)


async def test_user_is_found_by_name(world: World) -> None:
    async with transaction(world.engine) as session:
        assert await user_id_of(session, "li.wei") == world.li_wei


def refusals(world: World) -> dict[str, tuple[Handler, str, tuple[str, ...]]]:
    """What is refused: the command, its code, and the path the refusal points at."""
    new = AddUser("zhang.min", "张敏", world.organization_id, PASSWORD)
    o, someone = origin(), world.li_wei

    def adding(**changes: Any) -> Handler:
        return lambda s: add_user(s, o, replace(new, **changes), PASSWORDS)

    def granting(*parts: Any) -> Handler:
        return lambda s: grant_role(s, o, GrantRole(*parts))

    def revoking(*parts: Any) -> Handler:
        return lambda s: revoke_role(s, o, RevokeRole(*parts))

    username, role = ("username",), ("role",)
    return {
        "taken": (adding(username="li.wei"), "TAKEN", username),
        "capitals": (adding(username="Zhang"), "MALFORMED", username),
        "one letter": (adding(username="z"), "MALFORMED", username),
        "too long a name": (adding(username="z" * 41), "MALFORMED", username),
        "line end": (adding(username="zhang\n"), "MALFORMED", username),
        "empty name": (adding(name="  "), "REQUIRED", ("name",)),
        "long name": (adding(name="x" * 201), "TOO_LONG", ("name",)),
        "control": (adding(name="a\x00b"), "CONTROL_CHARACTER", ("name",)),
        "email": (adding(email="a\nb"), "CONTROL_CHARACTER", ("email",)),
        "phone": (adding(phone="1" * 201), "TOO_LONG", ("phone",)),
        "password": (adding(password="short"), "TOO_SHORT", ("password",)),
        "organization": (
            adding(organization_id=OrganizationId(uuid4())),
            "NOT_FOUND",
            ("organizationId",),
        ),
        "grant nobody": (granting(NOBODY, "engineer"), "NOT_FOUND", ("userId",)),
        "grant unknown": (granting(someone, "king"), "UNKNOWN_ROLE", role),
        "grant nowhere": (
            granting(someone, "engineer", ProjectId(uuid4())),
            "NOT_FOUND",
            ("projectId",),
        ),
        "grant twice": (granting(someone, "buyer"), "ALREADY_HELD", role),
        "revoke nobody": (revoking(NOBODY, "buyer"), "NOT_FOUND", ("userId",)),
        "revoke unknown": (revoking(someone, "king"), "UNKNOWN_ROLE", role),
        "revoke elsewhere": (revoking(someone, "buyer", world.project_id), "NOT_FOUND", role),
        "disable nobody": (lambda s: disable_user(s, o, DisableUser(NOBODY)), "NOT_FOUND", ("userId",)),
        "enable nobody": (lambda s: enable_user(s, o, EnableUser(NOBODY)), "NOT_FOUND", ("userId",)),
        "enable enabled": (
            lambda s: enable_user(s, o, EnableUser(someone)),
            "NOT_DISABLED",
            ("userId",),
        ),
        "password of nobody": (
            lambda s: set_password(s, o, SetPassword(NOBODY, PASSWORD), PASSWORDS),
            "NOT_FOUND",
            ("userId",),
        ),
        "long password": (
            lambda s: set_password(s, o, SetPassword(someone, "x" * 201), PASSWORDS),
            "TOO_LONG",
            ("password",),
        ),
        "unknown name": (lambda s: user_id_of(s, "nobody"), "NOT_FOUND", username),
        "impossible name": (lambda s: user_id_of(s, "\x00"), "NOT_FOUND", username),
    }


async def test_refused_command_says_why_and_changes_nothing(world: World) -> None:
    await run(world, lambda s: grant_role(s, origin(), GrantRole(world.li_wei, "buyer")))
    before = await world.state()
    for name, (handler, code, path) in refusals(world).items():
        with pytest.raises(Refusal) as caught:
            await run(world, handler)
        assert (name, caught.value.code, caught.value.path) == (name, code, path)
    assert await world.state() == before


async def test_disabled_user_is_not_disabled_again(world: World) -> None:
    await run(world, lambda s: disable_user(s, origin(), DisableUser(world.li_wei)))
    before = await world.state()
    with pytest.raises(Refusal) as caught:
        await run(world, lambda s: disable_user(s, origin(), DisableUser(world.li_wei)))
    assert caught.value.code == "ALREADY_DISABLED"
    assert await world.state() == before


async def test_one_username_is_given_to_one_of_ten_who_race_for_it(world: World) -> None:
    command = AddUser("zhang.min", "张敏", world.organization_id, PASSWORD)
    attempts = [run(world, lambda s: add_user(s, origin(), command, PASSWORDS)) for _ in range(10)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert codes == ["TAKEN"] * 9
    assert await world.rows("SELECT count(*) FROM app_user WHERE username = 'zhang.min'") == [(1,)]
    assert await world.rows("SELECT count(*) FROM event WHERE type = 'UserAdded'") == [(2,)]


async def test_racing_changes_of_one_user_give_an_unbroken_chain(world: World) -> None:
    roles = ["engineer", "buyer", "foreman", "worker", "auditor", "finance", "director", "buyer"]
    attempts = [
        run(world, lambda s, role=role: grant_role(s, origin(), GrantRole(world.li_wei, role)))
        for role in roles
    ]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)] == ["ALREADY_HELD"]
    await proved(world, world.li_wei)
