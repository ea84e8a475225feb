"""How much may this caller still ask for?

Each viewer, API client and anonymous address has a bucket of points in Redis, shared by all processes: what an operation
may cost is taken before it runs, all or nothing, what it didn't use is given back afterwards, and time fills the bucket
again. Nobody can spend another's. While Redis is away each process counts by itself: the limit is then more generous, and
nothing stands still. What an operation costs is left to `planner.cost`.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NewType, Self

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from policies.throttle import network
from policies.viewer import Viewer

AllowanceKey = NewType("AllowanceKey", str)

_ANSWER_SECONDS = 0.25
"""Longest wait for Redis: every request waits for it."""

_OUTAGE_SECONDS = 1.0
"""For how long a Redis that didn't answer is left alone."""

_GIVE_BACK_SECONDS = 0.1
_BUCKETS_MOST = 10_000
"""How many callers a process counts by itself while Redis is away."""

# KEYS: the bucket; ARGV: its size, points a second, points to take, points given back before that.
# A bucket is (points, moment in microseconds); one that is not there is full. Returns (whether taken, points left).
_TAKE = """
local size, rate, wanted, returned = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local now = redis.call('TIME')
local moment = tonumber(now[1]) * 1000000 + tonumber(now[2])
local bucket = redis.call('HMGET', KEYS[1], 'points', 'at')
local points = size
if bucket[1] then
  local passed = math.max(0, moment - tonumber(bucket[2]))
  points = math.min(size, tonumber(bucket[1]) + passed * rate / 1000000 + returned)
end
local taken = 0
if points >= wanted then
  taken = 1
  points = points - wanted
end
redis.call('HSET', KEYS[1], 'points', string.format('%.6f', points), 'at', string.format('%.0f', moment))
redis.call('PEXPIRE', KEYS[1], math.ceil((size - points) / rate * 1000) + 1000)
return {taken, string.format('%.6f', points)}
"""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def viewer_key(viewer: Viewer) -> AllowanceKey:
    """Return the key of a person's or an API client's bucket."""
    return AllowanceKey(f"viewer:{viewer.user_id}")


def address_key(address: str | None) -> AllowanceKey:
    """Return the key of the bucket that the anonymous at an address share."""
    return AllowanceKey(f"address:{network(address or 'unknown')}")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a wish for points; `retry_after_seconds` is null where they were taken."""

    remaining: int
    limit: int
    points_per_second: int
    retry_after_seconds: int | None


@dataclass(slots=True)
class _Bucket:
    """A bucket in this process: so many points at a moment of the monotonic clock."""

    points: float
    at: float


class Allowance:
    """Everybody's points; open it with `async with`, which gives back at the end what is still owed."""

    def __init__(self, redis: Redis, points: int, points_per_second: int) -> None:
        self._redis = redis
        self._size = points
        self._rate = points_per_second
        self._owed: dict[AllowanceKey, int] = {}
        self._local: OrderedDict[AllowanceKey, _Bucket] = OrderedDict()
        self._away_until = 0.0
        self._is_away = False
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
        await self._give_back_all()

    async def take(self, key: AllowanceKey, points: int) -> Taken:
        """Take points, or nothing where there are too few."""
        returned = self._owed.pop(key, 0)
        answer = await self._taken_in_redis(key, points, returned)
        if answer is None:
            answer = self._taken_here(key, points, returned)
        is_taken, left = answer
        return self._told(points, is_taken, left)

    def give_back(self, key: AllowanceKey, points: int) -> None:
        """Give back what an operation didn't use: with the caller's next wish, or a moment later."""
        if points > 0:
            self._owed[key] = self._owed.get(key, 0) + points

    def _told(self, points: int, is_taken: bool, left: float) -> Taken:
        # What costs more than a full bucket never gets through; waiting for a full one is all that can be said.
        missing = min(points, self._size) - left
        retry_after = None if is_taken else max(1, math.ceil(missing / self._rate))
        return Taken(math.floor(left), self._size, self._rate, retry_after)

    async def _taken_in_redis(
        self, key: AllowanceKey, points: int, returned: int
    ) -> tuple[bool, float] | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                # Any: redis-py gives what the script returned.
                answer: Any = await self._redis.eval(
                    _TAKE, 1, f"eoms:{{points:{key}}}", self._size, self._rate, points, returned
                )
        except (RedisError, OSError, TimeoutError):
            self._lost()
            return None
        if self._is_away:
            self._is_away = False
            self._local.clear()
            _log.warning("points are counted in Redis again")
        return bool(answer[0]), float(answer[1])

    def _lost(self) -> None:
        self._away_until = time.monotonic() + _OUTAGE_SECONDS
        if not self._is_away:
            self._is_away = True
            _log.warning("Redis is away: each process counts points by itself")

    def _taken_here(self, key: AllowanceKey, points: int, returned: int) -> tuple[bool, float]:
        now = time.monotonic()
        bucket = self._local.setdefault(key, _Bucket(self._size, now))
        self._local.move_to_end(key)
        bucket.points = min(self._size, bucket.points + (now - bucket.at) * self._rate + returned)
        bucket.at = now
        is_taken = bucket.points >= points
        if is_taken:
            bucket.points -= points
        while len(self._local) > _BUCKETS_MOST:
            self._local.popitem(last=False)
        return is_taken, bucket.points

    async def _give_back_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_GIVE_BACK_SECONDS)
            await self._give_back_all()

    async def _give_back_all(self) -> None:
        owed, self._owed = self._owed, {}
        for key, points in owed.items():
            if await self._taken_in_redis(key, 0, points) is None:
                self._taken_here(key, 0, points)
