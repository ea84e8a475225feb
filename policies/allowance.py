"""How much may this caller still ask for?

Each person, API client and anonymous address has a bucket of points in Redis, shared by all processes: what an operation
may cost is taken before it runs, all or nothing, what it didn't use is given back afterwards, and time fills the bucket
again. Nobody can spend another's. While Redis is away each process counts in `policies.spare_buckets`: the limit is then
more generous, and nothing stands still. What an operation costs is left to `planner.cost`.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NewType, Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from policies.spare_buckets import MICROPOINTS, SpareBuckets
from policies.throttle import network
from policies.viewer import Viewer

AllowanceKey = NewType("AllowanceKey", str)

_ANSWER_SECONDS = 0.25
"""Longest wait for Redis: every operation waits for it."""

_OUTAGE_SECONDS = 1.0
"""For how long a Redis that didn't answer is left alone."""

_GIVE_BACK_SECONDS = 0.1
_GIVE_BACK_BATCH = 500
_SPARE_BUCKETS = 10_000

# KEYS: the bucket; ARGV: its size, then what to take, then what to give back before that, all in micropoints; points a
# second. A bucket that is not there is full. Returns whether the points were taken, and the micropoints left.
_TAKE = """
local size, wanted, returned, rate = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local bucket = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = size
if bucket[1] then
  -- A microsecond restores as many micropoints as a second restores points.
  local restored = math.max(0, now - tonumber(bucket[2])) * rate
  left = math.min(size, tonumber(bucket[1]) + restored + returned)
end
local taken = 0
if left >= wanted then
  taken = 1
  left = left - wanted
end
if left >= size then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'left', string.format('%.0f', left), 'at', string.format('%.0f', now))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((size - left) / rate / 1000)))
end
return {taken, left}
"""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


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
    """Everybody's points; open it with `async with`, which gives back at the end what is still owed."""

    def __init__(self, redis: Redis, points: int, points_per_second: int) -> None:
        self._size = points
        self._rate = points_per_second
        self._owed: dict[AllowanceKey, int] = {}
        self._spare = SpareBuckets(points, points_per_second, _SPARE_BUCKETS)
        self._is_away = False
        self._ask_again_at = 0.0
        self._giving_back: asyncio.Task[None] | None = None
        # Any: redis-py leaves open whether its commands are awaited, and what a script returns.
        self._redis: Any = redis
        self._script: Any = self._redis.register_script(_TAKE)

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
        await self._give_back_all()

    async def take(self, key: AllowanceKey, points: int) -> Taken:
        """Take points, or nothing where there are too few."""
        # Whoever is cut off on the way loses what is owed to him: given back a second time, it would be a way to
        # make points.
        returned = self._owed.pop(key, 0)
        answers = await self._taken_in_redis([(key, points, returned)])
        is_taken, left = answers[0] if answers else self._spare.take(key, points, returned, _now())
        # Waiting for a full bucket is all that can be said of what costs more than that.
        missing = min(points, self._size) * MICROPOINTS - left
        retry_after = None if is_taken else max(1, math.ceil(missing / MICROPOINTS / self._rate))
        return Taken(left // MICROPOINTS, self._size, self._rate, retry_after)

    def give_back(self, key: AllowanceKey, points: int) -> None:
        """Give back what an operation didn't use: with the caller's next wish here, or a moment later."""
        if points > 0:
            self._owed[key] = self._owed.get(key, 0) + points

    async def _taken_in_redis(
        self, wishes: list[tuple[AllowanceKey, int, int]]
    ) -> list[tuple[bool, int]] | None:
        """Take for each key, in one round trip; null where Redis is away."""
        if self._is_away:
            if time.monotonic() < self._ask_again_at:
                return None
            # One of many looks whether it is back; the others don't wait for that.
            self._ask_again_at = time.monotonic() + _OUTAGE_SECONDS
        try:
            answers = await self._asked(wishes)
        except (RedisError, OSError, TimeoutError) as error:
            self._lost(error)
            return None
        if self._is_away:
            self._is_away = False
            _log.warning("Redis is back: points are counted for all processes together")
        return [(bool(taken), int(left)) for taken, left in answers]

    async def _asked(self, wishes: list[tuple[AllowanceKey, int, int]]) -> list[Any]:
        """Ask, and ask again where nothing came in time: perhaps it was this process that was busy, not Redis.

        What a lost first question took is lost to the caller.
        """
        for is_last in (False, True):
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return await self._run(wishes)
            except TimeoutError:
                if is_last:
                    raise
        raise AssertionError("the second time either returns or raises")

    # Any: redis-py gives what the script returned.
    async def _run(self, wishes: list[tuple[AllowanceKey, int, int]]) -> list[Any]:
        asked = [
            (
                [f"eoms:{{points:{key}}}"],
                [self._size * MICROPOINTS, points * MICROPOINTS, returned * MICROPOINTS, self._rate],
            )
            for key, points, returned in wishes
        ]
        if len(asked) == 1:
            return [await self._script(*asked[0])]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for keys, arguments in asked:
                await self._script(keys, arguments, client=pipeline)
            return await pipeline.execute()

    def _lost(self, error: Exception) -> None:
        self._ask_again_at = time.monotonic() + _OUTAGE_SECONDS
        if not self._is_away:
            self._is_away = True
            _log.warning("Redis is away: this process counts points by itself", reason=type(error).__name__)

    async def _give_back_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_GIVE_BACK_SECONDS)
            await self._give_back_all()

    async def _give_back_all(self) -> None:
        owed, self._owed = self._owed, {}
        for batch in _batches(owed):
            if await self._taken_in_redis(batch) is None:
                for key, points, returned in batch:
                    self._spare.take(key, points, returned, _now())


def _batches(owed: dict[AllowanceKey, int]) -> list[list[tuple[AllowanceKey, int, int]]]:
    wishes = [(key, 0, returned) for key, returned in owed.items()]
    return [wishes[at : at + _GIVE_BACK_BATCH] for at in range(0, len(wishes), _GIVE_BACK_BATCH)]


def _now() -> int:
    return time.monotonic_ns() // 1000
