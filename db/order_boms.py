"""By what is an order built? The BOM that was frozen into it, as rows and events hold it.

What is frozen says of every item below the order's own by which revision it is made, and by the lines of which day. So
nothing that is released later, or ends, changes what an old order is built by.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.bom_structures import Library, holds_on
from db.bom_tables import BomLineRow, OrderBomPartRow
from db.tables import EventRow, OrderRow
from domain.bom import Structure
from domain.events import Changes, fold

FREEZING_EVENTS = ("OrderBomFrozen", "OrderBomRebased")
"""The events that tell of the BOM of an order; see `domain.order.TRANSITIONS`."""

_PARTS = "bomParts."
_ORDER = cast("Table", OrderRow.__table__)
_PART = cast("Table", OrderBomPartRow.__table__)
_LINE = cast("Table", BomLineRow.__table__)
_EVENT = cast("Table", EventRow.__table__)

# Any: a SELECT is typed by its columns, which its labels say better.
_AnySelect = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class FrozenBom:
    """How many base units are made by which revision, by the lines of which day, and by which revisions all below it.

    `phantoms` are the items that are passed through.
    """

    revision_id: UUID
    quantity: Decimal
    frozen_on: date
    part_ids: frozenset[UUID]
    phantoms: frozenset[UUID]

    @property
    def revision_ids(self) -> frozenset[UUID]:
        """Return all revisions that it is built by."""
        return self.part_ids | {self.revision_id}

    def structures(self, pinned: Library) -> Mapping[UUID, Structure]:
        """Return by what each item is made, out of a library of these and perhaps more revisions (`PINNED`)."""
        return {pinned.roots[key].item_id: pinned.roots[key] for key in self.revision_ids}


def frozen_in_row(row: RowMapping) -> FrozenBom:
    """Return what a row of `FROZEN` says."""
    return FrozenBom(
        row["bom_revision_id"],
        row["bom_quantity"],
        row["bom_frozen_on"],
        frozenset(row["part_ids"] or ()),
        frozenset(row["phantoms"] or ()),
    )


def frozen_by_events(chain: Iterable[Changes]) -> FrozenBom | None:
    """Return what the changes of all `FREEZING_EVENTS` of an order come to, null before the first one."""
    state = fold(chain)
    if not state:
        return None
    parts = {tuple(name.split(".")[1:]): value for name, value in state.items() if name.startswith(_PARTS)}
    return FrozenBom(
        UUID(str(state["bomRevision"])),
        Decimal(str(state["bomQuantity"])),
        date.fromisoformat(str(state["bomFrozenOn"])),
        frozenset(UUID(str(value)) for (_, name), value in parts.items() if name == "revision"),
        frozenset(UUID(item) for (item, name), value in parts.items() if name == "phantom" and value is True),
    )


def _frozen() -> _AnySelect:
    def parts(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return select(column).where(_PART.c.order_id == _ORDER.c.id).scalar_subquery()

    return select(
        _ORDER.c.id,
        _ORDER.c.bom_revision_id,
        _ORDER.c.bom_quantity,
        _ORDER.c.bom_frozen_on,
        parts(func.array_agg(_PART.c.revision_id)).label("part_ids"),
        parts(func.array_agg(_PART.c.item_id).filter(_PART.c.is_phantom)).label("phantoms"),
    ).where(
        _ORDER.c.id == any_(bindparam("orders", type_=ARRAY(Uuid()))), _ORDER.c.bom_revision_id.is_not(None)
    )


def _freezing() -> _AnySelect:
    last = _EVENT.alias("last")
    return (
        select(_EVENT.c.id, _EVENT.c.changes)
        .join_from(last, _EVENT, _EVENT.c.aggregate_id == last.c.aggregate_id)
        .where(
            last.c.id == bindparam("event"),
            _EVENT.c.version <= last.c.version,
            or_(*(_EVENT.c.type == each for each in FREEZING_EVENTS)),
        )
        .order_by(_EVENT.c.version)
    )


FROZEN = _frozen()
"""What is frozen into some `orders`, as far as something is."""

FREEZING = _freezing()
"""The events that have made the BOM of an order what it was after one `event` of its, oldest first."""

FROZEN_ORDER = _ORDER.alias("frozen_order")
"""An order beside the lines that are frozen into it: see `IS_FROZEN`."""

IS_FROZEN = and_(
    FROZEN_ORDER.c.bom_revision_id == _LINE.c.revision_id, holds_on(_LINE, FROZEN_ORDER.c.bom_frozen_on)
)
