"""How do all who see the same hear of an event with one reading?

A cohort is everybody with the same subscription and the same eyes: `Reading.key` holds all that a message depends on. Each
event is read once for the cohort, and the same text goes to each member's outbox. Who was away reads what he missed by
himself, up to where the cohort is, and then hears with the others. Which events concern a cohort is left to
`subscriptions.hub`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import TIMEOUT, Unauthenticated, Unavailable
from loaders.followed import FollowQuestion
from policies.grants import Grants
from policies.tokens import Claims
from policies.viewer import Viewer
from subscriptions.entries import FeedEntry
from subscriptions.outbox import Message, Outbox
from subscriptions.past import entries_after

_PUT_AT_ONCE = 200
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0

ResultT = TypeVar("ResultT")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reading(Protocol):
    """How a subscription's messages are made for those with the same eyes."""

    @property
    def key(self) -> Hashable:
        """Return what two readings have in common whose messages are the same."""
        ...

    @property
    def question(self) -> FollowQuestion:
        """Return what is asked for."""
        ...

    @property
    def at_once(self) -> int:
        """Return how many entries are read at a time: whoever waits for them is to hear of some before he is gone again."""
        ...

    async def read(self, entries: Sequence[FeedEntry]) -> Sequence[Message]:
        """Return the messages of those entries that are news to the viewer, in their order; raise `Unavailable`."""
        ...

    async def missed(self, position: int) -> Message:
        """Return the message that something before a position is not told."""
        ...


@dataclass(eq=False, slots=True)
class Member:
    """One subscriber; what is at `position` or before it he has been told."""

    claims: Claims
    viewer: Viewer
    outbox: Outbox
    position: int
    is_caught_up: bool = False
    vouched_at: int | None = None
    """The generation of grants in which he was as `viewer` says."""


class Cohort:
    """Everybody who hears the messages of one reading."""

    def __init__(self, reading: Reading, engine: AsyncEngine, grants: Grants) -> None:
        self.reading = reading
        self.members: dict[Member, None] = {}
        self._engine = engine
        self._grants = grants
        self._waiting: deque[FeedEntry] = deque()
        self._telling: asyncio.Task[None] | None = None

    def position(self, newest: int) -> int:
        """Return up to which place everybody has been told, where the feed has come to `newest`."""
        return self._waiting[0].position - 1 if self._waiting else newest

    @property
    def waiting(self) -> int:
        """Return how many events have not been read yet."""
        return len(self._waiting)

    def take(self, entry: FeedEntry) -> None:
        """Tell everybody of an event, soon."""
        self._waiting.append(entry)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell(), name="tell a cohort")

    async def catch_up(self, member: Member, newest: Callable[[], int]) -> None:
        """Tell a member what he missed, by today's rights, and let him hear with the others from there on."""
        question, most = self.reading.question, self.reading.at_once
        while member.position < (here := self.position(newest())):
            entries = await entries_after(
                self._engine, member.position, last=here, question=question, most=most
            )
            messages = await self._read(entries)
            await self._vouch([member])
            if member not in self.members:
                return
            for message in messages:
                await member.outbox.room()
                member.outbox.put(message)
            member.position = here if len(entries) < most else entries[-1].position
        member.is_caught_up = True

    async def skip(self, position: int) -> None:
        """Say to everybody that what is before a position is not told."""
        self._waiting.clear()
        message = await self.reading.missed(position)
        for member in self.members:
            member.position = position
            member.outbox.put(message)

    def stop(self) -> None:
        """Tell nobody any more; what is under way ends soon."""
        if self._telling is not None:
            self._telling.cancel()

    async def close(self) -> None:
        """Stop telling, and wait until that has ended."""
        if self._telling is not None:
            telling = self._telling
            self.stop()
            await asyncio.wait([telling])

    async def _tell(self) -> None:
        try:
            while self._waiting:
                entries = list(islice(self._waiting, self.reading.at_once))
                messages = await self._read(entries)
                await self._vouch(list(self.members))
                # Whoever catches up until here reads them himself; whoever has caught up is among the members now.
                if self._waiting and self._waiting[0] is entries[0]:
                    for _ in entries:
                        self._waiting.popleft()
                await _deliver(messages, [member for member in self.members if member.is_caught_up])
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody may wait for ever for what will not come
            _log.exception("cohort_failed")
            self._waiting.clear()
            for member in self.members:
                member.outbox.end(error)
        finally:
            self._telling = None

    async def _read(self, entries: Sequence[FeedEntry]) -> Sequence[Message]:
        """Read, in parts where all of it takes too long; raise `Unavailable` (TIMEOUT) where one event does."""
        if not entries:
            return ()
        try:
            return await _until_done(lambda: self.reading.read(entries))
        except Unavailable:
            if len(entries) == 1:
                raise
            half = len(entries) // 2
            return [*await self._read(entries[:half]), *await self._read(entries[half:])]

    async def _vouch(self, members: Sequence[Member]) -> None:
        """End the members whose rights are others now or can't be looked up.

        Nothing is known while nobody hears of changes.
        """
        for member in members:
            if self._grants.is_listening and member.vouched_at == self._grants.generation:
                continue
            generation = self._grants.generation
            try:
                await _until_done(lambda member=member: self._check(member))
            except Exception as error:  # noqa: BLE001  # told to him alone, by its code or masked
                self.members.pop(member, None)
                member.outbox.end(error)
            else:
                member.vouched_at = generation

    async def _check(self, member: Member) -> None:
        """Raise `Unauthenticated` where a member's rights are others now, `Unavailable` where nobody knows."""
        try:
            viewer = await self._grants.viewer(member.claims)
        except Unauthenticated:
            viewer = None
        if viewer != member.viewer:
            raise Unauthenticated("Your rights have changed.")


async def _until_done(work: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Do it, however long the database is away: an event that is not read is lost. Raises what takes too long."""
    wait_seconds = _FIRST_WAIT_SECONDS
    while True:
        try:
            return await work()
        except Unavailable as error:
            if error.code == TIMEOUT:
                raise
            _log.warning("cohort_waits")
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(2 * wait_seconds, _LONGEST_WAIT_SECONDS)


async def _deliver(messages: Sequence[Message], members: Sequence[Member]) -> None:
    put = 0
    for member in members if messages else ():
        for message in messages:
            if message.position > member.position:
                member.outbox.put(message)
        put += len(messages)
        if put >= _PUT_AT_ONCE:
            put = 0
            # Requests have their turn.
            await asyncio.sleep(0)
