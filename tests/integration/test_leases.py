"""What may processes spend that have taken points ahead, and do bucket and leases together stay what one bucket is?"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from policies.allowance import Allowance, AllowanceKey, Taken
from policies.shared_buckets import LEASE_ENDS_SECONDS, Told, Wish
from tests.integration.identity_world import redis_client
from tests.integration.live_stores import eventually, killable_valkey

LI_WEI, ZHANG_MIN = AllowanceKey("person:li.wei"), AllowanceKey("person:zhang.min")


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    async with redis_client(redis_url) as client:
        yield client


@asynccontextmanager
async def two_processes(
    redis_url: str, points: int, rate: int
) -> AsyncGenerator[tuple[Allowance, Allowance]]:
    async with (
        redis_client(redis_url) as one,
        redis_client(redis_url) as other,
        Allowance(one, points, rate) as first,
        Allowance(other, points, rate) as second,
    ):
        yield first, second


class Questions:
    """How many wishes of a process went to Redis."""

    def __init__(self, allowance: Allowance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wishes: list[Wish] = []
        shared = allowance._shared  # pyright: ignore[reportPrivateUsage]
        self._ask = shared.ask
        monkeypatch.setattr(shared, "ask", self._counted)

    async def _counted(self, wishes: Sequence[Wish]) -> list[Told] | None:
        self.wishes += wishes
        return await self._ask(wishes)


async def in_redis(redis: Redis, key: AllowanceKey = LI_WEI) -> dict[str, str]:
    """Return what is kept of a bucket."""
    # Any: redis-py gives whatever the store holds.
    store: Any = redis
    return {name.decode(): value.decode() for name, value in (await store.hgetall(name_of(key))).items()}


def name_of(key: AllowanceKey) -> str:
    return f"eoms:{{points:{key}}}"


async def left(allowance: Allowance, key: AllowanceKey = LI_WEI) -> int:
    return (await allowance.take(key, 0)).remaining


def admitted(answers: Sequence[Taken]) -> int:
    return sum(answer.retry_after_seconds is None for answer in answers)


async def test_who_comes_often_is_paid_for_without_asking_redis(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Allowance(redis, 1_000, 1) as allowance:
        questions = Questions(allowance, monkeypatch)
        began = time.monotonic()
        answers = [await allowance.take(LI_WEI, 1) for _ in range(100)]
        if time.monotonic() - began < 0.9:
            assert [answer.remaining for answer in answers] == [999 - nth for nth in range(100)]
            assert len(questions.wishes) == 1
        assert await in_redis(redis, ZHANG_MIN) == {}


async def test_an_eighth_of_what_is_left_is_lent_and_never_more_than_a_thousand_such_wishes(
    redis: Redis,
) -> None:
    async with Allowance(redis, 100_000, 1) as allowance:
        await allowance.take(LI_WEI, 20_000)
        assert await in_redis(redis) == {"left": "80000000000", "at": (await in_redis(redis))["at"]}
        await allowance.take(LI_WEI, 100)
        lent = [value for value in (await in_redis(redis)).values() if " " in value]
        assert [value.split()[0] for value in lent] == [str(79_900 // 8 * 10**6)]
        await allowance.take(ZHANG_MIN, 2)
        lent = [value for value in (await in_redis(redis, ZHANG_MIN)).values() if " " in value]
        assert [value.split()[0] for value in lent] == [str(2_000 * 10**6)]


async def test_caller_is_never_refused_points_that_lie_in_his_own_process(redis: Redis) -> None:
    async with Allowance(redis, 1_000, 1) as allowance:
        assert (await allowance.take(LI_WEI, 1)).remaining == 999
        assert await allowance.take(LI_WEI, 999) == Taken(0, 1_000, 1, None)


async def test_wishes_side_by_side_find_what_one_of_them_is_fetching(redis: Redis) -> None:
    async with Allowance(redis, 1_000, 1) as allowance:
        await allowance.take(LI_WEI, 1)
        answers = await asyncio.gather(*(allowance.take(LI_WEI, points) for points in (300, 1, 300, 1, 397)))
        assert admitted(answers) == 5
        assert answers[-1].remaining == 0


async def test_who_is_refused_has_everything_in_the_shared_bucket(redis: Redis, redis_url: str) -> None:
    async with two_processes(redis_url, 1_000, 1) as (first, second):
        await first.take(LI_WEI, 1)
        refused = await first.take(LI_WEI, 1_000)
        assert (refused.remaining, refused.retry_after_seconds) == (999, 1)
        assert (await second.take(LI_WEI, 999)).retry_after_seconds is None


async def test_lease_goes_back_when_it_was_not_spent_for_a_second(redis: Redis, redis_url: str) -> None:
    async with two_processes(redis_url, 1_000, 1) as (first, second):
        await first.take(LI_WEI, 1)
        assert await left(second) == 1_000 - 1 - 124
        await eventually(lambda: left(second), lambda points: points >= 999, seconds=3)
        assert set(await in_redis(redis)) <= {"left", "at"}


async def test_closing_gives_the_lease_back(redis: Redis) -> None:
    async with Allowance(redis, 1_000, 1) as allowance:
        await allowance.take(LI_WEI, 1)
        await allowance.take(LI_WEI, 1)
        allowance.give_back(LI_WEI, 1)
    assert set(await in_redis(redis)) == {"left", "at"}
    async with Allowance(redis, 1_000, 1) as allowance:
        assert await left(allowance) in {999, 1_000}


async def test_two_processes_that_race_never_spend_more_than_the_bucket(redis_url: str) -> None:
    points, rate = 700, 1
    async with two_processes(redis_url, points, rate) as (first, second):
        began = time.monotonic()
        spent = 0

        async def spend(allowance: Allowance, points: int) -> int:
            return points if (await allowance.take(LI_WEI, points)).retry_after_seconds is None else 0

        for _ in range(20):
            wishes = [spend((first, second)[n % 2], (1, 2, 5)[n % 3]) for n in range(60)]
            spent += sum(await asyncio.gather(*wishes))
        restored = math.ceil((time.monotonic() - began) * rate)
        # Each was refused in the end, so nothing lies anywhere but in the bucket.
        for allowance in (first, second):
            assert (await allowance.take(LI_WEI, points)).retry_after_seconds is not None
        assert points <= spent + await left(first) <= points + restored
        assert await left(first) < 5


async def test_leases_are_no_room_into_which_time_fills_more_points(redis_url: str) -> None:
    """Each process has an eighth; the bucket beside them must not get full by itself."""
    points, rate = 1_000, 1_000
    async with two_processes(redis_url, points, rate) as processes:
        for allowance in processes:
            await allowance.take(LI_WEI, 1)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        spent = 0
        for _ in range(600):
            spent += admitted([await allowance.take(LI_WEI, 1) for allowance in processes])
        restored = math.ceil((time.monotonic() - began) * rate)
        assert spent <= points + restored


async def test_time_gives_to_a_caller_with_a_lease_what_it_gives_to_one_without(redis: Redis) -> None:
    rate = 200
    async with Allowance(redis, 1_000, rate) as allowance:
        await allowance.take(LI_WEI, 1)
        # Full again, of which time notices nothing until something is spent.
        await asyncio.sleep(0.2)
        began = time.monotonic()
        for _ in range(100):
            await allowance.take(LI_WEI, 1)
        await asyncio.sleep(0.3)
        taken = await allowance.take(LI_WEI, 800)
        expected = 1_000 - 900 + (time.monotonic() - began) * rate
        assert taken.retry_after_seconds is None
        assert expected - 0.05 * rate < taken.remaining <= expected


async def test_lease_of_a_killed_process_ends_by_itself(redis: Redis, redis_url: str) -> None:
    async with redis_client(redis_url) as other, Allowance(other, 1_000, 1_000) as allowance:
        # Never opened, so it gives nothing back.
        await Allowance(redis, 1_000, 1_000).take(LI_WEI, 1)
        await asyncio.sleep(0.3)
        assert await left(allowance) == 1_000 - 124
        await eventually(
            lambda: left(allowance), lambda points: points == 1_000, seconds=LEASE_ENDS_SECONDS + 1
        )
        assert await in_redis(redis) == {}


async def test_lease_that_got_old_in_a_busy_process_is_not_spent(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowance = Allowance(redis, 1_000, 1)
    questions = Questions(allowance, monkeypatch)
    await allowance.take(LI_WEI, 1)
    await asyncio.sleep(1.05)
    await allowance.take(LI_WEI, 1)
    assert [(wish.points, wish.returned) for wish in questions.wishes] == [(1, 0), (1, 124)]


async def test_lease_is_spent_while_redis_is_away_and_counts_here_when_it_ends() -> None:
    with killable_valkey() as valkey:
        async with redis_client(valkey.url) as client, Allowance(client, 1_000, 1) as allowance:
            await allowance.take(LI_WEI, 1)
            valkey.kill()
            assert admitted([await allowance.take(LI_WEI, 1) for _ in range(124)]) == 124
            # From now on this process counts by itself, from a full bucket.
            assert (await allowance.take(LI_WEI, 1_000)).retry_after_seconds is None
            assert (await allowance.take(LI_WEI, 1_000)).retry_after_seconds is not None
