"""How is a profile told? As a table on the terminal, and as a page with a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.table import Table

PAGE_NAME = "microseconds.md"
PLOT_NAME = "microseconds.png"

_BAR, _TEXT = "#2a6f7f", "#1d2733"


@dataclass(frozen=True, slots=True)
class Profile:
    """What one request takes, in microseconds."""

    title: str
    clock: float
    cpu: float
    """Of the server's process; PostgreSQL's are beside it."""

    bare: float
    """What a Starlette route takes that only reads the request and sends the same answer."""

    parts: Mapping[str, float]
    """By the clock, each without the parts inside of it; being timed makes each some tenths dearer."""

    def share(self, label: str) -> float:
        """Return what part of the whole that is."""
        return self.parts[label] / sum(self.parts.values())

    @property
    def dearest_first(self) -> Sequence[tuple[str, float]]:
        """Return (label, microseconds) of the parts."""
        return sorted(self.parts.items(), key=lambda part: -part[1])


def print_tables(console: Console, profiles: Sequence[Profile]) -> None:
    """Print each profile with its parts."""
    for each in profiles:
        table = Table("part", "µs", "%", title=f"{each.title}: {_whole(each)}")
        for label, spent in each.dearest_first:
            table.add_row(label, f"{spent:,.1f}", f"{each.share(label):.0%}")
        console.print(table)


def write_page(
    folder: Path, profiles: Sequence[Profile], machine: str, versions: Sequence[tuple[str, str]]
) -> Path:
    """Write the page and its plot into the folder; return the page's path."""
    _write_plot(folder / PLOT_NAME, profiles)
    path = folder / PAGE_NAME
    path.write_text("\n".join(_page(profiles, machine, versions)) + "\n")
    return path


def _page(profiles: Sequence[Profile], machine: str, versions: Sequence[tuple[str, str]]) -> list[str]:
    return [
        "# Where the microseconds go",
        "",
        "Written by `make profile`: one request after the other, without sockets, in one process with the stores beside it;",
        "medians of rounds that took turns. How fast EOMS is beside others stands in [performance.md](performance.md).",
        "",
        f"![The parts of a request]({PLOT_NAME})",
        "",
        *(line for each in profiles for line in _section(each)),
        "The parts are timed by the clock, each without those inside of it, in rounds of their own; being timed makes each",
        "some tenths of a microsecond dearer. Waiting for PostgreSQL is counted where it is waited for.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {machine}.",
        *fill(", ".join(f"{name} {number}" for name, number in versions) + ".", 110).splitlines(),
    ]


def _section(each: Profile) -> list[str]:
    return [
        f"## {each.title}",
        "",
        f"{_whole(each)}.",
        "",
        "| part | µs | share |",
        "|---|---:|---:|",
        *(f"| {label} | {spent:,.1f} | {each.share(label):.0%} |" for label, spent in each.dearest_first),
        "",
    ]


def _whole(each: Profile) -> str:
    return (
        f"{each.clock:,.0f} µs by the clock, {each.cpu:,.0f} µs of the server's CPU;"
        f" a bare Starlette route takes {each.bare:,.0f} µs"
    )


def _write_plot(path: Path, profiles: Sequence[Profile]) -> None:
    # Any, and imported by its name: only what measures installs matplotlib, and the checks run without it.
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    counts = [len(each.parts) for each in profiles]
    figure, rows = pyplot.subplots(
        len(profiles),
        figsize=(11, 1.2 * len(profiles) + 0.34 * sum(counts)),
        height_ratios=counts,
        layout="constrained",
    )
    for axes, each in zip(rows, profiles, strict=True):
        labels, spent = zip(*each.dearest_first, strict=True)
        bars = axes.barh(range(len(labels)), spent, color=_BAR, height=0.66)
        axes.bar_label(bars, [f"{value:,.0f} µs" for value in spent], padding=5, color=_TEXT)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_title(f"{each.title}: {each.clock:,.0f} µs by the clock", fontsize=10, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
