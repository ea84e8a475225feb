"""How does a past become rows and events that agree?

An order is walked step by step under the rules of the domain: each step asks `domain.order.take_step`,
changes the rows in memory and appends the difference to the order's chain, just as a command does. Who walks
which way is told by `server.demo.orders`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import cast
from uuid import UUID

from db.bom_tables import OrderBomPartRow
from db.events import event_columns
from db.snapshots import order_snapshot
from db.tables import AssignmentRow, OrderLineRow, OrderRow
from domain.approval import Approver
from domain.events import FIRST_HASH, EventBody, Snapshot, difference
from domain.fulfilment import LineFacts, line_amount, order_amount, percent_complete
from domain.order import OrderAction, OrderFacts, OrderState, take_step
from policies.roles import Role
from server.demo.company import Person
from server.demo.fixed import fixed_id


@dataclass(slots=True)
class Chain:
    """The events of one aggregate as columns of their rows, oldest first, each bound to the one before."""

    aggregate_type: str
    aggregate_id: UUID
    project_id: UUID | None
    events: list[dict[str, object]] = field(default_factory=list[dict[str, object]])

    def add(
        self,
        event_type: str,
        actor_id: UUID | None,
        moment: datetime,
        *,
        before: Snapshot,
        after: Snapshot,
        note: str | None = None,
        occurred_at: datetime | None = None,
    ) -> None:
        """Append an event recorded at `moment`; its version is the next one."""
        version = len(self.events) + 1
        body = EventBody(
            id=fixed_id(moment, f"event.{self.aggregate_id}.{version}"),
            aggregate_type=self.aggregate_type,
            aggregate_id=self.aggregate_id,
            version=version,
            type=event_type,
            occurred_at=occurred_at or moment,
            recorded_at=moment,
            actor_id=actor_id,
            project_id=self.project_id,
            changes=difference(before, after),
            note=note,
            details={},
            request_id=None,
            address=None,
        )
        previous = cast("bytes", self.events[-1]["hash"]) if self.events else FIRST_HASH
        self.events.append(event_columns(body, previous))


class OrderHistory:
    """An order on its way: its rows as they are now, and the events that made them so."""

    def __init__(self, order: OrderRow, lines: list[OrderLineRow], author: Person) -> None:
        self.order = order
        self.lines = lines
        self.assignments: list[AssignmentRow] = []
        self.bom_parts: list[OrderBomPartRow] = []
        self.chain = Chain("Order", order.id, order.project_id)
        order.edited_by_id = author.id
        self._recount()
        self._record("OrderCreated", author, order.created_at, before={})

    def step(
        self,
        action: OrderAction,
        actor: Person,
        moment: datetime,
        *,
        approval_limit: Decimal | None,
        note: str | None = None,
        occurred_at: datetime | None = None,
        change: Callable[[], None] | None = None,
    ) -> None:
        """Take one step; `change` sets what the step brings beside the state. Raises what the rules raise."""
        # The rules grant `approve_above_limit` to directors; no policy is loaded while the demo is.
        approver = Approver(actor.id, any(role is Role.DIRECTOR for role, _ in actor.roles))
        before = self._snapshot()
        transition = take_step(self._facts(approval_limit), action, approver, note)
        self.order.state = transition.target
        self._leave_marks(action, actor, occurred_at or moment)
        if change is not None:
            change()
        self._recount()
        self._record(transition.event, actor, moment, before=before, note=note, occurred_at=occurred_at)

    def _leave_marks(self, action: OrderAction, actor: Person, occurred_at: datetime) -> None:
        order = self.order
        match action:
            case OrderAction.UPDATE | OrderAction.FREEZE_BOM:
                order.edited_by_id = actor.id
            case OrderAction.REVISE:
                order.revision += 1
                order.submitted_by_id = None
            case OrderAction.SUBMIT:
                order.submitted_by_id = actor.id
            case OrderAction.START:
                order.actual_start = occurred_at.date()
            case OrderAction.COMPLETE:
                order.actual_end = occurred_at.date()
            case _:
                pass

    def _facts(self, approval_limit: Decimal | None) -> OrderFacts:
        lines = [_line_facts(line) for line in self.lines]
        return OrderFacts(
            state=self.order.state,
            amount=self.order.amount,
            line_count=len(lines),
            unpriced_line_count=sum(line.unit_price is None for line in lines),
            unfulfilled_line_count=sum(not line.is_fulfilled for line in lines),
            has_performer=self.order.contractor_id is not None or bool(self.assignments),
            submitted_by=self.order.submitted_by_id,
            edited_by=self.order.edited_by_id,
            approval_limit=approval_limit,
            has_bom=self.order.bom_revision_id is not None,
        )

    def _recount(self) -> None:
        facts = [_line_facts(line) for line in self.lines]
        for line, one in zip(self.lines, facts, strict=True):
            line.amount = line_amount(one.quantity, one.unit_price)
        self.order.amount = order_amount(facts)
        self.order.percent_complete = percent_complete(facts)

    def _snapshot(self) -> Snapshot:
        return order_snapshot(self.order, self.lines, self.assignments, self.bom_parts)

    def _record(
        self,
        event_type: str,
        actor: Person,
        moment: datetime,
        *,
        before: Snapshot,
        note: str | None = None,
        occurred_at: datetime | None = None,
    ) -> None:
        assert moment >= self.order.updated_at, "an order's history runs forward"
        self.order.updated_at = moment
        self.chain.add(
            event_type,
            actor.id,
            moment,
            before=before,
            after=self._snapshot(),
            note=note,
            occurred_at=occurred_at,
        )
        self.order.version = len(self.chain.events)


def blank_order(number: str, moment: datetime) -> OrderRow:
    """Return a draft of revision 1 with all that is not known yet set to null."""
    return OrderRow(
        id=fixed_id(moment, f"order.{number}"),
        number=number,
        description=None,
        state=OrderState.DRAFT,
        contractor_id=None,
        actual_start=None,
        actual_end=None,
        amount=None,
        percent_complete=Decimal("0.00"),
        revision=1,
        version=0,
        created_at=moment,
        updated_at=moment,
        submitted_by_id=None,
        edited_by_id=None,
        bom_revision_id=None,
        bom_quantity=None,
        bom_frozen_on=None,
    )


def _line_facts(line: OrderLineRow) -> LineFacts:
    return LineFacts(line.quantity, line.done_quantity, line.unit_price)
