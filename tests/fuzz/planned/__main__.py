"""How is the comparison run for long? By hand, on stores of its own, with as many processes as are wanted.

    python -m tests.fuzz.planned --looks 100000 --seed 7
    python -m tests.fuzz.planned --seed 7 --round 3 --round-looks 375

It ends with exit code 1 where the two paths differ, and shows each difference with the command that finds it again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator

from tests.fuzz.planned.long_run import outcomes
from tests.fuzz.planned.rounds import Outcome, Round

_LOOKS_A_ROUND = 375


def main() -> int:
    """Play rounds until so many looks were compared, or so many differences found; return the exit code."""
    given = _arguments()
    total, began = Outcome(), time.monotonic()
    for round_, outcome in outcomes(_rounds(given), given.jobs, given.differences, _say):
        total.add(outcome)
        for difference in outcome.differences:
            _say(difference)
        rate = total.requests / (time.monotonic() - began)
        _say(
            f"round {round_.number} ({round_.kind}): {total.looks} looks, {rate:.0f} requests/s, "
            f"{len(total.differences)} differences, {outcome.planned_share:.0%} planned"
        )
    _say(f"{total.told()}\nseed {given.seed}, {given.round_looks} looks a round")
    return 1 if total.differences else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.planned")
    parser.add_argument(
        "--looks", type=int, default=100_000, help="how many documents × viewers are compared"
    )
    parser.add_argument("--seed", default="1", help="what all chance is made of")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes there are")
    parser.add_argument("--differences", type=int, default=3, help="how many are enough")
    parser.add_argument("--round-looks", type=int, default=_LOOKS_A_ROUND, help="how many a round has")
    parser.add_argument("--round", type=int, help="play this one only")
    return parser.parse_args()


def _rounds(given: argparse.Namespace) -> Iterator[Round]:
    if given.round is not None:
        yield Round(given.seed, given.round, given.round_looks)
        return
    for number, done in enumerate(range(0, given.looks, given.round_looks)):
        yield Round(given.seed, number, min(given.round_looks, given.looks - done))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
