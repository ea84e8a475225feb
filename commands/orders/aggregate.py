"""How does a command get hold of an order, and how is what it did written down?

An order is locked with its lines and assignments for the length of the transaction; leaving it takes one version step
and one event with the difference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, select

from commands.execution import Command, Workbench
from db.bom_tables import OrderBomPartRow
from db.events import Happening, latest_hash, record
from db.kept_rows import KeptRows, KeptTable
from db.sessions import Transaction
from db.snapshots import Fields, changes, order_fields
from db.tables import AssignmentRow, Json, OrderLineRow, OrderRow, ProjectRow
from domain.approval import Approver
from domain.errors import Forbidden, NotFound, VersionConflict
from domain.events import FIRST_HASH, Changes
from domain.fulfilment import LineFacts, line_amount, order_amount, percent_complete
from domain.order import OrderAction, OrderFacts, deed
from policies.compiler import Policy

_SHAPES = 100
"""For how many shapes of viewers statements are remembered."""

_ORDERS, _LINES, _ASSIGNMENTS = KeptTable(OrderRow), KeptTable(OrderLineRow), KeptTable(AssignmentRow)
_BOM_PARTS = KeptTable(OrderBomPartRow)


@dataclass(frozen=True, kw_only=True)
class OrderCommand(Command):
    """A command that changes one order."""

    order_id: UUID

    @property
    def object_id(self) -> UUID:
        """Return the order's id."""
        return self.order_id


@dataclass
class Stored:
    """What the database holds of an order; of a new one nothing."""

    orders: KeptRows[OrderRow] = field(default_factory=lambda: KeptRows(_ORDERS))
    lines: KeptRows[OrderLineRow] = field(default_factory=lambda: KeptRows(_LINES))
    assignments: KeptRows[AssignmentRow] = field(default_factory=lambda: KeptRows(_ASSIGNMENTS))
    bom_parts: KeptRows[OrderBomPartRow] = field(default_factory=lambda: KeptRows(_BOM_PARTS))


@dataclass
class Order:
    """An order locked for change, with all that belongs to it and its state as it was before."""

    row: OrderRow
    lines: list[OrderLineRow]
    assignments: list[AssignmentRow]
    approval_limit: Decimal | None
    may_exceed_limit: bool = False
    latest_hash: bytes = FIRST_HASH
    before: Fields = field(default_factory=dict[str, Any])
    stored: Stored = field(default_factory=Stored)
    bom_parts: list[OrderBomPartRow] = field(default_factory=list[OrderBomPartRow])
    """None of them before `read_bom_parts`: there may be thousands, and hardly a command changes one."""

    def facts(self) -> OrderFacts:
        """Return what the domain's rules need to know."""
        lines = [_line_facts(line) for line in self.lines]
        return OrderFacts(
            state=self.row.state,
            amount=self.row.amount,
            line_count=len(lines),
            unpriced_line_count=sum(line.unit_price is None for line in lines),
            unfulfilled_line_count=sum(not line.is_fulfilled for line in lines),
            has_performer=self.row.contractor_id is not None or bool(self.assignments),
            submitted_by=self.row.submitted_by_id,
            edited_by=self.row.edited_by_id,
            approval_limit=self.approval_limit,
            has_bom=self.row.bom_revision_id is not None,
        )

    def add_up(self) -> None:
        """Derive amounts and progress from the lines: they are never typed in."""
        for line in self.lines:
            line.amount = line_amount(line.quantity, line.unit_price)
        lines = [_line_facts(line) for line in self.lines]
        self.row.amount = order_amount(lines)
        self.row.percent_complete = percent_complete(lines)

    def fields(self) -> Fields:
        """Return the order's state."""
        return order_fields(self.row, self.lines, self.assignments, self.bom_parts)

    def changes(self) -> Changes:
        """Return what has changed since it was read, as events tell it."""
        return changes(self.before, self.fields())

    async def write(self, session: Transaction) -> None:
        """Write what differs from what is stored."""
        await self.stored.orders.replace(session, [self.row])
        await self.stored.lines.replace(session, self.lines)
        await self.stored.assignments.replace(session, self.assignments)
        await self.stored.bom_parts.replace(session, self.bom_parts)


