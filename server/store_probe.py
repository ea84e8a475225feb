"""Do the stores that the settings name answer, so that a start which can't succeed says why at once?

Only those named by `DATABASE_URL`, `DATABASE_READ_URL` and `REDIS_URL`; the embedded ones answer for themselves
(`server.stores`). A server that runs already outlives its stores: that is left to `/readyz`.
"""

from __future__ import annotations

import asyncio

from asyncpg import (  # pyright: ignore[reportMissingTypeStubs]  # it has none
    InterfaceError,
    PostgresError,
)
from redis import Redis, RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from server.settings import Settings
from server.store_files import Report, StoreError

OLDEST_POSTGRES = 15


def reach_given_stores(settings: Settings, report: Report) -> None:
    """Return when every store that the settings name has answered; raise `StoreError` naming the one that does not."""
    if settings.database_url or settings.database_read_url or settings.redis_url:
        report("Reaching the given stores")
    if settings.database_url:
        _reach_postgres("DATABASE_URL", settings.database_url, settings.connect_timeout_seconds)
    if settings.database_read_url:
        _reach_postgres("DATABASE_READ_URL", settings.database_read_url, settings.connect_timeout_seconds)
    if settings.redis_url:
        _reach_redis(settings.redis_url, settings.connect_timeout_seconds)


def _reach_postgres(variable: str, url: str, seconds: float) -> None:
    try:
        version = asyncio.run(_postgres_version(url, seconds))
    except (SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError, ValueError) as error:
        raise StoreError(_told(variable, error)) from error
    if version < OLDEST_POSTGRES:
        raise StoreError(f"{variable} names a PostgreSQL {version}; EOMS needs {OLDEST_POSTGRES} or newer.")


async def _postgres_version(url: str, seconds: float) -> int:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": seconds})
    async with asyncio.timeout(2 * seconds), engine.connect() as connection:
        return int(
            await connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000")) or 0
        )


def _reach_redis(url: str, seconds: float) -> None:
    try:
        # redis-py leaves the types of its keyword arguments open.
        with Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
            url, socket_connect_timeout=seconds, socket_timeout=seconds
        ) as client:
            client.ping()  # pyright: ignore[reportUnknownMemberType]
    except (RedisError, OSError, ValueError) as error:
        raise StoreError(_told("REDIS_URL", error)) from error


def _told(variable: str, error: Exception) -> str:
    """Say what happened by the innermost error, whose text is the driver's own and quotes no password."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    what = str(cause).partition("\n")[0] or type(cause).__name__
    return f"The store that {variable} names can't be used: {what}"
