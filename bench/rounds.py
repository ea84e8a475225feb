"""How are several things measured side by side? In turn, A B C A B C, after a warm-up; medians and ratios of one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.load import Measured, Target, load
from bench.plan import Plan
from bench.seeded import Report


@dataclass(frozen=True, slots=True)
class Series:
    """What came of one thing in every round, in the order of the rounds."""

    name: str
    rounds: tuple[Measured, ...]

    @property
    def rate(self) -> float:
        """Return the median of its answers in a second."""
        return median(each.rate for each in self.rounds)

    @property
    def lowest(self) -> float:
        """Return the rate of its worst round."""
        return min(each.rate for each in self.rounds)

    @property
    def highest(self) -> float:
        """Return the rate of its best round."""
        return max(each.rate for each in self.rounds)

    @property
    def median_ms(self) -> float:
        """Return the median of the rounds' median latencies."""
        return median(each.median_ms for each in self.rounds)

    @property
    def p99_ms(self) -> float:
        """Return the median of the rounds' 99th percentiles of latency."""
        return median(each.p99_ms for each in self.rounds)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One series' rate over another's: of the medians, and the lowest and highest of single rounds."""

    value: float
    lowest: float
    highest: float


def ratio(one: Series, other: Series) -> Ratio:
    """Return how many times as much `one` answers as `other`, round against round."""
    each = [a.rate / b.rate for a, b in zip(one.rounds, other.rounds, strict=True)]
    return Ratio(one.rate / other.rate, min(each), max(each))


Runner = Callable[[int], Measured]
"""Runs for so many seconds."""


def alternate(runners: Mapping[str, Runner], plan: Plan, report: Report) -> dict[str, Series]:
    """Return the series of each by its name: one warm-up each, then the rounds in turn."""
    for name, run in runners.items():
        report(f"  warming up {name}")
        run(plan.warm_up_seconds)
    found: dict[str, list[Measured]] = {name: [] for name in runners}
    for nth in range(1, plan.rounds + 1):
        for name, run in runners.items():
            measured = run(plan.seconds)
            found[name].append(measured)
            report(f"  round {nth} of {plan.rounds}: {measured.rate:9,.1f}/s  {name}")
    return {name: Series(name, tuple(rounds)) for name, rounds in found.items()}


def loaded(targets: Sequence[Target], plan: Plan, report: Report) -> dict[str, Series]:
    """Return the series of servers under load, each asked by as many connections."""

    def runner(target: Target) -> Runner:
        return lambda seconds: load(target, seconds, plan.connections)

    return alternate({target.name: runner(target) for target in targets}, plan, report)
