"""How many points are left to each caller, over all processes?

A bucket is a hash in Redis, counted by its clock: how many points were left and when, and what each process has on lease
from it. A full one takes no room. Bucket and leases together never hold more than a full bucket: what is on lease leaves no
room that time could fill again. A lease that nobody gave back ends by itself. What a process does with its leases is left
to `policies.leases`, and what happens while Redis is away to `policies.allowance`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from policies.spare_buckets import MICROPOINTS

LEASE_ENDS_SECONDS = 5
"""When Redis forgets a lease: long after the process that has it stopped spending from it."""

LEASE_PART = 8
"""A lease is at most this part of what is left, so that other processes find enough."""

LEASE_MOST_TIMES, LEASE_LEAST_TIMES = 1_000, 4
"""For how many wishes like this one a lease is meant; one for fewer isn't worth its way back."""

_ANSWER_SECONDS = 0.25
"""Longest wait for Redis: whoever asks waits for it."""

_OUTAGE_SECONDS = 1.0
"""For how long a Redis that didn't answer is left alone."""

# KEYS: the bucket; ARGV: its size, what to take, what to give back before that, and what time restored in vain while the
# caller's bucket and lease were full together, all in micropoints; points a second; the lease that ends with this, and the
# one that may begin. A bucket that is not there is full. Returns whether the points were taken, the micropoints left, those
# on the new lease, and what both together can grow to beside the leases of others.
_TAKE = f"""
local size, wanted, returned = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local vain, rate, ended, begun = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7]
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local bucket = redis.call('HGETALL', KEYS[1])
local left, at, lent, last = size, now, 0, now
for i = 1, #bucket, 2 do
  local name, value = bucket[i], bucket[i + 1]
  if name == 'left' then
    left = tonumber(value)
  elseif name == 'at' then
    at = tonumber(value)
  else
    local points, ends = string.match(value, '^(%d+) (%d+)$')
    if name == ended or tonumber(ends) <= now then
      redis.call('HDEL', KEYS[1], name)
    else
      lent = lent + tonumber(points)
      last = math.max(last, tonumber(ends))
    end
  end
end
-- A microsecond restores as many micropoints as a second restores points.
local restored = math.max(0, math.max(0, now - at) * rate - vain)
local room = size - lent
left = math.min(room, left + restored + returned)
local taken, lease = 0, 0
if left >= wanted then
  taken = 1
  left = left - wanted
  lease = math.min(wanted * {LEASE_MOST_TIMES}, math.floor(left / {LEASE_PART * MICROPOINTS}) * {MICROPOINTS})
  if wanted == 0 or lease < wanted * {LEASE_LEAST_TIMES} then lease = 0 end
end
if lease > 0 then
  local ends = now + {LEASE_ENDS_SECONDS * 1_000_000}
  left = left - lease
  last = ends
  redis.call('HSET', KEYS[1], begun, string.format('%.0f %.0f', lease, ends))
end
if left >= size then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'left', string.format('%.0f', left), 'at', string.format('%.0f', now))
  local full = math.max((size - left) / rate, last - now)
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(full / 1000)))
end
return {{taken, left, lease, room}}
"""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Wish(NamedTuple):
    """Points to take from a bucket, all or nothing, and to give back before that; the leases that end and may begin.

    `vain` are the micropoints that time restored in vain since the lease began that ends now.
    """

    key: str
    points: int
    returned: int
    vain: int
    ends: str
    begins: str


class Told(NamedTuple):
    """What became of a wish: whether the points were taken, and micropoints.

    `left` are in the bucket, `lent` on the lease that began; `room` is what both can grow to beside others' leases.
    """

    is_taken: bool
    left: int
    lent: int
    room: int


class SharedBuckets:
    """Buckets of one size in Redis."""

    def __init__(self, redis: Redis, points: int, points_per_second: int) -> None:
        self._size = points * MICROPOINTS
        self._rate = points_per_second
        self._is_away = False
        self._ask_again_at = 0.0
        # Any: redis-py leaves open whether its commands are awaited, and what a script returns.
        self._redis: Any = redis
        self._script: Any = self._redis.register_script(_TAKE)

    @property
    def is_left_alone(self) -> bool:
        """Whether Redis didn't answer a moment ago, so that nobody asks it now."""
        return self._is_away and time.monotonic() < self._ask_again_at

    async def ask(self, wishes: Sequence[Wish]) -> list[Told] | None:
        """Return what became of each wish, in one round trip; null where Redis is away."""
        if self.is_left_alone:
            return None
        if self._is_away:
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
        return [Told(bool(taken), *map(int, rest)) for taken, *rest in answers]

    async def _asked(self, wishes: Sequence[Wish]) -> list[Any]:
        """Ask, and ask again where nothing came in time: perhaps it was this process that was busy, not Redis.

        What a lost first question took, and a lease that began with it, are lost to the caller.
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
    async def _run(self, wishes: Sequence[Wish]) -> list[Any]:
        asked = [([f"eoms:{{points:{wish.key}}}"], self._arguments(wish)) for wish in wishes]
        if len(asked) == 1:
            return [await self._script(*asked[0])]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for keys, arguments in asked:
                await self._script(keys, arguments, client=pipeline)
            return await pipeline.execute()

    def _arguments(self, wish: Wish) -> list[int | str]:
        points, returned = wish.points * MICROPOINTS, wish.returned * MICROPOINTS
        return [self._size, points, returned, wish.vain, self._rate, wish.ends, wish.begins]

    def _lost(self, error: Exception) -> None:
        self._ask_again_at = time.monotonic() + _OUTAGE_SECONDS
        if not self._is_away:
            self._is_away = True
            _log.warning("Redis is away: this process counts points by itself", reason=type(error).__name__)
