"""How does a committed event get its place in the one total order, and from there into the stream?

One relay works at a time, across all processes: the one whose connection holds an advisory lock. On that very
connection it gives places, so a relay that lost the lock can't give any. Publishing is a task of its own that
knows only positions: what the stream lacks is written, whether it was never there or was lost. So Redis may
be away, and places are still given and commands still commit. Reading is left to `subscriptions.stream`.

The lock belongs to a session: a pooler between here and PostgreSQL has to be in session mode for the relay.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import Any, Never, Self

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from db.events import WAKE_CHANNEL
from db.faults import translated
from db.tables import FeedRow
from domain.errors import Unavailable
from subscriptions.entries import decode
from subscriptions.past import ENTRIES_PER_READ, entries_after
from subscriptions.stream_store import STORE_FAILURES, StreamStore, Tip

POLL_SECONDS = 1.0
"""How long a lost notification, a lost stream or a free lock may go unnoticed."""

_ADVISORY_LOCK = 0x454F464D
"""Held by the relay at work ("EOFM" in ASCII)."""

_CONNECT_SECONDS = 3
_COMMAND_SECONDS = 10
_SERVER_SETTINGS = {
    "application_name": "eoms-relay",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": "8s",
}
_LOCK_SETTINGS = {
    **_SERVER_SETTINGS,
    # A relay that is frozen, or whose machine is gone, must lose the lock; a living one asks every second.
    "idle_session_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}

_DATABASE_FAILURES = (SQLAlchemyError, OSError, Unavailable)

# An event's outbox row appears with its commit, so a transaction that began earlier and committed later is
# merely placed later. Within an aggregate the sequence is the order of commits, for writers lock it first.
_PLACE = text("""
    WITH taken AS (
        DELETE FROM event_outbox WHERE event_id IN (
            SELECT event_outbox.event_id FROM event_outbox JOIN event ON event.id = event_outbox.event_id
            ORDER BY event.sequence LIMIT :most
        )
        RETURNING event_id
    ), placed AS (
        INSERT INTO event_feed (position, event_id)
        SELECT (SELECT coalesce(max(position), 0) FROM event_feed)
                   + row_number() OVER (ORDER BY event.sequence),
               event.id
        FROM taken JOIN event ON event.id = taken.event_id
        RETURNING position
    )
    SELECT count(*), max(position) FROM placed
