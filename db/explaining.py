"""What does PostgreSQL say of a finished statement? The types of its parameters, and how it executes it.

On a connection that reads one snapshot and nothing else, with the same plan that `db.statements` makes it keep: one for
all values. So the values stand in what is executed, never in what is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it has none
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from db.faults import slow, translated
from db.statements import StatementFailed


@dataclass(frozen=True, slots=True)
class Explained:
    """What PostgreSQL says: the types of the parameters in their order, and its plan line by line where it was asked for."""

    types: tuple[str, ...]
    plan: tuple[str, ...] | None


# Any: arguments are of whatever types the columns are that they're compared with.
async def explained(engine: AsyncEngine, sql: str, arguments: Sequence[Any] | None) -> Explained:
    """Return what PostgreSQL says of SQL with numbered parameters; with arguments it is executed, and measured.

    Raises `Unavailable`, or `StatementFailed` where it can't be executed.
    """
    with translated():
        async with engine.connect() as connection:
            await connection.execute(text("SET LOCAL plan_cache_mode = 'force_generic_plan'"))
            # Any: asyncpg says nothing of its types.
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                return await _explained(driver, sql, arguments)
            except asyncpg.QueryCanceledError as error:
                raise slow() from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                # Its text may tell values of parameters.
                raise StatementFailed(
                    f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
                ) from None


async def _explained(driver: Any, sql: str, arguments: Sequence[Any] | None) -> Explained:
    statement = await driver.prepare(sql)
    types = tuple(str(each.name) for each in statement.get_parameters())
    if arguments is None:
        return Explained(types, None)
    values = ", ".join(await _literals(driver, types, arguments))
    # With parameters of its own EXPLAIN would plan for their values, which the server doesn't.
    asked = f"EXPLAIN (ANALYZE, BUFFERS) EXECUTE {statement.get_name()}{f'({values})' if values else ''}"
    return Explained(types, tuple(str(line) for (line,) in await driver.fetch(asked)))


async def _literals(driver: Any, types: Sequence[str], arguments: Sequence[Any]) -> list[str]:
    """Return the arguments as PostgreSQL itself writes them into SQL: EXECUTE takes no parameters."""
    if not arguments:
        return []
    quoted = ", ".join(f"quote_nullable(${number}::{kind}::text)" for number, kind in enumerate(types, 1))
    return [str(each) for each in await driver.fetchrow(f"SELECT {quoted}", *arguments)]
