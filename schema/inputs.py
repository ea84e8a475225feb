"""What do mutations take? Each input knows the command that it stands for."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import strawberry

from commands.orders.assigning import AssignmentDraft, AssignOrder
from commands.orders.drafting import CreateOrder, LineDraft, OrderDraft, UpdateOrder
from commands.orders.progress import LineProgress, Place, ReportProgress
from commands.orders.steps import StepOrder
from domain.identifiers import parse_key
from domain.order import OrderAction
from domain.unset import UNSET
from resolvers.relations import given
from schema.enums import OrderKind, OrderPriority
from schema.filters import given_key

_KEY = "At most 100 characters. The same key with the same input gives the first answer again, however often it is sent."
_DRY = "Do everything, answer in full, keep nothing."
_VERSION = "The version that was read; if the order has moved on since, the answer is VersionConflict."
_NOTE = "Why, at most 2,000 characters; kept in the event."


def maybe(value: Any) -> Any:
    """Return a value that may be absent as the domain says it: null and not given differ."""
    return UNSET if value is strawberry.UNSET else value


def _maybe_key(value: strawberry.ID | None, type_name: str) -> Any:
    return UNSET if value is strawberry.UNSET else given_key(value, type_name)


@strawberry.input(description="One line of an order as it shall be.")
class OrderLineInput:
    """A line; with an id an existing one."""

    id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="An existing line of the order; without it a new line."
    )
    item: str | None = strawberry.field(
        default=strawberry.UNSET, description="Code of the item, at most 40 characters."
    )
    description: str = strawberry.field(description="What is done or delivered, at most 200 characters.")
    quantity: Decimal = strawberry.field(description="More than zero, at most 4 places.")
    uom: str = strawberry.field(description="Unit of measure, at most 20 characters.")
    unit_price: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="Zero or more, at most 4 places; not given, an existing line keeps its price.",
    )

    def draft(self) -> LineDraft:
        """Return the line as the command takes it."""
        return LineDraft(
            id=given_key(self.id, "OrderLine"),
            item=given(self.item),
            description=self.description,
            quantity=self.quantity,
            uom=self.uom,
            unit_price=maybe(self.unit_price),
        )


@strawberry.input(description="The fields of an order that a person types in.")
class OrderFieldsInput:
    """Shared by creation and update; what is not given stays as it is."""

    title: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 200 characters, one line; an order has one."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 10,000 characters."
    )
    kind: OrderKind | None = strawberry.field(
        default=strawberry.UNSET, description="CONSTRUCTION where nothing is said."
    )
    priority: OrderPriority | None = strawberry.field(
        default=strawberry.UNSET, description="NORMAL where nothing is said."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="An organization of kind CUSTOMER or OWN."
    )
    contractor_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="An organization of kind CONTRACTOR or OWN."
    )
    wbs_node_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A WBS node of the order's project."
    )
    cost_code_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="A cost code."
    )
    planned_start: date | None = strawberry.field(default=strawberry.UNSET, description="Planned first day.")
    planned_end: date | None = strawberry.field(
        default=strawberry.UNSET, description="Planned last day, not before the first."
    )
    due_on: date | None = strawberry.field(
        default=strawberry.UNSET, description="Day by which it must be done."
    )
    lines: list[OrderLineInput] | None = strawberry.field(
        default=strawberry.UNSET, description="All lines, at most 500; they replace those the order has."
    )

    def draft(self) -> OrderDraft:
        """Return the fields as the commands take them; null for what can't be null counts as not given."""
        lines, title = given(self.lines), given(self.title)
        return OrderDraft(
            title=UNSET if title is None else title,
            description=maybe(self.description),
            kind=given(self.kind) or UNSET,
            priority=given(self.priority) or UNSET,
            customer_id=_maybe_key(self.customer_id, "Organization"),
            contractor_id=_maybe_key(self.contractor_id, "Organization"),
            wbs_node_id=_maybe_key(self.wbs_node_id, "WbsNode"),
            cost_code_id=_maybe_key(self.cost_code_id, "CostCode"),
            planned_start=maybe(self.planned_start),
            planned_end=maybe(self.planned_end),
            due_on=maybe(self.due_on),
            lines=UNSET if lines is None else tuple(line.draft() for line in lines),
        )


@strawberry.input(description="What every command may carry.")
class CommandInput:
    """Shared by all inputs of order commands."""

    note: str | None = strawberry.field(default=strawberry.UNSET, description=_NOTE)
    idempotency_key: str | None = strawberry.field(default=strawberry.UNSET, description=_KEY)
    dry_run: bool = strawberry.field(default=False, description=_DRY)

    def common(self) -> dict[str, Any]:
        """Return the fields under the names that commands have for them."""
        return {
            "note": given(self.note),
            "idempotency_key": given(self.idempotency_key),
            "dry_run": self.dry_run,
        }


