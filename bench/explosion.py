"""How long does it take to explode a large BOM and to add up what it costs, beside bare recursive statements?

Each is asked by one client, again as soon as it has answered, for explosions are looked at by few people at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from statistics import median, quantiles
from typing import Any

import httpx

from bench.answers import ASK_SECONDS
from bench.contenders import asked, eoms
from bench.exploded_bom import COST, DEMAND, EXPANDED_LINES, QUANTITY, Product, product
from bench.load import Measured, Request
from bench.processes import BenchError
from bench.results import Goal, Outcome, compared
from bench.rounds import alternate
from bench.sql import Session
from bench.stage import Stage

GOAL = Goal(0.33)
"""Within three times as long."""

_EOMS, _CTE = "EOMS, explosion", "bare CTE, explosion"
_EOMS_COST, _CTE_COST = "EOMS, roll-up", "bare CTE, cost"


def explosion(stage: Stage) -> Outcome:
    """Return what came of it."""
    database = stage.home
    made = product(database)
    with ExitStack() as stack:
        server = stack.enter_context(eoms(database, stage.logs))
        client = stack.enter_context(
            httpx.Client(base_url=server.url, headers=server.headers, timeout=ASK_SECONDS)
        )
        session = stack.enter_context(Session(database.libpq))
        exploding = asked("explosion", id=made.global_id, quantity=str(QUANTITY))
        costing = asked("rollup", id=made.global_id)
        _check(client, session, made, exploding, costing)
        runners: Mapping[str, Callable[[int], Measured]] = {
            _EOMS: _in_turn(lambda: _data(client, exploding)),
            _CTE: _in_turn(lambda: session.fetch(DEMAND, made.revision_id, QUANTITY)),
            _EOMS_COST: _in_turn(lambda: _data(client, costing)),
            _CTE_COST: _in_turn(lambda: session.fetch(COST, made.revision_id)),
        }
        found = alternate(runners, stage.plan, stage.report)
    return Outcome(
        "explosion",
        f"a BOM of {EXPANDED_LINES:,} lines on all paths, with scrap, phantoms and substitutes, one client",
        tuple(found.values()),
        (
            compared(found[_EOMS], found[_CTE], GOAL, "explosion ÷ bare recursive CTE"),
            compared(found[_EOMS_COST], found[_CTE_COST], None, "cost roll-up ÷ bare recursive CTE"),
        ),
        ["A roll-up adds up each made item once, where the bare statement walks all paths."],
    )


def _in_turn(ask: Callable[[], object]) -> Callable[[int], Measured]:
    """Return what asks for so many seconds, and measures to the end of the last answer."""

    def run(seconds: int) -> Measured:
        taken: list[float] = []
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            asked_at = time.perf_counter()
            ask()
            taken.append((time.perf_counter() - asked_at) * 1_000)
        whole = time.perf_counter() - began
        slowest = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
        return Measured(len(taken), whole, median(taken), slowest)

    return run


# Any: JSON.
def _data(client: httpx.Client, request: Request) -> Any:
    content = client.post(request.path, content=request.body.encode()).json()
    if "errors" in content:
        raise BenchError(f"An explosion was refused: {content['errors']}")
    return content["data"]["bomRevision"]


def _check(
    client: httpx.Client, session: Session, made: Product, exploding: Request, costing: Request
) -> None:
    """Raise `BenchError` unless both tell the same."""
    told = _data(client, exploding)["explosion"]
    rows = session.fetch(DEMAND, made.revision_id, QUANTITY)
    ours = {each["item"]["code"]: each["quantity"] for each in told["demand"]["nodes"]}
    theirs = {row["code"]: row["quantity"] for row in rows}
    if told["lines"]["totalCount"] != EXPANDED_LINES or ours != theirs:
        raise BenchError(f"Demands differ: {ours} and {theirs}, of {told['lines']['totalCount']} lines.")
    cost = _data(client, costing)["costRollup"]["material"]
    bare = session.fetch(COST, made.revision_id)[0][0]
    if cost != bare:
        raise BenchError(f"Costs differ: {cost} and {bare}.")
