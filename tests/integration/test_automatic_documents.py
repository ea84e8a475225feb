"""Which texts are kept for a person whose client registers them by itself, for how long, and what if Redis is away?"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from db.identifiers import new_id
from domain.identifiers import UserId
from server.automatic_documents import LONGEST_TEXT, AutomaticDocuments
from subscriptions.stream_store import open_client
from tests.integration.identity_world import redis_client
from tests.integration.live_stores import killable_valkey

LI_WEI, ZHANG_MIN = UserId(new_id()), UserId(new_id())
A, B, C, D = ("{ a }", "{ b }", "{ c }", "{ 桥 }")


# Both kinds of client that there are: one gives bytes, the application's gives texts.
@pytest_asyncio.fixture(params=["bytes", "texts"])
async def redis(redis_url: str, request: pytest.FixtureRequest) -> AsyncGenerator[Redis]:
    if request.param == "bytes":
        async with redis_client(redis_url) as client:
            yield client
    else:
        client = open_client(redis_url)
        yield client
        await client.aclose()


def automatic(redis: Redis, most: int = 3, seconds: float = 3600) -> AutomaticDocuments:
    return AutomaticDocuments(redis, most, timedelta(seconds=seconds))


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


async def kept(documents: AutomaticDocuments, user_id: UserId, *texts: str) -> list[str]:
    """Those of the texts that are kept, without asking in an order that changes what comes next."""
    return [text for text in texts if await documents.text(user_id, digest(text)) == text]


async def found_again(documents: AutomaticDocuments, text: str) -> None:
    """Wait for a store that has just been woken on a busy machine."""
    async with asyncio.timeout(10):
        while await documents.text(LI_WEI, digest(text)) != text:
            await asyncio.sleep(0.01)


async def keys(redis: Redis) -> list[str]:
    # Any: redis-py gives whatever the store holds.
    found: list[Any] = await redis.keys()  # pyright: ignore[reportUnknownMemberType]
    return sorted(key.decode() if isinstance(key, bytes) else key for key in found)


async def test_text_is_kept_for_its_person_alone(redis: Redis) -> None:
    documents = automatic(redis)
    assert await documents.text(LI_WEI, digest(D)) is None
    await documents.keep(LI_WEI, D)
    assert await documents.text(LI_WEI, digest(D)) == D
    assert await documents.text(ZHANG_MIN, digest(D)) is None


async def test_every_process_knows_it(redis: Redis) -> None:
    await automatic(redis).keep(LI_WEI, A)
    assert await automatic(redis).text(LI_WEI, digest(A)) == A


async def test_longest_unused_text_makes_room_for_a_new_one(redis: Redis) -> None:
    documents = automatic(redis, most=3)
    await documents.keep(ZHANG_MIN, A)
    for text in (A, B, C):
        await documents.keep(LI_WEI, text)
    await documents.text(LI_WEI, digest(A))
    await documents.keep(LI_WEI, D)
    assert await kept(documents, LI_WEI, A, B, C, D) == [A, C, D]
    assert await kept(documents, ZHANG_MIN, A) == [A]


async def test_text_that_is_kept_again_takes_no_other_place(redis: Redis) -> None:
    documents = automatic(redis, most=2)
    for text in (A, B, B, B):
        await documents.keep(LI_WEI, text)
    assert await kept(documents, LI_WEI, A, B) == [A, B]


async def test_no_more_than_the_bound_is_ever_held(redis: Redis) -> None:
    documents = automatic(redis, most=5)
    await asyncio.gather(*(documents.keep(LI_WEI, f"{{ a{nth} }}") for nth in range(50)))
    texts, uses = await keys(redis)
    assert (await redis.hlen(texts), await redis.zcard(uses)) == (5, 5)


async def test_lower_bound_of_a_new_version_counts_with_the_next_text(redis: Redis) -> None:
    for text in (A, B, C):
        await automatic(redis, most=3).keep(LI_WEI, text)
    fewer = automatic(redis, most=1)
    await fewer.keep(LI_WEI, D)
    assert await kept(fewer, LI_WEI, A, B, C, D) == [D]


async def test_unused_text_is_forgotten_while_another_one_stays_in_use(redis: Redis) -> None:
    documents = automatic(redis, seconds=0.5)
    await documents.keep(LI_WEI, A)
    await documents.keep(LI_WEI, B)
    began = time.monotonic()
    while time.monotonic() < began + 0.6:
        assert await documents.text(LI_WEI, digest(B)) == B
        await asyncio.sleep(0.05)
    assert await documents.text(LI_WEI, digest(A)) is None
    await documents.keep(LI_WEI, C)
    texts, uses = await keys(redis)
    assert (await redis.hlen(texts), await redis.zcard(uses)) == (2, 2)


async def test_everything_of_a_person_expires(redis: Redis) -> None:
    documents = automatic(redis, seconds=3600)
    await documents.keep(LI_WEI, A)
    names = await keys(redis)
    assert names == [
        f"eoms:{{automatic:{LI_WEI}}}:texts",
        f"eoms:{{automatic:{LI_WEI}}}:uses",
    ]
    for name in names:
        assert 3_590_000 < await redis.pttl(name) <= 3_600_000
        await redis.pexpire(name, 1000)
    await documents.text(LI_WEI, digest(A))
    for name in names:
        assert 3_590_000 < await redis.pttl(name) <= 3_600_000


async def test_asking_for_what_is_not_kept_stores_nothing(redis: Redis) -> None:
    assert await automatic(redis).text(LI_WEI, digest(A)) is None
    assert await keys(redis) == []


async def test_text_of_64_kibibytes_is_kept_and_a_longer_one_is_not(redis: Redis) -> None:
    documents = automatic(redis)
    longest = "{ a } #" + "桥" * ((LONGEST_TEXT - 7) // 3)
    longest += "x" * (LONGEST_TEXT - len(longest.encode()))
    for text in (longest, longest + "x"):
        await documents.keep(LI_WEI, text)
    assert await kept(documents, LI_WEI, longest, longest + "x") == [longest]


async def test_redis_away_is_a_text_that_is_not_known_and_told_once() -> None:
    with killable_valkey() as valkey:
        client = open_client(valkey.url)
        documents = automatic(client)
        await documents.keep(LI_WEI, A)
        valkey.kill()
        with capture_logs() as logs:
            for _ in range(3):
                assert await documents.text(LI_WEI, digest(A)) is None
                await documents.keep(LI_WEI, B)
            valkey.start()
            await found_again(documents, A)
            assert await documents.text(LI_WEI, digest(B)) is None
        assert [(entry["log_level"], entry["event"]) for entry in logs] == [
            ("warning", "automatic documents are out of reach"),
            ("info", "automatic documents are within reach again"),
        ]
        await client.aclose()


async def test_frozen_redis_is_not_waited_for() -> None:
    with killable_valkey() as valkey:
        client = open_client(valkey.url)
        documents = automatic(client)
        await documents.keep(LI_WEI, A)
        valkey.freeze()
        began = time.monotonic()
        assert await documents.text(LI_WEI, digest(A)) is None
        assert time.monotonic() - began < 1
        valkey.thaw()
        await found_again(documents, A)
        await client.aclose()
