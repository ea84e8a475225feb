"""What waits for one subscriber, and what becomes of it when he reads more slowly than things happen?

Up to a bound everything waits in order. Behind it the newest message of an order replaces those before it, which the
message then says. Where that is still too much, the subscriber is let go: he comes back with his last cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """What a subscription tells: the JSON text of a response, and of which place in the feed and which entity it is.

    `entity` is null where it is of no single one; such a message is never replaced.
    """

    position: int
    entity: Hashable | None
    text: str


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """How many messages wait for a subscriber in order, and how many once the newest of an entity stands for all."""

    kept: int
    most: int


class FellBehind(Exception):
    """The subscriber reads so slowly that not even the newest message of each entity finds room."""


class Outbox(AsyncIterator[str]):
    """The messages that wait for one subscriber, each given once; putting never waits."""

    def __init__(self, limits: OutboxLimits) -> None:
        self._limits = limits
        self._waiting: deque[tuple[Message, int]] = deque()
        self._room = limits.kept
        self._wake: asyncio.Future[None] | None = None
        self._end: BaseException | None = None
        self._has_room = asyncio.Event()
        self._has_room.set()

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._waiting)

    def put(self, message: Message) -> None:
        """Add a message behind those that wait; after the end nothing is added."""
        if self._end is not None:
            return
        self._waiting.append((message, 0))
        if len(self._waiting) > self._room:
            self._thin_out()
        if len(self._waiting) >= self._limits.kept:
            self._has_room.clear()
        self._rouse()

    def end(self, error: BaseException | None = None) -> None:
        """Give nothing any more but what waits, and then the error where there is one; the first end counts."""
        if self._end is None:
            self._end = error or StopAsyncIteration()
            self._rouse()

    async def room(self) -> None:
        """Wait until messages can be added that replace no others."""
        await self._has_room.wait()

    async def __anext__(self) -> str:
        """Return the next message's text; raise what the outbox was ended with."""
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._wake = asyncio.get_running_loop().create_future()
            try:
                await self._wake
            finally:
                self._wake = None
        message, replaced = self._waiting.popleft()
        if len(self._waiting) * 2 <= self._limits.kept:
            self._room = self._limits.kept
            self._has_room.set()
        return message.text if not replaced else _replacing(message.text, replaced)

    def _thin_out(self) -> None:
        """Leave the newest message of each entity, in order."""
        newest: dict[Hashable, int] = {}
        kept: deque[tuple[Message, int]] = deque()
        for message, replaced in self._waiting:
            if message.entity is not None:
                newest[message.entity] = newest.get(message.entity, -1) + 1 + replaced
        seen: set[Hashable] = set()
        for message, replaced in reversed(self._waiting):
            if message.entity is None:
                kept.appendleft((message, replaced))
            elif message.entity not in seen:
                seen.add(message.entity)
                kept.appendleft((message, newest[message.entity]))
        self._waiting = kept
        # Not at each message: thinning out takes the longer the more there is.
        self._room = max(self._limits.kept, min(2 * len(kept), self._limits.most + self._limits.kept))
        if len(kept) > self._limits.most:
            self._waiting.clear()
            self.end(FellBehind())

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _replacing(text: str, count: int) -> str:
    """Return a response that says how many messages before it it stands for."""
    return f'{text[:-1]},"extensions":{{"replaced":{count}}}}}'
