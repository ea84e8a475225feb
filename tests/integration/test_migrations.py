"""Do the migrations lead to the tables that the code knows, and is the log safe in them?"""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it has none
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.bom_tables import UnitRow
from db.job_queue import queries_over
from db.migrate import upgrade
from tests.api import Api


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": True, "compare_server_default": True, "include_name": is_ours}
    )
    return compare_metadata(context, UnitRow.metadata)


async def test_migrated_database_has_exactly_the_tables_of_the_code(database_url: str) -> None:
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Return whether a table is one of the code's: those of the job queue are its library's."""
    return kind != "table" or not (name or "").startswith("pgqueuer")


async def test_migrated_database_has_exactly_the_job_queue_of_the_installed_library(
    database_url: str,
) -> None:
    # Any: asyncpg has no types.
    connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    connection: Any = await connect(database_url.replace("postgresql+asyncpg", "postgresql"))
    try:
        plan = await queries_over(AsyncpgDriver(connection)).plan_upgrade()
    finally:
        await connection.close()
    assert (list(plan.statements), list(plan.notes)) == ([], [])


async def test_servers_that_start_together_migrate_once(database_url: str) -> None:
    engine = create_async_engine(database_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await asyncio.gather(*(asyncio.to_thread(upgrade, database_url) for _ in range(6)))
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


@pytest.mark.parametrize(
    "change", ["UPDATE event SET note = 'other'", "DELETE FROM event", "TRUNCATE event CASCADE"]
)
async def test_events_are_never_changed_or_removed(api: Api, change: str) -> None:
    before = await api.rows("SELECT count(*), max(hash) FROM event")
    with pytest.raises(DBAPIError) as refused:
        await api.rows(change)
    assert getattr(refused.value.orig, "sqlstate", None) == "23001"
    assert await api.rows("SELECT count(*), max(hash) FROM event") == before
