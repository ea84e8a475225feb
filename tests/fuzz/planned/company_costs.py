"""Which costs of items does a random company keep, and which runs have computed them? As the tables allow, and no roll-up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from db.identifiers import cost_id
from domain.recost import Cause, RunState
from tests.fuzz.planned.odd_values import day, moment, new_key, number, perhaps, text

RUNS = 12

# Any: a row's values are as various as its columns.
_Row = dict[str, Any]


def costs(chance: random.Random, rows: Mapping[str, Sequence[_Row]]) -> dict[str, list[_Row]]:
    """Return rows by the type of the API that they have; parents stand before their children."""
    found: dict[str, list[_Row]] = {}
    found["RecostRun"] = [_run(chance, nth) for nth in range(RUNS)]
    # Where one waits, every cost is stale.
    is_asked = chance.random() < 0.5
    found["RecostRequest"] = [
        {
            "id": new_key(chance),
            "item_id": chance.choice(rows["Item"])["id"],
            "cause": chance.choice(list(Cause)),
            "revision_id": perhaps(chance, chance.choice(rows["BomRevision"])["id"]),
            "requested_at": moment(chance),
            "actor_id": perhaps(chance, chance.choice(rows["User"])["id"]),
            "run_id": perhaps(chance, run["id"]),
            "is_pending": is_asked and chance.random() < 0.2,
        }
        for run in found["RecostRun"]
        for _ in range(chance.choice((0, 1, 1, 4)))
    ]
    found["ItemCost"] = [_cost(chance, item, rows, found) for item in rows["Item"] if chance.random() < 0.7]
    return found


def _run(chance: random.Random, nth: int) -> _Row:
    total = chance.choice((0, 1, 50_000))
    done = chance.randint(0, total)
    # Of all runs one at the most is under way.
    ended = (RunState.DONE, RunState.FAILED)
    return {
        "id": new_key(chance),
        "state": chance.choice(ended if nth else list(RunState)),
        "day": day(chance),
        "request_count": chance.randint(0, 9),
        "total_count": total,
        "done_count": done,
        "changed_count": chance.randint(0, done),
        "attempts": chance.randint(0, 5),
        "fault": perhaps(chance, text(chance)),
        "started_at": moment(chance),
        "ended_at": perhaps(chance, moment(chance)),
    }


def _cost(
    chance: random.Random, item: _Row, rows: Mapping[str, Sequence[_Row]], own: Mapping[str, Sequence[_Row]]
) -> _Row:
    return {
        "id": cost_id(item["id"]),
        "item_id": item["id"],
        "revision_id": perhaps(chance, chance.choice(rows["BomRevision"])["id"]),
        **{name: perhaps(chance, _figure(chance), 0.8) for name in _FIGURES},
        "currency": chance.choice(("CNY", "USD", "€", "")),
        "is_partial": chance.random() < 0.3,
        "has_mixed_currencies": chance.random() < 0.3,
        **{
            f"{name}_numerator": Decimal(chance.randint(0, 9)) for name in ("material", "operation", "credit")
        },
        "denominator": Decimal(chance.randint(1, 9)),
        "priced_in": perhaps(chance, "CNY"),
        "is_mixed": chance.random() < 0.3,
        "lacks_price": chance.random() < 0.3,
        "computed_at": moment(chance),
        "run_id": chance.choice(own["RecostRun"])["id"],
        "version": chance.choice((1, 2, 3)),
    }


_FIGURES = ("material", "operation", "co_product_credit", "total")


def _figure(chance: random.Random) -> Decimal:
    """Return an amount of four places, perhaps one longer than any price."""
    found = number(chance, 18, 4)
    return found if chance.random() < 0.8 else Decimal(f"1{'0' * 30}.1234")
