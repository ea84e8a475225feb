"""Which orders have become overdue? Each is noted once for its due date, as an event, and those who can finish it are told.

A system command: nobody gives it, so the event has no actor. Whenever a date passes it is due, and it may be run by any
process at any time.
"""

from __future__ import annotations

from datetime import date
from typing import Any
from typing import cast as typed
from uuid import UUID

from sqlalchemy import Select, Table, Text, bindparam, cast, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.orders.notifying import tell
from commands.transactions import transaction
from db.events import Happening, Origin, record
from db.sessions import Transaction
from db.tables import EventRow, OrderRow
from domain.notifications import PROMISED_STATES, NotificationKind
from domain.order import OrderAction
from policies.holders import holders
from policies.rules import Rulebook

OVERDUE = "OrderOverdue"
ORDERS_AT_ONCE = 100

_ADVISORY_LOCK = 0x454F4D44
"""Held by who notes them ("EOMD" in ASCII): a second one would not see what the first has not committed."""


async def note_overdue(engine: AsyncEngine, rulebook: Rulebook, origin: Origin, today: date) -> int:
    """Note up to ORDERS_AT_ONCE orders that are due before `today`; return how many. Raises `Unavailable`.

    None where another process is at it. Orders that somebody changes in this moment are left for the next time.
    """
    async with transaction(engine) as session:
        found = await _overdue(session, today)
        for order in found:
            await _note(session, rulebook, origin, order)
    return len(found)


# Any: rows of a SELECT, read by name.
async def _overdue(session: Transaction, today: date) -> list[Any]:
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(_ADVISORY_LOCK))):
        return []
    return list((await session.execute(_OVERDUE, {"today": today})).all())


async def _note(session: Transaction, rulebook: Rulebook, origin: Origin, order: Any) -> None:
    version = order.version + 1
    await session.execute(_TOUCH, {"order_id": order.id, "to_version": version, "moment": origin.now})
    event_id = await record(
        session,
        origin,
        Happening(
            aggregate_type="Order",
            aggregate_id=order.id,
            version=version,
            type=OVERDUE,
            project_id=order.project_id,
            changes={},
            details={"dueOn": order.due_on.isoformat()},
        ),
    )
    found = await session.execute(holders(rulebook, OrderAction.COMPLETE.value), {"order_id": order.id})
    user_ids: list[UUID] = [each.user_id for each in found]
    await tell(session, origin, order.id, event_id, NotificationKind.OVERDUE, user_ids)


_ORDER, _EVENT = (typed("Table", row.__table__) for row in (OrderRow, EventRow))


def _due() -> Select[*tuple[Any, ...]]:
    is_noted = exists(
        select(1)
        .where(
            _EVENT.c.aggregate_id == _ORDER.c.id,
            _EVENT.c.type == OVERDUE,
            _EVENT.c.details["dueOn"].astext == cast(_ORDER.c.due_on, Text()),
        )
        .correlate(_ORDER)
    )
    return (
        select(_ORDER.c.id, _ORDER.c.version, _ORDER.c.project_id, _ORDER.c.due_on)
        .where(
            _ORDER.c.due_on < bindparam("today"),
            _ORDER.c.state.in_(PROMISED_STATES),
            ~is_noted,
        )
        .order_by(_ORDER.c.due_on, _ORDER.c.id)
        .limit(ORDERS_AT_ONCE)
        .with_for_update(of=_ORDER, key_share=True, skip_locked=True)
    )


_OVERDUE = _due()
_TOUCH = (
    update(_ORDER)
    .where(_ORDER.c.id == bindparam("order_id"))
    .values(version=bindparam("to_version"), updated_at=bindparam("moment"))
)
