"""What does a reader see at one glance? Every ratio as a bar, with its spread and its goal."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.results import Comparison, Outcome

_REACHED, _MISSED, _WITHOUT_GOAL, _GOAL = "#2a7f62", "#b3402e", "#7a8794", "#1d2733"


def write_plot(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw the ratios of all benches; how far each bar reaches is its part of its goal, so that all share one scale."""
    # Any, and imported by its name: only `make bench` installs matplotlib, and the checks run without it.
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    rows = [(outcome.bench, each) for outcome in outcomes for each in outcome.comparisons]
    figure, axes = pyplot.subplots(figsize=(11, 1.2 + 0.44 * len(rows)), layout="constrained")
    for place, (_, each) in enumerate(rows):
        _draw(axes, place, each)
    axes.axvline(1, color=_GOAL, linewidth=1.2)
    axes.set_yticks(range(len(rows)), [f"{bench}: {each.text}" for bench, each in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, _widest(rows))
    axes.set_xlabel("reached ÷ goal: the line is the goal; grey bars have none and show the ratio itself")
    axes.set_title(
        "Medians of all rounds; thin lines reach from the lowest to the highest round", fontsize=10
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw(axes: Any, place: int, each: Comparison) -> None:
    value, lowest, highest = (_share(each, number) for number in (each.value, each.lowest, each.highest))
    color = _WITHOUT_GOAL if each.goal is None else _REACHED if each.is_reached else _MISSED
    axes.barh(place, value, color=color, height=0.62)
    low, high = sorted((lowest, highest))
    axes.plot([low, high], [place, place], color=_GOAL, linewidth=1.4, alpha=0.7)
    figure = f"{each.value:.2f}" if each.unit == "×" else f"{each.value:.1f} {each.unit}"
    goal = "" if each.goal is None else f"  (goal {each.goal})"
    axes.annotate(
        f"{figure}{goal}",
        (max(value, high), place),
        (7, 0),
        textcoords="offset points",
        va="center",
        # The goal's line must not run through a figure.
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )


def _share(each: Comparison, number: float) -> float:
    if each.goal is None:
        return number
    return number / each.goal.bound if each.goal.is_minimum else each.goal.bound / number


def _widest(rows: Sequence[tuple[str, Comparison]]) -> float:
    return 1.3 * max(
        1.0, *(_share(each, number) for _, each in rows for number in (each.value, each.highest))
    )
