"""How is an order held or resumed so that those who follow it hear of it? By EOMS's command, or by SQL and a word to the peer.

All commit to the same PostgreSQL. What each peer is told, and why that is fair, stands in `README.md`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from importlib import import_module
from typing import Any, Protocol
from uuid import UUID, uuid4

import httpx
from redis.asyncio import Redis

from bench.documents import document
from bench.processes import BenchError
from domain.identifiers import global_id

CHANNEL = "bench_order_changed"
"""Of notifications that tell what happened; Redis has such a channel for each project, named behind a colon."""

TEXT_CHANNEL = "bench_text"
"""Of notifications that are a finished message."""

ASK_SECONDS = 60

# Any, and imported by its name: asyncpg brings no types.
_asyncpg: Any = import_module("asyncpg")

_CHANGED = """
WITH o AS (UPDATE engineering_order SET state = $2::text::order_state, version = version + 1, updated_at = now()
            WHERE id = $1 RETURNING *)
"""
# What EOMS sends for the same change, byte for byte, but for the position in its cursor.
_NOTIFY_TEXT = """
SELECT pg_notify('bench_text',
    '{"id":"1","type":"next","payload":{"data":{"orderChanged":' || row_to_json(told)::text || '}}}')
  FROM (SELECT 'RjIAAAAAAAAAAAAAAAA' AS cursor, 'Order:' || o.id AS "orderId",
               (SELECT row_to_json(e) FROM (SELECT $3::text AS type, o.version) e) AS event,
               (SELECT row_to_json(n) FROM (
                   SELECT o.number, o.title, o.state, o.priority, o.amount::text AS amount, o.due_on AS "dueOn"
               ) n) AS "order"
          FROM o) told
"""
_NOTIFY_EVENT = """
SELECT pg_notify('bench_order_changed', row_to_json(told)::text)
  FROM (SELECT o.id AS "orderId", o.project_id AS "projectId", $3::text AS type, o.version FROM o) told
"""
_RETURN_EVENT = """
SELECT told."projectId"::text AS project, row_to_json(told)::text AS text
  FROM (SELECT o.id AS "orderId", o.project_id AS "projectId", $3::text AS type, o.version FROM o) told
"""


class Told(StrEnum):
    """How a contender hears of a commit."""

    BY_ITSELF = "by itself"
    TEXT = "text"
    EVENT = "event"
    PUBLISHED = "published"


class Commit(Protocol):
    """Holds or resumes an order."""

    async def __call__(self, order: UUID, *, is_held: bool) -> None:
        """Hold the order, or resume it; return when that is committed; raise `BenchError` where it isn't."""
        ...


# Any: `where` holds addresses and headers, as JSON brings them to the process that commits.
@asynccontextmanager
async def committing(told: Told, where: Mapping[str, Any]) -> AsyncGenerator[Commit]:
    """The way to commit of which a contender hears so."""
    if told is Told.BY_ITSELF:
        async with httpx.AsyncClient(
            base_url=where["url"], headers=where["headers"], timeout=ASK_SECONDS
        ) as client:
            yield _Commands(client)
        return
    connection = _asyncpg.create_pool(
        host=where["PGHOST"], user=where["PGUSER"], database=where["PGDATABASE"], min_size=2, max_size=10
    )
    async with connection:
        if told is Told.PUBLISHED:
            # Any: redis-py leaves the types of its answers open.
            redis: Any = Redis.from_url(where["redis_url"])  # pyright: ignore[reportUnknownMemberType]
            async with redis:
                yield _Published(connection, redis)
        else:
            yield _Notified(connection, _NOTIFY_TEXT if told is Told.TEXT else _NOTIFY_EVENT)


class _Commands:
    """EOMS's own commands: nobody else says that something happened."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, order: UUID, *, is_held: bool) -> None:
        given = {"id": global_id("Order", order), "idempotencyKey": str(uuid4())}
        if is_held:
            given["note"] = "Rain"
        hashed = document("hold" if is_held else "resume").hash
        response = await self._client.post(
            "/graphql", json={"documentId": f"sha256:{hashed}", "variables": {"input": given}}
        )
        answer = response.json()
        if "errors" in answer or next(iter(answer["data"].values()))["errors"]:
            raise BenchError(f"A command was answered {response.text[:300]}")


class _Notified:
    """The same change of the row, told by NOTIFY in its transaction."""

    # Any: asyncpg brings no types.
    def __init__(self, pool: Any, statement: str) -> None:
        self._pool = pool
        self._statement = _CHANGED + statement

    async def __call__(self, order: UUID, *, is_held: bool) -> None:
        await self._pool.fetch(self._statement, order, *_words(is_held=is_held))


class _Published:
    """The same change of the row, published in Redis when it is committed."""

    # Any: neither client says what its answers are.
    def __init__(self, pool: Any, redis: Any) -> None:
        self._pool = pool
        self._redis = redis

    async def __call__(self, order: UUID, *, is_held: bool) -> None:
        (changed,) = await self._pool.fetch(_CHANGED + _RETURN_EVENT, order, *_words(is_held=is_held))
        await self._redis.publish(f"{CHANNEL}:{changed['project']}", changed["text"])


def _words(*, is_held: bool) -> tuple[str, str]:
    """Return the state that an order comes to, and what the event is called."""
    return ("ON_HOLD", "OrderHeld") if is_held else ("IN_PROGRESS", "OrderResumed")
