"""Of what is a person told because it concerns him, and who is asked to act next?"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from domain.order import OrderAction, OrderState


class NotificationKind(StrEnum):
    """Why somebody is told of an order."""

    ASSIGNED = "ASSIGNED"
    ACTION_REQUIRED = "ACTION_REQUIRED"
    REFUSED = "REFUSED"
    OVERDUE = "OVERDUE"


NEXT_ACTION: Mapping[OrderState, OrderAction] = {
    OrderState.SUBMITTED: OrderAction.APPROVE,
    OrderState.APPROVED: OrderAction.RELEASE,
    OrderState.RELEASED: OrderAction.START,
    OrderState.COMPLETED: OrderAction.ACCEPT,
    OrderState.ACCEPTED: OrderAction.SETTLE,
}
"""What takes an order on from a state in which it waits for somebody. A rejected one waits for its authors, who are told why."""

PROMISED_STATES = (OrderState.APPROVED, OrderState.RELEASED, OrderState.IN_PROGRESS, OrderState.ON_HOLD)
"""In which an order can be overdue: it was agreed on, and the work isn't done."""
