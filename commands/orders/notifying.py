"""Who is told of what happened to an order? Written in the transaction of the change, so nobody is told of what wasn't kept.

Nobody is told of what he did himself. How those who are told hear of it is left to `subscriptions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import cast
from uuid import UUID

from sqlalchemy import Table, insert

from commands.execution import Workbench
from commands.orders.aggregate import Order
from db.events import Origin
from db.identifiers import new_id
from db.sessions import Transaction
from db.tables import NotificationRow
from domain.approval import Approver, approval_blockers
from domain.notifications import NEXT_ACTION, NotificationKind
from domain.order import OrderAction, OrderState

_ABOVE_LIMIT = "approve_above_limit"


async def tell_of_step(bench: Workbench, order: Order, event_id: UUID) -> None:
    """Tell those who can take the order on from where it stands now, or whose work was refused."""
    action = NEXT_ACTION.get(order.row.state)
    if order.row.state is OrderState.REJECTED:
        authors = {each for each in (order.row.submitted_by_id, order.row.edited_by_id) if each is not None}
        await tell(bench.session, bench.origin, order.row.id, event_id, NotificationKind.REFUSED, authors)
    elif action is not None:
        asked = await _who_can(bench, order, action)
        await tell(
            bench.session, bench.origin, order.row.id, event_id, NotificationKind.ACTION_REQUIRED, asked
        )


async def tell_assigned(
    bench: Workbench, order: Order, event_id: UUID, known_before: Collection[UUID]
) -> None:
    """Tell those who are assigned now and were not before."""
    added = {each.user_id for each in order.assignments}.difference(known_before)
    await tell(bench.session, bench.origin, order.row.id, event_id, NotificationKind.ASSIGNED, added)


async def tell(
    session: Transaction,
    origin: Origin,
    order_id: UUID,
    event_id: UUID,
    kind: NotificationKind,
    user_ids: Iterable[UUID],
) -> None:
    """Tell people of an event, all but the one who did it."""
    rows = [
        {
            "id": new_id(),
            "user_id": user_id,
            "kind": kind,
            "event_id": event_id,
            "order_id": order_id,
            "created_at": origin.now,
        }
        for user_id in sorted(set(user_ids) - {origin.actor_id})
    ]
    if rows:
        await session.execute(_TELL, rows)


async def _who_can(bench: Workbench, order: Order, action: OrderAction) -> set[UUID]:
    """Return who may take a step, and for an approval could: nobody is asked for what he would be refused."""
    is_approval = action is OrderAction.APPROVE
    found = await bench.session.execute(
        bench.policy.holders(action.value, beyond=_ABOVE_LIMIT if is_approval else None),
        {"order_id": order.row.id},
    )
    facts = order.facts()
    authors = (facts.submitted_by, facts.edited_by)
    return {
        each.user_id
        for each in found
        if not is_approval
        or not approval_blockers(
            facts.amount,
            facts.approval_limit,
            authors,
            Approver(each.user_id, may_exceed_limit=each.goes_beyond),
        )
    }


_TELL = insert(cast("Table", NotificationRow.__table__))
