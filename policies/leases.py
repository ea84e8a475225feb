"""Which points has this process taken ahead, to be spent without asking Redis each time?

A caller who comes again and again has a lease on a part of his bucket, from which his next operations are paid. It is
spent for a second at most, and then goes back with what operations didn't use. How much is lent, and that bucket and leases never
hold more than a full bucket together, is left to `policies.shared_buckets`.
"""

from __future__ import annotations

import itertools
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from policies.spare_buckets import MICROPOINTS

SPENT_MICROSECONDS = 1_000_000
"""For how long a lease is spent from."""

KEPT_MICROSECONDS = 1_200_000
"""When it goes back unasked: who comes a moment after its end gives it back himself, and gets another in the same trip."""


@dataclass(slots=True)
class _Lease:
    """Points lent and not spent yet, and what is in the bucket beside them as far as this process knows, in micropoints."""

    name: str
    points: int
    lent: int
    left: int
    room: int
    asked_at: int
    seen_at: int
    vain: int = 0

    def see(self, now: int, rate: int) -> None:
        """Let time fill the bucket up to now."""
        # A microsecond restores as many micropoints as a second restores points.
        self.left += (now - self.seen_at) * rate
        self.seen_at = now
        over = self.left + self.points * MICROPOINTS - self.room
        if over > 0:
            self.left -= over
            self.vain += over


class Held(NamedTuple):
    """Points of a caller that are on their way back.

    With them a lease ends, whose name is empty where there is none; `vain` are the micropoints that time restored in vain
    while bucket and lease were full together.
    """

    points: int
    ended: str = ""
    vain: int = 0


class Leases:
    """What this process holds of each caller's points; moments are microseconds of a clock that never goes back."""

    def __init__(self, points: int, points_per_second: int) -> None:
        self._size = points * MICROPOINTS
        self._rate = points_per_second
        self._leases: dict[str, _Lease] = {}
        self._unused: dict[str, int] = {}
        self._process = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def new_name(self) -> str:
        """Return a name for a lease that no process has used."""
        return f"{self._process}.{next(self._numbers)}"

    def spend(self, key: str, points: int, now: int) -> int | None:
        """Pay from the caller's lease; return the micropoints left to him in all, null where it doesn't suffice."""
        lease = self._leases.get(key)
        if lease is None or lease.points < points or now - lease.asked_at > SPENT_MICROSECONDS:
            return None
        lease.see(now, self._rate)
        lease.points -= points
        held = lease.points + self._unused.get(key, 0)
        return min(self._size, lease.left + held * MICROPOINTS)

    def give_back(self, key: str, points: int) -> None:
        """Hold what an operation didn't use: for the caller's next one, or to be given back to his bucket."""
        lease = self._leases.get(key)
        if lease is not None:
            # Never more than was lent: what is beyond may have been restored in the bucket already.
            kept = min(points, lease.lent - lease.points)
            lease.points += kept
            points -= kept
        if points > 0:
            self._unused[key] = self._unused.get(key, 0) + points

    def hand_over(self, key: str, now: int) -> Held:
        """Return what is held for a caller, and hold it no longer."""
        unused = self._unused.pop(key, 0)
        lease = self._leases.pop(key, None)
        if lease is None:
            return Held(unused)
        lease.see(now, self._rate)
        return Held(unused + lease.points, lease.name, lease.vain)

    def begin(self, key: str, name: str, lent: int, left: int, room: int, asked_at: int) -> None:
        """Hold a new lease of so many points, got at the question of that moment.

        `left` micropoints are in the caller's bucket beside it; both together can grow to `room`.
        """
        self._leases[key] = _Lease(name, lent, lent, left, room, asked_at, asked_at)

    def due(self, now: int | None) -> list[str]:
        """Return the callers whose points have to go back now; all of them where no moment is given."""
        ended = [
            key
            for key, lease in self._leases.items()
            if now is None or now - lease.asked_at > KEPT_MICROSECONDS
        ]
        # What an operation didn't use goes with the lease, where there is one.
        return ended + [key for key in self._unused if key not in self._leases]
