"""What may this viewer do with an object now, and what stands in the way? What is asked of every sort of object, and of orders.

The policy says what is granted, the domain's rules say what is possible; the facts for both come from one SELECT for all
orders of a response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, or_, select

from db.tables import AssignmentRow, OrderLineRow, OrderRow, ProjectRow
from domain.approval import Approver
from domain.errors import Blocker, InvalidTransition
from domain.order import REBASE_BOM, OrderAction, OrderFacts, blockers, deed
from policies.bindings import AnySelect
from policies.compiler import Policy

_DEEDS = (*(action.value for action in OrderAction), REBASE_BOM, "approve_above_limit")


@dataclass(frozen=True, slots=True)
class Availability:
    """An action, and what stands in its way; nothing where it is allowed."""

    action: StrEnum
    reasons: Sequence[Blocker]


def availability(
    action: StrEnum, blockers_of: Callable[[], Sequence[Blocker]], *, is_granted: bool
) -> Availability:
    """Return an action with what stands in its way: `blockers_of` says so, or raises `InvalidTransition`.

    Whoever may not do a thing at all isn't told what else it lacks.
    """
    if not is_granted:
        return Availability(action, [Blocker("FORBIDDEN", "You may not do this.")])
    try:
        return Availability(action, blockers_of())
    except InvalidTransition as refusal:
        return Availability(action, [Blocker(refusal.code, refusal.message)])


def action_facts(policy: Policy) -> AnySelect:
    """Return what the rules ask of every readable order, and which deeds are granted on it."""
    line_count = select(func.count()).where(OrderLineRow.order_id == OrderRow.id)
    granted = policy.may("order", OrderRow, _DEEDS)
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
            OrderRow.bom_revision_id.is_not(None).label("has_bom"),
            *(predicate.label(f"may_{deed}") for deed, predicate in granted.items()),
        )
        .join(ProjectRow, ProjectRow.id == OrderRow.project_id)
        .where(policy.rows("order", OrderRow))
    )


def availabilities(row: Mapping[str, Any], user_id: UUID) -> list[Availability]:
    """Return every action of an order in the order of the life cycle, each with its reasons, from its facts."""
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
        has_bom=row["has_bom"],
    )
    approver = Approver(user_id, may_exceed_limit=row["may_approve_above_limit"])
    return [
        availability(
            action,
            partial(blockers, facts, action, approver),
            is_granted=row[f"may_{deed(facts.state, action)}"],
        )
        for action in OrderAction
    ]
