"""What waits for one subscriber, and what becomes of it when he reads more slowly than things happen?

Up to a bound everything waits in order. Behind it the newest message of an order replaces those before it, which the
message then says. Where that is still too much, the subscriber is let go: he comes back with his last cursor.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What a subscription tells: a response as JSON in UTF-8, and of which place in the feed and which entity it is.

    `entity` is null where it is of no single one; such a message is never replaced.
    """

    position: int
    entity: Hashable | None
    text: bytes


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How many messages wait for a subscriber in order, and how many once the newest of an entity stands for all."""

    kept: int
    most: int


class FellBehind(Exception):
    """The subscriber reads so slowly that not even the newest message of each entity finds room."""


class Outbox(AsyncIterator[bytes]):
    """The messages for one subscriber, each given once, to one reader; putting never waits.

    Nearly always nothing waits, so that thousands of them are small: what waiting needs is made when something does.
    """

    __slots__ = ("_end", "_is_full", "_limits", "_now", "_room", "_room_again", "_waiting", "_wake")

    def __init__(self, limits: OutboxLimits) -> None:
        self._limits = limits
        # A list: an empty deque takes ten times as much, and what waits is bounded.
        self._waiting: list[tuple[Message, int]] = []
        self._room = limits.kept
        self._is_full = False
        self._room_again: asyncio.Future[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._now: Callable[[bytes], bool] | None = None
        self._end: BaseException | None = None

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Add a message behind those that wait; after the end nothing is added."""
        if self._end is not None:
            return
        if self._now is not None:
            try:
                if self._now(message.text):
                    return
            except Exception as error:  # noqa: BLE001  # it is his alone; the others are told
                self.end(error)
                return
        self._waiting.append((message, 0))
        if len(self._waiting) > self._room:
            self._thin_out()
        self._is_full = self._is_full or len(self._waiting) >= self._limits.kept
        self._rouse()

    def end(self, error: BaseException | None = None) -> None:
        """Give nothing any more but what waits, and then the error where there is one; the first end counts."""
        if self._end is None:
            self._end = error or StopAsyncIteration()
            self._rouse()

    async def room(self) -> None:
        """Wait until messages can be added that replace no others."""
        if self._is_full:
            self._room_again = asyncio.get_running_loop().create_future()
            await self._room_again

    async def pour(self, now: Callable[[bytes], bool], soon: Callable[[bytes], Awaitable[None]]) -> None:
        """Give everything to `now`, the moment it is put; to `soon`, which may wait, what `now` returns false for.

        Returns at the end; raises what the outbox was ended with.
        """
        while True:
            while self._waiting:
                text = self._taken()
                if not now(text):
                    await soon(text)
            if self._end is not None:
                if isinstance(self._end, StopAsyncIteration):
                    return
                raise self._end
            self._now = now
            await self._roused()

    async def __anext__(self) -> bytes:
        """Return the next message's text; raise what the outbox was ended with."""
        while not self._waiting:
            if self._end is not None:
                raise self._end
            await self._roused()
        return self._taken()

    async def _roused(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = self._now = None

    def _taken(self) -> bytes:
        message, replaced = self._waiting.pop(0)
        if len(self._waiting) * 2 <= self._limits.kept:
            self._room = self._limits.kept
            self._is_full = False
            if self._room_again is not None and not self._room_again.done():
                self._room_again.set_result(None)
        return message.text if not replaced else _replacing(message.text, replaced)

    def _thin_out(self) -> None:
        """Leave the newest message of each entity, in order."""
        newest: dict[Hashable, int] = {}
        kept: list[tuple[Message, int]] = []
        for message, replaced in self._waiting:
            if message.entity is not None:
                newest[message.entity] = newest.get(message.entity, -1) + 1 + replaced
        seen: set[Hashable] = set()
        for message, replaced in reversed(self._waiting):
            if message.entity is None:
                kept.append((message, replaced))
            elif message.entity not in seen:
                seen.add(message.entity)
                kept.append((message, newest[message.entity]))
        self._waiting = kept[::-1]
        # Not at each message: thinning out takes the longer the more there is.
        self._room = max(self._limits.kept, min(2 * len(kept), self._limits.most + self._limits.kept))
        if len(kept) > self._limits.most:
            self._waiting.clear()
            self.end(FellBehind())

    def _rouse(self) -> None:
        # Whoever was to be told without waiting is behind from here on, until he has read what waits.
        self._now = None
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _replacing(text: bytes, count: int) -> bytes:
    """Return a response that says how many messages before it it stands for."""
    return b'%b,"extensions":{"replaced":%d}}' % (text[:-1], count)
