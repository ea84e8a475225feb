"""What does `make bench` do? Databases, servers, rounds, and a table of what came of it.

The words are environment variables (`bench.plan`). Everything that is started here is stopped here.
"""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.command import command
from bench.explosion import explosion
from bench.fanout import fanout
from bench.growth import growth
from bench.load import loader
from bench.machine import machine, versions
from bench.masked import masked
from bench.plan import BENCHES, Plan, PlanError, plan_of
from bench.plot import write_plot
from bench.processes import ROOT, BenchError
from bench.reading import reading
from bench.report import PLOT_NAME, Setting, print_table, write_page
from bench.results import Outcome
from bench.seeded import FOLDER, seeded
from bench.stage import Stage
from server.stores import StoreError

_RUN: Mapping[str, Callable[[Stage], Outcome]] = {
    "board": partial(reading, bench="board"),
    "tiny": partial(reading, bench="tiny"),
    "masked": masked,
    "growth": growth,
    "command": command,
    "fanout": fanout,
    "explosion": explosion,
}
assert tuple(_RUN) == BENCHES

# A table is no use when its cells are broken, and a log is not 80 columns wide.
_console = Console(highlight=False, soft_wrap=True, width=max(Console().width, 110))


def main() -> int:
    """Run what the words ask for; return the exit code, 1 where it could not be run."""
    # Nothing of the caller's says how EOMS runs here.
    for name in [name for name in os.environ if name.startswith(("EOMS_", "DATABASE_", "REDIS_"))]:
        del os.environ[name]
    try:
        _run(plan_of(os.environ))
    except (PlanError, BenchError, StoreError) as error:
        _console.print("Error:", str(error), style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        _console.print("Stopped.")
        return 130
    return 0


def _run(plan: Plan) -> None:
    began = datetime.now(UTC)
    with ExitStack() as stack:
        stack.enter_context(_alone())
        databases = {size: stack.enter_context(seeded(size, _report)) for size in plan.sizes}
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eoms-bench-logs-")))
        stage = Stage(plan, databases, logs, _report)
        outcomes = [_RUN[bench](stage) for bench in plan.benches]
        some_database = next(iter(databases.values()))
        setting = Setting(plan, loader(), machine(), versions(some_database), began)
    print_table(_console, outcomes)
    # A trial never takes the place of what was measured in earnest.
    folder = FOLDER if plan.is_trial else ROOT / "docs"
    page = write_page(folder, outcomes, setting)
    write_plot(folder / PLOT_NAME, outcomes)
    _console.print(f"Written: {page.relative_to(ROOT)} and {PLOT_NAME} beside it.")


@contextmanager
def _alone() -> Generator[None]:
    """Make sure that no other run measures, or fills a database that this one would take for half-made."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BenchError("Another make bench runs on this checkout.") from error
        yield


def _report(line: str) -> None:
    _console.print(line, markup=False)


if __name__ == "__main__":
    sys.exit(main())
