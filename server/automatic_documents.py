"""Which documents has this person's client registered by itself? Apollo's automatic persisted queries, for staff.

Texts by their SHA-256 in Redis, each person's apart from everybody else's: at most so many, the longest unused dropped
first, all of them forgotten some time after their last use. Redis away looks like a document that is not known, which
clients answer with the text.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.identifiers import UserId

LONGEST_TEXT = 16 * 1024
"""Longer texts, in bytes, are executed and not kept."""

_ANSWER_SECONDS = 0.25

# KEYS: texts by hash, hashes by last use; ARGV: a hash, the lifetime in milliseconds. Returns the text or nothing. The
# keys live as long as the person's newest text, so the age of this one has to be looked at.
_TEXT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local used = tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
if used <= now - tonumber(ARGV[2]) * 1000 then return false end
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])
"""

# KEYS: as above; ARGV: a hash, the lifetime in milliseconds, the text, how many are kept.
_KEEP = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], now, ARGV[1])
local function forget(hash)
  redis.call('HDEL', KEYS[1], hash)
  redis.call('ZREM', KEYS[2], hash)
end
for _, hash in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - tonumber(ARGV[2]) * 1000)) do forget(hash) end
for _, hash in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1 - tonumber(ARGV[4]))) do forget(hash) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 0
"""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class AutomaticDocuments:
    """Texts that clients of staff have registered by themselves."""

    def __init__(self, redis: Redis, most_per_person: int, lifetime: timedelta) -> None:
        self._redis = redis
        self._most = most_per_person
        self._milliseconds = int(lifetime.total_seconds() * 1000)
        self._is_away = False

    async def text(self, user_id: UserId, digest: bytes) -> str | None:
        """Return the text that this person's client registered, which from now on is kept for its whole life again."""
        found = await self._run(_TEXT, user_id, digest.hex())
        return found.decode() if isinstance(found, bytes) else found

    async def keep(self, user_id: UserId, text: str) -> None:
        """Keep a text, unless it is too long; where Redis is away, it will be sent again."""
        content = text.encode()
        if len(content) <= LONGEST_TEXT:
            await self._run(_KEEP, user_id, hashlib.sha256(content).hexdigest(), content, self._most)

    # Any: redis-py gives what the script returned.
    async def _run(self, script: str, user_id: UserId, digest: str, *more: bytes | int) -> Any:
        keys = (f"eoms:{{automatic:{user_id}}}:texts", f"eoms:{{automatic:{user_id}}}:uses")
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await self._redis.eval(script, 2, *keys, digest, self._milliseconds, *more)
        except (RedisError, OSError, TimeoutError) as error:
            # Said once an outage, not with every request of it.
            if not self._is_away:
                self._is_away = True
                _log.warning("automatic documents are out of reach", error=type(error).__name__)
            return None
        if self._is_away:
            self._is_away = False
            _log.info("automatic documents are within reach again")
        return answer
