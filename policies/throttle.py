"""May this sign-in be tried now?

Failed attempts are counted per account and per address in Redis, for all processes together, in windows that
begin with the first failure. An attempt counts as failed from the moment it is admitted until it is said to
have succeeded: attempts that run side by side can't slip past the bound. Whether the password is right is
left to `policies.passwords`.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import math
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import SignInThrottled, Unavailable

_ANSWER_SECONDS = 2.0
"""Longest wait for Redis; who signs in waits for it, and behind him a queue."""

_IPV6_PREFIX = 64
"""One subscriber gets a whole /64 (RFC 6177); counting single addresses of it would count nothing."""

# KEYS: counters; ARGV: window in milliseconds, then the bound of each counter.
# Returns 0 and counts, or counts nothing and returns the milliseconds until the last full counter is empty.
_ADMIT = """
local wait = 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') >= tonumber(ARGV[i + 1]) then
    wait = math.max(wait, redis.call('PTTL', key), 1)
  end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 0
"""

# KEYS: counters to take one attempt back from. One that has run out meanwhile must not come back below zero.
_TAKE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or '0') > 0 then redis.call('DECR', key) end
end
return 0
"""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class SignInThrottle:
    """Bounds failed sign-ins of one account and from one address in a window of time."""

    def __init__(self, redis: Redis, per_account: int, per_address: int, window_seconds: int) -> None:
        self._redis = redis
        self._bounds = (per_account, per_address)
        self._window_milliseconds = window_seconds * 1000

    async def admit(self, account: str, address: str | None) -> None:
        """Count one attempt; raise `SignInThrottled` and count nothing where there were too many.

        Raises `Unavailable` where Redis doesn't answer: without a count nobody is let in.
        """
        keys = (_account_key(account), _address_key(address))
        try:
            wait_milliseconds = int(await self._run(_ADMIT, keys, self._window_milliseconds, *self._bounds))
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("Signing in is not possible right now; try again.") from error
        if wait_milliseconds > 0:
            raise SignInThrottled(math.ceil(wait_milliseconds / 1000))

    async def succeeded(self, account: str, address: str | None) -> None:
        """Forget the account's failures, and take this attempt back from the address, whose failures stay."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._redis.delete(_account_key(account))
            await self._run(_TAKE_BACK, (_address_key(address),))
        except (RedisError, OSError, TimeoutError):
            _log.warning("sign-in not taken off the count of failures", outcome="succeeded")

    async def abandoned(self, account: str, address: str | None) -> None:
        """Take back an attempt that came to no answer because a store was out of reach."""
        try:
            await self._run(_TAKE_BACK, (_account_key(account), _address_key(address)))
        except (RedisError, OSError, TimeoutError):
            _log.warning("sign-in not taken off the count of failures", outcome="abandoned")

    # Any: redis-py gives what the script returned.
    async def _run(self, script: str, keys: tuple[str, ...], *arguments: int) -> Any:
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await self._redis.eval(script, len(keys), *keys, *arguments)


def _account_key(account: str) -> str:
    """Hashed, because people type passwords into the field for the name, and of any length."""
    digest = hashlib.sha256(account.casefold().encode("utf-8", "surrogatepass")).hexdigest()
    return f"eoms:{{sign-in}}:account:{digest}"


def _address_key(address: str | None) -> str:
    return f"eoms:{{sign-in}}:address:{network(address or 'unknown')}"


def network(address: str) -> str:
    """Return what is counted as one place for an address: itself, or the /64 around an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
