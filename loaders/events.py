"""Which events are meant? The log as a list, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement

from db.tables import EventRow
from domain.errors import MalformedRequest
from loaders.lookups import is_storable
from loaders.paging import SortKey
from loaders.rows import Listing

_TYPES_LIMIT = 50


@dataclass(frozen=True)
class EventCriteria:
    """Which events: every given criterion must hold."""

    aggregate: tuple[str, UUID] | None = None
    types: tuple[str, ...] | None = None
    actor_id: UUID | None = None
    project_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None


def event_listing(criteria: EventCriteria) -> Listing:
    """Return the list of events, newest first. None of the columns it filters by is ever hidden in a readable event."""
    found: list[ColumnElement[bool]] = []
    if criteria.aggregate is not None:
        type_name, key = criteria.aggregate
        found += [EventRow.aggregate_type == type_name, EventRow.aggregate_id == key]
    if criteria.types is not None:
        if len(criteria.types) > _TYPES_LIMIT:
            raise MalformedRequest("TOO_MANY_VALUES", f"At most {_TYPES_LIMIT} values in one filter.")
        found.append(EventRow.type.in_([each for each in criteria.types if is_storable(each)]))
    if criteria.actor_id is not None:
        found.append(EventRow.actor_id == criteria.actor_id)
    if criteria.project_id is not None:
        found.append(EventRow.project_id == criteria.project_id)
    if criteria.since is not None:
        found.append(EventRow.recorded_at >= criteria.since)
    if criteria.until is not None:
        found.append(EventRow.recorded_at < criteria.until)
    return Listing(
        "Event", (SortKey("sequence", EventRow.sequence.expression, is_descending=True),), tuple(found)
    )
