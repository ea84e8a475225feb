"""How do all listeners of a process hear of every committed event, none of them at the cost of another?

One task reads and gives each entry to every listener's own bounded queue without ever waiting for one. A
listener that falls behind finds one `Gap` where his queue was. What he does with entries is left to him.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

import structlog
from broadcaster import Broadcast, Event

from subscriptions.entries import FeedEntry, Gap
from subscriptions.stream import CHANNEL, Arrival, StreamBackend

_RESTART_SECONDS = 1

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Backlog(asyncio.Queue[Event | None]):
    """The entries that wait for one listener; putting never waits."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    async def put(self, item: Event | None) -> None:
        """Add an entry; where the queue is full, all that waits and the entry become one gap."""
        if isinstance(item, Arrival) and self.qsize() >= self._size:
            oldest = self.get_nowait()
            waiting = [oldest, item]
            while not self.empty():
                waiting.append(self.get_nowait())
            is_anew = any(isinstance(each, Arrival) and _is_anew(each.item) for each in waiting)
            if isinstance(oldest, Arrival):
                item = Arrival(Gap(_first(oldest.item), _last(item.item), is_anew=is_anew))
        self.put_nowait(item)


class Listener(AsyncIterator[FeedEntry | Gap]):
    """What one listener hears, from the moment it began to listen until the feed ends."""

    def __init__(self, backlog: _Backlog) -> None:
        self._backlog = backlog

    async def __anext__(self) -> FeedEntry | Gap:
        event = await self._backlog.get()
        if not isinstance(event, Arrival):
            # Whoever asks again gets the same answer.
            await self._backlog.put(None)
            raise StopAsyncIteration
        return event.item


class Feed(Broadcast):
    """Every committed event of the company in one order, for any number of listeners in this process."""

    def __init__(self, stream: StreamBackend, *, queue_size: int) -> None:
        super().__init__(backend=stream)
        assert queue_size > 0, "a listener's queue holds something"
        self._queue_size = queue_size
        self._task: asyncio.Task[None] | None = None
        self._has_ended = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def connect(self) -> None:
        """Start reading at the end of the feed."""
        await self._backend.connect()
        self._task = asyncio.create_task(self._supervise(), name="feed")

    async def disconnect(self) -> None:
        """Stop reading and end every listener."""
        self._has_ended = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for backlog in list(self._subscribers.get(CHANNEL, ())):
            await backlog.put(None)
        await self._backend.disconnect()

    @asynccontextmanager
    async def listen(self) -> AsyncGenerator[Listener]:
        """Yield a listener that hears everything which is read from now on."""
        backlog = _Backlog(self._queue_size)
        if self._has_ended:
            backlog.put_nowait(None)
        # Without an await before it, so that nothing which is read meanwhile slips through.
        self._subscribers.setdefault(CHANNEL, set()).add(backlog)
        try:
            yield Listener(backlog)
        finally:
            self._subscribers.get(CHANNEL, set()).discard(backlog)

    @property
    def listener_count(self) -> int:
        """Return how many listen now."""
        return len(self._subscribers.get(CHANNEL, ()))

    async def _supervise(self) -> None:
        while True:
            try:
                await self._listener()
            except Exception:  # noqa: BLE001 (a reader that ended in silence would leave everybody waiting for ever)
                _log.exception("feed_reader_failed")
                await asyncio.sleep(_RESTART_SECONDS)


def _first(item: FeedEntry | Gap) -> int:
    return item.first if isinstance(item, Gap) else item.position


def _is_anew(item: FeedEntry | Gap) -> bool:
    return isinstance(item, Gap) and item.is_anew


def _last(item: FeedEntry | Gap) -> int:
    return item.last if isinstance(item, Gap) else item.position
