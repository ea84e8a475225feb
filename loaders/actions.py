"""What may this viewer do with an order now, and what stands in the way?

The policy says what is granted, the domain's rules say what is possible; both come from one statement for all orders
of a response.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping, Uuid, any_, bindparam, exists, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.tables import AssignmentRow, OrderLineRow, OrderRow, ProjectRow
from domain.approval import Approver
from domain.errors import Blocker, InvalidTransition
from domain.order import OrderAction, OrderFacts, blockers
from loaders.batching import Batcher
from loaders.reads import Reads

_DEEDS = (*(action.value for action in OrderAction), "approve_above_limit")


@dataclass(frozen=True, slots=True)
class Availability:
    """An action, and what stands in its way; nothing where it is allowed."""

    action: OrderAction
    reasons: Sequence[Blocker]


def order_actions(reads: Reads, order_id: UUID) -> Awaitable[list[Availability]]:
    """Return every action of an order in the order of the life cycle, each with its reasons."""

    async def batch(keys: Sequence[UUID]) -> list[list[Availability]]:
        rows = {row["id"]: row for row in await reads.fetch(_statement(reads), {"keys": list(keys)})}
        return [_availabilities(rows[key], reads.viewer.user_id) if key in rows else [] for key in keys]

    return reads.loader("order_actions", lambda: Batcher(batch)).load(order_id)


def _statement(reads: Reads):  # the select's type says nothing that its labels don't
    line_count = select(func.count()).where(OrderLineRow.order_id == OrderRow.id)
    granted = reads.policy.may("order", OrderRow, _DEEDS)
    return (
        select(
            OrderRow.id,
            OrderRow.state,
            OrderRow.amount,
            OrderRow.submitted_by_id,
            OrderRow.edited_by_id,
            ProjectRow.approval_limit,
            line_count.scalar_subquery().label("line_count"),
            line_count.where(OrderLineRow.unit_price.is_(None))
            .scalar_subquery()
            .label("unpriced_line_count"),
            line_count.where(OrderLineRow.done_quantity < OrderLineRow.quantity)
            .scalar_subquery()
            .label("unfulfilled_line_count"),
            or_(
                OrderRow.contractor_id.is_not(None),
                exists(select(1).where(AssignmentRow.order_id == OrderRow.id)),
            ).label("has_performer"),
            *(predicate.label(f"may_{deed}") for deed, predicate in granted.items()),
        )
        .join(ProjectRow, ProjectRow.id == OrderRow.project_id)
        .where(
            OrderRow.id == any_(bindparam("keys", type_=ARRAY(Uuid()))),
            reads.policy.rows("order", OrderRow),
        )
    )


def _availabilities(row: RowMapping, user_id: UUID) -> list[Availability]:
    facts = OrderFacts(
        state=row["state"],
        amount=row["amount"],
        line_count=row["line_count"],
        unpriced_line_count=row["unpriced_line_count"],
        unfulfilled_line_count=row["unfulfilled_line_count"],
        has_performer=row["has_performer"],
        submitted_by=row["submitted_by_id"],
        edited_by=row["edited_by_id"],
        approval_limit=row["approval_limit"],
    )
    approver = Approver(user_id, may_exceed_limit=row["may_approve_above_limit"])
    return [
        Availability(action, _reasons(facts, action, approver, is_granted=row[f"may_{action.value}"]))
        for action in OrderAction
    ]


def _reasons(
    facts: OrderFacts, action: OrderAction, approver: Approver, *, is_granted: bool
) -> list[Blocker]:
    """Return what stands in the way; whoever may not do a thing at all isn't told what else it lacks."""
    if not is_granted:
        return [Blocker("FORBIDDEN", "You may not do this.")]
    try:
        return blockers(facts, action, approver)
    except InvalidTransition as refusal:
        return [Blocker(refusal.code, refusal.message)]
