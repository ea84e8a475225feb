"""What is the state of an item or of a BOM revision, as its events tell it? See `db.snapshots`."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import orjson

from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomSubstituteRow,
    ItemRow,
    ItemUnitRow,
)
from db.snapshots import Fields, Value, snapshot, under
from domain.events import Scalar, Snapshot

_NOT_COUNTED = ".hourlyRate"
"""The end of what is in no checksum."""

_CONTENT = {"item", "baseQuantity"}
"""What of a revision itself is its content, beside all that belongs to it."""


def item_fields(item: ItemRow, units: Iterable[ItemUnitRow]) -> Fields:
    """Return an item with its own units (`units.<unit id>.…`)."""
    fields: dict[str, Value] = {
        "code": item.code,
        "name": item.name,
        "kind": item.kind,
        "unit": item.unit_id,
        "standardCost": item.standard_cost,
        "currency": item.currency,
        "leadTimeDays": item.lead_time_days,
    }
    for each in units:
        fields |= under(f"units.{each.unit_id}", {"factor": each.factor})
    return fields


def item_snapshot(item: ItemRow, units: Iterable[ItemUnitRow]) -> Snapshot:
    """Return an item as its events tell it."""
    return snapshot(item_fields(item, units))


def revision_fields(
    revision: BomRevisionRow,
    lines: Iterable[BomLineRow],
    substitutes: Iterable[BomSubstituteRow],
    operations: Iterable[BomOperationRow],
    co_products: Iterable[BomCoProductRow],
) -> Fields:
    """Return a revision with all that belongs to it, each by its id: a line may change its position."""
    fields: dict[str, Value] = {
        "bom": revision.bom_id,
        "item": revision.item_id,
        "number": revision.number,
        "state": revision.state,
        "baseQuantity": revision.base_quantity,
        "validFrom": revision.valid_from,
        "validTo": revision.valid_to,
        "note": revision.note,
        "checksum": revision.checksum,
        "releasedAt": revision.released_at,
    }
    for line in lines:
        fields |= under(
            f"lines.{line.id}",
            {
                "position": line.position,
                "item": line.item_id,
                "quantity": line.quantity,
                "unit": line.unit_id,
                "fixed": line.is_fixed,
                "scrapPercent": line.scrap_percent,
                "scrapRule": line.scrap_rule,
                "setupQuantity": line.setup_quantity,
                "orderMultiple": line.order_multiple,
                "validFrom": line.valid_from,
                "validTo": line.valid_to,
                "consumable": line.is_consumable,
            },
        )
    for each in substitutes:
        fields |= under(
            f"substitutes.{each.id}",
            {"line": each.line_id, "priority": each.priority, "item": each.item_id, "factor": each.factor},
        )
    for operation in operations:
        fields |= under(
            f"operations.{operation.id}",
            {
                "position": operation.position,
                "name": operation.name,
                "minutes": operation.minutes,
                "hourlyRate": operation.hourly_rate,
            },
        )
    for product in co_products:
        fields |= under(
            f"coProducts.{product.id}",
            {
                "item": product.item_id,
                "quantity": product.quantity,
                "costSharePercent": product.cost_share_percent,
            },
        )
    return fields


def revision_snapshot(
    revision: BomRevisionRow,
    lines: Iterable[BomLineRow],
    substitutes: Iterable[BomSubstituteRow],
    operations: Iterable[BomOperationRow],
    co_products: Iterable[BomCoProductRow],
) -> Snapshot:
    """Return a revision as its events tell it."""
    return snapshot(revision_fields(revision, lines, substitutes, operations, co_products))


def checksum(fields: Fields) -> str:
    """Return SHA-256 over what counts in a revision, in hex: the same for the same content, whatever its ids are.

    `fields` are those of `revision_fields`. Significant are its item and base quantity, and all fields of its lines,
    substitutes, operations and co-products but rates: whoever reads the checksum may not read those, and could try out
    which one leads to it.
    """
    parts: defaultdict[str, dict[str, Scalar]] = defaultdict(dict)
    for name, value in snapshot(fields).items():
        part, _, rest = name.partition(".")
        owner, _, leaf = rest.partition(".")
        if name.endswith(_NOT_COUNTED):
            continue
        if leaf:
            parts[f"{part}.{owner}"][f"{part}.{leaf}"] = value
        elif name in _CONTENT:
            parts[""][name] = value
    for each in parts.values():
        if "substitutes.line" in each:
            # Not by its line's id, but by what says which line that is.
            line = parts[f"lines.{each['substitutes.line']}"]
            each["substitutes.line"] = f"{line['lines.position']}/{line.get('lines.validFrom', '')}"
    canonical = sorted(orjson.dumps(each, option=orjson.OPT_SORT_KEYS) for each in parts.values())
    return hashlib.sha256(b"\n".join(canonical)).hexdigest()
