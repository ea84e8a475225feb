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


async def _fetch(where: Mapping[str, str], statement: str, parameters: tuple[object, ...]) -> list[Any]:
    connection = await _asyncpg.connect(
        host=where["PGHOST"], user=where["PGUSER"], database=where["PGDATABASE"]
    )
    try:
        # Seeding's statements take as long as they take.
        return list(await connection.fetch(statement, *parameters, timeout=3_600))
    finally:
        await connection.close()
