"""How are the outcomes told? A table on the terminal, and the same as a page with machine, versions and how to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import fill

from rich.console import Console
from rich.table import Table

from bench.plan import Plan
from bench.results import Comparison, Outcome

PLOT_NAME = "performance.png"
PAGE_NAME = "performance.md"

_NO_GOAL = "–"
_SERIES_HEAD = (
    "| | answers/s | lowest – highest round | median ms | p99 ms |",
    "|---|---:|---:|---:|---:|",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """Under what circumstances it was measured."""

    plan: Plan
    loader: str
    machine: str
    versions: Sequence[tuple[str, str]]
    began: datetime


def print_table(console: Console, outcomes: Sequence[Outcome]) -> None:
    """Print the ratios with their goals."""
    table = Table("bench", "", "median", "lowest – highest", "goal", "reached")
    for bench, each in _comparisons(outcomes):
        reached = "" if each.goal is None else "[green]yes[/]" if each.is_reached else "[red]no[/]"
        table.add_row(bench, each.text, _value(each), _spread(each), _goal(each), reached)
    console.print(table)


def write_page(folder: Path, outcomes: Sequence[Outcome], setting: Setting) -> Path:
    """Write the page into the folder, beside the plot; return its path."""
    path = folder / PAGE_NAME
    path.write_text("\n".join(_page(outcomes, setting)) + "\n")
    return path


def _page(outcomes: Sequence[Outcome], setting: Setting) -> list[str]:
    plan = setting.plan
    return [
        "# How fast it is",
        "",
        "Written by `make bench`; how each peer was set up, and why that is fair, stands in",
        "[bench/README.md](../bench/README.md). Ratios were measured side by side in one run. Figures of different",
        "runs or machines are not compared. Where the time of a request goes stands in [microseconds.md](microseconds.md),",
        "what keeps from a goal that isn't reached in [bench/README.md](../bench/README.md#what-isnt-reached).",
        "",
        *_trial_warning(plan),
        f"![Every ratio with its goal]({PLOT_NAME})",
        "",
        "## Ratios",
        "",
        "| bench | compared | median | lowest – highest round | goal | reached |",
        "|---|---|---:|---:|---:|---|",
        *(
            f"| {bench} | {each.text} | {_value(each)} | {_spread(each)} | {_goal(each)} | {_reached(each)} |"
            for bench, each in _comparisons(outcomes)
        ),
        "",
        "## Figures of this run",
        "",
        "Answers in a second, the median of the rounds, and latencies in milliseconds.",
        "",
        *(line for outcome in outcomes for line in _figures(outcome)),
        "## Machine and versions",
        "",
        f"{setting.began:%Y-%m-%d %H:%M} UTC on {setting.machine}.",
        "Everything ran on this one machine, EOMS and each peer as one process.",
        f"{plan.connections} connections by {setting.loader}, {plan.rounds} rounds of {plan.seconds} s in turn",
        f"after a warm-up of {plan.warm_up_seconds} s each.",
        "",
        *fill(", ".join(f"{name} {number}" for name, number in setting.versions) + ".", 110).splitlines(),
        "",
        "## To repeat it",
        "",
        "```sh",
        f"make bench {plan.words}",
        "```",
        "",
        "It wants nothing beforehand but Python and make; `wrk` is used where it is installed. Filling the databases takes",
        "long at the first time and is kept in `.eoms-bench`. `make bench ONLY=board,tiny SIZE=small` is a quick try.",
    ]


def _trial_warning(plan: Plan) -> list[str]:
    if not plan.is_trial:
        return []
    return [
        "**This was a trial: not all benches, few rounds, or small databases. Its figures stand for nothing.**",
        "",
    ]


def _figures(outcome: Outcome) -> list[str]:
    return [
        f"**{outcome.bench}**: {outcome.work}",
        "",
        *_SERIES_HEAD[: 2 * bool(outcome.series)],
        *(
            f"| {each.name} | {each.rate:,.1f} | {each.lowest:,.1f} – {each.highest:,.1f}"
            f" | {each.median_ms:.2f} | {each.p99_ms:.2f} |"
            for each in outcome.series
        ),
        "",
        *(line for note in outcome.notes for line in (note, "")),
    ]


def _comparisons(outcomes: Sequence[Outcome]) -> list[tuple[str, Comparison]]:
    return [(outcome.bench, each) for outcome in outcomes for each in outcome.comparisons]


def _value(each: Comparison) -> str:
    return f"{each.value:.2f}" if each.unit == "×" else f"{each.value:,.1f} {each.unit}"


def _spread(each: Comparison) -> str:
    return f"{each.lowest:,.2f} – {each.highest:,.2f}"


def _goal(each: Comparison) -> str:
    return _NO_GOAL if each.goal is None else f"{each.goal}{'' if each.unit == '×' else f' {each.unit}'}"


def _reached(each: Comparison) -> str:
    return "" if each.goal is None else "yes" if each.is_reached else "**no**"
