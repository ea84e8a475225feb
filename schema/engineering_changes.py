"""What is an engineering change to a client? Changes 工程变更 with the BOM revisions that they release together."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.tables import EventRow
from loaders.engineering_changes import TOUCHED
from resolvers.engineering_changes import AVAILABLE_ACTIONS
from schema.binding import bound_type, column, computed, key, short_list, to_many, to_one, to_rows
from schema.boms import BomRevision
from schema.enums import EngineeringChangeState
from schema.node import Connection, Node
from schema.orders import AvailableAction, Order
from schema.parties import User

if TYPE_CHECKING:
    from schema.events import Event

_HERE = strawberry.lazy("schema.engineering_changes")


@bound_type(
    EngineeringChangeRevisionRow,
    thing="engineering_change_revision",
    description="A revision of a BOM in an engineering change, with what it replaces.",
    aggregate="EngineeringChange",
    event_prefix="revisions.",
)
class EngineeringChangeRevision(Node):
    """A revision in a change."""

    id: strawberry.ID = key(EngineeringChangeRevisionRow.id)
    change: Annotated[EngineeringChange, _HERE] | None = to_one(
        EngineeringChangeRevisionRow.change_id, "EngineeringChange", "The change it is in."
    )
    revision: BomRevision | None = to_one(
        EngineeringChangeRevisionRow.revision_id, "BomRevision", "The revision that comes into force by it."
    )
    supersedes: BomRevision | None = to_one(
        EngineeringChangeRevisionRow.supersedes_id,
        "BomRevision",
        "The revision that it replaces: once released, the one that it did; before, the newest in force when the change was"
        " last written. Null for the first of a BOM.",
    )
    held: bool = column(
        EngineeringChangeRevisionRow.is_held,
        "Whether the change holds it; what a rejected one held is free for another one.",
    )


@bound_type(
    EngineeringChangeRow,
    thing="engineering_change",
    description="An engineering change 工程变更 (ECN): drafts of BOM revisions that are released together or not at all.",
    aggregate="EngineeringChange",
)
class EngineeringChange(Node):
    """An engineering change."""

    id: strawberry.ID = key(EngineeringChangeRow.id)
    number: str = column(EngineeringChangeRow.number, "EC-<year>-<6 digits>, without gaps in a year.")
    title: str = column(EngineeringChangeRow.title, "What it is about.")
    reason: str = column(EngineeringChangeRow.reason, "Why it is made.")
    state: EngineeringChangeState = column(EngineeringChangeRow.state, "Where it stands.")
    submitted_by: User | None = to_one(
        EngineeringChangeRow.submitted_by_id, "User", "Who asked for a review; he does not release it."
    )
    released_by: User | None = to_one(EngineeringChangeRow.released_by_id, "User", "Who released it.")
    version: int = column(
        EngineeringChangeRow.version, "Goes up by one with every event; send it as `expectedVersion`."
    )
    created_at: datetime = column(EngineeringChangeRow.created_at, "When it was created.")
    updated_at: datetime = column(EngineeringChangeRow.updated_at, "When it was last changed.")
    revisions: list[EngineeringChangeRevision] = short_list(
        "EngineeringChangeRevision",
        EngineeringChangeRevisionRow.change_id,
        EngineeringChangeRevisionRow.id,
        "The revisions in it, at most 100, in the order in which they were taken in.",
    )
    events: Connection[Annotated[Event, strawberry.lazy("schema.events")]] = to_many(
        "Event", EventRow.aggregate_id, EventRow.version, "What happened to it, oldest first."
    )
    touched_orders: Connection[Order] = to_rows(
        TOUCHED,
        "Open orders into which is frozen what it replaces, by number; none where it is rejected."
        " Each stays on its BOM until somebody rebases it.",
    )
    available_actions: list[AvailableAction] = computed(
        AVAILABLE_ACTIONS, "What the viewer may do with it now, and what stands in the way."
    )
