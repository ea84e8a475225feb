"""Who gets in, who stays in, and who is put out?"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from commands.accounts import DisableUser, SetPassword, disable_user, locked_user, set_password
from commands.sessions import Sessions, SignedIn
from commands.transactions import transaction
from db.engine import open_database
from db.limits import PoolLimits
from domain.errors import (
    EomsError,
    InvalidCredentials,
    NotFound,
    SignInThrottled,
    Unauthenticated,
    Unavailable,
)
from domain.identifiers import SessionId
from policies.passwords import CHEAP_COST, PasswordCost, Passwords
from policies.throttle import SignInThrottle
from tests.integration.identity_world import (
    ADDRESS,
    PASSWORD,
    PER_ACCOUNT,
    REFRESH_LIFETIME,
    World,
    opened_sessions,
    opened_world,
    origin,
    redis_client,
)

MESSAGE = "The credentials are not valid."


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def sessions(world: World, database_url: str, redis_url: str) -> AsyncGenerator[Sessions]:
    async with opened_sessions(world, database_url, redis_url) as opened:
        yield opened


async def is_let_in(sessions: Sessions, signed_in: SignedIn) -> bool:
    try:
        await sessions.grants.viewer(sessions.mint.read(signed_in.access.token))
    except Unauthenticated:
        return False
    return True


async def refused(sessions: Sessions, username: str, password: str) -> None:
    with pytest.raises(InvalidCredentials) as caught:
        await sessions.sign_in(username, password, origin())
    assert (caught.value.code, caught.value.message) == ("INVALID_CREDENTIALS", MESSAGE)


async def refresh_refused(sessions: Sessions, token: str, now: datetime | None = None) -> None:
    with pytest.raises(InvalidCredentials) as caught:
        await sessions.refresh(token, origin(now=now))
    assert (caught.value.code, caught.value.message) == ("INVALID_CREDENTIALS", MESSAGE)


async def disable(world: World) -> None:
    async with transaction(world.engine) as session:
        await disable_user(session, origin(), DisableUser(world.li_wei))


async def test_right_password_opens_a_session_that_is_recorded(world: World, sessions: Sessions) -> None:
    now = datetime.now(UTC)
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin(now=now))
    assert await is_let_in(sessions, signed_in)
    assert signed_in.user_id == world.li_wei
    assert signed_in.refresh_expires_at == now + REFRESH_LIFETIME
    assert await world.rows(
        "SELECT id, user_id, created_at, expires_at, revoked_at, address FROM session"
    ) == [(signed_in.session_id, world.li_wei, now, now + REFRESH_LIFETIME, None, ADDRESS)]
    recorded = await world.rows(
        "SELECT type, version, actor_id, address, changes FROM event WHERE aggregate_type = 'Session'"
    )
    changes = {"user": [None, str(world.li_wei)], "address": [None, ADDRESS]}
    assert recorded == [("SessionOpened", 1, world.li_wei, ADDRESS, changes)]


async def test_refresh_token_is_kept_as_its_hash_only(world: World, sessions: Sessions) -> None:
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin())
    digest = hashlib.sha256(signed_in.refresh_token.encode()).digest()
    assert await world.rows("SELECT token_hash FROM refresh_token") == [(digest,)]
    assert len(signed_in.refresh_token) == 43
    assert signed_in.refresh_token not in f"{signed_in!r} {await world.state()}"
    assert signed_in.access.token not in repr(signed_in)


@pytest.mark.parametrize("username", ["Li.Wei", " li.wei ", "LI.WEI"])
async def test_name_is_taken_in_any_case(sessions: Sessions, username: str) -> None:
    assert await is_let_in(sessions, await sessions.sign_in(username, PASSWORD, origin()))


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("li.wei", "wrong-password"),
        ("li.wei", ""),
        ("li.wei", "\x00"),
        ("li.wei", "\ud800"),
        ("li.wei", "x" * 100_000),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("\x00", PASSWORD),
        ("\ud800", PASSWORD),
        ("x" * 100_000, PASSWORD),
        ("李伟", PASSWORD),
        ("li.wei' OR 'a'='a", PASSWORD),
    ],
    ids=[str(number) for number in range(12)],
)
async def test_wrong_name_or_password_is_refused_alike(
    world: World, sessions: Sessions, username: str, password: str
) -> None:
    before = await world.state()
    await refused(sessions, username, password)
    assert await world.state() == before


async def test_disabled_user_is_refused_like_a_wrong_password(world: World, sessions: Sessions) -> None:
    await disable(world)
    before = await world.state()
    await refused(sessions, "li.wei", PASSWORD)
    assert await world.state() == before


async def test_account_must_wait_after_too_many_failures_even_with_the_right_password(
    world: World, sessions: Sessions
) -> None:
    before = await world.state()
    for _ in range(PER_ACCOUNT):
        await refused(sessions, "li.wei", "wrong-password")
    with pytest.raises(SignInThrottled) as caught:
        await sessions.sign_in("LI.wei", PASSWORD, origin())
    assert caught.value.code == "SIGN_IN_THROTTLED"
    assert 890 <= caught.value.retry_after_seconds <= 900
    assert await world.state() == before


async def test_guesses_made_at_once_do_not_slip_past_the_throttle(sessions: Sessions) -> None:
    guesses = [sessions.sign_in("li.wei", f"guess-{n:04}", origin()) for n in range(30)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, EomsError)]
    assert codes.count("INVALID_CREDENTIALS") == PER_ACCOUNT
    assert codes.count("SIGN_IN_THROTTLED") == 30 - PER_ACCOUNT


async def test_success_forgives_the_failures_before_it(sessions: Sessions) -> None:
    for _ in range(3):
        for _ in range(PER_ACCOUNT - 1):
            await refused(sessions, "li.wei", "wrong-password")
        await sessions.sign_in("li.wei", PASSWORD, origin())


async def test_without_redis_nobody_signs_in_and_nothing_is_kept(world: World, sessions: Sessions) -> None:
    before = await world.state()
    async with redis_client("unix:///nowhere/valkey.sock") as redis:
        shut = replace(sessions, throttle=SignInThrottle(redis, 5, 50, 900))
        with pytest.raises(Unavailable) as caught:
            await shut.sign_in("li.wei", PASSWORD, origin())
    assert caught.value.code == "UNAVAILABLE"
    assert await world.state() == before


async def test_attempt_without_a_database_is_not_counted_as_a_failure(sessions: Sessions) -> None:
    url = "postgresql+asyncpg://postgres@/absent?host=/nowhere"
    cut_off = replace(sessions, database=open_database(url, url, PoolLimits(), PoolLimits()))
    for _ in range(PER_ACCOUNT + 1):
        with pytest.raises(Unavailable) as caught:
            await cut_off.sign_in("li.wei", PASSWORD, origin())
        assert caught.value.code == "UNAVAILABLE"
    assert await is_let_in(sessions, await sessions.sign_in("li.wei", PASSWORD, origin()))


async def test_password_is_hashed_anew_when_its_cost_has_changed(world: World, sessions: Sessions) -> None:
    async def stored() -> str:
        return (await world.rows("SELECT password_hash FROM app_user"))[0][0]

    old = await stored()
    await sessions.sign_in("li.wei", PASSWORD, origin())
    assert await stored() == old
    dearer = replace(sessions, passwords=Passwords(PasswordCost(passes=2, memory_kib=16, lanes=1)))
    both = await asyncio.gather(*[dearer.sign_in("li.wei", PASSWORD, origin()) for _ in range(2)])
    assert (await stored()).startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert [await is_let_in(sessions, one) for one in both] == [True, True]
    await dearer.sign_in("li.wei", PASSWORD, origin())


async def test_refreshing_gives_new_tokens_of_the_same_session(world: World, sessions: Sessions) -> None:
    now = datetime.now(UTC)
    first = await sessions.sign_in("li.wei", PASSWORD, origin(now=now))
    second = await sessions.refresh(first.refresh_token, origin(now=now + timedelta(days=29)))
    third = await sessions.refresh(second.refresh_token, origin(now=now + timedelta(days=58)))
    assert first.session_id == second.session_id == third.session_id
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert third.refresh_expires_at == now + timedelta(days=88)
    assert await world.rows("SELECT expires_at FROM session") == [(now + timedelta(days=88),)]
    assert await world.event_types(first.session_id) == ["SessionOpened"]
    # The first one has expired, the second has been used, the third is good: nothing older is kept.
    assert await world.rows("SELECT count(*) FROM refresh_token") == [(2,)]


async def test_second_use_of_a_refresh_token_ends_the_session_for_both(
    world: World, sessions: Sessions
) -> None:
    first = await sessions.sign_in("li.wei", PASSWORD, origin())
    other = await sessions.sign_in("li.wei", PASSWORD, origin())
    second = await sessions.refresh(first.refresh_token, origin())
    assert await is_let_in(sessions, second)
    await refresh_refused(sessions, first.refresh_token)
    assert not await is_let_in(sessions, first)
    assert not await is_let_in(sessions, second)
    await refresh_refused(sessions, second.refresh_token)
    assert await is_let_in(sessions, other)
    recorded = await world.rows(
        "SELECT type, version, actor_id, details FROM event WHERE aggregate_id = :id ORDER BY version",
        id=first.session_id,
    )
    assert recorded == [
        ("SessionOpened", 1, world.li_wei, {}),
        ("SessionRevoked", 2, None, {"reason": "TOKEN_REUSED"}),
    ]


async def test_of_twenty_who_refresh_with_one_token_one_wins_and_the_session_ends(
    world: World, sessions: Sessions
) -> None:
    first = await sessions.sign_in("li.wei", PASSWORD, origin())
    attempts = [sessions.refresh(first.refresh_token, origin()) for _ in range(20)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, EomsError)]
    assert (len(winners), codes) == (1, ["INVALID_CREDENTIALS"] * 19)
    assert not await is_let_in(sessions, winners[0])
    assert await world.event_types(first.session_id) == ["SessionOpened", "SessionRevoked"]
    assert await world.rows("SELECT count(*) FROM refresh_token") == [(2,)]


@pytest.mark.parametrize("token", ["", "x", "A" * 43, "订" * 43, "\x00" * 43, "\ud800" * 43, "A" * 100_000])
async def test_unknown_refresh_token_is_refused(world: World, sessions: Sessions, token: str) -> None:
    before = await world.state()
    await refresh_refused(sessions, token)
    with pytest.raises(InvalidCredentials):
        await sessions.sign_out(token, origin())
    assert await world.state() == before


async def test_expired_refresh_token_is_refused(world: World, sessions: Sessions) -> None:
    now = datetime.now(UTC)
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin(now=now))
    before = await world.state()
    await refresh_refused(sessions, signed_in.refresh_token, now + REFRESH_LIFETIME)
    assert await world.state() == before


async def test_signing_out_by_refresh_token_takes_effect_at_once(world: World, sessions: Sessions) -> None:
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin())
    assert await is_let_in(sessions, signed_in)
    await sessions.sign_out(signed_in.refresh_token, origin())
    assert not await is_let_in(sessions, signed_in)
    await refresh_refused(sessions, signed_in.refresh_token)
    # Once more is no mistake, and tells nothing new.
    await sessions.sign_out(signed_in.refresh_token, origin())
    recorded = await world.rows(
        "SELECT type, actor_id, details FROM event WHERE aggregate_id = :id ORDER BY version",
        id=signed_in.session_id,
    )
    assert recorded == [
        ("SessionOpened", world.li_wei, {}),
        ("SessionRevoked", world.li_wei, {"reason": "SIGNED_OUT"}),
    ]


async def test_own_session_can_be_ended_by_its_id(world: World, sessions: Sessions) -> None:
    one = await sessions.sign_in("li.wei", PASSWORD, origin())
    other = await sessions.sign_in("li.wei", PASSWORD, origin())
    await sessions.end(one.session_id, origin(actor_id=world.li_wei))
    assert not await is_let_in(sessions, one)
    assert await is_let_in(sessions, other)


async def test_session_of_somebody_else_is_not_found(world: World, sessions: Sessions) -> None:
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin())
    before = await world.state()
    for session_id, actor_id in (
        (signed_in.session_id, uuid4()),
        (signed_in.session_id, None),
        (SessionId(uuid4()), world.li_wei),
    ):
        with pytest.raises(NotFound) as caught:
            await sessions.end(session_id, origin(actor_id=actor_id))
        assert caught.value.code == "NOT_FOUND"
    assert await world.state() == before
    assert await is_let_in(sessions, signed_in)


async def test_disabled_user_is_out_with_all_his_tokens(world: World, sessions: Sessions) -> None:
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin())
    await disable(world)
    sessions.grants.forget(world.li_wei)
    assert not await is_let_in(sessions, signed_in)
    await refresh_refused(sessions, signed_in.refresh_token)


async def test_no_session_is_left_when_signing_in_and_disabling_race(
    world: World, sessions: Sessions
) -> None:
    sign_ins = [sessions.sign_in("li.wei", PASSWORD, origin()) for _ in range(5)]
    outcomes = await asyncio.gather(*sign_ins, disable(world), return_exceptions=True)
    codes = {outcome.code for outcome in outcomes if isinstance(outcome, EomsError)}
    assert codes <= {"INVALID_CREDENTIALS"}
    assert outcomes[-1] is None
    assert await world.rows("SELECT id FROM session WHERE revoked_at IS NULL") == []


async def test_refreshing_and_disabling_race_without_deadlock(world: World, sessions: Sessions) -> None:
    opened = [await sessions.sign_in("li.wei", PASSWORD, origin()) for _ in range(6)]
    refreshes = [sessions.refresh(one.refresh_token, origin()) for one in opened]
    outcomes = await asyncio.gather(*refreshes, disable(world), return_exceptions=True)
    unexpected = [o for o in outcomes if isinstance(o, Exception) and not isinstance(o, InvalidCredentials)]
    assert unexpected == []
    assert await world.rows("SELECT id FROM session WHERE revoked_at IS NULL") == []


async def test_locked_account_keeps_nobody_from_signing_out(world: World, sessions: Sessions) -> None:
    signed_in = await sessions.sign_in("li.wei", PASSWORD, origin())
    async with transaction(world.engine) as session, asyncio.timeout(2):
        await locked_user(session, world.li_wei)
        # Its event refers to the user: a lock of his key too could make each wait for the other.
        await sessions.sign_out(signed_in.refresh_token, origin())
    assert not await is_let_in(sessions, signed_in)


async def test_password_that_is_replaced_while_it_is_checked_opens_nothing(
    world: World, sessions: Sessions
) -> None:
    class Overtaken(Passwords):
        async def matches(self, password: str, stored: str | None) -> bool:
            answer = await super().matches(password, stored)
            if answer:
                async with transaction(world.engine) as session:
                    command = SetPassword(world.li_wei, "another-password")
                    await set_password(session, origin(), command, self)
            return answer

    await refused(replace(sessions, passwords=Overtaken(CHEAP_COST)), "li.wei", PASSWORD)
    assert await world.rows("SELECT * FROM session") == []
    assert await is_let_in(sessions, await sessions.sign_in("li.wei", "another-password", origin()))


async def test_old_password_opens_nothing_once_another_is_set(world: World, sessions: Sessions) -> None:
    async with transaction(world.engine) as session:
        command = SetPassword(world.li_wei, "another-password")
        await set_password(session, origin(), command, Passwords(CHEAP_COST))
    before = await world.state()
    await refused(sessions, "li.wei", PASSWORD)
    assert await world.state() == before
    await sessions.sign_in("li.wei", "another-password", origin())