async def lock_order(
    bench: Workbench, order_id: UUID, action: OrderAction, expected_version: int | None
) -> Order:
    """Return the order, locked until the transaction ends.

    Raises `NotFound` (absent or not readable), `Forbidden` (readable, deed not granted) or `VersionConflict`.
    """
    parameters = {**bench.viewer.parameters, "order_id": order_id}
    stored = _ORDERS.read(await bench.session.execute(_locking(bench.policy), parameters))
    row = next(iter(stored.objects()), None)
    if row is None:
        raise NotFound("order")
    # Asked once the row is ours: whoever had it before may have taken the viewer off the order.
    granting = _granting(bench.policy, deed(row.state, action))
    granted = (await bench.session.execute(granting, parameters)).one_or_none()
    if granted is None:
        raise NotFound("order")
    if not granted.is_granted:
        raise Forbidden
    if expected_version is not None and row.version != expected_version:
        raise VersionConflict(row.version)
    lines = _LINES.read(await bench.session.execute(_LINES_OF_ORDER, {"order_id": order_id}))
    assignments = _ASSIGNMENTS.read(
        await bench.session.execute(_ASSIGNMENTS_OF_ORDER, {"order_id": order_id})
    )
    order = Order(
        row,
        lines.objects(),
        assignments.objects(),
        granted.approval_limit,
        may_exceed_limit=granted.may_exceed_limit,
        latest_hash=granted.latest_hash or FIRST_HASH,
        stored=Stored(stored, lines, assignments),
    )
    order.before = order.fields()
    return order


async def read_bom_parts(bench: Workbench, order: Order) -> None:
    """Let an order that was locked also hold by which revisions the parts of its BOM are made."""
    found = await bench.session.execute(_BOM_PARTS_OF_ORDER, {"order_id": order.row.id})
    order.stored.bom_parts = _BOM_PARTS.read(found)
    order.bom_parts = order.stored.bom_parts.objects()
    order.before = order.fields()


def approver(bench: Workbench, order: Order) -> Approver:
    """Return the viewer as an approver of this order."""
    return Approver(bench.viewer.user_id, may_exceed_limit=order.may_exceed_limit)


async def leave(
    bench: Workbench,
    order: Order,
    event: str,
    *,
    note: str | None = None,
    occurred_at: datetime | None = None,
    details: Json | None = None,
) -> UUID:
    """Write the order with its next version and the event that says what changed; return the event's id."""
    order.row.version += 1
    order.row.updated_at = bench.origin.now
    await order.write(bench.session)
    return await record(
        bench.session,
        bench.origin,
        Happening(
            aggregate_type="Order",
            aggregate_id=order.row.id,
            version=order.row.version,
            type=event,
            project_id=order.row.project_id,
            changes=order.changes(),
            note=note,
            occurred_at=occurred_at,
            details=details,
            latest_hash=order.latest_hash,
        ),
    )


def _line_facts(line: OrderLineRow) -> LineFacts:
    return LineFacts(line.quantity, line.done_quantity, line.unit_price)


# The statements are the same for all viewers of a shape, and making one takes longer than PostgreSQL takes to run it.
_ORDER = _ORDERS.table
_IS_MEANT = _ORDER.c.id == bindparam("order_id")
_LINES_OF_ORDER = (
    select(_LINES.table)
    .where(_LINES.table.c.order_id == bindparam("order_id"))
    .order_by(_LINES.table.c.position)
)
_ASSIGNMENTS_OF_ORDER = select(_ASSIGNMENTS.table).where(
    _ASSIGNMENTS.table.c.order_id == bindparam("order_id")
)
_BOM_PARTS_OF_ORDER = select(_BOM_PARTS.table).where(_BOM_PARTS.table.c.order_id == bindparam("order_id"))


# Any: a SELECT is typed by its columns, which are read by name.
@lru_cache(maxsize=_SHAPES)
def _locking(policy: Policy) -> Select[Any]:
    """Return the statement that locks an order which the viewer can read."""
    return (
        select(_ORDER)
        .where(_IS_MEANT, policy.rows("order", OrderRow))
        .with_for_update(of=_ORDER, key_share=True)
    )


@lru_cache(maxsize=_SHAPES * len(OrderAction))
def _granting(policy: Policy, deed_name: str) -> Select[*tuple[Any, ...]]:
    """Return the statement that says what the viewer may do with an order that he can read, and what of other tables the deed needs."""
    project = ProjectRow.__table__
    limit = select(project.c.approval_limit).where(project.c.id == _ORDER.c.project_id)
    return select(
        policy.rows("order", OrderRow, deed_name).label("is_granted"),
        policy.rows("order", OrderRow, "approve_above_limit").label("may_exceed_limit"),
        limit.scalar_subquery().label("approval_limit"),
        latest_hash(_ORDER.c.id).scalar_subquery().label("latest_hash"),
    ).where(_IS_MEANT, policy.rows("order", OrderRow))
