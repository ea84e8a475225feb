"""Which text does the registry give, and what does it remember?"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from sqlalchemy import event

from db.engine import open_database
from db.limits import PoolLimits
from domain.errors import Unavailable
from domain.identifiers import ClientId
from server.registry import Registry
from tests.integration.document_world import (
    calls,
    client,
    digest,
    document,
    own_calls,
    published,
    retired,
)
from tests.integration.identity_world import World, eventually, opened_world

LISTENER = "application_name = 'eoms listen eoms_documents' AND datname = current_database()"
LIMITS = PoolLimits(size=4)


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncGenerator[World]:
    async with opened_world(database_url) as opened:
        yield opened


@asynccontextmanager
async def opened_registry(
    database_url: str, listen_url: str | None = None, write_seconds: float = 60
) -> AsyncGenerator[tuple[Registry, Callable[[], int]]]:
    """A registry as another process has it, with connections of its own, and how often it looked something up."""
    database = open_database(database_url, database_url, LIMITS, LIMITS)
    lookups: list[object] = []

    def seen(*arguments: object) -> None:
        if "document.text" in str(arguments[2]):
            lookups.append(arguments[3])

    event.listen(database.write.sync_engine, "before_cursor_execute", seen)
    try:
        async with Registry(database, listen_url or database_url, write_seconds) as registry:
            yield registry, lambda: len(lookups)
    finally:
        await database.close()


def made_up(nth: int) -> bytes:
    return hashlib.sha256(str(nth).encode()).digest()


def generation_of(registry: Registry) -> int:
    """How often the registry has heard that something changed, which shows only when it has heard."""
    return registry._generation  # pyright: ignore[reportPrivateUsage]


async def told_of(registry: Registry, name: str, client_id: ClientId | None, expected: str | None) -> None:
    async with asyncio.timeout(10):
        while await registry.text(digest(name), client_id) != expected:
            await asyncio.sleep(0.005)


async def test_client_finds_its_own_live_documents_and_people_everybodys(
    world: World, database_url: str
) -> None:
    web, partner = await client(world), await client(world, "partner")
    await published(world, web, "Web", "Old", "Shared")
    await published(world, partner, "Shared")
    await retired(world, web, "Old", "Shared")
    asked = [(name, who) for name in ("Web", "Old", "Shared", "Never") for who in (web, partner, None)]
    async with opened_registry(database_url) as (registry, lookup_count):
        # The second time from what is remembered.
        for _ in range(2):
            texts = {(name, who): await registry.text(digest(name), who) for name, who in asked}
            assert {key: text for key, text in texts.items() if text is not None} == {
                ("Web", web): document("Web").text,
                ("Web", None): document("Web").text,
                ("Shared", partner): document("Shared").text,
                ("Shared", None): document("Shared").text,
            }
        assert lookup_count() == len(asked)


async def test_retiring_and_publishing_count_at_once_in_every_process(
    world: World, database_url: str
) -> None:
    web = await client(world)
    await published(world, web, "A")
    text = document("A").text
    async with (
        opened_registry(database_url) as (here, _),
        opened_registry(database_url) as (there, _),
    ):
        for who in (web, None):
            assert [await each.text(digest("A"), who) for each in (here, there)] == [text, text]
        for change, expected in ((retired, None), (published, text)):
            await change(world, web, "A")
            for who in (web, None):
                for registry in (here, there):
                    await told_of(registry, "A", who, expected)


async def test_counting_a_use_makes_nothing_forgotten(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A")
    async with opened_registry(database_url) as (registry, lookup_count):
        await registry.text(digest("A"), web)
        await world.rows("UPDATE client_document SET calls = calls + 1, last_used_at = now()")
        await world.rows("UPDATE document SET calls = calls + 1")
        # What is told of another document is heard behind anything that these would have told.
        await registry.text(digest("B"), None)
        await published(world, web, "B")
        await told_of(registry, "B", None, document("B").text)
        before = lookup_count()
        await world.rows("UPDATE client_document SET calls = calls + 1")
        await registry.text(digest("B"), None)
        assert lookup_count() == before


async def test_lost_listener_makes_everything_forgotten_and_is_restored(
    world: World, database_url: str
) -> None:
    web = await client(world)
    await published(world, web, "A")
    async with opened_registry(database_url) as (registry, lookup_count):
        assert await registry.text(digest("A"), web) == document("A").text
        assert await registry.text(digest("B"), web) is None
        await world.rows(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LISTENER}")
        await eventually(lambda: not registry.is_listening)
        await world.rows("UPDATE client_document SET retired_at = now()")
        assert await registry.text(digest("A"), web) is None
        await eventually(lambda: registry.is_listening)
        before = lookup_count()
        for _ in range(3):
            assert await registry.text(digest("A"), web) is None
        assert lookup_count() == before + 1


async def test_nothing_is_remembered_while_nobody_listens(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A")
    nowhere = database_url.replace("/test_", "/absent_")
    async with opened_registry(database_url, nowhere) as (registry, lookup_count):
        assert not registry.is_listening
        for change, expected in ((retired, None), (published, document("A").text)):
            await change(world, web, "A")
            assert await registry.text(digest("A"), web) == expected
            assert await registry.text(digest("Never"), web) is None
        assert lookup_count() == 4


async def test_answer_that_a_notice_overtook_is_used_once_and_not_remembered(
    world: World, database_url: str
) -> None:
    web = await client(world)
    await published(world, web, "A")
    async with opened_registry(database_url) as (registry, lookup_count):
        async with world.engine.begin() as connection:
            # Lookups wait for this lock; the notice doesn't.
            await connection.exec_driver_sql("LOCK TABLE document IN ACCESS EXCLUSIVE MODE")
            looking = asyncio.create_task(registry.text(digest("A"), web))
            await eventually(lambda: lookup_count() == 1)
            generation = generation_of(registry)
            await world.rows("SELECT pg_notify('eoms_documents', '')")
            await eventually(lambda: generation_of(registry) > generation)
        assert await looking == document("A").text
        assert await registry.text(digest("A"), web) == document("A").text
        assert lookup_count() == 2


async def test_made_up_ids_are_looked_up_once_and_push_out_no_good_one(
    world: World, database_url: str
) -> None:
    web = await client(world)
    await published(world, web, "A")
    async with opened_registry(database_url) as (registry, lookup_count):
        await registry.text(digest("A"), web)
        for _ in range(2):
            for nth in range(100):
                assert await registry.text(made_up(nth), web) is None
        assert await registry.text(digest("A"), web) == document("A").text
        assert lookup_count() == 101


async def test_database_that_is_away_is_told_as_unavailable(world: World, database_url: str) -> None:
    web = await client(world)
    async with opened_registry("postgresql+asyncpg://eoms@127.0.0.1:1/eoms", database_url) as (registry, _):
        for who in (web, None):
            with pytest.raises(Unavailable) as refused:
                await registry.text(digest("A"), who)
            assert refused.value.code == "UNAVAILABLE"


async def test_uses_are_written_every_few_seconds_and_at_the_end(world: World, database_url: str) -> None:
    web = await client(world)
    await published(world, web, "A", "B")
    async with opened_registry(database_url, write_seconds=0.05) as (registry, _):
        registry.used(digest("A"), web)
        registry.used(digest("A"), None)
        async with asyncio.timeout(10):
            while await calls(world) != {"A": 2}:
                await asyncio.sleep(0.01)
    async with opened_registry(database_url) as (registry, _):
        registry.used(digest("B"), web)
        assert await calls(world) == {"A": 2}
    assert await calls(world) == {"A": 2, "B": 1}
    assert await own_calls(world) == {("web", "A"): 1, ("web", "B"): 1}
