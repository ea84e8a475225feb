"""Who keeps the costs of what is made right? One process at a time: the one that took the job out of pgqueuer's queue.

It tells the queue all the time that it lives. Where it has not for a few seconds, another process takes the job and goes
on where the last committed batch stopped (`commands.recosting.runs`). Nothing depends on the queue for more than being
started: what there is to do stands in our own tables, and where it is seen to wait with no job it gets one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta, tzinfo
from typing import Any, Self

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it has none
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.types import Channel
from pgqueuer.errors import RetryRequested
from pgqueuer.models import Job
from pgqueuer.qm import QueueManager
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from commands.recosting.asking import RECOST
from commands.recosting.runs import Progress, Recosting
from commands.recosting.watching import forget_old, renew_job, watch_days, watch_missing
from db.faults import translated
from db.job_queue import CHANNEL, queries_over
from domain.errors import Unavailable

HEARTBEAT_TIMEOUT = timedelta(seconds=5)
"""After how long a process that says nothing is believed to be dead."""

POLL = timedelta(seconds=2)
"""How often a process looks whether another one has died, and for a job whose notification was lost."""

WATCH_SECONDS = 60
"""How often it is looked for a new day, and for what waits with no job."""

FORGET_SECONDS = 3_600
_RETRY_SECONDS = 1.0
_CONNECT_SECONDS = 3
_STATEMENT_SECONDS = 60
_CLOSE_SECONDS = 30
_SERVER_SETTINGS = {
    "application_name": "eoms-recost",
    "timezone": "UTC",
    "jit": "off",
    "statement_timeout": f"{_STATEMENT_SECONDS}s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": f"{_STATEMENT_SECONDS}s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_DATABASE_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, DBAPIError, Unavailable)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class RecostWorker:
    """Works while it is open (`async with`), and lets the batch that is under way end when it is closed."""

    def __init__(self, database_url: str, time_zone: tzinfo) -> None:
        self._dsn = database_url.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._engine = create_async_engine(
            database_url,
            pool_size=2,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
            hide_parameters=True,
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "command_timeout": _STATEMENT_SECONDS + _CONNECT_SECONDS,
                "server_settings": _SERVER_SETTINGS,
            },
        )
        self._recosting = Recosting(self._engine, time_zone)
        self._stopping = asyncio.Event()
        self._manager: QueueManager | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        # What it has to say of failures is said here, once for each interruption.
        logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)
        self._tasks = [
            asyncio.create_task(self._serve(), name="recost worker"),
            asyncio.create_task(self._watch(), name="recost watch"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        if self._manager is not None:
            self._manager.shutdown.set()
        late = (await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS))[1]
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        await self._engine.dispose()

    async def _serve(self) -> None:
        is_interrupted = False
        while not self._stopping.is_set():
            try:
                async with self._connected() as driver:
                    is_interrupted = False
                    await self._take_jobs(driver)
            except _DATABASE_FAILURES as error:
                if not is_interrupted:
                    _log.warning("recost_worker_interrupted", reason=type(error).__name__)
                is_interrupted = True
            except Exception:  # noqa: BLE001 (a worker that ended in silence would leave every cost stale)
                _log.exception("recost_worker_failed")
            await self._pause(_RETRY_SECONDS)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[AsyncpgDriver]:
        # Any: asyncpg has no types.
        connect: Any = asyncpg.connect  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        connection: Any = await connect(
            self._dsn,
            timeout=_CONNECT_SECONDS,
            command_timeout=_STATEMENT_SECONDS,
            server_settings=_SERVER_SETTINGS,
        )
        try:
            yield AsyncpgDriver(connection)
        finally:
            connection.terminate()

    async def _take_jobs(self, driver: AsyncpgDriver) -> None:
        manager = QueueManager(queries_over(driver), channel=Channel(CHANNEL))
        manager.entrypoint(RECOST, concurrency_limit=1)(self._recost)
        self._manager = manager
        if self._stopping.is_set():
            return
        await manager.run(
            dequeue_timeout=POLL,
            batch_size=1,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            # Nobody reads its statistics.
            log_aggregation_interval=timedelta(0),
        )

    async def _recost(self, _job: Job) -> None:
        """Do all there is to do; ask for the job again where it can't be done now."""
        try:
            while not self._stopping.is_set():
                with translated():
                    if await self._recosting.advance() is Progress.NOTHING:
                        return
        except _DATABASE_FAILURES as error:
            _log.warning("recost_interrupted", reason=type(error).__name__)
            raise RetryRequested(delay=timedelta(seconds=_RETRY_SECONDS)) from error
        except Exception as error:
            _log.exception("recost_failed")
            raise RetryRequested(delay=timedelta(seconds=_RETRY_SECONDS)) from error
        raise RetryRequested(delay=timedelta(0), reason="the process is stopping")

    async def _watch(self) -> None:
        """Look for what changes without a command: at once, and then every minute."""
        forgotten_after = 0.0
        while not self._stopping.is_set():
            forgotten_after -= WATCH_SECONDS
            await self._looked(self._look)
            if forgotten_after <= 0:
                await self._looked(lambda: forget_old(self._recosting))
                forgotten_after = FORGET_SECONDS
            # Processes that were started together don't all come at once.
            await self._pause(WATCH_SECONDS)

    async def _look(self) -> None:
        due, missing = await watch_days(self._recosting), await watch_missing(self._recosting)
        is_lost = await renew_job(self._recosting)
        if due or missing or is_lost:
            _log.info("recost_asked_for", due=due, missing=missing, is_lost=is_lost)

    async def _looked(self, look: Callable[[], Awaitable[None]]) -> None:
        try:
            with translated():
                await look()
        except _DATABASE_FAILURES as error:
            _log.warning("recost_watch_interrupted", reason=type(error).__name__)
        except Exception:  # noqa: BLE001 (a watch that ended in silence would miss every day from then on)
            _log.exception("recost_watch_failed")

    async def _pause(self, seconds: float) -> None:
        """Wait up to so long, less on average, or until it is to stop."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds * random.uniform(0.5, 1)):  # noqa: S311 (spreads load)
                await self._stopping.wait()
