"""Who works on an order? The list of assigned persons is given whole: who is missing from it is taken off."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.execution import Workbench
from commands.orders.aggregate import OrderCommand, approver, leave, lock_order
from commands.orders.notifying import tell_assigned
from commands.references import active_user
from db.identifiers import new_id
from db.tables import AssignmentRow
from domain import values
from domain.errors import InvalidInput
from domain.order import OrderAction, take_step

ASSIGNMENTS_LIMIT = 100


@dataclass(frozen=True, kw_only=True)
class AssignmentDraft:
    """A person and his task in the order."""

    user_id: UUID
    task: str | None = None


@dataclass(frozen=True, kw_only=True)
class AssignOrder(OrderCommand):
    """Let exactly these persons be assigned."""

    assignments: tuple[AssignmentDraft, ...]
    expected_version: int | None = None
    note: str | None = None


async def assign_order(bench: Workbench, command: AssignOrder) -> UUID:
    """Assign them; return the order's id. A list that changes nothing leaves no event and no version."""
    order = await lock_order(bench, command.order_id, OrderAction.ASSIGN, command.expected_version)
    note = command.note and values.paragraph(command.note, values.NOTE_LENGTH, ("note",))
    step = take_step(order.facts(), OrderAction.ASSIGN, approver(bench, order), note)
    if len(command.assignments) > ASSIGNMENTS_LIMIT:
        raise InvalidInput("TOO_MANY", f"At most {ASSIGNMENTS_LIMIT} persons.", ("assignments",))
    known = {each.user_id: each for each in order.assignments}
    assigned_before = frozenset(known)
    wanted: dict[UUID, AssignmentRow] = {}
    for index, draft in enumerate(command.assignments):
        path = ("assignments", str(index))
        if draft.user_id in wanted:
            raise InvalidInput("DUPLICATE", "A person is assigned once.", (*path, "userId"))
        row = known.pop(draft.user_id, None)
        if row is None:
            user_id = await active_user(bench, draft.user_id, (*path, "userId"))
            row = AssignmentRow(
                id=new_id(), order_id=order.row.id, user_id=user_id, assigned_at=bench.origin.now
            )
        row.task = draft.task and values.line(draft.task, values.TITLE_LENGTH, (*path, "task"))
        wanted[draft.user_id] = row
    order.assignments = list(wanted.values())
    if not order.changes():
        return order.row.id
    event_id = await leave(bench, order, step.event, note=note)
    await tell_assigned(bench, order, event_id, assigned_before)
    return order.row.id
