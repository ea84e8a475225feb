"""How much may each caller still ask for, as far as this process knows? The count that holds while Redis is away.

The same buckets as in Redis, in memory and bounded in number; whose points are counted where is left to
`policies.allowance`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

MICROPOINTS = 1_000_000
"""Points are counted in millionths, so that what a microsecond restores is a whole number."""

_SWEEP_MICROSECONDS = 1_000_000


@dataclass(slots=True)
class _Bucket:
    left: int
    at: int


class SpareBuckets:
    """Buckets of one size, all full in the beginning.

    One that is forgotten is full when it is asked for again: full ones are forgotten first, then who was away longest.
    """

    def __init__(self, points: int, points_per_second: int, most: int) -> None:
        self._size = points * MICROPOINTS
        self._rate = points_per_second
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._swept_at: int | None = None

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, points: int, returned: int, now: int) -> tuple[bool, int]:
        """Give back, then take all points or none; return whether they were taken, and the micropoints left.

        `now` is in microseconds of a clock that never goes back.
        """
        bucket = self._buckets.get(key) or _Bucket(self._size, now)
        left = self._left(bucket, now, returned * MICROPOINTS)
        is_taken = left >= points * MICROPOINTS
        if is_taken:
            left -= points * MICROPOINTS
        self._buckets[key] = _Bucket(left, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._most:
            self._forget(now)
        return is_taken, left

    def _left(self, bucket: _Bucket, now: int, returned: int) -> int:
        # A microsecond restores as many micropoints as a second restores points.
        return min(self._size, bucket.left + (now - bucket.at) * self._rate + returned)

    def _forget(self, now: int) -> None:
        # Looking through all of them for each new caller would be the cheapest way to stop the process.
        if self._swept_at is None or now - self._swept_at >= _SWEEP_MICROSECONDS:
            self._swept_at = now
            full = [key for key, each in self._buckets.items() if self._left(each, now, 0) >= self._size]
            for key in full:
                del self._buckets[key]
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
