"""Do interpreter and planner answer the same queries the same, to the byte?

    FUZZ_EXAMPLES=200 FUZZ_SEED=7 pytest tests/fuzz/test_planned_queries.py -rP

What a difference looks like, and how it is found again, stands in the failure. For long runs there is `tests.fuzz.planned`.
"""

from __future__ import annotations

import sys

import pytest

from server.settings import Settings
from tests.fuzz.planned.rounds import Kind, Round, played
from tests.fuzz.runs import EXAMPLES, SECONDS, SEED

LOOKS = 22 * EXAMPLES


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("number", [0, 2])
async def test_both_paths_answer_the_same(settings: Settings, number: int) -> None:
    round_ = Round(SEED, number, LOOKS)
    assert round_.kind is Kind.QUERIES
    outcome = await played(round_, settings)
    sys.stdout.write(f"{outcome.told()}\n")
    assert outcome.differences == [], outcome.differences[0]
    assert outcome.looks >= LOOKS
    # What was refused or interpreted compares nothing.
    assert outcome.refused.total() <= outcome.requests // 100, outcome.told()
    assert outcome.planned_share >= 0.9, outcome.told()
