"""How does a process read the feed from Redis, whatever happens to Redis meanwhile?

One reader per process over one stream, as a backend of broadcaster. It goes on behind the last position it
saw, so a lost connection, a restart or lost data costs nothing: the relay writes what is missing again under
the same positions. What can't be had any more is said as a `Gap`. Telling listeners is left to
`subscriptions.feed`.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, cast

import structlog
from broadcaster import BroadcastBackend, Event

from domain.errors import Unavailable
from subscriptions.entries import FeedEntry, Gap, decode
from subscriptions.stream_store import FIELD, HISTORIES, STORE_FAILURES, STREAM, open_client

CHANNEL = "feed"
"""The one channel of this backend; listeners choose from its entries themselves."""

ENTRIES_PER_READ = 500
BLOCK_SECONDS = 1
ANSWER_SECONDS = 3
"""Longer than the server may keep a read waiting; past it the store counts as frozen."""

_FIRST_WAIT_SECONDS = 0.05
_LONGEST_WAIT_SECONDS = 1.0

_FAILURES = (*STORE_FAILURES, Unavailable)

Messages = list[tuple[str, dict[str, str]]]

_log = cast("structlog.stdlib.BoundLogger", structlog.get_logger(__name__))


class Arrival(Event):
    """An event of broadcaster that carries what was read instead of its text."""

    def __init__(self, item: FeedEntry | Gap) -> None:
        super().__init__(CHANNEL, "")
        self.item = item


class StreamBackend(BroadcastBackend):
    """Reads the feed for all listeners of a process.

    `newest_position` says where the feed ends, and reading begins there. The stream's own end would be too
    early while the relay still fills a stream that was lost.
    """

    def __init__(self, url: str, *, newest_position: Callable[[], Awaitable[int]]) -> None:
        self._url = url
        self._newest_position = newest_position
        self._client: Any = None  # Any: see `open_client`.
        self._last: int | None = None
        self._last_history = "0-0"
        self._is_anew = False
        self._arrived: deque[FeedEntry | Gap] = deque()
        self._wait_seconds = 0.0

    async def connect(self) -> None:
        """Find the end of the feed; a store that is away does not keep the process from starting."""
        self._client = open_client(self._url)
        try:
            self._last = await self._newest_position()
            self._last_history = await self._end_of(HISTORIES)
        except _FAILURES as error:
            self._failed(error)

    async def disconnect(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def subscribe(self, group: str) -> None:
        """Do nothing: the stream is read anyway, so there is nothing to wait for and no race to lose."""

    async def unsubscribe(self, group: str) -> None:
        """Do nothing, see `subscribe`."""

    async def publish(self, channel: str, message: object) -> NoReturn:
        """Raise: only the relay writes, from what is committed."""
        raise NotImplementedError("only the relay publishes")

    async def next_published(self) -> Arrival:
        """Return the next entry or gap, waiting for it however long the store is away."""
        while not self._arrived:
            try:
                await self._read()
            except _FAILURES as error:
                self._failed(error)
                await asyncio.sleep(self._wait_seconds * random.uniform(0.5, 1))  # noqa: S311 (spreads load)
            else:
                self._recovered()
        # Listeners get a turn after each entry, or a full read would run over a queue smaller than it.
        await asyncio.sleep(0)
        return Arrival(self._arrived.popleft())

    async def _read(self) -> None:
        if self._last is None:
            self._last = await self._newest_position()
            # Listeners may have come while the end was unknown, and nobody can say what they missed.
            self._arrived.append(Gap(1, self._last, is_anew=self._is_anew))
            self._is_anew = False
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await self._client.xread(
                {STREAM: f"{self._last}-0", HISTORIES: self._last_history},
                count=ENTRIES_PER_READ,
                block=BLOCK_SECONDS * 1000,
            )
        streams = cast("dict[str, Messages]", dict(answer or ()))
        if HISTORIES in streams:
            _log.warning("feed_began_anew", last_position=self._last)
            self._last_history = streams[HISTORIES][-1][0]
            # What else was read may be of either history.
            self._last, self._is_anew = None, True
            return
        for message_id, fields in streams.get(STREAM, ()):
            self._take(int(message_id.partition("-")[0]), fields)

    async def _end_of(self, stream: str) -> str:
        async with asyncio.timeout(ANSWER_SECONDS):
            if not await self._client.exists(stream):
                return "0-0"
            return cast("str", (await self._client.xinfo_stream(stream))["last-generated-id"])

    def _take(self, position: int, fields: dict[str, str]) -> None:
        assert self._last is not None, "reading begins at a position"
        if position > self._last + 1:
            self._arrived.append(Gap(self._last + 1, position - 1))
        try:
            self._arrived.append(decode(fields.get(FIELD, "")))
        except ValueError:
            # Perhaps a newer server wrote it. Stopping here would keep everything behind it from everybody.
            _log.exception("feed_entry_unreadable", position=position)
            self._arrived.append(Gap(position, position))
        self._last = position

    def _failed(self, error: Exception) -> None:
        if not self._wait_seconds:
            _log.warning("feed_interrupted", reason=type(error).__name__, last_position=self._last)
        self._wait_seconds = min(_LONGEST_WAIT_SECONDS, self._wait_seconds * 2 or _FIRST_WAIT_SECONDS)

    def _recovered(self) -> None:
        if self._wait_seconds:
            _log.info("feed_resumed", last_position=self._last)
        self._wait_seconds = 0.0