""")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def newest_position(engine: AsyncEngine) -> int:
    """Return the last position given, 0 for none; raise `Unavailable`."""
    with translated():
        async with engine.connect() as connection:
            return await _newest(connection)


class Relay:
    """Relays while it holds the lock and waits for the lock while it does not, until it is stopped."""

    def __init__(self, database_url: str, redis_url: str, *, stream_max_entries: int) -> None:
        self._lock_engine = _engine(database_url, _LOCK_SETTINGS, poolclass=NullPool)
        self._read_engine = _engine(
            database_url, _SERVER_SETTINGS, pool_size=1, max_overflow=0, pool_pre_ping=True
        )
        self._stream = StreamStore(redis_url, max_entries=stream_max_entries)
        self._max_entries = stream_max_entries
        self._newest = 0
        self._published: int | None = None
        self._placed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        self.is_at_work = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="relay")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None, "a relay is stopped after it was started"
        # A TaskGroup that fails in this very moment takes the cancellation for its own (CPython, gh-116720 before 3.13).
        self._is_stopping = True
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._stream.close()
        await self._read_engine.dispose()
        await self._lock_engine.dispose()

    async def _run(self) -> None:
        is_interrupted = False
        while not self._is_stopping:
            try:
                async with self._lock_engine.connect() as connection:
                    await self._await_lock(connection)
                    is_interrupted = False
                    await self._work(connection)
            except* _DATABASE_FAILURES as group:
                if not is_interrupted:
                    _log.warning(
                        "relay_interrupted", reasons=[type(error).__name__ for error in group.exceptions]
                    )
                is_interrupted = True
            except* Exception:  # noqa: BLE001 (a relay that ended in silence would keep every event from everybody)
                _log.exception("relay_failed")
            await _pause()

    async def _await_lock(self, connection: AsyncConnection) -> None:
        # Asking again and again instead of waiting inside PostgreSQL: a statement that waits for hours keeps
        # old row versions alive in every table.
        while not await connection.scalar(select(func.pg_try_advisory_lock(_ADVISORY_LOCK))):
            await _pause()

    async def _work(self, connection: AsyncConnection) -> None:
        wake = asyncio.Event()

        def wake_up(*_: object) -> None:
            wake.set()

        # Any: asyncpg has no types.
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.add_listener(WAKE_CHANNEL, wake_up)
        # A lost connection is then noticed by the next statement, at once.
        driver.add_termination_listener(wake_up)
        self._newest = await _newest(connection)
        self._published = None
        self.is_at_work = True
        _log.info("relay_at_work", newest_position=self._newest)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._place(connection, wake))
                tasks.create_task(self._publish())
        finally:
            self.is_at_work = False

    async def _place(self, connection: AsyncConnection, wake: asyncio.Event) -> Never:
        while True:
            wake.clear()
            count, newest = (await connection.execute(_PLACE, {"most": ENTRIES_PER_READ})).one()
            if count:
                self._newest = newest
                self._placed.set()
            if count < ENTRIES_PER_READ:
                await _wait(wake)

    async def _publish(self) -> Never:
        is_interrupted = False
        while True:
            self._placed.clear()
            try:
                await self._publish_pending()
            except STORE_FAILURES as error:
                self._published = None
                if not is_interrupted:
                    _log.warning("relay_stream_away", reason=type(error).__name__)
                is_interrupted = True
                await _pause()
            else:
                if is_interrupted:
                    _log.info("relay_stream_back", newest_position=self._newest)
                is_interrupted = False
                await _wait(self._placed)

    async def _publish_pending(self) -> None:
        """Write everything that the stream lacks, of the newest entries that it may hold."""
        tip = await self._stream.tip()
        is_ours = tip.position == self._published or await self._is_ours(tip)
        top = tip.position
        if not is_ours:
            _log.warning("stream_of_another_database_dropped", last_position=tip.position)
            await self._stream.start_over(tip)
            top = 0
        while top < self._newest:
            position = max(top, self._newest - self._max_entries)
            entries = await entries_after(self._read_engine, position)
            assert [entry.position for entry in entries[:1]] == [position + 1], "positions have no gaps"
            # Answers an earlier position where the stream was lost meanwhile, and we go on from there.
            top = await self._stream.append(entries, behind=top)
        self._published = top if is_ours else None

    async def _is_ours(self, tip: Tip) -> bool:
        """Return whether the stream tells of this database, which may have been restored or made anew.

        The database is asked after the stream: a position is committed before it is published.
        """
        if not tip.position:
            return True
        with translated():
            async with self._read_engine.connect() as connection:
                event_id = await connection.scalar(
                    select(FeedRow.event_id).where(FeedRow.position == tip.position)
                )
        if event_id is None:
            return False
        try:
            return not tip.text or decode(tip.text).event_id == event_id
        except ValueError:
            # A newer server wrote it, which is no reason to drop it.
            return True


# Any: SQLAlchemy takes the options of whatever pool it is given.
def _engine(url: str, server_settings: dict[str, str], **pool: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _COMMAND_SECONDS,
            "server_settings": server_settings,
        },
        **pool,
    )


async def _newest(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.max(FeedRow.position))) or 0


async def _wait(event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(POLL_SECONDS):
            await event.wait()


async def _pause() -> None:
    """Wait up to a second, less on average, so that processes don't all ask at the same moment."""
    await asyncio.sleep(POLL_SECONDS * random.uniform(0.3, 1))  # noqa: S311 (spreads load)