@strawberry.input(description="Opens a draft.")
class OrderCreateInput(OrderFieldsInput, CommandInput):
    """Input of `orderCreate`."""

    project_id: strawberry.ID = strawberry.field(description="The project it belongs to, for good.")

    def command(self) -> CreateOrder:
        """Return the command."""
        return CreateOrder(
            project_id=parse_key(self.project_id, "Project"), draft=self.draft(), **self.common()
        )


@strawberry.input(description="Changes a draft.")
class OrderUpdateInput(OrderFieldsInput, CommandInput):
    """Input of `orderUpdate`."""

    id: strawberry.ID = strawberry.field(description="The order.")
    expected_version: int = strawberry.field(description=_VERSION)

    def command(self) -> UpdateOrder:
        """Return the command."""
        return UpdateOrder(
            order_id=parse_key(self.id, "Order"),
            expected_version=self.expected_version,
            draft=self.draft(),
            **self.common(),
        )


@strawberry.input(description="Takes one step of the life cycle.")
class OrderActionInput(CommandInput):
    """Input of every step."""

    id: strawberry.ID = strawberry.field(description="The order.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_VERSION)

    def step(self, action: OrderAction) -> StepOrder:
        """Return the command that takes `action`."""
        return StepOrder(
            order_id=parse_key(self.id, "Order"),
            action=action,
            expected_version=given(self.expected_version),
            **self.common(),
        )


@strawberry.input(description="Takes a rejected order back to draft.")
class OrderReviseInput(OrderActionInput):
    """Input of `orderRevise`."""


@strawberry.input(description="What is done of one line so far.")
class OrderLineProgressInput:
    """Progress of a line."""

    line_id: strawberry.ID = strawberry.field(description="The line.")
    done_quantity: Decimal = strawberry.field(
        description="All that is done so far, not what was added; zero or more, at most 4 places."
    )


@strawberry.input(description="A place on earth, WGS 84.")
class GeoPositionInput:
    """Where a report was made."""

    latitude: Decimal = strawberry.field(description="Degrees north, -90 to 90.")
    longitude: Decimal = strawberry.field(description="Degrees east, -180 to 180.")
    accuracy_meters: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Accuracy in metres."
    )


@strawberry.input(description="Reports what is done so far: exactly one of percent and lines.")
class OrderProgressInput(OrderActionInput):
    """Input of `orderReportProgress`."""

    percent: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Percent done of every line, 0 to 100, at most 2 places."
    )
    lines: list[OrderLineProgressInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Done quantities, at most 500 lines."
    )
    occurred_at: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description="Of which moment the report tells; now where nothing is said. A line keeps the latest.",
    )
    position: GeoPositionInput | None = strawberry.field(
        default=strawberry.UNSET, description="Where it was made; kept with the event."
    )

    def command(self) -> ReportProgress:
        """Return the command."""
        lines, place = given(self.lines), given(self.position)
        return ReportProgress(
            order_id=parse_key(self.id, "Order"),
            expected_version=given(self.expected_version),
            percent=given(self.percent),
            lines=None
            if lines is None
            else tuple(
                LineProgress(line_id=parse_key(each.line_id, "OrderLine"), done_quantity=each.done_quantity)
                for each in lines
            ),
            occurred_at=given(self.occurred_at),
            place=None
            if place is None
            else Place(
                latitude=place.latitude,
                longitude=place.longitude,
                accuracy_meters=given(place.accuracy_meters),
            ),
            **self.common(),
        )


@strawberry.input(description="A person to be assigned.")
class AssignmentInput:
    """An assignment."""

    user_id: strawberry.ID = strawberry.field(description="The person.")
    task: str | None = strawberry.field(
        default=strawberry.UNSET, description="What he does in the order, at most 200 characters."
    )


@strawberry.input(description="Says who is assigned to an order.")
class OrderAssignInput(OrderActionInput):
    """Input of `orderAssign`."""

    assignments: list[AssignmentInput] = strawberry.field(
        description="All persons, at most 100; who is missing is taken off."
    )

    def command(self) -> AssignOrder:
        """Return the command."""
        return AssignOrder(
            order_id=parse_key(self.id, "Order"),
            expected_version=given(self.expected_version),
            assignments=tuple(
                AssignmentDraft(user_id=parse_key(each.user_id, "User"), task=given(each.task))
                for each in self.assignments
            ),
            **self.common(),
        )
