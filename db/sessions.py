"""How does one operation read, and how does one command write?

A `ReadSession` is one snapshot: everything that is read through it agrees with itself. A `Transaction` writes; what it
has written can be read through `Transaction.reading()` before it is committed or rolled back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import CursorResult, Executable, RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from db.faults import translated
from domain.errors import Unavailable


class ReadSession:
    """One read-only snapshot on one connection, opened by the first statement.

    Statements that arrive together wait for each other: a connection carries one at a time.
    """

    def __init__(self, engine: AsyncEngine | None = None, *, borrowed: AsyncConnection | None = None) -> None:
        self._engine = engine
        self._connection = borrowed
        self._is_borrowed = borrowed is not None
        self._turn = asyncio.Lock()
        self._asking: set[asyncio.Task[Any]] = set()
        self._is_closed = False
        self.has_failed = False
        """Whether a statement has failed: the transaction that it ran in can then keep nothing any more."""
        self.statement_count = 0

    # Any: a statement's parameters are as various as its columns' types.
    async def fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[RowMapping]:
        """Return all rows of a statement as mappings; raise `Unavailable`."""
        return await self._fetch(lambda connection: connection.execute(statement, dict(parameters)))

    async def row(self, sql: str, arguments: Sequence[Any]) -> RowMapping | None:
        """Return the first row of finished SQL with numbered parameters, null where it gives none; raise `Unavailable`."""
        rows = await self._fetch(lambda connection: connection.exec_driver_sql(sql, tuple(arguments)))
        return rows[0] if rows else None

    async def _fetch(
        self, execute: Callable[[AsyncConnection], Awaitable[CursorResult[Any]]]
    ) -> Sequence[RowMapping]:
        if self._is_closed:
            # A batch of an answer that has ended: the connection that it opened, nobody would give back.
            raise asyncio.CancelledError
        asking = asyncio.current_task()
        assert asking is not None, "statements are sent by tasks"
        self._asking.add(asking)
        try:
            async with self._turn:
                return await self._in_turn(execute)
        finally:
            self._asking.discard(asking)

    async def _in_turn(
        self, execute: Callable[[AsyncConnection], Awaitable[CursorResult[Any]]]
    ) -> Sequence[RowMapping]:
        with translated():
            if self._connection is None:
                assert self._engine is not None, "a read session has an engine or a borrowed connection"
                self._connection = await self._engine.connect()
            self.statement_count += 1
            try:
                result = await execute(self._connection)
            except BaseException:
                self.has_failed = True
                raise
            return result.mappings().all()

    async def close(self) -> None:
        """End the snapshot and give the connection back; a borrowed one stays with its owner.

        Statements that are under way are cancelled: nobody waits for their rows any more. On a borrowed connection
        they are waited for, because a transaction with a cancelled statement can't be kept.
        """
        self._is_closed = True
        if not self._is_borrowed:
            for asking in self._asking:
                asking.cancel()
        async with self._turn:
            connection, self._connection = self._connection, None
            if connection is not None and not self._is_borrowed:
                await connection.close()


class Transaction:
    """One transaction on one connection, from the first statement to `commit` or `rollback`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._connection: AsyncConnection | None = None
        self._readings: list[ReadSession] = []

    # Any: a statement's parameters and columns are of whatever types its tables have.
    async def execute(
        self, statement: Executable, parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Run a statement, or a changing one for each of many parameters; return its result."""
        return await (await self._connected()).execute(statement, parameters)

    async def scalar(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of a statement's first row, null where it gives none."""
        return (await self.execute(statement, parameters)).scalar()

    async def rows(self, sql: str, arguments: Sequence[object]) -> Sequence[RowMapping]:
        """Return all rows of finished SQL with numbered parameters."""
        result = await (await self._connected()).exec_driver_sql(sql, tuple(arguments))
        return result.mappings().all()

    async def reading(self) -> ReadSession:
        """Return a session that reads what this transaction has written so far."""
        with translated():
            reading = ReadSession(borrowed=await self._connected())
            self._readings.append(reading)
            return reading

    async def commit(self) -> None:
        """Make it last; raise `Unavailable` where it can't be, or where that can't be known."""
        if any(reading.has_failed for reading in self._readings):
            # PostgreSQL has given the transaction up and would answer COMMIT with a rollback, without an error.
            await self.rollback()
            raise Unavailable
        try:
            with translated():
                await self._commit()
        finally:
            await self._close()

    async def rollback(self) -> None:
        """Undo all of it and give the connection back."""
        try:
            with translated():
                await self._rollback()
        finally:
            await self._close()

    async def _connected(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._engine.connect()
        return self._connection

    async def _commit(self) -> None:
        if self._connection is not None:
            await self._connection.commit()

    async def _rollback(self) -> None:
        if self._connection is not None:
            await self._connection.rollback()

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class WriteSession(Transaction):
    """A transaction with SQLAlchemy's unit of work (`orm`), for what is not done often: that costs more than its statements."""

    def __init__(self, engine: AsyncEngine) -> None:
        super().__init__(engine)
        self.orm = AsyncSession(engine, expire_on_commit=False, autoflush=False)

    async def _connected(self) -> AsyncConnection:
        await self.orm.flush()
        return await self.orm.connection()

    async def _commit(self) -> None:
        await self.orm.commit()

    async def _rollback(self) -> None:
        await self.orm.rollback()

    async def _close(self) -> None:
        await self.orm.close()
