"""What do masks cost? The board as a contractor beside the same board as the director, row for row."""

from __future__ import annotations

from typing import Any

from bench.answers import answer
from bench.contenders import Contender, asked, bearer, eoms
from bench.load import Request, Target
from bench.processes import BenchError
from bench.results import Goal, Outcome, compared
from bench.rounds import loaded
from bench.rows import BOARD_ORDERS, rows_of
from bench.seeded import CONTRACTOR, DIRECTOR
from bench.stage import Stage
from domain.identifiers import global_id

GOAL = Goal(0.9)
_DOCUMENTS = {
    "contractor_board": "same answer",
    "contractor_hidden": "customer hidden",
}


def masked(stage: Stage) -> Outcome:
    """Return what came of it.

    Two documents: in one both read every field, so that the very same bytes are masked for one and not for the
    other; the other asks for the customer, which contractors may not read.
    """
    database = stage.home
    contractor_id = global_id("Organization", rows_of(database).contractor)
    with eoms(database, stage.logs) as server:
        targets = [
            _target(server, name, what, person, bearer(database, person), contractor_id)
            for name, what in _DOCUMENTS.items()
            for person in (CONTRACTOR, DIRECTOR)
        ]
        _check(targets)
        found = loaded(targets, stage.plan, stage.report)
    return Outcome(
        "masked",
        f"the board of one contractor's orders, of {stage.plan.home:,} orders",
        tuple(found.values()),
        tuple(
            compared(
                found[f"{CONTRACTOR}, {what}"],
                found[f"{DIRECTOR}, {what}"],
                GOAL,
                f"{CONTRACTOR} ÷ {DIRECTOR}, {what}",
            )
            for what in _DOCUMENTS.values()
        ),
    )


def _target(
    server: Contender, name: str, what: str, person: str, headers: dict[str, str], contractor_id: str
) -> Target:
    request = asked(name, first=BOARD_ORDERS, contractor=contractor_id)
    return Target(f"{person}, {what}", server.url, headers, [request])


def _check(targets: list[Target]) -> None:
    """Raise `BenchError` unless contractor and director see the same rows, all fields or all but the customer."""
    same_contractor, same_director, hidden_contractor, hidden_director = (
        _nodes(target, target.requests[0]) for target in targets
    )
    if len(same_director) != BOARD_ORDERS or same_contractor != same_director:
        raise BenchError("Contractor and director don't see the same board.")
    if hidden_contractor != [{**node, "customer": None} for node in hidden_director]:
        raise BenchError("The contractor doesn't see the director's board without customers.")


# Any: JSON as the server answers it.
def _nodes(target: Target, request: Request) -> list[Any]:
    nodes: list[Any] = answer(target.url, dict(target.headers), request)["data"]["orders"]["nodes"]
    return nodes
