"""How many failed sign-ins are let through?"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from domain.errors import SignInThrottled, Unavailable
from policies.throttle import SignInThrottle
from tests.integration.identity_world import redis_client
from tests.integration.live_stores import killable_valkey


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    async with redis_client(redis_url) as client:
        yield client


def throttle(redis: Redis, *, account: int = 3, address: int = 100, window: int = 900) -> SignInThrottle:
    return SignInThrottle(redis, per_account=account, per_address=address, window_seconds=window)


async def counters(redis: Redis) -> dict[str, int]:
    # Any: redis-py gives whatever the store holds.
    keys: list[Any] = await redis.keys()  # pyright: ignore[reportUnknownMemberType]
    return {key.decode(): int(await redis.get(key) or 0) for key in sorted(keys)}


async def refused_for(subject: SignInThrottle, account: str, address: str | None) -> int:
    with pytest.raises(SignInThrottled) as caught:
        await subject.admit(account, address)
    assert caught.value.code == "SIGN_IN_THROTTLED"
    return caught.value.retry_after_seconds


async def test_attempt_past_the_account_bound_is_refused_and_not_counted(redis: Redis) -> None:
    subject = throttle(redis)
    for number in range(3):
        await subject.admit("li.wei", f"192.0.2.{number}")
    before = await counters(redis)
    assert 890 <= await refused_for(subject, "li.wei", "192.0.2.99") <= 900
    assert await counters(redis) == before
    await subject.admit("zhang.min", "192.0.2.1")


async def test_attempt_past_the_address_bound_is_refused_whatever_the_account(redis: Redis) -> None:
    subject = throttle(redis, address=2)
    await subject.admit("a", "192.0.2.1")
    await subject.admit("b", "192.0.2.1")
    await refused_for(subject, "c", "192.0.2.1")
    await subject.admit("c", "192.0.2.2")


async def test_forty_attempts_at_once_do_not_slip_past_the_bound(redis: Redis) -> None:
    subject, other_process = throttle(redis), throttle(redis)
    attempts = [(subject, other_process)[n % 2].admit("li.wei", f"192.0.2.{n}") for n in range(40)]
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 3
    assert sum(isinstance(outcome, SignInThrottled) for outcome in outcomes) == 37


async def test_account_is_counted_in_any_case(redis: Redis) -> None:
    subject = throttle(redis)
    for account in ("li.wei", "Li.Wei", "LI.WEI"):
        await subject.admit(account, None)
    await refused_for(subject, "lI.wEI", None)


async def test_addresses_of_one_ipv6_subscriber_are_one(redis: Redis) -> None:
    subject = throttle(redis, address=2)
    await subject.admit("a", "2001:db8:1:2::1")
    await subject.admit("b", "2001:db8:1:2:ffff::9")
    await refused_for(subject, "c", "2001:db8:1:2:abcd::5")
    await subject.admit("c", "2001:db8:1:3::1")


async def test_mapped_ipv4_address_is_the_ipv4_address(redis: Redis) -> None:
    subject = throttle(redis, address=2)
    await subject.admit("a", "192.0.2.1")
    await subject.admit("b", "::ffff:192.0.2.1")
    await refused_for(subject, "c", "192.0.2.1")


async def test_window_ends_by_itself_and_is_not_prolonged_by_knocking(redis: Redis) -> None:
    subject = throttle(redis, window=1)
    for _ in range(3):
        await subject.admit("li.wei", None)
    began = time.monotonic()
    while time.monotonic() < began + 0.6:
        assert await refused_for(subject, "li.wei", None) == 1
        await asyncio.sleep(0.02)
    await asyncio.sleep(began + 1.05 - time.monotonic())
    await subject.admit("li.wei", None)
    assert set((await counters(redis)).values()) == {1}


async def test_every_counter_expires(redis: Redis) -> None:
    await throttle(redis).admit("li.wei", "192.0.2.1")
    for key in await counters(redis):
        assert 890_000 < await redis.pttl(key) <= 900_000


async def test_success_forgets_the_account_and_leaves_the_failures_of_the_address(redis: Redis) -> None:
    subject = throttle(redis)
    await subject.admit("li.wei", "192.0.2.1")
    await subject.admit("li.wei", "192.0.2.1")
    await subject.succeeded("Li.Wei", "192.0.2.1")
    assert await counters(redis) == {"eoms:{sign-in}:address:192.0.2.1": 1}


async def test_abandoned_attempt_is_taken_back(redis: Redis) -> None:
    subject = throttle(redis)
    await subject.admit("li.wei", "192.0.2.1")
    before = await counters(redis)
    await subject.admit("li.wei", "192.0.2.1")
    await subject.abandoned("li.wei", "192.0.2.1")
    assert await counters(redis) == before


async def test_taking_back_from_an_expired_counter_leaves_none(redis: Redis) -> None:
    await throttle(redis).abandoned("li.wei", "192.0.2.1")
    assert await counters(redis) == {}


async def test_account_name_does_not_show_in_redis(redis: Redis) -> None:
    await throttle(redis).admit("my-password-in-the-wrong-field\ud800", "not an address\ud800")
    assert not [key for key in await counters(redis) if "password" in key or "not an" in key]
    assert len(await counters(redis)) == 2


async def test_without_redis_nobody_is_let_in() -> None:
    async with redis_client("unix:///nowhere/valkey.sock") as client:
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            await throttle(client).admit("li.wei", "192.0.2.1")
    assert caught.value.code == "UNAVAILABLE"
    assert time.monotonic() - began < 2.5


async def test_frozen_redis_is_not_waited_for_and_serves_again_when_it_wakes() -> None:
    with killable_valkey() as valkey:
        async with redis_client(valkey.url) as client:
            subject = throttle(client)
            await subject.admit("li.wei", None)
            valkey.freeze()
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await subject.admit("li.wei", None)
            assert time.monotonic() - began < 2.5
            with capture_logs() as logs:
                await subject.succeeded("li.wei", None)
            assert [entry["log_level"] for entry in logs] == ["warning"]
            valkey.thaw()
            await subject.admit("zhang.min", None)
