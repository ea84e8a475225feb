"""What is an order to a client? Orders 工程订单 with their lines, assignments and events."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from db.tables import AssignmentRow, EventRow, OrderLineRow, OrderRow
from loaders.order_boms import FROZEN_LINES
from resolvers.order_boms import frozen_explosion
from resolvers.orders import AVAILABLE_ACTIONS
from schema.binding import (
    bound_type,
    column,
    computed,
    hidden_fields,
    key,
    short_list,
    structural,
    to_many,
    to_one,
    to_rows,
    worked,
)
from schema.boms import BomLine, BomRevision
from schema.enums import OrderKind, OrderPriority, OrderState
from schema.explosions import BomExplosion
from schema.node import Connection, Node
from schema.parties import CostCode, Organization, Project, User, WbsNode

if TYPE_CHECKING:
    from schema.events import Event


@structural
@strawberry.type(description="Something that stands in the way of an action.")
class ActionBlocker:
    """A reason why not."""

    code: str = strawberry.field(description="Stable code.")
    message: str = strawberry.field(description="A sentence for people.")


@structural
@strawberry.type(description="Whether the viewer may take an action now.")
class AvailableAction:
    """An action and what stands in its way."""

    action: str = strawberry.field(description="The mutation that takes it, such as `orderRelease`.")
    allowed: bool = strawberry.field(description="Whether nothing stands in the way.")
    reasons: list[ActionBlocker] = strawberry.field(description="What stands in the way.")


@bound_type(
    OrderLineRow,
    thing="order_line",
    description="One line of an order.",
    aggregate="Order",
    event_prefix="lines.",
)
class OrderLine(Node):
    """An order line."""

    id: strawberry.ID = key(OrderLineRow.id)
    position: int = column(OrderLineRow.position, "Its number in the order.")
    item: str | None = column(OrderLineRow.item, "Code of the item or bill-of-quantities position 清单编码.")
    description: str = column(OrderLineRow.description, "What is done or delivered.")
    quantity: Decimal = column(OrderLineRow.quantity, "Ordered quantity, 4 places.")
    uom: str = column(OrderLineRow.uom, "Unit of measure 单位.")
    unit_price: Decimal | None = column(
        OrderLineRow.unit_price, "Price per unit 单价, 4 places, in the order's currency."
    )
    amount: Decimal | None = column(OrderLineRow.amount, "Quantity × unit price, 2 places, rounded half-up.")
    done_quantity: Decimal = column(OrderLineRow.done_quantity, "Quantity done so far, 4 places.")
    progress_at: datetime | None = column(
        OrderLineRow.progress_at, "Of which moment the done quantity tells."
    )
    hidden_fields: list[str] = hidden_fields()


@bound_type(
    AssignmentRow,
    thing="assignment",
    description="A person assigned to an order.",
    aggregate="Order",
    event_prefix="assignments.",
)
class Assignment(Node):
    """An assignment."""

    id: strawberry.ID = key(AssignmentRow.id)
    user: User | None = to_one(AssignmentRow.user_id, "User", "Who is assigned.")
    order: Annotated[Order, strawberry.lazy("schema.orders")] | None = to_one(
        AssignmentRow.order_id, "Order", "To which order."
    )
    task: str | None = column(AssignmentRow.task, "What he does in it.")
    assigned_at: datetime = column(AssignmentRow.assigned_at, "Since when.")


@bound_type(OrderRow, thing="order", description="An engineering order 工程订单.", aggregate="Order")
class Order(Node):
    """An order."""

    id: strawberry.ID = key(OrderRow.id)
    number: str = column(OrderRow.number, "EO-<year>-<6 digits>, without gaps in a year.")
    title: str = column(OrderRow.title, "What it is about.")
    description: str | None = column(OrderRow.description, "More about it.")
    kind: OrderKind = column(OrderRow.kind, "What sort of work it is.")
    state: OrderState = column(OrderRow.state, "Where it stands in its life cycle.")
    priority: OrderPriority = column(OrderRow.priority, "How urgent it is.")
    project: Project = to_one(OrderRow.project_id, "Project", "The project it belongs to.")
    customer: Organization | None = to_one(
        OrderRow.customer_id, "Organization", "For whom the work is done 业主."
    )
    contractor: Organization | None = to_one(
        OrderRow.contractor_id, "Organization", "Who does the work 施工方."
    )
    wbs_node: WbsNode | None = to_one(
        OrderRow.wbs_node_id, "WbsNode", "Where it stands in the project's structure."
    )
    cost_code: CostCode | None = to_one(OrderRow.cost_code_id, "CostCode", "To which cost code it is posted.")
    planned_start: date | None = column(OrderRow.planned_start, "Planned first day.")
    planned_end: date | None = column(OrderRow.planned_end, "Planned last day.")
    due_on: date | None = column(OrderRow.due_on, "Day by which it must be done.")
    actual_start: date | None = column(OrderRow.actual_start, "Day on which work began.")
    actual_end: date | None = column(OrderRow.actual_end, "Day on which work was completed.")
    amount: Decimal | None = column(
        OrderRow.amount, "Sum of its lines, 2 places, null while a line has no price."
    )
    currency: str = column(OrderRow.currency, "Currency of its money, ISO 4217.")
    percent_complete: Decimal = column(
        OrderRow.percent_complete,
        "Done ÷ ordered in percent, 2 places: lines weighted by amount, more than ordered counts as all.",
    )
    revision: int = column(OrderRow.revision, "Which revision 版本 it is, from 1.")
    version: int = column(OrderRow.version, "Goes up by one with every event; send it as `expectedVersion`.")
    created_at: datetime = column(OrderRow.created_at, "When it was created.")
    updated_at: datetime = column(OrderRow.updated_at, "When it was last changed.")
    lines: Connection[OrderLine] = to_many(
        "OrderLine", OrderLineRow.order_id, OrderLineRow.position, "Its lines, by position."
    )
    assignments: list[Assignment] = short_list(
        "Assignment", AssignmentRow.order_id, AssignmentRow.assigned_at, "Who is assigned."
    )
    events: Connection[Annotated[Event, strawberry.lazy("schema.events")]] = to_many(
        "Event", EventRow.aggregate_id, EventRow.version, "What happened to it, oldest first."
    )
    bom_revision: BomRevision | None = to_one(
        OrderRow.bom_revision_id,
        "BomRevision",
        "The BOM revision that is frozen into it, null where none is or it may not be read.",
    )
    bom_quantity: Decimal | None = column(
        OrderRow.bom_quantity, "How many base units of that revision's item it makes, 4 places."
    )
    bom_frozen_on: date | None = column(
        OrderRow.bom_frozen_on, "By the lines and revisions of which day it is built, whatever comes later."
    )
    bom_lines: Connection[BomLine] = to_rows(
        FROZEN_LINES, "The lines of that revision on that day, by position."
    )
    bom_explosion: BomExplosion | None = worked(
        frozen_explosion,
        "What it takes by the revisions that were frozen with that one, level by level 多级展开; null where none is frozen.",
    )
    available_actions: list[AvailableAction] = computed(
        AVAILABLE_ACTIONS, "What the viewer may do with it now, and what stands in the way."
    )
    hidden_fields: list[str] = hidden_fields()
