"""How is the database reached? Pools that write, read snapshots, and send single statements, each with its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it has none
import orjson
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db.limits import PoolLimits, server_settings
from db.statements import Statements


@dataclass(frozen=True, slots=True)
class Database:
    """The roads to the database: `write` for units of work, `read` for snapshots and `statements` (perhaps of a replica)."""

    write: AsyncEngine
    read: AsyncEngine
    current: AsyncEngine
    """Snapshots that are never behind the primary, for whoever has just been told of a change."""

    statements: Statements
    """Finished statements, each a snapshot of its own, where `read` reads."""

    current_statements: Statements
    """The same, never behind the primary."""

    async def close(self) -> None:
        """Close every connection of all pools."""
        await self.statements.close()
        await self.current_statements.close()
        await self.read.dispose()
        await self.write.dispose()


_SNAPSHOT: dict[str, str | bool] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def open_database(write_url: str, read_url: str, write: PoolLimits, read: PoolLimits) -> Database:
    """Return a database whose pools are empty until they are first used; URLs are `postgresql+asyncpg://…`."""
    primary = _engine(write_url, write, read_only=False)
    snapshots = _engine(read_url, read, read_only=True)
    current = snapshots if read_url == write_url else primary.execution_options(**_SNAPSHOT)
    statements = Statements(read_url, read)
    current_statements = statements if read_url == write_url else Statements(write_url, write)
    return Database(primary, snapshots, current, statements, current_statements)


def _engine(url: str, limits: PoolLimits, *, read_only: bool) -> AsyncEngine:
    options = _SNAPSHOT if read_only else {"isolation_level": "READ COMMITTED"}
    engine = create_async_engine(
        url,
        pool_size=limits.size,
        max_overflow=0,
        pool_timeout=limits.wait_seconds,
        pool_use_lifo=True,
        execution_options=options,
        json_deserializer=orjson.loads,
        # Statement parameters hold people's data and must not reach a log through an exception's text.
        hide_parameters=True,
        connect_args={
            "timeout": limits.connect_seconds,
            # The server's own limit comes first; this one is for a server that is frozen or out of reach.
            "command_timeout": limits.statement_seconds + limits.connect_seconds,
            "server_settings": server_settings(limits),
        },
    )
    event.listen(engine.sync_engine, "checkout", _refusal_of_lost(limits.connect_seconds))
    return engine


_WAS_USED = "eoms_was_used"


# Any: asyncpg says nothing of its types.
def _refusal_of_lost(answer_seconds: float) -> Callable[[Any, Any, object], None]:
    """Return what has a connection replaced that was lost while nobody used it, or whose server is silent.

    One that was just made isn't asked: SQLAlchemy replaces twice, and then raises what is no error of a database.

    A statement outside of a transaction is one round trip. SQLAlchemy's own question (`pool_pre_ping`) takes
    three: it is asked in a transaction, and prepared.
    """

    async def answer(driver: Any) -> None:
        try:
            await driver.execute("SELECT 1", timeout=answer_seconds)
        except TimeoutError:
            # SQLAlchemy would wait for a server that is frozen to say good-bye.
            driver.terminate()
            raise

    def refuse(connection: Any, record: Any, _proxy: object) -> None:
        # Emptied whenever the connection is replaced.
        if _WAS_USED not in record.info:
            record.info[_WAS_USED] = True
            return
        try:
            connection.run_async(answer)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise DisconnectionError from error

    return refuse
