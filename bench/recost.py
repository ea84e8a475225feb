"""How long does it take until one price is in the cost of all that is made of it, in a tree of a hundred thousand items?

Beside it stands what the database takes to tell whose costs that are: a bare recursive statement over the same tables. A
material at the bottom concerns as many as the tree is deep, one that is common to all concerns them all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

import httpx
from sqlalchemy.ext.asyncio import create_async_engine

from bench.answers import ASK_SECONDS
from bench.contenders import bearer, eoms
from bench.processes import BenchError
from bench.results import Comparison, Goal, Outcome
from bench.seeded import MANAGER
from bench.sql import Session
from bench.stage import Stage
from bench.trees import COMMON, COMMON_COST, OWN_COST, seed_tree
from domain.identifiers import global_id

GOAL = Goal(3, is_minimum=False)
"""Three bare statements."""

SIZES = {"full": 100_000, "small": 5_000}
RUN_SECONDS = 900
_ALL_ROUNDS = 1
"""How often the price of the common material is changed: each time every cost is another."""

_ANCESTORS = """
WITH RECURSIVE up (item_id) AS (
    SELECT r.item_id FROM bom_line l JOIN bom_revision r ON r.id = l.revision_id AND r.state = 'RELEASED' WHERE l.item_id = $1
    UNION
    SELECT r.item_id
      FROM up JOIN bom_line l ON l.item_id = up.item_id
      JOIN bom_revision r ON r.id = l.revision_id AND r.state = 'RELEASED'
)
SELECT count(*) FROM up
"""
_LATEST = """
SELECT state, total_count, changed_count, extract(epoch FROM ended_at - started_at) * 1000 AS ms
  FROM recost_run ORDER BY started_at DESC LIMIT 1
"""
_RUNS = "SELECT count(*) FROM recost_run WHERE state = 'DONE'"
_UPDATE = """mutation ($input: ItemUpdateInput!) { itemUpdate(input: $input) { item { version } errors { code } } }"""


@dataclass(frozen=True, slots=True)
class _Change:
    """What came of one change of a price: how many costs it concerned, and how long that took, in milliseconds."""

    concerned: int
    run_ms: float
    whole_ms: float
    bare_ms: float


def recost(stage: Stage) -> Outcome:
    """Return what came of it."""
    database, size = stage.home, SIZES[stage.plan.size]
    if not database.fetch("SELECT 1 FROM item WHERE code = $1", COMMON):
        asyncio.run(_seed(database.database_url, size))
        database.maintain("VACUUM (ANALYZE)")
    with (
        eoms(database, stage.logs, settings={"EOMS_RECOST_WORKER": "true"}) as server,
        httpx.Client(base_url=server.url, headers=bearer(database, MANAGER), timeout=ASK_SECONDS) as client,
        Session(database.libpq) as session,
    ):
        stage.report("  waiting for the first costs of all")
        _await_costs(session, size)
        own = [
            _changed(client, session, f"TREE-M-{size - nth}", OWN_COST) for nth in range(stage.plan.rounds)
        ]
        every = [_changed(client, session, COMMON, COMMON_COST) for _ in range(_ALL_ROUNDS)]
    return Outcome(
        "recost",
        f"the price of a material in a tree of {size:,} assemblies, to the last cost that has it in it",
        (),
        (
            _compared(f"one leaf, {own[0].concerned} ancestors ÷ bare CTE over them", own, GOAL),
            _compared(f"one leaf, {every[0].concerned:,} ancestors ÷ bare CTE over them", every, None),
            _timed(f"change to the last of {own[0].concerned} costs", own),
            _timed(f"change to the last of {every[0].concerned:,} costs", every),
        ),
        [
            "Every cost that is another is kept with an event in its history, which the bare statement doesn't write."
        ],
    )


async def _seed(database_url: str, size: int) -> None:
    engine = create_async_engine(database_url)
    async with engine.begin() as connection:
        await seed_tree(connection, size)
    await engine.dispose()


def _await_costs(session: Session, size: int) -> None:
    deadline = time.monotonic() + RUN_SECONDS
    while session.fetch("SELECT count(*) FROM item_cost")[0][0] < size or session.fetch(
        "SELECT 1 FROM recost_request WHERE is_pending"
    ):
        if time.monotonic() > deadline:
            raise BenchError(f"The first costs are not there after {RUN_SECONDS} seconds.")
        time.sleep(1)
    session.fetch("ANALYZE item_cost")


def _changed(client: httpx.Client, session: Session, code: str, cost: Decimal) -> _Change:
    """Change a price, wait for its run, and time the bare statement."""
    item = session.fetch("SELECT id, version, standard_cost FROM item WHERE code = $1", code)[0]
    other = cost + (1 if item["standard_cost"] == cost else 0)
    given = {
        "id": global_id("Item", item["id"]),
        "expectedVersion": item["version"],
        "standardCost": str(other),
    }
    runs = session.fetch(_RUNS)[0][0]
    began = time.perf_counter()
    told = client.post("/graphql", json={"query": _UPDATE, "variables": {"input": given}}).json()
    if "errors" in told or told["data"]["itemUpdate"]["errors"]:
        raise BenchError(f"A price could not be changed: {told}")
    while session.fetch(_RUNS)[0][0] == runs:
        if time.perf_counter() - began > RUN_SECONDS:
            raise BenchError(f"The costs of {code} were not computed in {RUN_SECONDS} seconds.")
        time.sleep(0.002)
    whole = (time.perf_counter() - began) * 1_000
    run = session.fetch(_LATEST)[0]
    taken: list[float] = []
    count = 0
    for _ in range(5):
        asked = time.perf_counter()
        count = session.fetch(_ANCESTORS, item["id"])[0][0]
        taken.append((time.perf_counter() - asked) * 1_000)
    if (run["total_count"], run["changed_count"]) != (count, count):
        raise BenchError(
            f"{run['total_count']} costs were computed and {run['changed_count']} changed, of {count}."
        )
    return _Change(count, float(run["ms"]), whole, median(taken))


def _compared(text: str, changes: Sequence[_Change], goal: Goal | None) -> Comparison:
    ratios = [each.run_ms / each.bare_ms for each in changes]
    return Comparison(text, median(ratios), min(ratios), max(ratios), goal)


def _timed(text: str, changes: Sequence[_Change]) -> Comparison:
    whole = [each.whole_ms for each in changes]
    return Comparison(text, median(whole), min(whole), max(whole), None, "ms")
