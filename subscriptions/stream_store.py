"""How is the feed kept in Redis, so that writing it twice changes nothing and a hole can't come into being?

A position is the id of its entry (`<position>-0`), so order and repetition are settled by the server. Entries
are appended by a script that refuses to leave a hole: the stream may have been lost since its end was read.
When to append is left to `subscriptions.relay`, reading to `subscriptions.stream`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from subscriptions.entries import FeedEntry, encode

# One hash tag, so that a cluster keeps both on one node and a script may touch both.
STREAM = "eoms:{feed}"
"""The newest entries of the feed."""

HISTORIES = "eoms:{feed}:histories"
"""One message for each time that STREAM was begun anew because it told of another database."""

FIELD = "entry"
"""The one field of each message in STREAM."""

STORE_FAILURES = (RedisError, OSError)
"""What any command may raise when the store is away, full or frozen."""

_CONNECT_SECONDS = 3
_HISTORIES_KEPT = 100

# XINFO answers a flat list of names and values. The last generated id stays when entries are trimmed away.
_END = """
local function stream_end(key)
    if redis.call('EXISTS', key) == 0 then return '0-0' end
    local info = redis.call('XINFO', 'STREAM', key)
    for at = 1, #info, 2 do
        if info[at] == 'last-generated-id' then return info[at + 1] end
    end
end
local function position_of(id) return tonumber(string.match(id, '^%d+')) end
"""

_TIP = (
    _END
    + """
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return {position_of(stream_end(KEYS[1])), newest[1] and newest[1][2][2] or ''}
"""
)

_APPEND = (
    _END
    + """
local top = position_of(stream_end(KEYS[1]))
if top < tonumber(ARGV[2]) then return top end
for at = 4, #ARGV, 2 do
    local position = tonumber(ARGV[at])
    if position > top then
        redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], ARGV[at] .. '-0', ARGV[3], ARGV[at + 1])
        top = position
    end
end
return top
"""
)

_START_OVER = (
    _END
    + """
if position_of(stream_end(KEYS[1])) ~= tonumber(ARGV[1]) then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], '*', 'dropped', ARGV[1])
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Tip:
    """The end of the stream: its last position (0 for none) and its newest entry's text (empty for none)."""

    position: int
    text: str


# Any: redis-py declares answers as unions over all protocol versions and leaves keyword arguments open.
def open_client(url: str) -> Any:
    """Return a client that never retries. Its callers set the time limits (`asyncio.timeout`)."""
    return cast("Any", Redis).from_url(
        url,
        decode_responses=True,
        # The newer protocol gives the same answers in other shapes.
        protocol=2,
        # Its own limit swallows cancellations before Python 3.12: it sends through asyncio.wait_for, which
        # there returns the result when both come together (python/cpython issue 86296).
        socket_timeout=None,
        socket_connect_timeout=_CONNECT_SECONDS,
        # Its users retry themselves, from a state they have looked at anew.
        retry=Retry(NoBackoff(), 0),
    )


class StreamStore:
    """The writing side of the stream; any method raises one of STORE_FAILURES."""

    def __init__(self, url: str, *, max_entries: int, answer_seconds: float = 5) -> None:
        self._client = open_client(url)
        self._answer_seconds = answer_seconds
        self._max_entries = max_entries
        self._tip = self._client.register_script(_TIP)
        self._append = self._client.register_script(_APPEND)
        self._start_over = self._client.register_script(_START_OVER)

    async def tip(self) -> Tip:
        """Return where the stream ends."""
        async with asyncio.timeout(self._answer_seconds):
            position, text = cast("tuple[int, str]", tuple(await self._tip(keys=[STREAM])))
        return Tip(position, text)

    async def append(self, entries: Sequence[FeedEntry], *, behind: int) -> int:
        """Add the entries that are not there yet, all or none of them, and return the stream's last position.

        Nothing is added where the stream ends before `behind`: it was lost, and a hole would come into being.
        """
        arguments: list[str | int] = [self._max_entries, behind, FIELD]
        for entry in entries:
            arguments += [entry.position, encode(entry)]
        async with asyncio.timeout(self._answer_seconds):
            return cast("int", await self._append(keys=[STREAM], args=arguments))

    async def start_over(self, tip: Tip) -> None:
        """Drop a stream that ends at `tip` and tell its readers to begin anew; not one that has moved on."""
        async with asyncio.timeout(self._answer_seconds):
            await self._start_over(keys=[STREAM, HISTORIES], args=[tip.position, _HISTORIES_KEPT])

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()
