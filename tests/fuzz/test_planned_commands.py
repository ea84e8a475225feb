"""Do interpreter and planner tell the same of what a command would do?

    FUZZ_EXAMPLES=200 FUZZ_SEED=7 pytest tests/fuzz/test_planned_commands.py -rP

What a difference looks like, and how it is found again, stands in the failure. For long runs there is `tests.fuzz.planned`.
"""

from __future__ import annotations

import sys

import pytest

from server.settings import Settings
from tests.fuzz.planned.rounds import Kind, Round, played
from tests.fuzz.runs import EXAMPLES, SECONDS, SEED

LOOKS = 12 * EXAMPLES


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("number", [4])
async def test_both_paths_answer_the_same(settings: Settings, number: int) -> None:
    round_ = Round(SEED, number, LOOKS)
    assert round_.kind is Kind.COMMANDS
    outcome = await played(round_, settings)
    sys.stdout.write(f"{outcome.told()}\n")
    assert outcome.differences == [], outcome.differences[0]
    assert outcome.looks >= LOOKS
    # What was refused or interpreted compares nothing; of commands, most are refused, as they should be.
    assert outcome.refused.total() <= outcome.requests // 200, outcome.told()
    assert outcome.paths["planned"] >= outcome.requests // 20, outcome.told()
