"""How is a finished statement sent? SQL text with numbered parameters, on connections that read and nothing else.

One statement is one snapshot, so there is no transaction around it and nothing to clean up after it. Each connection
prepares a statement once and keeps the database's plan for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it has none
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.engine import make_url

from db.faults import slow
from db.limits import PoolLimits, server_settings
from domain.errors import Unavailable

# Any: a column of the result may be of any type.
Row = Mapping[str, Any]

_STATEMENTS = 200
"""How many prepared statements a connection keeps, the longest unused dropped first."""

_STATEMENT_CHARACTERS = 500_000
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    OSError,
)


# Any: asyncpg says nothing of its types.
_Pool = Any


class StatementFailed(Exception):
    """The database can't run this statement; the text is the kind of error, never a value."""


class Statements:
    """Runs statements on a pool of its own, which is empty until it is first used; `url` is `postgresql+asyncpg://…`."""

    def __init__(self, url: str, limits: PoolLimits) -> None:
        self._url = url
        self._limits = limits
        self._opening = asyncio.Lock()
        self._pool: _Pool | None = None

    async def row(self, sql: str, arguments: Sequence[Any]) -> Row | None:
        """Return the first row of a statement, null where it gives none; raise `Unavailable` or `StatementFailed`.

        A connection that is lost on the way is replaced, and the statement sent once more.
        """
        try:
            return await self._row(sql, arguments)
        except _LOST:
            if self._pool is not None:
                # Whatever ended this connection has ended the others too.
                await self._pool.expire_connections()
        try:
            return await self._row(sql, arguments)
        except _LOST as error:
            raise Unavailable from error

    async def close(self) -> None:
        """Close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _row(self, sql: str, arguments: Sequence[Any]) -> Row | None:
        pool = self._pool or await self._opened()
        try:
            async with pool.acquire(timeout=self._limits.wait_seconds) as connection:
                return await connection.fetchrow(sql, *arguments)
        except asyncpg.QueryCanceledError as error:
            raise slow() from error
        except (TimeoutError, asyncpg.InsufficientResourcesError) as error:
            raise Unavailable from error
        except _LOST:
            raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # Its text may tell values of parameters, which must not reach a log.
            kind = f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
            raise StatementFailed(kind) from None

    async def _opened(self) -> _Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await self._open()
            return self._pool

    async def _open(self) -> _Pool:
        _, address = asyncpg_dialect().create_connect_args(make_url(self._url))
        return await asyncpg.create_pool(  # pyright: ignore[reportUnknownMemberType]
            **address,
            min_size=0,
            max_size=self._limits.size,
            timeout=self._limits.connect_seconds,
            # The server's own limit comes first; this one is for a server that is frozen or out of reach.
            command_timeout=self._limits.statement_seconds + self._limits.connect_seconds,
            statement_cache_size=_STATEMENTS,
            max_cacheable_statement_size=_STATEMENT_CHARACTERS,
            max_cached_statement_lifetime=0,
            reset=_nothing_to_reset,
            server_settings={
                **server_settings(self._limits),
                "default_transaction_read_only": "on",
                # A plan for these very parameters is hardly better, and making it takes longer than most statements.
                "plan_cache_mode": "force_generic_plan",
            },
        )


async def _nothing_to_reset(_connection: object) -> None:
    """Leave a connection as it is: single statements change nothing about it."""
