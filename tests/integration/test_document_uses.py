"""Is every use of a document counted exactly once, whatever happens while it is written?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from db.engine import open_database
from db.limits import PoolLimits
from server.document_uses import COUNTED_MOST, DocumentUses
from tests.integration.document_world import calls, client, digest, own_calls, published, retired
from tests.integration.identity_world import World, opened_world

LIMITS = PoolLimits(size=2)
_WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


@asynccontextmanager
async def opened_uses(database_url: str) -> AsyncGenerator[DocumentUses]:
    """Counts as another process has them, with connections of its own."""
    database = open_database(database_url, database_url, LIMITS, LIMITS)
    try:
        yield DocumentUses(database)
    finally:
        await database.close()


@asynccontextmanager
async def held_document(world: World) -> AsyncGenerator[AsyncConnection]:
    """Meanwhile nobody can write how often a document was used."""
    async with world.engine.begin() as connection:
        await connection.execute(text("SELECT 1 FROM document FOR UPDATE"))
        yield connection


async def waiting_process(world: World) -> int:
    """The server process of a connection that waits for the document."""
    async with asyncio.timeout(10):
        while not (found := await world.rows(_WAITING)):
            await asyncio.sleep(0.01)
    return int(found[0][0])


async def test_uses_count_for_the_document_and_for_the_client_that_sent_it(
    world: World, database_url: str
) -> None:
    web, partner = await client(world), await client(world, "partner")
    await published(world, web, "A", "B")
    await published(world, partner, "A")
    before = datetime.now(UTC)
    async with opened_uses(database_url) as uses:
        for name, who, times in (("A", web, 3), ("A", partner, 2), ("A", None, 4), ("B", None, 1)):
            for _ in range(times):
                uses.count(digest(name), who)
        assert uses.waiting == 10
        await uses.write()
        assert uses.waiting == 0
    after = datetime.now(UTC)
    assert await calls(world) == {"A": 9, "B": 1}
    assert await own_calls(world) == {("web", "A"): 3, ("partner", "A"): 2}
    moments = await world.rows("SELECT last_used_at FROM document")
    moments = [*moments, *await world.rows("SELECT last_used_at FROM client_document WHERE calls > 0")]
    assert [before <= moment <= after for (moment,) in moments] == [True] * 4
    assert await world.rows("SELECT last_used_at FROM client_document WHERE calls = 0") == [(None,)]


async def test_later_use_that_another_process_has_written_stays(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A")
    later = datetime(2100, 1, 1, tzinfo=UTC)
    for table in ("document", "client_document"):
        await world.rows(f"UPDATE {table} SET calls = 5, last_used_at = :later", later=later)
    async with opened_uses(database_url) as uses:
        uses.count(digest("A"), web)
        await uses.write()
    for table in ("document", "client_document"):
        assert await world.rows(f"SELECT calls, last_used_at FROM {table}") == [(6, later)]


async def test_four_processes_add_up_while_operators_publish_and_retire(
    world: World, database_url: str
) -> None:
    clients = [await client(world, f"web-{nth}") for nth in range(3)]
    names = [f"D{nth}" for nth in range(100)]
    for web in clients:
        await published(world, web, *names)

    async def counting() -> None:
        async with opened_uses(database_url) as uses:
            for _ in range(10):
                for who in (None, *clients):
                    for name in random.sample(names, len(names)):
                        uses.count(digest(name), who)
                await uses.write()
            assert uses.waiting == 0

    async def operating() -> None:
        for nth in range(10):
            some = random.sample(names, 30)
            await retired(world, clients[nth % 3], *some)
            await published(world, clients[nth % 3], *some)

    with capture_logs() as logs:
        await asyncio.gather(*(counting() for _ in range(4)), operating())
    # Not one attempt had to be repeated: nobody has waited for somebody who waited for him.
    assert logs == []
    assert await calls(world) == dict.fromkeys(names, 4 * 10 * 4)
    assert await own_calls(world) == {(f"web-{nth}", name): 40 for nth in range(3) for name in names}


async def test_uses_whose_connection_is_killed_are_written_the_next_time(
    world: World, database_url: str
) -> None:
    web = await client(world)
    await published(world, web, "A", "B")
    async with opened_uses(database_url) as uses:
        for name in ("A", "A", "B"):
            uses.count(digest(name), web)
        with capture_logs() as logs:
            async with held_document(world):
                writing = asyncio.create_task(uses.write())
                process = await waiting_process(world)
                # Counted while the batch with the same document is under way.
                uses.count(digest("A"), web)
                await world.rows("SELECT pg_terminate_backend(:process)", process=process)
                await writing
            assert uses.waiting == 4
            await uses.write()
        assert [(entry["log_level"], entry["event"]) for entry in logs] == [
            ("warning", "uses of documents can't be written now"),
            ("info", "uses of documents are written again"),
        ]
        assert uses.waiting == 0
        await uses.write()
    assert await calls(world) == {"A": 3, "B": 1}
    assert await own_calls(world) == {("web", "A"): 3, ("web", "B"): 1}


async def test_uses_are_kept_when_writing_is_cut_off(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A")
    async with opened_uses(database_url) as uses:
        uses.count(digest("A"), web)
        async with held_document(world):
            writing = asyncio.create_task(uses.write())
            await waiting_process(world)
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing
        assert uses.waiting == 1
        await uses.write()
    assert (await calls(world), await own_calls(world)) == ({"A": 1}, {("web", "A"): 1})


async def test_outage_is_told_once_and_loses_nothing(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A")
    async with opened_uses(database_url) as uses:
        await world.rows("ALTER TABLE client_document RENAME TO gone")
        with capture_logs() as logs:
            for _ in range(3):
                uses.count(digest("A"), web)
                await uses.write()
        assert [entry["error"] for entry in logs] == ["ProgrammingError"]
        # Written together or not at all.
        assert await calls(world) == {}
        await world.rows("ALTER TABLE gone RENAME TO client_document")
        await uses.write()
    assert (await calls(world), await own_calls(world)) == ({"A": 3}, {("web", "A"): 3})


async def test_counts_that_wait_are_bounded(world: World, database_url: str) -> None:
    async with opened_uses(database_url) as uses:
        for nth in range(COUNTED_MOST + 10):
            uses.count(nth.to_bytes(32), None)
        assert uses.waiting == COUNTED_MOST
        uses.count((0).to_bytes(32), None)
        assert uses.waiting == COUNTED_MOST + 1
