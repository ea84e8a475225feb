"""Who was told of what in the demo's history? Those assigned, and those for whom an order waits now; nobody has read it yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from db.tables import NotificationRow
from domain.approval import Approver, approval_blockers
from domain.notifications import NEXT_ACTION, NotificationKind
from domain.order import OrderAction, OrderState
from policies.holders import holders
from policies.readers import default_rulebook
from server.demo.company import PROJECTS
from server.demo.fixed import fixed_id
from server.demo.history import OrderHistory

_LIMITS = {project.id: project.approval_limit for project in PROJECTS}


async def notifications(
    connection: AsyncConnection, histories: Iterable[OrderHistory]
) -> list[NotificationRow]:
    """Return what is told of orders whose rows are written already."""
    found: list[NotificationRow] = []
    for history in histories:
        found += _assigned(history)
        found += await _waiting(connection, history)
    return found


def _assigned(history: OrderHistory) -> Iterator[NotificationRow]:
    events = [event for event in history.chain.events if event["type"] == "OrderAssigned"]
    for assignment in history.assignments:
        field = f"assignments.{assignment.user_id}.assignedAt"
        event = next(event for event in events if field in cast("Mapping[str, object]", event["changes"]))
        yield from _told(history, event, NotificationKind.ASSIGNED, [assignment.user_id])


async def _waiting(connection: AsyncConnection, history: OrderHistory) -> list[NotificationRow]:
    order, action = history.order, NEXT_ACTION.get(history.order.state)
    entered = [
        event for event in history.chain.events if "state" in cast("Mapping[str, object]", event["changes"])
    ]
    authors = [each for each in (order.submitted_by_id, order.edited_by_id) if each is not None]
    if order.state is OrderState.REJECTED:
        return list(_told(history, entered[-1], NotificationKind.REFUSED, authors))
    if action is None:
        return []
    beyond = "approve_above_limit" if action is OrderAction.APPROVE else None
    rows = await connection.execute(
        holders(default_rulebook(), action.value, beyond=beyond), {"order_id": order.id}
    )
    limit = _LIMITS[order.project_id]
    asked = [
        row.user_id
        for row in rows
        if action is not OrderAction.APPROVE
        or not approval_blockers(order.amount, limit, authors, Approver(row.user_id, row.goes_beyond))
    ]
    return list(_told(history, entered[-1], NotificationKind.ACTION_REQUIRED, asked))


def _told(
    history: OrderHistory, event: Mapping[str, object], kind: NotificationKind, user_ids: Iterable[UUID]
) -> Iterator[NotificationRow]:
    moment, event_id = cast("datetime", event["recorded_at"]), cast("UUID", event["id"])
    for user_id in sorted(set(user_ids) - {event["actor_id"]}):
        yield NotificationRow(
            id=fixed_id(moment, f"notification.{event_id}.{user_id}"),
            user_id=user_id,
            kind=kind,
            event_id=event_id,
            order_id=history.order.id,
            created_at=moment,
            read_at=None,
        )
