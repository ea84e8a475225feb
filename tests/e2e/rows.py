"""What do the stores of a real server hold? Looking behind the API, on the embedded stores of a data folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from server.stores import StoreUrls
from subscriptions.entries import FeedEntry, decode
from subscriptions.stream_store import FIELD, STREAM, open_client
from tests.e2e.server import stores_of

# Any: rows hold what the statement asked for.
Rows = list[tuple[Any, ...]]

SETTLE_SECONDS = 20
_FEED = "SELECT position, event_id FROM event_feed ORDER BY position"
_UNPLACED = "SELECT count(*) FROM event_outbox"


def rows(data_dir: Path, statement: str, **options: Any) -> Rows:
    """Return what a statement gives, committed."""
    with stores_of(data_dir) as urls:
        return asyncio.run(fetched(urls.database_url, statement, **options))


async def fetched(database_url: str, statement: str, **options: Any) -> Rows:
    """Return what a statement gives, committed."""
    engine = create_async_engine(database_url, poolclass=NullPool, **options)
    async with engine.begin() as connection:
        result = await connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


async def assert_stream_tells_the_feed(urls: StoreUrls) -> None:
    """Wait until the relay has nothing left to do; the stream then holds each place of the feed once, in order."""
    entries: list[FeedEntry] = []
    places: Rows = []
    for _ in range(SETTLE_SECONDS * 5):
        places = await fetched(urls.database_url, _FEED)
        entries = await streamed(urls.redis_url)
        is_placed = await fetched(urls.database_url, _UNPLACED) == [(0,)]
        if is_placed and entries and entries[-1].position == places[-1][0]:
            break
        await asyncio.sleep(0.2)
    assert [position for position, _ in places] == list(range(1, len(places) + 1))
    assert [(entry.position, entry.event_id) for entry in entries] == places[-len(entries) :]
    assert len(entries) == len(places), "the stream holds more events than this run has"


async def streamed(redis_url: str) -> list[FeedEntry]:
    """Return every entry of the stream; each stands at the id that its position demands."""
    client = open_client(redis_url)
    try:
        found = cast("list[tuple[str, dict[str, str]]]", await client.xrange(STREAM))
    finally:
        await client.aclose()
    entries = [decode(fields[FIELD]) for _, fields in found]
    assert [key for key, _ in found] == [f"{entry.position}-0" for entry in entries]
    return entries
