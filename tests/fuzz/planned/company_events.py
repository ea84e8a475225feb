"""Which events does a random company have? Of orders, of people, and of things that the API doesn't know."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.events import Scalar
from policies.roles import Role
from tests.fuzz.planned.odd_values import moment, new_key, number, perhaps, text

# Any: a row's values are as various as its columns.
_Row = dict[str, Any]

_TYPES = ("OrderCreated", "OrderUpdated", "OrderReleased", "UserAdded", 'Odd 事 \\ "event"', "")
_NAMES = (
    "number",
    "title",
    "description",
    "state",
    "project",
    "customer",
    "contractor",
    "amount",
    "percentComplete",
    "revision",
    "wbsNode",
    "email",
    "phone",
    "username",
    "organization",
    "material",
    "total",
    "isPartial",
    # In snapshots, but no fields of the API.
    "submittedBy",
    "disabledAt",
    "",
    "lines",
    "Amount",
)
_LINE_NAMES = (
    "item",
    "quantity",
    "unitPrice",
    "amount",
    "doneQuantity",
    "progressAt",
    "hourlyRate",
    "supersedes",
    "secret",
)
_POSITIONS = ("1", "2", "10", "03", "事", "\U0001f3d7", "a b", "\t", '"', "\\", "\uffff")


def events(chance: random.Random, rows: Mapping[str, Sequence[_Row]]) -> list[_Row]:
    """Return the log of a company, some of it of objects that are gone."""
    aggregates = [
        *(("Order", order, order["project_id"], (0, 1, 2, 4)) for order in rows["Order"]),
        *(("User", user, None, (0, 1, 3)) for user in rows["User"]),
        *(("Item", item, None, (0, 1, 2)) for item in rows["Item"]),
        *(("BomRevision", each, None, (0, 1, 2)) for each in rows["BomRevision"]),
        *(("EngineeringChange", each, None, (0, 1, 2)) for each in rows["EngineeringChange"]),
        *(("ItemCost", each, None, (0, 1, 2)) for each in rows["ItemCost"]),
    ]
    log = [
        _event(chance, rows, (type_name, row["id"], version), project)
        for type_name, row, project, counts in aggregates
        for version in range(1, min(chance.choice(counts), row["version"]) + 1)
    ]
    for type_name in ("Order", "User", "ApiClient", "Project", "Thing"):
        project = chance.choice(rows["Project"])["id"]
        log.append(_event(chance, rows, (type_name, new_key(chance), 1), perhaps(chance, project)))
    chance.shuffle(log)
    return log


def _event(
    chance: random.Random,
    rows: Mapping[str, Sequence[_Row]],
    aggregate: tuple[str, UUID, int],
    project_id: UUID | None,
) -> _Row:
    return {
        "id": new_key(chance),
        "aggregate_type": aggregate[0],
        "aggregate_id": aggregate[1],
        "version": aggregate[2],
        "type": chance.choice(_TYPES),
        "occurred_at": moment(chance),
        "recorded_at": moment(chance),
        "actor_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        "project_id": project_id,
        "changes": {
            _changed(chance, rows): [_value(chance), _value(chance)]
            for _ in range(chance.choice((0, 1, 2, 5, 12)))
        },
        "note": perhaps(chance, text(chance)),
        "details": {},
        "request_id": None,
        "address": None,
        "previous_hash": chance.randbytes(32),
        "hash": chance.randbytes(32),
    }


def _changed(chance: random.Random, rows: Mapping[str, Sequence[_Row]]) -> str:
    match chance.randrange(5):
        case 0:
            return f"lines.{chance.choice(_POSITIONS)}.{chance.choice(_LINE_NAMES)}"
        case 1:
            place = chance.choice([*(row["id"] for row in rows["Project"]), "global"])
            return f"roles.{chance.choice(list(Role)).value}.{place}"
        case 2:
            user = chance.choice(rows["User"])["id"]
            if chance.random() < 0.3:
                return f"revisions.{user}.{chance.choice(('revision', 'supersedes', 'held', 'secret'))}"
            return f"assignments.{user}.{chance.choice(('task', 'assignedAt', 'user'))}"
        case 3 if chance.random() < 0.3:
            return text(chance)[:80]
        case _:
            return chance.choice(_NAMES)


def _value(chance: random.Random) -> Scalar | None:
    match chance.randrange(7):
        case 0:
            return None
        case 1:
            return chance.random() < 0.5
        case 2:
            # Nothing stores a number of more than 64 bits.
            return chance.choice((0, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63)))
        case 3:
            return str(number(chance, 18, 2))
        case _:
            return text(chance)
