"""Which items and BOMs does a random company have? Odd ones, but none that contains itself."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from domain.bom import ItemKind, RevisionState, ScrapRule
from tests.fuzz.planned.odd_values import day, moment, new_key, number, perhaps, text

ITEMS = 30

# Any: a row's values are as various as its columns.
_Row = dict[str, Any]
_DIMENSIONS = ("mass", "length", "count", "事", "")


def items_and_boms(chance: random.Random) -> dict[str, list[_Row]]:
    """Return rows by the type of the API that they have; parents stand before their children."""
    rows: dict[str, list[_Row]] = {}
    rows["Unit"] = [_unit(chance, nth) for nth in range(9)]
    rows["Item"] = [_item(chance, nth, rows) for nth in range(ITEMS)]
    rows["ItemUnit"] = [
        {"id": new_key(chance), "item_id": item["id"], "unit_id": unit["id"], "factor": _factor(chance)}
        for item in rows["Item"]
        for unit in chance.sample(rows["Unit"], chance.choice((0, 0, 1, 3)))
    ]
    made = rows["Item"][: 2 * ITEMS // 3]
    rows["Bom"] = [
        {"id": new_key(chance), "item_id": item["id"], "created_at": moment(chance)}
        for item in made
        if chance.random() < 0.7
    ]
    rows["BomRevision"] = [
        _revision(chance, bom, number_)
        for bom in rows["Bom"]
        for number_ in range(1, chance.choice((0, 1, 1, 2, 4)) + 1)
    ]
    rows["BomLine"] = [line for each in rows["BomRevision"] for line in _lines(chance, each, rows)]
    rows["BomSubstitute"] = [
        {
            "id": new_key(chance),
            "revision_id": line["revision_id"],
            "line_id": line["id"],
            "priority": priority,
            "item_id": chance.choice(rows["Item"])["id"],
            "factor": _factor(chance),
        }
        for line in rows["BomLine"]
        for priority in range(1, chance.choice((0, 0, 0, 1, 3)) + 1)
    ]
    rows["BomOperation"] = [
        {
            "id": new_key(chance),
            "revision_id": each["id"],
            "position": position,
            "name": text(chance),
            "minutes": number(chance, 18, 4),
            "hourly_rate": number(chance, 18, 4),
        }
        for each in rows["BomRevision"]
        for position in chance.sample(range(1, 9), chance.choice((0, 1, 3)))
    ]
    rows["BomCoProduct"] = [
        {
            "id": new_key(chance),
            "revision_id": each["id"],
            "item_id": item["id"],
            "quantity": _positive(chance),
            "cost_share_percent": chance.choice((Decimal(0), Decimal(100), number(chance, 4, 2))),
        }
        for each in rows["BomRevision"]
        for item in chance.sample(rows["Item"], chance.choice((0, 0, 1, 2)))
    ]
    return rows


def _unit(chance: random.Random, nth: int) -> _Row:
    return {
        "id": new_key(chance),
        "code": f"{text(chance)[:9]}·{nth}",
        "name": text(chance),
        "dimension": chance.choice(_DIMENSIONS),
        "factor": _factor(chance),
    }


def _item(chance: random.Random, nth: int, rows: Mapping[str, Sequence[_Row]]) -> _Row:
    return {
        "id": new_key(chance),
        "code": f"I-{nth:03d}" if chance.random() < 0.7 else f"{text(chance)[:60]}{nth}",
        "name": text(chance),
        "kind": chance.choice(list(ItemKind)),
        "unit_id": chance.choice(rows["Unit"])["id"],
        "standard_cost": perhaps(chance, number(chance, 18, 4)),
        "currency": chance.choice(("CNY", "USD", "€", "")),
        "lead_time_days": perhaps(chance, chance.choice((0, 1, 2_147_483_647))),
        "version": chance.choice((1, 2, 3)),
        "created_at": moment(chance),
        "updated_at": moment(chance),
    }


def _revision(chance: random.Random, bom: _Row, number_: int) -> _Row:
    days = sorted([day(chance), day(chance)])
    return {
        "id": new_key(chance),
        "bom_id": bom["id"],
        "item_id": bom["item_id"],
        "number": number_,
        "state": chance.choice(list(RevisionState)),
        "base_quantity": _positive(chance),
        "valid_from": perhaps(chance, days[0]),
        "valid_to": perhaps(chance, days[1]),
        "note": perhaps(chance, text(chance)),
        "checksum": text(chance),
        "released_at": perhaps(chance, moment(chance)),
        "version": chance.choice((1, 2, 3)),
        "created_at": moment(chance),
        "updated_at": moment(chance),
    }


def _lines(chance: random.Random, revision: _Row, rows: Mapping[str, Sequence[_Row]]) -> list[_Row]:
    made = next(nth for nth, item in enumerate(rows["Item"]) if item["id"] == revision["item_id"])
    return [
        {
            "id": new_key(chance),
            "revision_id": revision["id"],
            "position": position,
            # Items are made of later ones only.
            "item_id": chance.choice(rows["Item"][made + 1 :])["id"],
            "quantity": _positive(chance),
            "unit_id": chance.choice(rows["Unit"])["id"],
            "factor_numerator": Decimal(chance.randint(1, 9)),
            "factor_denominator": Decimal(chance.randint(1, 9)),
            "is_fixed": chance.random() < 0.2,
            "scrap_percent": chance.choice((Decimal(0), Decimal("99.99"), number(chance, 3, 2))),
            "scrap_rule": chance.choice(list(ScrapRule)),
            "setup_quantity": number(chance, 18, 4),
            "order_multiple": perhaps(chance, _positive(chance), 0.3),
            "valid_from": None,
            "valid_to": perhaps(chance, day(chance), 0.3),
            "is_consumable": chance.random() < 0.2,
        }
        for position in chance.sample(range(1, 9), chance.choice((0, 1, 2, 5)))
    ]


def frozen_bom(chance: random.Random, rows: Mapping[str, Sequence[_Row]]) -> _Row:
    """Return the columns that say which BOM is frozen into an order: none, or any on any day."""
    columns = ("bom_revision_id", "bom_quantity", "bom_frozen_on")
    if chance.random() < 0.4:
        return dict.fromkeys(columns)
    revision = chance.choice(rows["BomRevision"])
    return dict(zip(columns, (revision["id"], _positive(chance), day(chance)), strict=True))


def order_bom_parts(chance: random.Random, order: _Row, rows: Mapping[str, Sequence[_Row]]) -> list[_Row]:
    """Return by which revisions a few items are made for an order, whether it takes them or not."""
    if order["bom_revision_id"] is None:
        return []
    own = next(each["item_id"] for each in rows["BomRevision"] if each["id"] == order["bom_revision_id"])
    revisions = {each["item_id"]: each["id"] for each in rows["BomRevision"] if each["item_id"] != own}
    return [
        {
            "id": new_key(chance),
            "order_id": order["id"],
            "item_id": item_id,
            "revision_id": revisions[item_id],
            "is_phantom": chance.random() < 0.2,
        }
        for item_id in chance.sample(sorted(revisions), chance.choice((0, 1, 3)))
    ]


def _factor(chance: random.Random) -> Decimal:
    return (
        number(chance, 24, 12) + Decimal("1e-12") if chance.random() < 0.5 else Decimal(chance.randint(1, 99))
    )


def _positive(chance: random.Random) -> Decimal:
    return min(number(chance, 18, 4) + Decimal("0.0001"), Decimal("99999999999999.9999"))
