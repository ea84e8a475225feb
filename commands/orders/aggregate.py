"""How does a command get hold of an order, and how is what it did written down?

An order is locked with its lines and assignments for the length of the transaction; leaving it takes one version step
and one event with the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from commands.execution import Workbench
from db.events import Happening, record
from db.snapshots import order_snapshot
from db.tables import AssignmentRow, Json, OrderLineRow, OrderRow, ProjectRow
from domain.approval import Approver
from domain.errors import Forbidden, NotFound, VersionConflict
from domain.events import Snapshot, difference
from domain.fulfilment import LineFacts, line_amount, order_amount, percent_complete
from domain.order import OrderAction, OrderFacts


@dataclass
class Order:
    """An order locked for change, with all that belongs to it and its state as it was before."""

    row: OrderRow
    lines: list[OrderLineRow]
    assignments: list[AssignmentRow]
    project: ProjectRow
    before: Snapshot
    may_exceed_limit: bool = False

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
            approval_limit=self.project.approval_limit,
        )

    def add_up(self) -> None:
        """Derive amounts and progress from the lines: they are never typed in."""
        for line in self.lines:
            line.amount = line_amount(line.quantity, line.unit_price)
        lines = [_line_facts(line) for line in self.lines]
        self.row.amount = order_amount(lines)
        self.row.percent_complete = percent_complete(lines)

    def snapshot(self) -> Snapshot:
        """Return the order's state as events tell it."""
        return order_snapshot(self.row, self.lines, self.assignments)


async def lock_order(
    bench: Workbench, order_id: UUID, deed: OrderAction, expected_version: int | None
) -> Order:
    """Return the order, locked until the transaction ends.

    Raises `NotFound` (absent or not readable), `Forbidden` (readable, deed not granted) or `VersionConflict`.
    """
    found = await bench.session.orm.scalar(
        select(OrderRow)
        .where(OrderRow.id == order_id, bench.policy.rows("order", OrderRow))
        .with_for_update(of=OrderRow, key_share=True),
        dict(bench.viewer.parameters),
    )
    if found is None:
        raise NotFound("order")
    row = found
    # Asked once the row is ours: whoever had it before may have taken the viewer off the order.
    granted = (
        await bench.session.orm.execute(
            select(
                bench.policy.rows("order", OrderRow, deed.value).label("is_granted"),
                bench.policy.rows("order", OrderRow, "approve_above_limit").label("may_exceed_limit"),
            ).where(OrderRow.id == order_id, bench.policy.rows("order", OrderRow)),
            dict(bench.viewer.parameters),
        )
    ).one_or_none()
    if granted is None:
        raise NotFound("order")
    if not granted.is_granted:
        raise Forbidden
    if expected_version is not None and row.version != expected_version:
        raise VersionConflict(row.version)
    orm = bench.session.orm
    lines = await orm.scalars(
        select(OrderLineRow).where(OrderLineRow.order_id == order_id).order_by(OrderLineRow.position)
    )
    assignments = await orm.scalars(select(AssignmentRow).where(AssignmentRow.order_id == order_id))
    project = await orm.get_one(ProjectRow, row.project_id)
    order = Order(row, list(lines), list(assignments), project, {}, may_exceed_limit=granted.may_exceed_limit)
    order.before = order.snapshot()
    return order


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
    """Write the order with its next version and the event that says what changed; return the order's id."""
    order.row.version += 1
    order.row.updated_at = bench.origin.now
    await bench.session.orm.flush()
    await record(
        bench.session,
        bench.origin,
        Happening(
            aggregate_type="Order",
            aggregate_id=order.row.id,
            version=order.row.version,
            type=event,
            project_id=order.row.project_id,
            changes=difference(order.before, order.snapshot()),
            note=note,
            occurred_at=occurred_at,
            details=details,
        ),
    )
    return order.row.id


def _line_facts(line: OrderLineRow) -> LineFacts:
    return LineFacts(line.quantity, line.done_quantity, line.unit_price)
