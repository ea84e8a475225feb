"""How is a finished statement sent? SQL text with numbered parameters, on connections that read and nothing else.

One statement is one snapshot, so there is no transaction around it and nothing to clean up after it. Each connection
prepares a statement once and keeps the database's plan for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it has none
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.engine import make_url

from db.faults import slow
from db.limits import PoolLimits, server_settings
from domain.errors import Unavailable

# Any: a column of the result may be of any type.
Row = Mapping[str, Any]

ResultT = TypeVar("ResultT")

_STATEMENTS = 100
"""How many prepared statements a connection keeps, the longest unused dropped first."""

_STATEMENT_CHARACTERS = 500_000
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    # The server has said good-bye already, and its end of the line isn't seen yet.
    asyncpg.InternalClientError,
    OSError,
)


# Any: asyncpg says nothing of its types.
_Connection = Any


class StatementFailed(Exception):
    """The database can't run this statement; the text is the kind of error, never a value."""


class Statements:
    """Runs statements on connections of its own, opened when they are first needed; `url` is `postgresql+asyncpg://…`.

    asyncpg has a pool too. It prepares every connection for what its next user may have done to it, which took more than
    half of the time that a small statement takes here, and our statements do nothing to a connection.
    """

    def __init__(self, url: str, limits: PoolLimits) -> None:
        self._url = url
        self._limits = limits
        self._open = 0
        self._idle: list[_Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._closing: set[asyncio.Task[None]] = set()

    async def row(self, sql: str, arguments: Sequence[Any]) -> Row | None:
        """Return the first row of a statement, null where it gives none; raise `Unavailable` or `StatementFailed`.

        A connection that is lost on the way is replaced, and the statement sent once more.
        """
        return await self._sent(lambda connection: connection.fetchrow(sql, *arguments))

    async def rows(self, sql: str, arguments: Sequence[Any]) -> Sequence[Row]:
        """Return all rows of a statement; else as `row`."""
        return await self._sent(lambda connection: connection.fetch(sql, *arguments))

    async def close(self) -> None:
        """Close every connection that nobody uses."""
        idle, self._idle = self._idle, []
        for connection in idle:
            self._discard(connection)
        await asyncio.gather(*self._closing)

    async def _sent(self, fetch: Callable[[_Connection], Awaitable[ResultT]]) -> ResultT:
        try:
            return await self._sent_once(fetch)
        except _LOST:
            # Whatever ended this connection has ended the others too.
            idle, self._idle = self._idle, []
            for connection in idle:
                self._discard(connection)
        try:
            return await self._sent_once(fetch)
        except _LOST as error:
            raise Unavailable from error

    async def _sent_once(self, fetch: Callable[[_Connection], Awaitable[ResultT]]) -> ResultT:
        try:
            connection = await self._taken()
            try:
                result = await fetch(connection)
            except asyncpg.PostgresError:
                self._give_back(connection)
                raise
            except BaseException:
                # Its answer may still be on the way: closing it first cancels the statement in the database.
                self._discard(connection)
                raise
        except (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError) as error:
            raise slow() from error
        except (TimeoutError, asyncpg.InsufficientResourcesError) as error:
            raise Unavailable from error
        except _LOST:
            raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # Its text may tell values of parameters, which must not reach a log.
            kind = f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
            raise StatementFailed(kind) from None
        self._give_back(connection)
        return result

    async def _taken(self) -> _Connection:
        """Return a connection, the last used one first; raise `TimeoutError` where none becomes free in time."""
        if not self._idle and self._open >= self._limits.size:
            async with asyncio.timeout(self._limits.wait_seconds):
                while not self._idle and self._open >= self._limits.size:
                    await self._turn()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            self._open -= 1
        self._open += 1
        try:
            return await self._connected()
        except BaseException:
            self._freed()
            raise

    async def _turn(self) -> None:
        """Wait until a connection may be free; whoever gives up passes his turn on."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._wake()
            # Whoever woke others may have passed this one over already.
            with suppress(ValueError):
                self._waiting.remove(turn)
            raise

    def _give_back(self, connection: _Connection) -> None:
        if connection.is_closed():
            self._freed()
            return
        self._idle.append(connection)
        self._wake()

    def _discard(self, connection: _Connection) -> None:
        """Close a connection beside what goes on."""
        closing = asyncio.ensure_future(_closed(connection, self._limits.connect_seconds))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._freed()

    def _freed(self) -> None:
        self._open -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def _connected(self) -> _Connection:
        _, address = asyncpg_dialect().create_connect_args(make_url(self._url))
        connect = cast("Callable[..., Awaitable[_Connection]]", asyncpg.connect)  # pyright: ignore[reportUnknownMemberType]
        return await connect(
            **address,
            timeout=self._limits.connect_seconds,
            # The server's own limit comes first; this one is for a server that is frozen or out of reach.
            command_timeout=self._limits.statement_seconds + self._limits.connect_seconds,
            statement_cache_size=_STATEMENTS,
            max_cacheable_statement_size=_STATEMENT_CHARACTERS,
            max_cached_statement_lifetime=0,
            server_settings={
                **server_settings(self._limits),
                "default_transaction_read_only": "on",
                # A plan for these very parameters is hardly better, and making it takes longer than most statements.
                "plan_cache_mode": "force_generic_plan",
            },
        )


async def _closed(connection: _Connection, seconds: float) -> None:
    try:
        await connection.close(timeout=seconds)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
