"""Whom does a committed event concern? The one listener of a process, which tells the cohorts.

It knows up to which place of the feed it has told, so that what the stream leaves out is read from the database: nobody
is told of a gap but who asks for more of the past than is kept ready. What a cohort does with an event is left to
`subscriptions.cohort`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import Unavailable
from policies.grants import Grants
from policies.tokens import Claims
from policies.viewer import Viewer
from subscriptions.cohort import Cohort, Member, Reading
from subscriptions.entries import FeedEntry, Gap
from subscriptions.feed import Feed
from subscriptions.outbox import Outbox, OutboxLimits
from subscriptions.past import ENTRIES_PER_READ, entries_after
from subscriptions.relay import newest_position

_RETRY_SECONDS = 0.5
_READY_SECONDS = 5

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HubLimits:
    """Bounds of following: what waits for each subscriber, and how many events back one can resume."""

    outbox: OutboxLimits
    resumable: int


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who follows, with the token that says so and what he may do by it now."""

    claims: Claims
    viewer: Viewer


class Hub:
    """All subscriptions of a process; open it with `async with`. `engine` reads what is never behind the feed."""

    def __init__(self, feed: Feed, engine: AsyncEngine, grants: Grants, limits: HubLimits) -> None:
        self._feed = feed
        self._engine = engine
        self._grants = grants
        self._limits = limits
        self._cohorts: dict[Hashable, Cohort] = {}
        self._concerned: defaultdict[Hashable, dict[Cohort, None]] = defaultdict(dict)
        self._position: int | None = None
        self._is_ready = asyncio.Event()
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._listening = asyncio.create_task(self._listen(), name="hub")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listening is not None, "it is closed once, after it was opened"
        self._listening.cancel()
        await asyncio.wait([self._listening])
        for cohort in list(self._cohorts.values()):
            await cohort.close()

    @property
    def member_count(self) -> int:
        """Return how many follow now."""
        return sum(len(cohort.members) for cohort in self._cohorts.values())

    @property
    def cohort_count(self) -> int:
        """Return how many readings they share."""
        return len(self._cohorts)

    @property
    def waiting(self) -> int:
        """Return how many events cohorts have not read yet."""
        return sum(cohort.waiting for cohort in self._cohorts.values())

    @asynccontextmanager
    async def following(self, reading: Reading, subscriber: Subscriber) -> AsyncGenerator[Outbox]:
        """Yield the messages of a reading, from its cursor or from now on; raise `Unavailable`."""
        await self._ready()
        outbox = Outbox(self._limits.outbox)
        after = reading.question.after
        member = Member(subscriber.claims, subscriber.viewer, outbox, self._here if after is None else after)
        cohort = self._joined(reading, member)
        # From here on he hears by his cohort's reading; thousands who share it keep none of their own.
        del reading, subscriber
        catching_up: asyncio.Task[None] | None = None
        if after is None:
            member.is_caught_up = True
        else:
            catching_up = asyncio.create_task(self._catch_up(cohort, member), name="catch up")
        try:
            yield outbox
        finally:
            # Before anything is waited for: whoever is stopped twice is not stopped in between and left in the books.
            is_empty = self._left(cohort, member)
            if is_empty:
                cohort.stop()
            if catching_up is not None:
                catching_up.cancel()
                await asyncio.gather(catching_up, return_exceptions=True)
            if is_empty:
                await cohort.close()

    @property
    def _here(self) -> int:
        assert self._position is not None, "asked for when the hub is ready"
        return self._position

    async def _ready(self) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await self._is_ready.wait()
        except TimeoutError as error:
            raise Unavailable from error

    def _joined(self, reading: Reading, member: Member) -> Cohort:
        cohort = self._cohorts.get(reading.key)
        if cohort is None:
            cohort = self._cohorts[reading.key] = Cohort(reading, self._engine, self._grants)
            for place in reading.question.places:
                self._concerned[place][cohort] = None
        cohort.members[member] = None
        return cohort

    def _left(self, cohort: Cohort, member: Member) -> bool:
        """Strike a member out; return whether his cohort is struck out, too."""
        cohort.members.pop(member, None)
        if cohort.members or self._cohorts.get(cohort.reading.key) is not cohort:
            return False
        del self._cohorts[cohort.reading.key]
        for place in cohort.reading.question.places:
            cohorts = self._concerned[place]
            del cohorts[cohort]
            if not cohorts:
                del self._concerned[place]
        return True

    async def _catch_up(self, cohort: Cohort, member: Member) -> None:
        """Let a member hear with his cohort; an outbox that can't be filled any more ends."""
        try:
            newest = self._here
            if member.position > newest:
                # Another process may have told him more than this one has heard of; nobody can have more than there is.
                newest = max(newest, await newest_position(self._engine))
            if not 0 <= newest - member.position <= self._limits.resumable:
                member.position = self._here
                member.outbox.put(await cohort.reading.missed(member.position))
            await cohort.catch_up(member, lambda: self._here)
        except Exception as error:  # noqa: BLE001  # told to the subscriber, by its code or masked
            member.outbox.end(error)

    async def _listen(self) -> None:
        try:
            async with self._feed.listen() as items:
                self._position = await self._newest()
                self._is_ready.set()
                async for item in items:
                    if isinstance(item, FeedEntry):
                        self._tell(item)
                    else:
                        await self._fill(item)
        except Exception:  # noqa: BLE001  # nobody may follow what tells nothing any more
            _log.exception("hub_failed")
        finally:
            self._is_ready.clear()
            for cohort in self._cohorts.values():
                for member in cohort.members:
                    member.outbox.end()

    async def _newest(self) -> int:
        while True:
            try:
                return await newest_position(self._engine)
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)

    def _tell(self, entry: FeedEntry) -> None:
        if entry.position <= self._here:
            return
        self._position = entry.position
        told = dict.fromkeys(
            cohort
            for place in (None, entry.project_id, entry.aggregate_id, *entry.notified_ids)
            for cohort in self._concerned.get(place, ())
        )
        for cohort in told:
            if cohort.reading.question.may_be_told(entry):
                cohort.take(entry)

    async def _fill(self, gap: Gap) -> None:
        """Tell of what the stream leaves out, as the database has it."""
        if gap.is_anew or gap.last - self._here > self._limits.resumable:
            _log.warning("hub_skipped", position=self._here, last=gap.last, is_anew=gap.is_anew)
            self._position = gap.last
            for cohort in list(self._cohorts.values()):
                await cohort.skip(gap.last)
            return
        while self._here < gap.last:
            try:
                entries = await entries_after(self._engine, self._here, last=gap.last)
            except Unavailable:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for entry in entries:
                self._tell(entry)
            if len(entries) < ENTRIES_PER_READ:
                self._position = max(self._here, gap.last)
