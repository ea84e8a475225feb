"""What came of a bench? Absolute figures of one run, ratios between them, and the goals beside the ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.rounds import Series, ratio


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached (the design's BENCH.md): at least `bound`, or at most."""

    bound: float
    is_minimum: bool = True

    def is_reached(self, value: float) -> bool:
        """Return whether a value reaches it."""
        return value >= self.bound if self.is_minimum else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.is_minimum else '≤'} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A ratio, a time or an amount that says how good something is, with its worst and best round."""

    text: str
    value: float
    lowest: float
    highest: float
    goal: Goal | None
    unit: str = "×"

    @property
    def is_reached(self) -> bool:
        """Return whether its goal is reached; there is nothing to reach without one."""
        return self.goal is None or self.goal.is_reached(self.value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that one bench found out; `notes` are sentences for people."""

    bench: str
    work: str
    series: tuple[Series, ...]
    comparisons: tuple[Comparison, ...]
    notes: Sequence[str] = ()


def compared(one: Series, other: Series, goal: Goal | None, text: str | None = None) -> Comparison:
    """Return how many times as much `one` answers as `other`."""
    found = ratio(one, other)
    return Comparison(text or f"{one.name} ÷ {other.name}", found.value, found.lowest, found.highest, goal)
