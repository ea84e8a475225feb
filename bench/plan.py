"""What is measured, on how many orders, how often and for how long? The words of `make bench`.

make bench                        everything, up to a million orders
make bench ONLY=board,tiny SIZE=small
make bench ONLY=command ROUNDS=7 ROUND_SECONDS=10
make bench ONLY=fanout SUBSCRIBERS=1000
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BENCHES = ("board", "tiny", "masked", "growth", "command", "fanout", "explosion")
LINES_OF_AN_ORDER = 10
FEWEST_ROUNDS = 5
"""A median of fewer says little; only a trial may have fewer."""

SHORTEST_SECONDS = 2
"""Of a round, for the same reason."""

LARGEST_NUMBER = 1_000
MOST_SUBSCRIBERS = 10_000

_HOME = {"full": 100_000, "small": 10_000}
_SUBSCRIBERS = {"full": (1_000, 5_000), "small": (200,)}
_GROWTH = {"full": (10_000, 100_000, 1_000_000), "small": (1_000, 10_000)}


class PlanError(Exception):
    """The words make no plan; the message says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How one run measures: sizes in orders, times in seconds."""

    benches: tuple[str, ...]
    size: str
    rounds: int
    seconds: int
    warm_up_seconds: int
    connections: int
    subscribers: tuple[int, ...]
    """How many follow at a time in the fan-out bench, one number after the other."""

    @property
    def home(self) -> int:
        """Return the size of the database of every bench but growth."""
        return _HOME[self.size]

    @property
    def growth(self) -> tuple[int, ...]:
        """Return the sizes that growth compares, smallest first."""
        return _GROWTH[self.size]

    @property
    def is_trial(self) -> bool:
        """Return whether this run only tries the benches out: its figures stand for nothing."""
        is_short = self.rounds < FEWEST_ROUNDS or self.seconds < SHORTEST_SECONDS
        is_partial = self.benches != BENCHES or self.subscribers != _SUBSCRIBERS["full"]
        return is_short or is_partial or self.size != "full"

    @property
    def words(self) -> str:
        """Return what `make bench` has to be told to measure like this, of a run of all benches at full size."""
        return f"ROUNDS={self.rounds} ROUND_SECONDS={self.seconds} CONNECTIONS={self.connections}"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the sizes of all databases that are needed, smallest first."""
        wanted = set(self.growth) if "growth" in self.benches else set[int]()
        if set(self.benches) - {"growth"}:
            wanted.add(self.home)
        return tuple(sorted(wanted))


def plan_of(words: Mapping[str, str]) -> Plan:
    """Return the plan of ONLY, SIZE, ROUNDS, ROUND_SECONDS, CONNECTIONS and SUBSCRIBERS; raise `PlanError`."""
    only = tuple(name for name in words.get("ONLY", "").split(",") if name)
    unknown = sorted(set(only) - set(BENCHES))
    if unknown:
        raise PlanError(f"ONLY has no {', '.join(unknown)}; there are {', '.join(BENCHES)}.")
    size = words.get("SIZE") or "full"
    if size not in _HOME:
        raise PlanError(f"SIZE is {' or '.join(_HOME)}, not {size}.")
    is_small = size == "small"
    seconds = _number(words, "ROUND_SECONDS", SHORTEST_SECONDS if is_small else 5)
    return Plan(
        benches=tuple(name for name in BENCHES if name in (only or BENCHES)),
        size=size,
        rounds=_number(words, "ROUNDS", FEWEST_ROUNDS if is_small else 7),
        seconds=seconds,
        warm_up_seconds=seconds,
        connections=_number(words, "CONNECTIONS", 8),
        subscribers=_subscribers(words.get("SUBSCRIBERS"), _SUBSCRIBERS[size]),
    )


def _subscribers(text: str | None, default: tuple[int, ...]) -> tuple[int, ...]:
    if not text:
        return default
    numbers = text.split(",")
    if not all(number.isdecimal() and 2 <= int(number) <= MOST_SUBSCRIBERS for number in numbers):
        raise PlanError(f"SUBSCRIBERS are whole numbers from 2 to {MOST_SUBSCRIBERS}, not {text}.")
    return tuple(map(int, numbers))


def _number(words: Mapping[str, str], name: str, default: int) -> int:
    text = words.get(name)
    if not text:
        return default
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_NUMBER:
        raise PlanError(f"{name} is a whole number from 1 to {LARGEST_NUMBER}, not {text}.")
    return int(text)
