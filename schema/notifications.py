"""What is a notification to a client? That an event concerns him, why, and whether he has read it."""

from __future__ import annotations

from datetime import datetime

import strawberry

from db.tables import NotificationRow
from schema.binding import bound_type, column, key, structural, to_one
from schema.enums import NotificationKind
from schema.events import Event
from schema.node import Node
from schema.orders import Order


@bound_type(
    NotificationRow,
    thing="notification",
    description="That somebody was told of an event because it concerns him; nobody sees another's.",
)
class Notification(Node):
    """A notification."""

    id: strawberry.ID = key(NotificationRow.id)
    kind: NotificationKind = column(NotificationRow.kind, "Why he was told.")
    order: Order | None = to_one(
        NotificationRow.order_id, "Order", "The order as it is now, null where it has left his sight."
    )
    event: Event | None = to_one(
        NotificationRow.event_id, "Event", "What happened, null where he may not read the log."
    )
    created_at: datetime = column(NotificationRow.created_at, "When he was told.")
    read_at: datetime | None = column(NotificationRow.read_at, "When he marked it as read.")


@structural
@strawberry.type(description="Something that concerns the viewer, told live.")
class NotificationChange:
    """One message of `viewerNotifications`."""

    cursor: str = strawberry.field(
        description="Where the live feed stands with this message: behind it nothing is lost and nothing comes twice."
    )
    resync_required: bool = strawberry.field(
        description="Whether notifications before this message were missed: read the list again. Then the rest is null."
    )
    notification: Notification | None = strawberry.field(
        description="What the viewer is told, null where notifications were missed."
    )
