"""How does a database get the newest schema? Alembic's migrations, run by one process at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

_ADVISORY_LOCK = 0x454F4D53
"""Held while migrating ("EOMS" in ASCII), so that two servers that start together don't both migrate."""

_LOCK_TIMEOUT = "5s"


def upgrade(url: str) -> None:
    """Bring the database at `postgresql+asyncpg://…` to the newest schema; a no-op where it is there already."""
    asyncio.run(_upgrade(url))


async def _upgrade(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
            await connection.commit()
    finally:
        await engine.dispose()


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration bound to an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection) -> None:
    config = alembic_config(connection)
    newest = ScriptDirectory.from_config(config).get_current_head()
    # It is held until the connection closes, after the commit: who gets it next finds the schema that is there.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
    if MigrationContext.configure(connection).get_current_revision() != newest:
        connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
        command.upgrade(config, "head")
