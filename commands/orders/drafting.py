"""How does an order come to be, and how is a draft changed?

Amounts are sums of lines and never typed in. Prices may only be written by who is granted to: the deeds `create` and
`update` on `order.price`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import select, true

from commands.execution import Command, Workbench
from commands.numbers import next_number
from commands.orders.aggregate import Order, OrderCommand, leave, lock_order
from commands.references import cost_code, organization, wbs_node
from db.identifiers import new_id
from db.tables import Keyed, OrderLineRow, OrderNumberRow, OrderRow, ProjectRow
from domain import values
from domain.errors import Forbidden, InvalidInput, NotFound
from domain.fulfilment import line_amount
from domain.order import OrderAction, OrderKind, OrderPriority, OrderState, transition
from domain.parties import OrganizationKind
from domain.unset import UNSET, NotGiven

LINES_LIMIT = 500


@dataclass(frozen=True, kw_only=True)
class LineDraft:
    """One line as it shall be; `id` names an existing line, whose price stays where `unit_price` is not given."""

    id: UUID | None = None
    item: str | None = None
    description: str
    quantity: Decimal
    uom: str
    unit_price: Decimal | NotGiven | None = UNSET


@dataclass(frozen=True, kw_only=True)
class OrderDraft:
    """The fields of an order that a person types in; what is not given stays as it is."""

    title: str | NotGiven = UNSET
    description: str | NotGiven | None = UNSET
    kind: OrderKind | NotGiven = UNSET
    priority: OrderPriority | NotGiven = UNSET
    customer_id: UUID | NotGiven | None = UNSET
    contractor_id: UUID | NotGiven | None = UNSET
    wbs_node_id: UUID | NotGiven | None = UNSET
    cost_code_id: UUID | NotGiven | None = UNSET
    planned_start: date | NotGiven | None = UNSET
    planned_end: date | NotGiven | None = UNSET
    due_on: date | NotGiven | None = UNSET
    lines: tuple[LineDraft, ...] | NotGiven = UNSET


@dataclass(frozen=True, kw_only=True)
class CreateOrder(Command):
    """Open a draft in a project."""

    project_id: UUID
    draft: OrderDraft
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateOrder(OrderCommand):
    """Change a draft. Given lines replace all lines: those with an id are kept and changed."""

    expected_version: int
    draft: OrderDraft
    note: str | None = None


@dataclass(frozen=True)
class _Project:
    """What a new order takes from its project."""

    currency: str
    approval_limit: Decimal | None


async def create_order(bench: Workbench, command: CreateOrder) -> UUID:
    """Open a draft with the next number of the year; return its id."""
    project = await _project_to_create_in(bench, command.project_id)
    order = Order(
        row=OrderRow(
            id=new_id(),
            state=OrderState.DRAFT,
            kind=OrderKind.CONSTRUCTION,
            priority=OrderPriority.NORMAL,
            project_id=command.project_id,
            currency=project.currency,
            percent_complete=Decimal("0.00"),
            revision=1,
            version=0,
            created_at=bench.origin.now,
            updated_at=bench.origin.now,
        ),
        lines=[],
        assignments=[],
        approval_limit=project.approval_limit,
    )
    if command.draft.title is UNSET:
        raise InvalidInput("REQUIRED", "An order has a title.", ("title",))
    await _apply(bench, order, command.draft, "create", ProjectRow)
    order.row.edited_by_id = bench.viewer.user_id
    note = _note(command.note)
    # Last of all, since whoever takes a number makes every other new order of the year wait until he is done.
    order.row.number = await next_number(bench, OrderNumberRow, "EO")
    await leave(bench, order, "OrderCreated", note=note)
    return order.row.id


async def update_order(bench: Workbench, command: UpdateOrder) -> UUID:
    """Change a draft; return its id. A change that changes nothing leaves no event and no version."""
    order = await lock_order(bench, command.order_id, OrderAction.UPDATE, command.expected_version)
    step = transition(order.facts(), OrderAction.UPDATE)
    await _apply(bench, order, command.draft, "update", OrderRow)
    note = _note(command.note)
    if not order.changes():
        return order.row.id
    order.row.edited_by_id = bench.viewer.user_id
    await leave(bench, order, step.event, note=note)
    return order.row.id


async def _project_to_create_in(bench: Workbench, project_id: UUID) -> _Project:
    statement = select(
        ProjectRow.currency,
        ProjectRow.approval_limit,
        bench.policy.rows("order", ProjectRow, "create").label("is_granted"),
    ).where(ProjectRow.id == project_id, bench.policy.rows("project", ProjectRow))
    found = (await bench.session.execute(statement, bench.viewer.parameters)).one_or_none()
    if found is None:
        raise NotFound("project", ("projectId",))
    if not found.is_granted:
        raise Forbidden
    return _Project(found.currency, found.approval_limit)


async def _apply(bench: Workbench, order: Order, draft: OrderDraft, deed: str, row: type[Keyed]) -> None:
    """Put the given fields into the order; raise `InvalidInput`, `NotFound` or `Forbidden` before anything is kept."""
    target = order.row
    if draft.title is not UNSET:
        target.title = values.line(draft.title, values.TITLE_LENGTH, ("title",))
    if draft.description is not UNSET:
        target.description = draft.description and values.paragraph(
            draft.description, values.DESCRIPTION_LENGTH, ("description",)
        )
    for name in ("kind", "priority", "planned_start", "planned_end", "due_on"):
        value = getattr(draft, name)
        if value is not UNSET:
            setattr(target, name, value)
    values.dates_in_order(target.planned_start, target.planned_end, ("plannedEnd",))
    await _apply_references(bench, target, draft)
    if draft.lines is not UNSET:
        if any(line.unit_price is not UNSET for line in draft.lines):
            await _demand_price_deed(bench, order, deed, row)
        order.lines = await _lines(bench, order, draft.lines)
    order.add_up()
    values.amount(order.row.amount, ("lines",))


async def _apply_references(bench: Workbench, target: OrderRow, draft: OrderDraft) -> None:
    if draft.customer_id is not UNSET:
        target.customer_id = await organization(
            bench, draft.customer_id, OrganizationKind.CUSTOMER, ("customerId",)
        )
    if draft.contractor_id is not UNSET:
        target.contractor_id = await organization(
            bench, draft.contractor_id, OrganizationKind.CONTRACTOR, ("contractorId",)
        )
    if draft.wbs_node_id is not UNSET:
        target.wbs_node_id = await wbs_node(bench, draft.wbs_node_id, target.project_id, ("wbsNodeId",))
    if draft.cost_code_id is not UNSET:
        target.cost_code_id = await cost_code(bench, draft.cost_code_id, ("costCodeId",))


async def _demand_price_deed(bench: Workbench, order: Order, deed: str, row: type[Keyed]) -> None:
    key = order.row.project_id if row is ProjectRow else order.row.id
    statement = (
        select(true()).select_from(row).where(row.id == key, bench.policy.rows("order.price", row, deed))
    )
    if await bench.session.scalar(statement, bench.viewer.parameters) is None:
        raise Forbidden("You may not write prices here.")


async def _lines(bench: Workbench, order: Order, drafts: Sequence[LineDraft]) -> list[OrderLineRow]:
    """Return the lines as they shall be, by position; known ones that are not among them are given up."""
    if len(drafts) > LINES_LIMIT:
        raise InvalidInput("TOO_MANY", f"An order has at most {LINES_LIMIT} lines.", ("lines",))
    known = {line.id: line for line in order.lines}
    next_position = max((line.position for line in order.lines), default=0) + 1
    result: list[OrderLineRow] = []
    for index, draft in enumerate(drafts):
        path = ("lines", str(index))
        if draft.id is None:
            line = OrderLineRow(
                id=new_id(), order_id=order.row.id, position=next_position, done_quantity=Decimal("0.0000")
            )
            next_position += 1
        else:
            found = known.pop(draft.id, None)
            if found is None:
                raise NotFound("line of this order", (*path, "id"))
            line = found
        _fill(line, draft, path)
        result.append(line)
    return sorted(result, key=lambda line: line.position)


def _fill(line: OrderLineRow, draft: LineDraft, path: tuple[str, ...]) -> None:
    line.item = draft.item and values.line(draft.item, values.CODE_LENGTH, (*path, "item"))
    line.description = values.line(draft.description, values.TITLE_LENGTH, (*path, "description"))
    line.quantity = values.quantity(draft.quantity, (*path, "quantity"))
    line.uom = values.line(draft.uom, values.UOM_LENGTH, (*path, "uom"))
    if draft.unit_price is not UNSET:
        line.unit_price = (
            None if draft.unit_price is None else values.unit_price(draft.unit_price, (*path, "unitPrice"))
        )
    values.amount(line_amount(line.quantity, line.unit_price), path)


def _note(text: str | None) -> str | None:
    return text and values.paragraph(text, values.NOTE_LENGTH, ("note",))
