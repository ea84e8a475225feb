"""What may happen to an engineering order, and what does each step demand?

`TRANSITIONS` is the one table of the life cycle: README's diagram, `availableActions` and every command read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.approval import Approver, approval_blockers
from domain.errors import ActionBlocked, Blocker
from domain.life_cycle import known_actions, step_of


class OrderState(StrEnum):
    """The commercial state of an order."""

    DRAFT = "DRAFT"
    SUBMITTED = "SUBMITTED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"
    IN_PROGRESS = "IN_PROGRESS"
    ON_HOLD = "ON_HOLD"
    COMPLETED = "COMPLETED"
    ACCEPTED = "ACCEPTED"
    SETTLED = "SETTLED"
    CANCELLED = "CANCELLED"


class OrderPriority(StrEnum):
    """How urgent an order is, least first."""

    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"
    RUSH = "RUSH"


class OrderKind(StrEnum):
    """What sort of work an order is."""

    CONSTRUCTION = "CONSTRUCTION"
    FABRICATION = "FABRICATION"
    INSTALLATION = "INSTALLATION"
    SERVICE = "SERVICE"
    MAINTENANCE = "MAINTENANCE"


class OrderAction(StrEnum):
    """What can be done to an existing order; each value is also a deed that the policy grants, see `deed`."""

    UPDATE = "update"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    REVISE = "revise"
    RELEASE = "release"
    ASSIGN = "assign"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    REPORT_PROGRESS = "report_progress"
    COMPLETE = "complete"
    ACCEPT = "accept"
    SETTLE = "settle"
    CANCEL = "cancel"
    FREEZE_BOM = "freeze_bom"


REBASE_BOM = "rebase_bom"
"""The deed of freezing another BOM into an order that was approved, and is never edited but so."""


class Demand(StrEnum):
    """What a step asks for beyond the right state; each is a blocker's code when it isn't met."""

    NOTE = "NOTE_REQUIRED"
    LINES = "NO_LINES"
    PRICES = "LINE_WITHOUT_PRICE"
    APPROVER = "APPROVER"
    PERFORMER = "NOBODY_TO_PERFORM"
    FULFILMENT = "NOT_FULFILLED"
    BOM = "NO_BOM"


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an action leads from one state, the event it leaves, and what it demands."""

    target: OrderState
    event: str
    demands: tuple[Demand, ...] = ()


_S, _A = OrderState, OrderAction

_STEPS: Mapping[tuple[OrderState, OrderAction], Transition] = {
    (_S.DRAFT, _A.UPDATE): Transition(_S.DRAFT, "OrderUpdated"),
    (_S.DRAFT, _A.SUBMIT): Transition(_S.SUBMITTED, "OrderSubmitted", (Demand.LINES, Demand.PRICES)),
    (_S.SUBMITTED, _A.APPROVE): Transition(_S.APPROVED, "OrderApproved", (Demand.APPROVER,)),
    (_S.SUBMITTED, _A.REJECT): Transition(_S.REJECTED, "OrderRejected", (Demand.NOTE,)),
    (_S.REJECTED, _A.REVISE): Transition(_S.DRAFT, "OrderRevised"),
    (_S.APPROVED, _A.RELEASE): Transition(_S.RELEASED, "OrderReleased", (Demand.PERFORMER,)),
    (_S.RELEASED, _A.START): Transition(_S.IN_PROGRESS, "OrderStarted"),
    (_S.IN_PROGRESS, _A.HOLD): Transition(_S.ON_HOLD, "OrderHeld", (Demand.NOTE,)),
    (_S.ON_HOLD, _A.RESUME): Transition(_S.IN_PROGRESS, "OrderResumed"),
    (_S.IN_PROGRESS, _A.REPORT_PROGRESS): Transition(_S.IN_PROGRESS, "OrderProgressReported"),
    (_S.IN_PROGRESS, _A.COMPLETE): Transition(_S.COMPLETED, "OrderCompleted", (Demand.FULFILMENT,)),
    (_S.COMPLETED, _A.ACCEPT): Transition(_S.ACCEPTED, "OrderAccepted"),
    (_S.ACCEPTED, _A.SETTLE): Transition(_S.SETTLED, "OrderSettled"),
    (_S.DRAFT, _A.FREEZE_BOM): Transition(_S.DRAFT, "OrderBomFrozen"),
}

