"""How much may this caller still ask for?

Each person, API client and anonymous address has a bucket of points in Redis, shared by all processes
(`policies.shared_buckets`): what an operation may cost is taken before it runs, all or nothing, what it didn't use is given
back afterwards, and time fills the bucket again. Nobody can spend another's. Who comes often is lent a part of his points
for a second, so that most operations are paid without asking Redis (`policies.leases`). While Redis is away each process
counts in `policies.spare_buckets`: the limit is then more generous, and nothing stands still. What an operation costs is
left to `planner.cost`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NewType, Self
from weakref import WeakValueDictionary

from redis.asyncio import Redis

from policies.leases import Leases
from policies.shared_buckets import SharedBuckets, Wish
from policies.spare_buckets import MICROPOINTS, SpareBuckets
from policies.throttle import network
from policies.viewer import Viewer

AllowanceKey = NewType("AllowanceKey", str)

_GIVE_BACK_SECONDS = 0.1
_GIVE_BACK_BATCH = 500
_SPARE_BUCKETS = 10_000


def viewer_key(viewer: Viewer) -> AllowanceKey:
    """Return the key of a person's or an API client's bucket."""
    if viewer.client is not None:
        return AllowanceKey(f"client:{viewer.client.client_id}")
    return AllowanceKey(f"person:{viewer.user_id}")


def address_key(address: str | None) -> AllowanceKey:
    """Return the key of the bucket that the anonymous at an address share."""
    return AllowanceKey(f"address:{network(address or 'unknown')}")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a wish for points.

    `retry_after_seconds` is null where they were taken; else nothing was, and that much later there are enough. More
    points than a full bucket holds are never there: then it is the time until the bucket is full.
    """

    remaining: int
    limit: int
    points_per_second: int
    retry_after_seconds: int | None


class Allowance:
    """Everybody's points; open it with `async with`, which gives back at the end what is still held."""

    def __init__(self, redis: Redis, points: int, points_per_second: int) -> None:
        self._size = points
        self._rate = points_per_second
        self._shared = SharedBuckets(redis, points, points_per_second)
        self._leases = Leases(points, points_per_second)
        self._spare = SpareBuckets(points, points_per_second, _SPARE_BUCKETS)
        self._turns: WeakValueDictionary[AllowanceKey, asyncio.Lock] = WeakValueDictionary()
        self._giving_back: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._giving_back = asyncio.create_task(self._give_back_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._giving_back is not None, "it is closed once, after it was opened"
        self._giving_back.cancel()
        with suppress(asyncio.CancelledError):
            await self._giving_back
        await self._give_back(None)

    @property
    def size(self) -> int:
        """Return how many points a full bucket has: nobody can pay more at once."""
        return self._size

    async def take(self, key: AllowanceKey, points: int) -> Taken:
        """Take points, or nothing where there are too few."""
        left = self._leases.spend(key, points, _now())
        if left is not None:
            return self._told(left)
        if self._shared.is_left_alone:
            return self._taken_here(key, points)
        # One question at a time for each caller: while one is under way, what it brings back can't be missed by another.
        async with self._turn(key):
            left = self._leases.spend(key, points, _now())
            if left is not None:
                return self._told(left)
            return await self._asked(key, points)

    def give_back(self, key: AllowanceKey, points: int) -> None:
        """Give back what an operation didn't use: for the caller's next wish here, or to his bucket a moment later."""
        if points > 0:
            self._leases.give_back(key, points)

    async def _asked(self, key: AllowanceKey, points: int) -> Taken:
        # Whoever is cut off on the way loses what is held for him: given back a second time, it would be a way to
        # make points.
        asked_at, name = _now(), self._leases.new_name()
        held = self._leases.hand_over(key, asked_at)
        answers = await self._shared.ask([Wish(key, points, held.points, held.vain, held.ended, name)])
        if answers is None:
            return self._taken_here(key, points, held.points)
        told = answers[0]
        if told.lent:
            self._leases.begin(key, name, told.lent // MICROPOINTS, told.left, told.room, asked_at)
        left = told.left + told.lent
        return self._told(left) if told.is_taken else self._refused(points, left)

    def _taken_here(self, key: AllowanceKey, points: int, returned: int | None = None) -> Taken:
        """Take from the count of this process alone."""
        if returned is None:
            returned = self._leases.hand_over(key, _now()).points
        is_taken, left = self._spare.take(key, points, returned, _now())
        return self._told(left) if is_taken else self._refused(points, left)

    def _told(self, left: int) -> Taken:
        return Taken(left // MICROPOINTS, self._size, self._rate, None)

    def _refused(self, points: int, left: int) -> Taken:
        # Waiting for a full bucket is all that can be said of what costs more than that.
        missing = min(points, self._size) * MICROPOINTS - left
        retry_after = max(1, math.ceil(missing / MICROPOINTS / self._rate))
        return Taken(left // MICROPOINTS, self._size, self._rate, retry_after)

    def _turn(self, key: AllowanceKey) -> asyncio.Lock:
        """Return whose turn it is to ask for a caller; it is gone when nobody waits for it."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = asyncio.Lock()
        return turn

    async def _give_back_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_GIVE_BACK_SECONDS)
            await self._give_back(_now())

    async def _give_back(self, now: int | None) -> None:
        """Give back what has to go back at that moment; everything where none is given."""
        for batch in _batches([AllowanceKey(key) for key in self._leases.due(now)]):
            # Who is asking just now gives it back himself.
            turns = [(key, turn) for key in batch if not (turn := self._turn(key)).locked()]
            for _key, turn in turns:
                await turn.acquire()
            try:
                await self._give_back_of([key for key, _turn in turns])
            finally:
                for _key, turn in turns:
                    turn.release()

    async def _give_back_of(self, keys: list[AllowanceKey]) -> None:
        held = [(key, self._leases.hand_over(key, _now())) for key in keys]
        wishes = [Wish(key, 0, each.points, each.vain, each.ended, "") for key, each in held]
        if wishes and await self._shared.ask(wishes) is None:
            for key, each in held:
                self._spare.take(key, 0, each.points, _now())


def _batches(keys: list[AllowanceKey]) -> Iterator[list[AllowanceKey]]:
    return (keys[at : at + _GIVE_BACK_BATCH] for at in range(0, len(keys), _GIVE_BACK_BATCH))


def _now() -> int:
    return time.monotonic_ns() // 1000
