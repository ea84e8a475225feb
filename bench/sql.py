"""How does the harness itself ask a database? One statement on a connection of its own, when nothing is timed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any

# Any, and imported by its name: asyncpg brings no types.
_asyncpg: Any = import_module("asyncpg")


# Any: a row has whatever columns the statement names.
def fetch(where: Mapping[str, str], statement: str, *parameters: object) -> list[Any]:
    """Return the rows of a statement; `where` is the database in libpq's variables."""
    return asyncio.run(_fetch(where, statement, parameters))


class Session:
    """A connection that is kept, with its statements prepared, for what is timed."""

    def __init__(self, where: Mapping[str, str]) -> None:
        self._where = where
        self._loop = asyncio.new_event_loop()
        self._prepared: dict[str, Any] = {}

    def __enter__(self) -> Session:
        self._connection = self._loop.run_until_complete(_connected(self._where))
        # As EOMS reads.
        self._loop.run_until_complete(self._connection.execute("SET jit = off"))
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_until_complete(self._connection.close())
        self._loop.close()

    # Any: a row has whatever columns the statement names.
    def fetch(self, statement: str, *parameters: object) -> list[Any]:
        """Return the rows of a statement."""
        return self._loop.run_until_complete(self._fetch(statement, parameters))

    async def _fetch(self, statement: str, parameters: tuple[object, ...]) -> list[Any]:
        if statement not in self._prepared:
            self._prepared[statement] = await self._connection.prepare(statement)
        return list(await self._prepared[statement].fetch(*parameters))


async def _fetch(where: Mapping[str, str], statement: str, parameters: tuple[object, ...]) -> list[Any]:
    connection = await _connected(where)
    try:
        # Seeding's statements take as long as they take.
        return list(await connection.fetch(statement, *parameters, timeout=3_600))
    finally:
        await connection.close()


async def _connected(where: Mapping[str, str]) -> Any:
    return await _asyncpg.connect(host=where["PGHOST"], user=where["PGUSER"], database=where["PGDATABASE"])
