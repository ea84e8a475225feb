"""How does a process hear at once what another one committed?

One supervised connection that LISTENs on one channel. It says when it hears something and when it may have
missed something; it is restored for as long as it is wanted, with growing, random pauses.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self, cast

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from db.faults import sqlstate

CONNECT_SECONDS = 3.0
PROBE_SECONDS = 5.0
"""How often a silent connection is asked whether it still lives: a cut cable says nothing by itself."""

ANSWER_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 5.0

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Connection(Protocol):
    """What we use of asyncpg's connection; asyncpg comes without types."""

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...
    async def execute(self, query: str) -> str: ...
    def terminate(self) -> None: ...


class Notices:
    """Listens on `channel` from `async with` to its end.

    `heard` gets each payload. `interrupted` is called when the connection is lost and when it is there again,
    since nothing in between was heard; `is_listening` is false from the one to the other.
    """

    def __init__(
        self, url: str, channel: str, *, heard: Callable[[str], None], interrupted: Callable[[], None]
    ) -> None:
        self._url = url
        self._channel = channel
        self._heard = heard
        self._interrupted = interrupted
        self._task: asyncio.Task[None] | None = None
        self._failure_count = 0
        self.is_listening = False

    async def __aenter__(self) -> Self:
        first_try = asyncio.Event()
        self._task = asyncio.create_task(self._supervise(first_try), name=f"listen {self._channel}")
        # A database that is away doesn't keep the process from starting.
        await first_try.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None, "__aexit__ follows __aenter__"
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _supervise(self, first_try: asyncio.Event) -> None:
        engine = create_async_engine(
            self._url,
            poolclass=NullPool,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "command_timeout": ANSWER_SECONDS,
                "server_settings": {"application_name": f"eoms listen {self._channel}"},
            },
        )
        while True:
            try:
                await self._listen(engine, first_try)
            except Exception as error:  # noqa: BLE001  (whatever ended it, somebody has to listen again)
                # Only the kind: a driver's text may quote the address.
                state = sqlstate(error) if isinstance(error, DBAPIError) else None
                _log.warning(
                    "not listening", channel=self._channel, error=type(error).__name__, sqlstate=state
                )
            finally:
                self._stop()
                first_try.set()
            pause_seconds = min(FIRST_PAUSE_SECONDS * 2**self._failure_count, LONGEST_PAUSE_SECONDS)
            self._failure_count = min(self._failure_count + 1, 10)
            await asyncio.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311  (no secret)

    async def _listen(self, engine: AsyncEngine, first_try: asyncio.Event) -> None:
        """Return or raise when the connection is lost."""
        async with engine.connect() as pooled:
            raw = await pooled.get_raw_connection()
            connection = cast("_Connection", raw.driver_connection)
            lost = asyncio.Event()

            def terminated(_: object) -> None:
                self._lost(lost)

            connection.add_termination_listener(terminated)
            try:
                # asyncpg tells connection, process, channel and payload.
                await connection.add_listener(self._channel, lambda *told: self._heard(str(told[-1])))
                self._interrupted()
                self.is_listening = not lost.is_set()
                self._failure_count = 0
                first_try.set()
                while not await _happened(lost, PROBE_SECONDS):
                    await connection.execute("SELECT 1")
            finally:
                self._stop()
                # Listening ends with the connection; a lost one would only refuse a polite goodbye.
                connection.terminate()

    def _lost(self, lost: asyncio.Event) -> None:
        # At once, not when the supervisor's turn comes: in between a request might get what is stale.
        self._stop()
        lost.set()

    def _stop(self) -> None:
        if self.is_listening:
            self.is_listening = False
            self._interrupted()


async def _happened(event: asyncio.Event, wait_seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), wait_seconds)
    except TimeoutError:
        return False
    return True
