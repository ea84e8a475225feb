"""Do interpreter and planner mask the same under rules that nobody would write?

    FUZZ_EXAMPLES=200 FUZZ_SEED=7 pytest tests/fuzz/test_planned_odd_rules.py -rP

What a difference looks like, and how it is found again, stands in the failure. For long runs there is `tests.fuzz.planned`.
"""

from __future__ import annotations

import sys

import pytest

from server.settings import Settings
from tests.fuzz.planned.rounds import Kind, Round, played
from tests.fuzz.runs import EXAMPLES, SECONDS, SEED

LOOKS = 22 * EXAMPLES


# What graphql-core settles in the background, when a null that may not be ends a part of an answer, is cancelled with the
# answer, perhaps before it began: then the coroutines it holds are dropped.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("number", [1, 3])
async def test_both_paths_answer_the_same(settings: Settings, number: int) -> None:
    round_ = Round(SEED, number, LOOKS)
    assert round_.kind is Kind.ODD_RULES
    outcome = await played(round_, settings)
    sys.stdout.write(f"{outcome.told()}\n")
    assert outcome.differences == [], outcome.differences[0]
    assert outcome.looks >= LOOKS
    # What was refused or interpreted compares nothing. Here some is interpreted that was planned: a null was found that
    # the schema doesn't have, and how far it goes is the interpreter's to say.
    assert outcome.refused.total() <= outcome.requests // 100, outcome.told()
    assert outcome.planned_share >= 0.7, outcome.told()
