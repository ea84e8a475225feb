"""Is this process alive, and can it serve?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from redis.asyncio import Redis
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from db.engine import Database

_SECONDS = 2


class Health:
    """`/healthz` and `/readyz`."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis

    async def healthz(self, _request: Request) -> Response:
        """Answer 200 as long as the process answers at all."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 where both stores answer within 2 seconds, else 503 naming those that don't."""
        database, redis = await asyncio.gather(_answers(self._ask_database()), _answers(self._ask_redis()))
        stores = {"database": "ok" if database else "unavailable", "redis": "ok" if redis else "unavailable"}
        return JSONResponse({"stores": stores}, status_code=200 if database and redis else 503)

    async def _ask_database(self) -> None:
        # Both: a replica may answer while the primary, without which nobody can do anything, is gone.
        for engine in (self._database.write, self._database.read):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))

    async def _ask_redis(self) -> None:
        await self._redis.ping()  # pyright: ignore[reportUnknownMemberType, reportGeneralTypeIssues]  # typed for both worlds


async def _answers(question: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_SECONDS):
            await question
    except Exception:  # noqa: BLE001  # whatever keeps a store from answering, it isn't ready
        return False
    return True
