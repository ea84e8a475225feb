"""Which engineering changes does a random company have? Of drafts and of what is none, empty ones, rejected ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from domain.engineering_change import ChangeState
from tests.fuzz.planned.odd_values import moment, new_key, perhaps, text

CHANGES = 30

# Any: a row's values are as various as its columns.
_Row = dict[str, Any]


def engineering_changes(chance: random.Random, rows: Mapping[str, Sequence[_Row]]) -> dict[str, list[_Row]]:
    """Return rows by the type of the API that they have; no revision is held twice."""
    changes = [_change(chance, nth, rows) for nth in range(CHANGES)]
    free = list(rows["BomRevision"])
    places: list[_Row] = []
    for change in changes:
        for revision in chance.sample(free, min(len(free), chance.choice((0, 1, 1, 2, 4)))):
            is_held = chance.random() < 0.7
            if is_held:
                free.remove(revision)
            places.append(
                {
                    "id": new_key(chance),
                    "change_id": change["id"],
                    "revision_id": revision["id"],
                    "supersedes_id": perhaps(chance, chance.choice(rows["BomRevision"])["id"]),
                    "is_held": is_held,
                }
            )
    return {"EngineeringChange": changes, "EngineeringChangeRevision": places}


def _change(chance: random.Random, nth: int, rows: Mapping[str, Sequence[_Row]]) -> _Row:
    return {
        "id": new_key(chance),
        "number": f"EC-2026-{nth:03d}" if chance.random() < 0.7 else f"{text(chance)[:60]}{nth}",
        "title": text(chance),
        "reason": text(chance),
        "state": chance.choice(list(ChangeState)),
        "submitted_by_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        "released_by_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        "edited_by_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        "version": chance.choice((1, 2, 3)),
        "created_at": moment(chance),
        "updated_at": moment(chance),
    }
