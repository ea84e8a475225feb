"""What does `make bench` make of its words and of what was measured? Nothing here takes a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.load import Measured
from bench.plan import BENCHES, PlanError, plan_of
from bench.report import Setting, write_page
from bench.results import Comparison, Goal, Outcome, compared
from bench.rounds import Series, alternate

SLOW = Series("slow", (Measured(100, 1, 8, 20), Measured(300, 1, 6, 10), Measured(200, 1, 7, 30)))
FAST = Series("fast", (Measured(400, 1, 2, 9), Measured(400, 1, 4, 5), Measured(1_000, 2, 3, 7)))


def test_full_plan_needs_three_databases_and_is_no_trial() -> None:
    plan = plan_of({})
    assert (plan.benches, plan.sizes, plan.is_trial) == (BENCHES, (10_000, 100_000, 1_000_000), False)


def test_run_of_some_benches_is_a_trial_with_only_their_databases() -> None:
    plan = plan_of({"ONLY": "tiny,board"})
    assert (plan.benches, plan.sizes, plan.is_trial) == (("board", "tiny"), (100_000,), True)


def test_small_growth_has_small_databases() -> None:
    plan = plan_of({"ONLY": "growth", "SIZE": "small"})
    assert (plan.sizes, plan.is_trial) == ((1_000, 10_000), True)


def test_other_numbers_of_subscribers_make_a_trial() -> None:
    plan = plan_of({"SUBSCRIBERS": "1000,200"})
    assert (plan.subscribers, plan.is_trial) == ((1_000, 200), True)
    assert plan_of({}).subscribers == (1_000, 5_000)


def test_few_rounds_make_a_trial() -> None:
    assert plan_of({"ROUNDS": "4"}).is_trial
    assert not plan_of({"ROUNDS": "5"}).is_trial


def test_short_rounds_make_a_trial() -> None:
    assert plan_of({"ROUND_SECONDS": "1"}).is_trial
    assert not plan_of({"ROUND_SECONDS": "2"}).is_trial


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"ONLY": "bord"},
            "ONLY has no bord; there are board, tiny, masked, growth, command, fanout, explosion.",
        ),
        ({"SIZE": "huge"}, "SIZE is full or small, not huge."),
        ({"ROUNDS": "0"}, "ROUNDS is a whole number from 1 to 1000, not 0."),
        ({"SUBSCRIBERS": "1000,1"}, "SUBSCRIBERS are whole numbers from 2 to 10000, not 1000,1."),
        ({"ROUND_SECONDS": "2.5"}, "ROUND_SECONDS is a whole number from 1 to 1000, not 2.5."),
    ],
)
def test_words_that_make_no_plan_are_told(words: dict[str, str], message: str) -> None:
    with pytest.raises(PlanError) as told:
        plan_of(words)
    assert str(told.value) == message


def test_ratio_is_that_of_the_medians_and_its_spread_that_of_single_rounds() -> None:
    found = compared(FAST, SLOW, Goal(2.5))
    assert (found.text, found.value, found.lowest, found.highest) == ("fast ÷ slow", 2.0, 4 / 3, 4.0)
    assert not found.is_reached


def test_goals_of_ratios_are_least_and_those_of_times_most() -> None:
    assert Goal(2).is_reached(2)
    assert not Goal(2).is_reached(1.99)
    assert Goal(20, is_minimum=False).is_reached(20)
    assert not Goal(20, is_minimum=False).is_reached(20.1)
    assert Comparison("nothing to reach", 0.1, 0.1, 0.1, None).is_reached


def test_rounds_alternate_after_a_warm_up_that_does_not_count() -> None:
    plan = plan_of({"ROUNDS": "2", "ROUND_SECONDS": "3"})
    ran: list[str] = []

    def runner(name: str) -> Callable[[int], Measured]:
        def run(seconds: int) -> Measured:
            ran.append(name)
            return Measured(len(ran) * seconds, seconds, 1, 1)

        return run

    found = alternate({"a": runner("a"), "b": runner("b")}, plan, lambda _line: None)
    assert ran == ["a", "b", "a", "b", "a", "b"]
    assert [each.rate for each in found["a"].rounds] == [3, 5]
    assert [each.rate for each in found["b"].rounds] == [4, 6]


def test_page_tells_what_was_missed_as_it_is(tmp_path: Path) -> None:
    missed = compared(FAST, SLOW, Goal(2.5))
    cold = Comparison("a document never seen", 21.04, 10, 90, Goal(20, is_minimum=False), "ms")
    memory = Comparison("memory", 41.26, 41.26, 41.26, Goal(40, is_minimum=False), "KiB")
    outcome = Outcome("board", "twenty orders", (SLOW, FAST), (missed, cold, memory), ["It rained."])
    setting = Setting(
        plan_of({}), "wrk", "a machine", [("EOMS", "1")], datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    )
    page = write_page(tmp_path, [outcome], setting).read_text()
    assert "| board | fast ÷ slow | 2.00 | 1.33 – 4.00 | ≥ 2.5 | **no** |\n" in page
    assert "| board | a document never seen | 21.0 ms | 10.00 – 90.00 | ≤ 20 ms | **no** |\n" in page
    assert "| board | memory | 41.3 KiB | 41.26 – 41.26 | ≤ 40 KiB | **no** |\n" in page
    assert "| slow | 200.0 | 100.0 – 300.0 | 7.00 | 20.00 |\n" in page
    assert "2026-01-02 03:04 UTC on a machine.\n" in page
    assert "It rained." in page
    assert "make bench ROUNDS=7 ROUND_SECONDS=5 CONNECTIONS=8\n" in page
    assert "trial" not in page


def test_page_of_a_trial_says_so(tmp_path: Path) -> None:
    setting = Setting(plan_of({"ROUNDS": "1"}), "wrk", "a machine", [], datetime(2026, 1, 2, tzinfo=UTC))
    assert "**This was a trial" in write_page(tmp_path, [], setting).read_text()
