"""How does an order go from one state to the next? Every step of the life cycle that only takes a note."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.execution import Workbench
from commands.orders.aggregate import Order, OrderCommand, approver, leave, lock_order
from commands.orders.notifying import tell_of_step
from domain import values
from domain.order import OrderAction, take_step


@dataclass(frozen=True, kw_only=True)
class StepOrder(OrderCommand):
    """Take one step: submit, approve, reject, revise, release, start, hold, resume, complete, accept, settle, cancel."""

    action: OrderAction
    expected_version: int | None = None
    note: str | None = None


async def step_order(bench: Workbench, command: StepOrder) -> UUID:
    """Take the step; return the order's id. Raises what `lock_order` and `take_step` raise."""
    order = await lock_order(bench, command.order_id, command.action, command.expected_version)
    note = command.note and values.paragraph(command.note, values.NOTE_LENGTH, ("note",))
    step = take_step(order.facts(), command.action, approver(bench, order), note)
    order.row.state = step.target
    _note_effects(bench, order, command.action)
    event_id = await leave(bench, order, step.event, note=note)
    await tell_of_step(bench, order, event_id)
    return order.row.id


def _note_effects(bench: Workbench, order: Order, action: OrderAction) -> None:
    """Set what a step leaves on the order beside its state."""
    match action:
        case OrderAction.SUBMIT:
            order.row.submitted_by_id = bench.viewer.user_id
        case OrderAction.REVISE:
            order.row.revision += 1
            order.row.submitted_by_id = None
        case OrderAction.START:
            order.row.actual_start = bench.today
        case OrderAction.COMPLETE:
            order.row.actual_end = bench.today
        case _:
            pass
