"""Which rows do events tell of? Each aggregate with its parts, and how its state is read from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import InstrumentedAttribute

from db.bom_snapshots import item_snapshot, revision_snapshot
from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomSubstituteRow,
    ItemRow,
    ItemUnitRow,
    OrderBomPartRow,
)
from db.change_snapshots import change_snapshot
from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.cost_snapshots import cost_snapshot
from db.recost_tables import ItemCostRow
from db.snapshots import client_snapshot, order_snapshot, user_snapshot
from db.tables import (
    ApiClientRow,
    ApiClientSecretRow,
    AssignmentRow,
    Keyed,
    MembershipRow,
    OrderLineRow,
    OrderRow,
    UserRow,
)
from domain.events import Snapshot

_VERSION = "version"
"""The column that every aggregate has."""


@dataclass(frozen=True)
class Aggregate:
    """A type of aggregate: the table of its rows, those of its parts with the key that names the row, its snapshot."""

    type: str
    row: type[Keyed]
    parts: tuple[tuple[type[Keyed], InstrumentedAttribute[Any]], ...]
    # Any: a snapshot takes the row and a list of rows for each of the parts, in their order.
    snapshot: Callable[..., Snapshot]
    called: str = "id"
    """The column by which people know it."""

    def version(self, row: Keyed) -> int:
        """Return a row's version."""
        version: int = getattr(row, _VERSION)
        return version

    def name(self, row: Keyed) -> str:
        """Return how people call a row."""
        return str(getattr(row, self.called))

    def wrong_moments(self, row: Keyed, created_at: datetime, updated_at: datetime) -> list[str]:
        """Return the names of a row's moments that are not those of its first and its last event."""
        expected = {"created_at": ("createdAt", created_at), "updated_at": ("updatedAt", updated_at)}
        return [
            api_name
            for column, (api_name, moment) in expected.items()
            if hasattr(row, column) and getattr(row, column) != moment
        ]


AGGREGATES = {
    each.type: each
    for each in (
        Aggregate(
            "Order",
            OrderRow,
            (
                (OrderLineRow, OrderLineRow.order_id),
                (AssignmentRow, AssignmentRow.order_id),
                (OrderBomPartRow, OrderBomPartRow.order_id),
            ),
            order_snapshot,
            "number",
        ),
        Aggregate("User", UserRow, ((MembershipRow, MembershipRow.user_id),), user_snapshot, "username"),
        Aggregate(
            "ApiClient",
            ApiClientRow,
            ((ApiClientSecretRow, ApiClientSecretRow.client_id),),
            client_snapshot,
        ),
        Aggregate("Item", ItemRow, ((ItemUnitRow, ItemUnitRow.item_id),), item_snapshot, "code"),
        Aggregate(
            "BomRevision",
            BomRevisionRow,
            (
                (BomLineRow, BomLineRow.revision_id),
                (BomSubstituteRow, BomSubstituteRow.revision_id),
                (BomOperationRow, BomOperationRow.revision_id),
                (BomCoProductRow, BomCoProductRow.revision_id),
            ),
            revision_snapshot,
        ),
        Aggregate(
            "EngineeringChange",
            EngineeringChangeRow,
            ((EngineeringChangeRevisionRow, EngineeringChangeRevisionRow.change_id),),
            change_snapshot,
            "number",
        ),
        Aggregate("ItemCost", ItemCostRow, (), cost_snapshot),
    )
}
"""By their names in the log."""
