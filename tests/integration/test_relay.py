"""Does each committed event get one place and reach the stream once, in order, whatever dies meanwhile?"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from subscriptions.entries import FeedEntry
from subscriptions.relay import Relay, newest_position
from subscriptions.stream_store import HISTORIES, STREAM, StreamStore, open_client
from tests.integration.live_stores import (
    KillableValkey,
    commit_event,
    commit_events,
    eventually,
    feed_rows,
    killable_valkey,
    opened_engine,
    stream_entries,
    uncommitted_event,
)

MAX_ENTRIES = 100_000


@pytest.fixture
async def engine(database_url: str) -> AsyncGenerator[AsyncEngine]:
    async with opened_engine(database_url) as engine:
        yield engine


@pytest.fixture
def valkey() -> Generator[KillableValkey]:
    with killable_valkey() as valkey:
        yield valkey


def relay_on(database_url: str, redis_url: str, max_entries: int = MAX_ENTRIES) -> Relay:
    return Relay(database_url, redis_url, stream_max_entries=max_entries)


async def published(redis_url: str, count: int) -> list[FeedEntry]:
    return await eventually(lambda: stream_entries(redis_url), lambda entries: len(entries) >= count)


def placed(event_ids: list[UUID]) -> list[tuple[int, UUID]]:
    return list(enumerate(event_ids, start=1))


async def test_events_are_published_once_in_the_order_of_commits(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    order_id = uuid4()
    async with relay_on(database_url, redis_url):
        committed = await commit_events(engine, order_id, range(1, 31))
        entries = await published(redis_url, 30)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)
    assert await feed_rows(engine) == placed(committed)
    assert entries[6] == FeedEntry(7, committed[6], "OrderNoted", "Order", order_id, None, 7)
    assert await newest_position(engine) == 30


async def test_an_outbox_larger_than_a_round_is_emptied_in_order(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    committed = await commit_events(engine, uuid4(), range(1, 1102))
    async with relay_on(database_url, redis_url):
        entries = await published(redis_url, 1101)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)


async def test_a_notification_wakes_the_relay_long_before_it_would_look(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with relay_on(database_url, redis_url) as relay:
        await commit_event(engine, uuid4(), 1)
        await published(redis_url, 1)
        assert relay.is_at_work
        started = asyncio.get_running_loop().time()
        for count in range(2, 12):
            await commit_event(engine, uuid4(), 1)
            await published(redis_url, count)
        # Ten rounds of polling would take five seconds on average.
        assert asyncio.get_running_loop().time() - started < 2


async def test_a_late_commit_with_a_lower_sequence_is_placed_later_and_not_skipped(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with relay_on(database_url, redis_url):
        async with uncommitted_event(engine, uuid4(), 1) as late:
            early = await commit_events(engine, uuid4(), range(1, 4))
            assert [entry.event_id for entry in await published(redis_url, 3)] == early
        entries = await published(redis_url, 4)
    assert [(entry.position, entry.event_id) for entry in entries] == placed([*early, late])


async def test_two_relays_that_race_give_each_event_one_place(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with relay_on(database_url, redis_url) as one, relay_on(database_url, redis_url) as other:
        orders = [uuid4() for _ in range(8)]
        written = await asyncio.gather(*(commit_events(engine, order, range(1, 26)) for order in orders))
        entries = await published(redis_url, 200)
        assert (one.is_at_work, other.is_at_work) in {(True, False), (False, True)}
    assert [entry.position for entry in entries] == list(range(1, 201))
    by_order = [[entry.event_id for entry in entries if entry.aggregate_id == order] for order in orders]
    assert by_order == written


async def test_the_other_relay_takes_over_when_the_holder_is_killed_midway(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    order_id = uuid4()
    async with relay_on(database_url, redis_url), relay_on(database_url, redis_url):
        writing = asyncio.create_task(commit_events(engine, order_id, range(1, 201)))
        for enough in (20, 80, 140):
            await published(redis_url, enough)
            await eventually(lambda: kill_holders(engine), lambda killed: killed == 1)
        committed = await writing
        entries = await published(redis_url, 200)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)
    assert await feed_rows(engine) == placed(committed)


async def test_a_relay_that_is_stopped_leaves_the_lock_to_the_next(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    async with relay_on(database_url, redis_url):
        await commit_event(engine, uuid4(), 1)
        await published(redis_url, 1)
    async with relay_on(database_url, redis_url):
        await commit_event(engine, uuid4(), 1)
        assert [entry.position for entry in await published(redis_url, 2)] == [1, 2]


async def test_a_relay_that_is_stopped_in_the_moment_in_which_it_fails_stops(
    engine: AsyncEngine, database_url: str, redis_url: str
) -> None:
    async with asyncio.timeout(20), relay_on(database_url, redis_url) as relay:
        while not relay.is_at_work:
            await asyncio.sleep(0.01)
        (task,) = (each for each in asyncio.all_tasks() if each.get_name() == "relay")
        assert await kill_holders(engine) == 1
        # A TaskGroup cancels its own task when one of its tasks fails; who cancels it now is not told apart from that.
        while not task.cancelling():
            await asyncio.sleep(0)


async def test_places_are_given_while_the_stream_is_away(
    database_url: str, engine: AsyncEngine, valkey: KillableValkey
) -> None:
    order_id = uuid4()
    async with relay_on(database_url, valkey.url):
        committed = await commit_events(engine, order_id, range(1, 6))
        await published(valkey.url, 5)
        valkey.kill()
        committed += await commit_events(engine, order_id, range(6, 16))
        rows = await eventually(lambda: feed_rows(engine), lambda rows: len(rows) == 15)
        assert rows == placed(committed)
        valkey.start()
        entries = await published(valkey.url, 15)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)


async def test_a_stream_that_lost_its_data_is_filled_again_without_any_new_event(
    database_url: str, engine: AsyncEngine, valkey: KillableValkey
) -> None:
    async with relay_on(database_url, valkey.url):
        committed = await commit_events(engine, uuid4(), range(1, 41))
        await published(valkey.url, 40)
        valkey.kill()
        valkey.lose_data()
        valkey.start()
        entries = await published(valkey.url, 40)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)


async def test_a_lost_stream_is_filled_with_no_more_than_it_may_hold(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    await commit_events(engine, uuid4(), range(1, 31))
    async with relay_on(database_url, redis_url, max_entries=10):
        entries = await published(redis_url, 10)
    assert [entry.position for entry in entries] == list(range(21, 31))


async def test_a_frozen_stream_costs_the_order_nothing(
    database_url: str, engine: AsyncEngine, valkey: KillableValkey
) -> None:
    order_id = uuid4()
    async with relay_on(database_url, valkey.url):
        committed = await commit_events(engine, order_id, range(1, 6))
        await published(valkey.url, 5)
        valkey.freeze()
        committed += await commit_events(engine, order_id, range(6, 16))
        await eventually(lambda: feed_rows(engine), lambda rows: len(rows) == 15, seconds=3)
        # Longer than the relay waits for an answer.
        await asyncio.sleep(6)
        valkey.thaw()
        entries = await published(valkey.url, 15)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)


async def test_a_stream_of_another_database_is_dropped_and_its_readers_are_told(
    database_url: str, redis_url: str, engine: AsyncEngine
) -> None:
    store = StreamStore(redis_url, max_entries=MAX_ENTRIES)
    strangers = [
        FeedEntry(position, uuid4(), "OrderNoted", "Order", uuid4(), None, 1) for position in (1, 2, 3)
    ]
    assert await store.append(strangers, behind=0) == 3
    committed = await commit_events(engine, uuid4(), range(1, 6))
    async with relay_on(database_url, redis_url):
        entries = await published(redis_url, 5)
    assert [(entry.position, entry.event_id) for entry in entries] == placed(committed)
    client = open_client(redis_url)
    assert await client.xlen(HISTORIES) == 1
    await client.aclose()
    await store.close()


async def test_appending_twice_adds_nothing_and_appending_behind_a_hole_is_refused(redis_url: str) -> None:
    store = StreamStore(redis_url, max_entries=MAX_ENTRIES)
    entries = [
        FeedEntry(position, uuid4(), "OrderNoted", "Order", uuid4(), None, 1) for position in range(1, 8)
    ]
    assert await store.append(entries[:3], behind=0) == 3
    assert await store.append(entries[1:5], behind=1) == 5
    assert await store.append(entries[6:], behind=6) == 5
    assert await stream_entries(redis_url) == entries[:5]
    client = open_client(redis_url)
    await client.unlink(STREAM)
    assert await store.append(entries[5:], behind=5) == 0
    assert await stream_entries(redis_url) == []
    await client.aclose()
    await store.close()


async def kill_holders(engine: AsyncEngine) -> int:
    """How many sessions held the relay's lock."""
    statement = text(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with engine.connect() as connection:
        return len((await connection.execute(statement)).all())
