"""Which open orders are built by something that an engineering change replaces?

An order that is complete was built as it was frozen, and one that is cancelled is built no more.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, or_, select, union

from db.bom_tables import OrderBomPartRow
from db.change_tables import EngineeringChangeRevisionRow
from db.tables import OrderRow
from domain.order import OPEN_STATES

_HELD = cast("Table", EngineeringChangeRevisionRow.__table__)
_PART = cast("Table", OrderBomPartRow.__table__)
_ORDER = cast("Table", OrderRow.__table__).alias("touched_order")

# Not IN, whose values SQLAlchemy writes when a statement is run: those of plans are finished before.
_IS_OPEN = or_(*(_ORDER.c.state == state for state in OPEN_STATES))

TOUCHED_ORDERS = union(
    select(_HELD.c.change_id, _ORDER.c.id.label("order_id"))
    .join_from(_HELD, _ORDER, _ORDER.c.bom_revision_id == _HELD.c.supersedes_id)
    .where(_HELD.c.is_held, _IS_OPEN),
    select(_HELD.c.change_id, _ORDER.c.id)
    .join_from(_HELD, _PART, _PART.c.revision_id == _HELD.c.supersedes_id)
    .join(_ORDER, _ORDER.c.id == _PART.c.order_id)
    .where(_HELD.c.is_held, _IS_OPEN),
).subquery("touched")
"""(change_id, order_id), each pair once: frozen into the order is what the change replaces, at its top or below."""
