"""What is the state of an item's cost, as its events tell it? See `db.snapshots`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from db.recost_tables import ItemCostRow
from db.snapshots import Fields, snapshot
from domain.events import Snapshot

_NAMES = {
    "item": "item_id",
    "revision": "revision_id",
    "material": "material",
    "operation": "operation",
    "coProductCredit": "co_product_credit",
    "total": "total",
    "currency": "currency",
    "isPartial": "is_partial",
    "hasMixedCurrencies": "has_mixed_currencies",
}
"""What events tell of a cost, and the column of each: what is shown. When it was computed says nothing of it."""


# Any: a row's values are as various as its columns.
def cost_fields(row: Mapping[str, Any]) -> Fields:
    """Return a cost by the names of the API, of its row's values."""
    return {name: row[column] for name, column in _NAMES.items()}


def cost_snapshot(row: ItemCostRow) -> Snapshot:
    """Return a cost as its events tell it."""
    return snapshot({name: getattr(row, column) for name, column in _NAMES.items()})
