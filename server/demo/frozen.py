"""Which BOM is frozen into an order of the demo company, and by which revisions is it built on which day?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from db.bom_tables import OrderBomPartRow
from domain.bom import ItemKind, Window
from domain.values import QUANTITY_PLACES, rounded
from server.demo.bom_rows import item_id, revision_id
from server.demo.boms import ITEMS, REVISIONS, DemoRevision
from server.demo.fixed import fixed_id
from server.demo.history import OrderHistory

_PHANTOMS = frozenset(item.code for item in ITEMS if item.kind is ItemKind.PHANTOM)


def freeze(history: OrderHistory, code: str, quantity: str, day: date) -> None:
    """Let an order make so much of an item by what is in force on a day."""
    parts = _in_force(code, day)
    order, top = history.order, parts.pop(code)
    order.bom_revision_id = revision_id(code, top.number)
    order.bom_quantity = rounded(Decimal(quantity), QUANTITY_PLACES)
    order.bom_frozen_on = day
    history.bom_parts = [
        OrderBomPartRow(
            id=fixed_id(order.created_at, f"bom_part.{order.number}.{part}"),
            order_id=order.id,
            item_id=item_id(part),
            revision_id=revision_id(part, revision.number),
            is_phantom=part in _PHANTOMS,
        )
        for part, revision in parts.items()
    ]


def _in_force(code: str, day: date) -> dict[str, DemoRevision]:
    """Return by which revision an item and each item below it is made on a day, by code."""
    found: dict[str, DemoRevision] = {}
    waiting = [code]
    while waiting:
        item = waiting.pop()
        for revision in REVISIONS:
            if revision.item == item and Window(revision.valid_from, revision.valid_to).holds(day):
                found[item] = revision
                waiting += [
                    line.item
                    for line in revision.lines
                    if line.item not in found and Window(line.valid_from, line.valid_to).holds(day)
                ]
    return found
