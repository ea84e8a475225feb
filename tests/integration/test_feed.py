"""Does every listener hear every committed event once and in order, or is told what he missed?"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import MalformedRequest
from loaders.places import cursor_of, position_of
from subscriptions.entries import FeedEntry, Gap, decode, encode
from subscriptions.feed import Feed, Listener
from subscriptions.relay import Relay, newest_position
from subscriptions.stream import StreamBackend
from subscriptions.stream_store import FIELD, STREAM, StreamStore, open_client
from tests.integration.live_stores import (
    KillableValkey,
    commit_event,
    commit_events,
    eventually,
    killable_valkey,
    opened_engine,
    stream_entries,
)

MAX_ENTRIES = 100_000
SEVEN = cursor_of(7)


@pytest.fixture
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine]:
    async with opened_engine(database_url) as engine:
        yield engine


@pytest.fixture
def valkey() -> Generator[KillableValkey]:
    with killable_valkey() as valkey:
        yield valkey


def feed_on(engine: AsyncEngine, redis_url: str, queue_size: int = 1000) -> Feed:
    return Feed(
        StreamBackend(redis_url, newest_position=lambda: newest_position(engine)), queue_size=queue_size
    )


def entries_at(*positions: int) -> list[FeedEntry]:
    return [FeedEntry(position, uuid4(), "OrderNoted", "Order", uuid4(), None, 1) for position in positions]


@asynccontextmanager
async def stream_without_relay(redis_url: str) -> AsyncGenerator[StreamStore]:
    store = StreamStore(redis_url, max_entries=MAX_ENTRIES)
    try:
        yield store
    finally:
        await store.close()


async def heard(listener: Listener, count: int) -> list[FeedEntry | Gap]:
    async with asyncio.timeout(20):
        return [await anext(listener) for _ in range(count)]


def positions_of(items: list[FeedEntry | Gap]) -> list[int]:
    assert not [item for item in items if isinstance(item, Gap)]
    return [item.position for item in items if isinstance(item, FeedEntry)]


async def test_two_processes_hear_the_same_in_the_same_order(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with (
        Relay(database_url, redis_url, stream_max_entries=MAX_ENTRIES),
        feed_on(engine, redis_url) as one,
        feed_on(engine, redis_url) as other,
        one.listen() as first,
        one.listen() as second,
        other.listen() as third,
    ):
        committed = await commit_events(engine, uuid4(), range(1, 51))
        answers = [await heard(listener, 50) for listener in (first, second, third)]
    assert answers[0] == answers[1] == answers[2]
    assert [item.event_id for item in answers[0] if isinstance(item, FeedEntry)] == committed


async def test_a_listener_hears_nothing_that_was_published_before_the_feed_began(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with Relay(database_url, redis_url, stream_max_entries=MAX_ENTRIES):
        await commit_events(engine, uuid4(), range(1, 6))
        await eventually(lambda: stream_entries(redis_url), lambda entries: len(entries) == 5)
        async with feed_on(engine, redis_url) as feed, feed.listen() as listener:
            await commit_event(engine, uuid4(), 1)
            assert positions_of(await heard(listener, 1)) == [6]


async def test_a_slow_listener_gets_one_gap_and_the_others_lose_nothing(
    redis_url: str, engine: AsyncEngine
) -> None:
    async with (
        feed_on(engine, redis_url, queue_size=10) as feed,
        feed.listen() as slow,
        feed.listen() as quick,
        stream_without_relay(redis_url) as store,
    ):
        hearing = asyncio.create_task(heard(quick, 25))
        await store.append(entries_at(*range(1, 26)), behind=0)
        assert positions_of(await hearing) == list(range(1, 26))
        assert await heard(slow, 1) == [Gap(1, 21)]
        assert positions_of(await heard(slow, 4)) == [22, 23, 24, 25]
        await store.append(entries_at(26), behind=25)
        assert positions_of(await heard(slow, 1)) == [26]


async def test_a_listener_that_leaves_does_not_disturb_the_others(
    redis_url: str, engine: AsyncEngine
) -> None:
    async with feed_on(engine, redis_url) as feed, stream_without_relay(redis_url) as store:
        async with feed.listen() as staying:
            async with feed.listen():
                await store.append(entries_at(1, 2), behind=0)
                assert feed.listener_count == 2
            await store.append(entries_at(3), behind=2)
            assert positions_of(await heard(staying, 3)) == [1, 2, 3]
        assert feed.listener_count == 0


@pytest.mark.parametrize("is_data_lost", [False, True])
async def test_nothing_is_lost_or_repeated_when_the_store_is_killed_midway(
    is_data_lost: bool, database_url: str, engine: AsyncEngine, valkey: KillableValkey
) -> None:
    async with (
        Relay(database_url, valkey.url, stream_max_entries=MAX_ENTRIES),
        feed_on(engine, valkey.url) as one,
        feed_on(engine, valkey.url) as other,
        one.listen() as first,
        other.listen() as second,
    ):
        writing = asyncio.create_task(commit_events(engine, uuid4(), range(1, 301)))
        assert positions_of(await heard(first, 100)) == list(range(1, 101))
        valkey.kill()
        if is_data_lost:
            valkey.lose_data()
        await asyncio.sleep(0.5)
        valkey.start()
        assert positions_of(await heard(first, 200)) == list(range(101, 301))
        assert positions_of(await heard(second, 300)) == list(range(1, 301))
        await writing
        await commit_event(engine, uuid4(), 1)
        assert positions_of(await heard(first, 1)) == [301]


async def test_a_frozen_store_is_noticed_and_nothing_is_lost(
    database_url: str, engine: AsyncEngine, valkey: KillableValkey
) -> None:
    async with (
        Relay(database_url, valkey.url, stream_max_entries=MAX_ENTRIES),
        feed_on(engine, valkey.url) as feed,
        feed.listen() as listener,
    ):
        await commit_event(engine, uuid4(), 1)
        assert positions_of(await heard(listener, 1)) == [1]
        valkey.freeze()
        await commit_events(engine, uuid4(), range(1, 11))
        await asyncio.sleep(6)
        valkey.thaw()
        assert positions_of(await heard(listener, 10)) == list(range(2, 12))


async def test_a_feed_that_begins_while_the_store_is_away_hears_everything_after_its_beginning(
    database_url: str, engine: AsyncEngine, valkey: KillableValkey
) -> None:
    valkey.kill()
    async with (
        Relay(database_url, valkey.url, stream_max_entries=MAX_ENTRIES),
        feed_on(engine, valkey.url) as feed,
        feed.listen() as listener,
    ):
        await commit_events(engine, uuid4(), range(1, 4))
        valkey.start()
        assert positions_of(await heard(listener, 3)) == [1, 2, 3]


async def test_entries_that_were_trimmed_away_before_they_were_read_are_a_gap(
    redis_url: str, engine: AsyncEngine
) -> None:
    async with (
        feed_on(engine, redis_url) as feed,
        feed.listen() as listener,
        stream_without_relay(redis_url) as store,
    ):
        await store.append(entries_at(1, 2), behind=0)
        await store.append(entries_at(8, 9), behind=2)
        items = await heard(listener, 5)
    assert items[2] == Gap(3, 7)
    assert positions_of(items[:2] + items[3:]) == [1, 2, 8, 9]


async def test_an_unreadable_entry_is_a_gap_and_what_follows_is_heard(
    redis_url: str, engine: AsyncEngine
) -> None:
    async with (
        feed_on(engine, redis_url) as feed,
        feed.listen() as listener,
        stream_without_relay(redis_url) as store,
    ):
        await store.append(entries_at(1), behind=0)
        client = open_client(redis_url)
        await client.xadd(STREAM, {FIELD: '{"from": "the future"}'}, id="2-0")
        await client.aclose()
        await store.append(entries_at(3), behind=2)
        items = await heard(listener, 3)
    assert items[1] == Gap(2, 2)
    assert positions_of([items[0], items[2]]) == [1, 3]


async def test_listeners_are_told_when_the_stream_was_of_another_database(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with stream_without_relay(redis_url) as store:
        await store.append(entries_at(*range(1, 41)), behind=0)
        await commit_events(engine, uuid4(), range(1, 4))
        async with feed_on(engine, redis_url) as feed, feed.listen() as listener:
            assert positions_of(await heard(listener, 40)) == list(range(1, 41))
            async with Relay(database_url, redis_url, stream_max_entries=MAX_ENTRIES):
                assert await heard(listener, 1) == [Gap(1, 3, is_anew=True)]
                await commit_event(engine, uuid4(), 1)
                assert positions_of(await heard(listener, 1)) == [4]


async def test_listeners_end_when_the_feed_does(redis_url: str, engine: AsyncEngine) -> None:
    async def listen() -> list[FeedEntry | Gap]:
        async with feed.listen() as listener:
            first = [item async for item in listener]
            return first + [item async for item in listener]

    async with feed_on(engine, redis_url) as feed:
        waiting = asyncio.create_task(listen())
        await asyncio.sleep(0)
        assert feed.listener_count == 1
    assert await waiting == []
    assert await listen() == []
    assert feed.listener_count == 0


def test_an_entry_survives_the_stream_and_junk_is_refused() -> None:
    for project_id in (None, uuid4()):
        entry = FeedEntry(7, uuid4(), "OrderReleased", "Order", uuid4(), project_id, 3)
        assert decode(encode(entry)) == entry
    for junk in ("", "[]", "null", '["7"]', encode(entries_at(1)[0])[:-1] + ',"more"]', "[1,2,3,4,5,6,7]"):
        with pytest.raises(ValueError):  # noqa: PT011 (several kinds, none of them with a text of ours)
            decode(junk)


@pytest.mark.parametrize("position", [0, 1, 255, 2**53 + 1, 2**63 - 1])
def test_a_cursor_names_its_position(position: int) -> None:
    cursor = cursor_of(position)
    assert position_of(cursor) == position
    assert len(cursor) == 19


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "1",
        "41",
        "é",
        "=" * 19,
        "A" * 19,
        "A" * 100_000,
        f"{SEVEN}=",
        f"{SEVEN}\n",
        SEVEN[:-1],
        SEVEN.swapcase(),
    ],
)
def test_a_damaged_cursor_is_refused(junk: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        position_of(junk)
    assert refused.value.code == "MALFORMED_CURSOR"
