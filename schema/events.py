"""What is an event to a client? One entry of the history that is audit trail and live feed at once."""

from __future__ import annotations

from datetime import datetime

import strawberry

from db.tables import EventRow
from resolvers.events import CHANGES
from schema.binding import bound_type, column, computed, key, structural, to_any, to_one
from schema.engineering_changes import EngineeringChange
from schema.node import Node
from schema.orders import Order
from schema.parties import User


@structural
@strawberry.type(
    description="How one field changed; before and after are null where the viewer may not see the field."
)
class FieldChange:
    """A change, masked like the field itself."""

    field: str = strawberry.field(description="Name of the field; `lines.<position>.<field>` for lines.")
    before: str | None = strawberry.field(description="Its value before, as text.")
    after: str | None = strawberry.field(description="Its value afterwards, as text.")


@bound_type(
    EventRow, thing="event", description="Something that happened, with who, when and what it changed."
)
class Event(Node):
    """An event."""

    id: strawberry.ID = key(EventRow.id)
    type: str = column(EventRow.type, "What happened, such as `OrderReleased`.")
    occurred_at: datetime = column(EventRow.occurred_at, "When it happened outside.")
    recorded_at: datetime = column(EventRow.recorded_at, "When it was recorded here.")
    actor: User | None = to_one(EventRow.actor_id, "User", "Who did it.")
    aggregate: Node | None = to_any(
        EventRow.aggregate_type,
        EventRow.aggregate_id,
        ("Order", "User", "Item", "BomRevision", "EngineeringChange", "ItemCost"),
        "To what it happened.",
    )
    version: int = column(EventRow.version, "Version of the object that it led to.")
    changes: list[FieldChange] = computed(CHANGES, "What it changed, each masked like the field itself.")
    note: str | None = column(EventRow.note, "Why, in the words of who did it.")


@structural
@strawberry.type(description="A change of an order, told live.")
class OrderChange:
    """One message of `orderChanged`."""

    cursor: str = strawberry.field(
        description="Where the live feed stands with this message: behind it nothing is lost and nothing comes twice."
    )
    resync_required: bool = strawberry.field(
        description="Whether changes before this message were missed: read again what you show. Then the rest is null."
    )
    order_id: strawberry.ID | None = strawberry.field(
        description="Of which order this tells, null where changes were missed."
    )
    event: Event | None = strawberry.field(
        description="What happened, null where the viewer may not read the log."
    )
    order: Order | None = strawberry.field(
        description="The order as it is now, as the viewer may see it; null where it has left his sight, which is told once."
    )


@structural
@strawberry.type(description="News of an engineering change, told live.")
class EngineeringChangeNews:
    """One message of `engineeringChanged`."""

    cursor: str = strawberry.field(
        description="Where the live feed stands with this message: behind it nothing is lost and nothing comes twice."
    )
    resync_required: bool = strawberry.field(
        description="Whether news before this message was missed: read again what you show. Then the rest is null."
    )
    engineering_change_id: strawberry.ID | None = strawberry.field(
        description="Of which engineering change this tells, null where news was missed."
    )
    event: Event | None = strawberry.field(
        description="What happened, null where the viewer may not read the log."
    )
    engineering_change: EngineeringChange | None = strawberry.field(
        description="The engineering change as it is now, as the viewer may see it."
    )