_ASSIGNABLE = (_S.DRAFT, _S.SUBMITTED, _S.APPROVED, _S.RELEASED, _S.IN_PROGRESS, _S.ON_HOLD)
_CANCELLABLE = (*_ASSIGNABLE, _S.REJECTED)
# Under review fields are locked, and what was rejected is revised first.
_REBASABLE = (_S.APPROVED, _S.RELEASED, _S.IN_PROGRESS, _S.ON_HOLD)

TRANSITIONS: Mapping[tuple[OrderState, OrderAction], Transition] = {
    **_STEPS,
    **{(state, _A.ASSIGN): Transition(state, "OrderAssigned") for state in _ASSIGNABLE},
    **{
        (state, _A.CANCEL): Transition(_S.CANCELLED, "OrderCancelled", (Demand.NOTE,))
        for state in _CANCELLABLE
    },
    **{(state, _A.FREEZE_BOM): Transition(state, "OrderBomRebased", (Demand.BOM,)) for state in _REBASABLE},
}


OPEN_STATES = tuple(state for state in OrderState if (state, OrderAction.CANCEL) in TRANSITIONS)
"""The states of orders that are still built, or will be: those in which they can be cancelled."""


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the rules need to know of an order; `amount` in the project's currency, null while a price is missing."""

    state: OrderState
    amount: Decimal | None
    line_count: int
    unpriced_line_count: int
    unfulfilled_line_count: int
    has_performer: bool
    submitted_by: UUID | None
    edited_by: UUID | None
    approval_limit: Decimal | None
    has_bom: bool


def possible_actions(state: OrderState) -> tuple[OrderAction, ...]:
    """Return the actions that a state knows, in the order of the life cycle."""
    return known_actions(TRANSITIONS, OrderAction, state)


def transition(facts: OrderFacts, action: OrderAction) -> Transition:
    """Return where `action` leads; raise `InvalidTransition` where the state doesn't know it."""
    return step_of(TRANSITIONS, "Order", facts.state, action)


def deed(state: OrderState, action: OrderAction) -> str:
    """Return what the policy has to grant for `action`: its own name, but for what changes an order after its draft."""
    return REBASE_BOM if action is OrderAction.FREEZE_BOM and state is not OrderState.DRAFT else action.value


def blockers(facts: OrderFacts, action: OrderAction, approver: Approver) -> list[Blocker]:
    """Return what stands in the way of `action`, besides its note, empty where nothing does.

    The state must know the action (`transition` says so).
    """
    found: list[Blocker] = []
    for demand in transition(facts, action).demands:
        match demand:
            case Demand.LINES if facts.line_count == 0:
                found.append(Blocker(demand, "The order has no lines."))
            case Demand.PRICES if facts.unpriced_line_count > 0:
                found.append(Blocker(demand, f"{facts.unpriced_line_count} lines have no unit price."))
            case Demand.PERFORMER if not facts.has_performer:
                found.append(Blocker(demand, "Neither a contractor nor anybody is assigned."))
            case Demand.FULFILMENT if facts.unfulfilled_line_count > 0:
                found.append(Blocker(demand, f"{facts.unfulfilled_line_count} lines are not done in full."))
            case Demand.BOM if not facts.has_bom:
                found.append(Blocker(demand, "No BOM was frozen into it while it was a draft."))
            case Demand.APPROVER:
                found.extend(
                    approval_blockers(
                        facts.amount, facts.approval_limit, (facts.submitted_by, facts.edited_by), approver
                    )
                )
            case _:
                pass
    return found


def take_step(facts: OrderFacts, action: OrderAction, approver: Approver, note: str | None) -> Transition:
    """Return where `action` leads once all it demands is there.

    Raises `InvalidTransition` (the state doesn't know the action) or `ActionBlocked` (with every blocker).
    """
    step = transition(facts, action)
    found = blockers(facts, action, approver)
    if Demand.NOTE in step.demands and not (note and note.strip()):
        found.append(Blocker(Demand.NOTE, "A note that says why is required."))
    if found:
        raise ActionBlocked(action.value, found)
    return step
