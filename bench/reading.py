"""How fast are a board of orders and a single order answered, beside the limit and the peers? Benches board and tiny."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from bench.answers import check_refusal, check_same
from bench.contenders import (
    EOMS_NAME,
    LIMIT,
    MERCURIUS,
    PEERS,
    POSTGRAPHILE,
    TEXTBOOK,
    Contender,
    eoms,
    eoms_questions,
    peer,
)
from bench.results import Goal, Outcome, compared
from bench.rounds import loaded
from bench.rows import rows_of
from bench.stage import Stage

GOALS = {
    "board": {LIMIT: Goal(0.85), MERCURIUS: Goal(1.4), POSTGRAPHILE: Goal(2), TEXTBOOK: Goal(20)},
    "tiny": {LIMIT: Goal(0.75), MERCURIUS: None, POSTGRAPHILE: None, TEXTBOOK: Goal(6)},
}
WORK = {
    "board": "20 orders × (7 fields, customer, project, 10 lines × 6 fields)",
    "tiny": "one order × 4 fields, 100 different ones in turn",
}


def reading(stage: Stage, bench: str) -> Outcome:
    """Return what came of `board` or `tiny`."""
    with _side_by_side(stage) as contenders:
        stage.report(f"{bench}: comparing the answers of {', '.join(each.name for each in contenders)}")
        check_same(contenders, bench)
        check_refusal(contenders, bench)
        found = loaded([each.target(bench) for each in contenders], stage.plan, stage.report)
        check_same(contenders, bench)
    ours = found[EOMS_NAME]
    return Outcome(
        bench,
        f"{WORK[bench]}, of {stage.plan.home:,} orders",
        tuple(found.values()),
        tuple(compared(ours, found[name], goal) for name, goal in GOALS[bench].items()),
    )


@contextmanager
def _side_by_side(stage: Stage) -> Generator[list[Contender]]:
    """EOMS and its peers, all running on the same database."""
    database, rows = stage.home, rows_of(stage.home)
    with ExitStack() as stack:
        ours = stack.enter_context(eoms(database, stage.logs))
        peers = [stack.enter_context(peer(name, database, rows, stage.logs)) for name in PEERS]
        yield [replace(ours, questions=eoms_questions(rows)), *peers]
