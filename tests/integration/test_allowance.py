"""How many points does a caller get, over all processes, and what happens while Redis is away?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any
from uuid import uuid4

import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.identifiers import ClientId, OrganizationId, SessionId, UserId
from policies.allowance import Allowance, AllowanceKey, Taken, address_key, viewer_key
from policies.shared_buckets import LEASE_MOST_TIMES
from policies.viewer import ClientPass, Viewer
from server.rate_headers import cost_extension, rate_limit_headers
from tests.integration.identity_world import redis_client
from tests.integration.live_stores import KillableValkey, eventually, killable_valkey

LI_WEI, ZHANG_MIN = AllowanceKey("person:li.wei"), AllowanceKey("person:zhang.min")


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    async with redis_client(redis_url) as client:
        yield client


async def stored(redis: Redis) -> dict[str, int]:
    """Return the micropoints left in each bucket in Redis."""
    # Any: redis-py gives whatever the store holds.
    store: Any = redis
    # A bucket may go between the two questions.
    found = {key.decode(): await store.hget(key, "left") for key in sorted(await store.keys())}
    return {key: int(left) for key, left in found.items() if left is not None}


async def left(allowance: Allowance, key: AllowanceKey = LI_WEI) -> int:
    return (await allowance.take(key, 0)).remaining


def admitted(answers: Sequence[Taken]) -> int:
    return sum(answer.retry_after_seconds is None for answer in answers)


async def test_points_are_taken_until_there_are_too_few(redis: Redis) -> None:
    async with Allowance(redis, 100, 1) as allowance:
        assert await allowance.take(LI_WEI, 60) == Taken(40, 100, 1, None)
        refused = await allowance.take(LI_WEI, 50)
        assert (refused.remaining, refused.limit, refused.points_per_second) == (40, 100, 1)
        assert refused.retry_after_seconds == 10
        # Who is refused has lost nothing.
        assert await allowance.take(LI_WEI, 40) == Taken(0, 100, 1, None)


async def test_waiting_as_long_as_was_told_is_enough_and_a_little_less_is_not(redis: Redis) -> None:
    async with Allowance(redis, 100, 50) as allowance:
        await allowance.take(LI_WEI, 100)
        began = time.monotonic()
        refused = await allowance.take(LI_WEI, 50)
        assert refused.retry_after_seconds == 1
        await asyncio.sleep(0.8)
        if time.monotonic() - began < 0.95:
            assert (await allowance.take(LI_WEI, 50)).retry_after_seconds == 1
        await asyncio.sleep(began + 1.01 - time.monotonic())
        assert (await allowance.take(LI_WEI, 50)).retry_after_seconds is None


async def test_time_gives_no_more_than_a_full_bucket(redis: Redis) -> None:
    async with Allowance(redis, 10, 1_000) as allowance:
        await allowance.take(LI_WEI, 10)
        await asyncio.sleep(0.1)
        assert await left(allowance) == 10
        assert (await allowance.take(LI_WEI, 11)).retry_after_seconds == 1


async def test_points_come_back_evenly_however_often_they_are_asked_for(redis: Redis) -> None:
    """Rounding at each look would give too little, or too much."""
    rate = 7
    # Any: redis-py leaves open what its commands give.
    store: Any = redis
    async with Allowance(redis, 100, rate) as allowance:
        await allowance.take(LI_WEI, 100)
        seconds, microseconds = await store.time()
        for _ in range(300):
            await allowance.take(LI_WEI, 0)
        (key,) = await stored(redis)
        at = int(await store.hget(key, "at"))
        passed = at - (seconds * 1_000_000 + microseconds)
        # The first look was a moment before the clock was read.
        assert 0 <= (await stored(redis))[key] - passed * rate < 50_000 * rate


async def test_bucket_is_gone_from_redis_when_it_is_full_again(redis: Redis) -> None:
    async with Allowance(redis, 100, 100) as allowance:
        await allowance.take(LI_WEI, 20)
        (key,) = await stored(redis)
        assert key == "eoms:{points:person:li.wei}"
        assert 150 < await redis.pttl(key) <= 200
        await eventually(lambda: stored(redis), lambda found: found == {}, seconds=2)
        assert await left(allowance) == 100
        assert await stored(redis) == {}


async def test_nobody_spends_what_another_has(redis: Redis) -> None:
    async with Allowance(redis, 100, 1) as allowance:
        wishes = [allowance.take((LI_WEI, ZHANG_MIN)[n % 2], 10 if n % 2 else 1) for n in range(60)]
        answers = await asyncio.gather(*wishes)
        assert admitted(answers[0::2]) == 30
        assert admitted(answers[1::2]) == 10


async def test_processes_side_by_side_admit_exactly_what_there_is(redis: Redis, redis_url: str) -> None:
    async with (
        redis_client(redis_url) as other_redis,
        Allowance(redis, 1_000, 1) as allowance,
        Allowance(other_redis, 1_000, 1) as other_process,
    ):
        began = time.monotonic()
        wishes = [(allowance, other_process)[n % 2].take(LI_WEI, 50) for n in range(100)]
        answers = await asyncio.gather(*wishes)
        assert time.monotonic() - began < 50
        assert admitted(answers) == 20
        assert await left(other_process) == await left(allowance) < 50


async def test_what_is_given_back_is_there_for_the_next_wish_of_this_process(redis: Redis) -> None:
    async with Allowance(redis, 100, 1) as allowance:
        await allowance.take(LI_WEI, 100)
        allowance.give_back(LI_WEI, 70)
        allowance.give_back(LI_WEI, 20)
        assert (await allowance.take(LI_WEI, 90)).retry_after_seconds is None
        assert await left(allowance) == 0


async def test_what_is_given_back_reaches_other_processes_within_a_moment(redis: Redis) -> None:
    async with Allowance(redis, 100, 1) as allowance, Allowance(redis, 100, 1) as other_process:
        for key in (LI_WEI, ZHANG_MIN):
            await allowance.take(key, 100)
            allowance.give_back(key, 90)
        for key in (LI_WEI, ZHANG_MIN):
            await eventually(lambda key=key: left(other_process, key), lambda points: points >= 90, seconds=1)


async def test_what_is_given_back_never_makes_more_than_a_full_bucket(redis: Redis) -> None:
    async with Allowance(redis, 100, 1) as allowance:
        allowance.give_back(LI_WEI, 1_000)
        assert await left(allowance) == 100
        await allowance.take(LI_WEI, 10)
        allowance.give_back(LI_WEI, 1_000)
        assert await left(allowance) == 100


async def test_closing_gives_back_what_is_owed(redis: Redis) -> None:
    async with Allowance(redis, 10_000, 1) as allowance:
        keys = [AllowanceKey(f"person:{number}") for number in range(600)]
        for key in keys:
            await allowance.take(key, 10_000)
        for key in keys:
            allowance.give_back(key, 5_000)
    found = await stored(redis)
    assert len(found) == 600
    assert all(5_000 * 10**6 <= points < 5_100 * 10**6 for points in found.values())


async def test_more_than_a_full_bucket_is_refused_until_it_is_full_and_after(redis: Redis) -> None:
    async with Allowance(redis, 100, 1) as allowance:
        assert await allowance.take(LI_WEI, 101) == Taken(100, 100, 1, 1)
        await allowance.take(LI_WEI, 60)
        assert await allowance.take(LI_WEI, 101) == Taken(40, 100, 1, 60)


async def test_largest_settings_are_counted_exactly(redis: Redis) -> None:
    most = 100_000_000
    async with Allowance(redis, most, 1) as allowance:
        assert await allowance.take(LI_WEI, 1) == Taken(most - 1, most, 1, None)
        (key,) = await stored(redis)
        assert await stored(redis) == {key: (most - 1 - LEASE_MOST_TIMES) * 10**6}
        assert (await allowance.take(LI_WEI, most - 1)).retry_after_seconds is None
        assert (await allowance.take(LI_WEI, most)).retry_after_seconds in {most - 1, most}
        assert (most - 2) * 1_000 < await redis.pttl(key) <= most * 1_000


async def test_person_client_and_place_have_buckets_of_their_own() -> None:
    user_id, client_id = UserId(uuid4()), ClientId(uuid4())
    person = Viewer(user_id, OrganizationId(uuid4()), SessionId(uuid4()))
    other_session = Viewer(user_id, person.organization_id, SessionId(uuid4()))
    client = Viewer(user_id, person.organization_id, None, client=ClientPass(client_id, frozenset(), False))
    assert viewer_key(person) == viewer_key(other_session) == f"person:{user_id}"
    assert viewer_key(client) == f"client:{client_id}"
    assert address_key("192.0.2.1") == address_key("::ffff:192.0.2.1") == "address:192.0.2.1"
    assert (
        address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9") == "address:2001:db8:1:2::/64"
    )
    assert address_key("2001:db8:1:3::1") != address_key("2001:db8:1:2::1")
    assert address_key(None) == address_key("unknown") != address_key("192.0.2.1")


async def settled(valkey: KillableValkey, allowance: Allowance) -> None:
    """Start Valkey and wait until the shared bucket counts again."""
    valkey.start()
    with capture_logs() as logs:
        await eventually(lambda: left(allowance), lambda _points: len(logs) > 0, seconds=5)
    (entry,) = logs
    assert entry["event"] == "Redis is back: points are counted for all processes together"


async def test_while_redis_is_away_each_process_counts_by_itself() -> None:
    with killable_valkey() as valkey:
        async with (
            redis_client(valkey.url) as client,
            redis_client(valkey.url) as other_client,
            Allowance(client, 100, 1) as allowance,
            Allowance(other_client, 100, 1) as other_process,
        ):
            await allowance.take(LI_WEI, 100)
            valkey.kill()
            with capture_logs() as logs:
                answers = await asyncio.gather(*(allowance.take(LI_WEI, 10) for _ in range(30)))
                others = await asyncio.gather(*(other_process.take(LI_WEI, 10) for _ in range(30)))
            assert (admitted(answers), admitted(others)) == (10, 10)
            assert [entry["event"] for entry in logs] == [
                "Redis is away: this process counts points by itself"
            ] * 2
            assert {entry["log_level"] for entry in logs} == {"warning"}
            await settled(valkey, allowance)
            # It kept its data, and what was spent elsewhere meanwhile is not held against anybody.
            assert await left(allowance) == await left(other_process) < 50


async def test_redis_that_comes_and_goes_does_not_fill_the_bucket_each_time() -> None:
    with killable_valkey() as valkey:
        async with redis_client(valkey.url) as client, Allowance(client, 100, 1) as allowance:
            valkey.kill()
            assert (await allowance.take(LI_WEI, 100)).retry_after_seconds is None
            await settled(valkey, allowance)
            valkey.kill()
            refused = await allowance.take(LI_WEI, 100)
            assert refused.retry_after_seconds is not None
            assert refused.remaining < 20


async def test_frozen_redis_is_waited_for_twice_and_then_left_alone_for_a_second() -> None:
    with killable_valkey() as valkey:
        async with redis_client(valkey.url) as client, Allowance(client, 1_000, 1) as allowance:
            # So much that nothing is lent, from which the next could be paid.
            await allowance.take(LI_WEI, 200)
            valkey.freeze()
            began = time.monotonic()
            await asyncio.gather(*(allowance.take(LI_WEI, 1) for _ in range(20)))
            first = time.monotonic() - began
            assert 0.4 < first < 1.2
            for _ in range(50):
                await allowance.take(LI_WEI, 1)
            assert time.monotonic() - began - first < 0.2
            # One looks whether it is back; the others don't wait.
            await asyncio.sleep(began + first + 1.1 - time.monotonic())
            times = await asyncio.gather(*(duration(allowance) for _ in range(20)))
            assert sum(seconds > 0.2 for seconds in times) == 1
            valkey.thaw()
            with capture_logs() as logs:
                await eventually(lambda: left(allowance), lambda _points: len(logs) > 0, seconds=5)


async def test_process_that_was_busy_itself_does_not_take_redis_for_lost(redis_url: str) -> None:
    async with redis_client(redis_url) as client, Allowance(client, 1_000, 1) as allowance:
        await allowance.take(LI_WEI, 100)
        with capture_logs() as logs:
            asking = asyncio.create_task(allowance.take(LI_WEI, 100))
            await asyncio.sleep(0)
            time.sleep(0.4)  # noqa: ASYNC251  (nobody has a turn meanwhile, which is the point)
            taken = await asking
        assert logs == []
        assert taken.remaining < 1_000 - 100


async def duration(allowance: Allowance) -> float:
    began = time.monotonic()
    await allowance.take(LI_WEI, 1)
    return time.monotonic() - began


async def test_what_is_given_back_while_redis_is_away_counts_here() -> None:
    with killable_valkey() as valkey:
        async with redis_client(valkey.url) as client, Allowance(client, 100, 1) as allowance:
            valkey.kill()
            await allowance.take(LI_WEI, 100)
            allowance.give_back(LI_WEI, 80)
            await asyncio.sleep(0.25)
            assert await left(allowance) in {80, 81}


async def test_without_redis_it_opens_works_and_closes() -> None:
    async with redis_client("unix:///nowhere/valkey.sock") as client:
        began = time.monotonic()
        async with Allowance(client, 100, 1) as allowance:
            assert await allowance.take(LI_WEI, 60) == Taken(40, 100, 1, None)
            allowance.give_back(LI_WEI, 10)
        assert time.monotonic() - began < 1


def test_headers_are_structured_fields_of_the_draft() -> None:
    assert rate_limit_headers(Taken(99_709, 100_000, 1_000, None)) == {
        "RateLimit-Policy": '"points";q=100000;w=100',
        "RateLimit": '"points";r=99709;t=1',
    }
    assert rate_limit_headers(Taken(0, 100, 7, 15)) == {
        "RateLimit-Policy": '"points";q=100;w=15',
        "RateLimit": '"points";r=0;t=15',
    }


def test_extension_tells_what_is_left_after_what_was_given_back() -> None:
    taken = Taken(99_709, 100_000, 1_000, None)
    assert cost_extension(taken, requested=291, actual=67) == {
        "requested": 291,
        "actual": 67,
        "remaining": 99_933,
        "restoreRate": 1_000,
    }
