"""Which events are meant? The log as a list, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, any_
from sqlalchemy.dialects.postgresql import ARRAY

from db.tables import EventRow
from loaders.cursors import SortKey
from loaders.questions import Listing, Parameters, bounded, given, is_storable
from policies.compiler import Policy

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

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what the listing's SQL depends on."""
        return "events", *self._given()

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of the listing's parameters; raise `MalformedRequest` TOO_MANY_VALUES."""
        found = self._given()
        if self.types is not None:
            found["types"] = [each for each in bounded(self.types, _TYPES_LIMIT) if is_storable(each)]
        if self.aggregate is not None:
            found["aggregate_type"], found["aggregate"] = self.aggregate
        return found

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the events, newest first. None of the columns it filters by is ever hidden in a readable event."""
        meant = {
            "aggregate": (EventRow.aggregate_type == parameters("aggregate_type", Text()))
            & (EventRow.aggregate_id == parameters("aggregate", EventRow.aggregate_id.type)),
            "types": EventRow.type == any_(parameters("types", ARRAY(Text()))),
            "actor_id": EventRow.actor_id == parameters("actor_id", EventRow.actor_id.type),
            "project_id": EventRow.project_id == parameters("project_id", EventRow.project_id.type),
            "since": EventRow.recorded_at >= parameters("since", EventRow.recorded_at.type),
            "until": EventRow.recorded_at < parameters("until", EventRow.recorded_at.type),
        }
        key = SortKey("sequence", EventRow.__table__.c.sequence, is_descending=True)
        return Listing("Event", (key,), tuple(meant[name] for name in self._given()))

    def _given(self) -> dict[str, object]:
        return given(
            aggregate=self.aggregate,
            types=self.types,
            actor_id=self.actor_id,
            project_id=self.project_id,
            since=self.since,
            until=self.until,
        )
