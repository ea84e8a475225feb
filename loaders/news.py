"""What is an event to somebody who follows orders, or another sort of aggregate: news, the end of what he may see, or nothing?

An object is *seen* where the viewer may read and follow it now. It has *left* his sight where he may not, and this very
event took it out of what he may follow; later events of it are nothing to him. Both are asked of the database as it is
now, so that what is told late is told by today's rights.

What is followed is a type of the catalog that is an aggregate. Its table, its thing and its state are those of its binding,
so that nothing here, in the planner or in the hub has to know it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Text, Uuid, and_, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.tables import EventRow
from loaders.questions import Parameters
from policies.bindings import AnySelect, TypeBinding, catalog
from policies.compiler import Policy
from policies.viewer import Viewer

_EVENT = EventRow.__table__

FOLLOW = "subscribe"
"""The deed that following something is."""


class Announced(Protocol):
    """What is known of an event without reading anything."""

    @property
    def event_id(self) -> UUID:
        """Return its id."""
        ...

    @property
    def aggregate_type(self) -> str:
        """Return the type of what it happened to."""
        ...

    @property
    def aggregate_id(self) -> UUID:
        """Return the id of what it happened to."""
        ...

    @property
    def project_id(self) -> UUID | None:
        """Return its project, null where it has none."""
        ...

    @property
    def notified_ids(self) -> Sequence[UUID]:
        """Return who is told of it because it concerns him."""
        ...


@dataclass(frozen=True)
class NewsQuestion:
    """What happens to objects of the type `subject`, which messages show: every given criterion must hold.

    `after` is a position in the feed, null for from now on.
    """

    subject: str
    project_id: UUID | None = None
    ids: frozenset[UUID] | None = None
    states: frozenset[StrEnum] | None = None
    after: int | None = None

    @property
    def aggregate(self) -> str:
        """Return the type of what the events happen to."""
        return self.subject

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on: projects and ids are told by the entries of the feed."""
        return "news", self.subject, self.states is not None

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of its parameters."""
        if self.states is None:
            return {}
        wanted = sorted(self.states)
        return {"states": wanted, "state_names": [state.value for state in wanted]}

    @property
    def places(self) -> Iterator[Hashable]:
        """Yield what all its events have one of, as project, aggregate or somebody notified; null for all events."""
        if self.ids is not None:
            yield from self.ids
        else:
            yield self.project_id

    def of(self, _viewer: Viewer) -> Self:
        """Return the question as a viewer asks it."""
        return self

    def may_be_told(self, event: Announced) -> bool:
        """Return whether an event can be news, as far as that is known without reading anything."""
        if event.aggregate_type != self.aggregate or self.project_id not in {None, event.project_id}:
            return False
        return self.ids is None or event.aggregate_id in self.ids

    def candidates(self) -> Iterator[ColumnElement[bool]]:
        """Yield the conditions of `may_be_told` for the events in the log."""
        yield _EVENT.c.aggregate_type == self.aggregate
        if self.project_id is not None:
            yield _EVENT.c.project_id == self.project_id
        if self.ids is not None:
            ids = bindparam("subjects", sorted(self.ids), type_=ARRAY(Uuid()))
            yield _EVENT.c.aggregate_id == any_(ids)

    def entity(self, event: Announced) -> Hashable:
        """Return whose state a message shows: a newer one stands for those before it."""
        return event.aggregate_id

    def sights(self, policy: Policy, parameters: Parameters) -> AnySelect:
        """Return (event_id, subject_id, is_seen) of the events that are anything to a viewer, of all there are.

        One that a change brings into one of the states, or takes out of them, is news.
        """
        binding = catalog.types[self.subject]
        thing, row, key = binding.thing, binding.row, binding.column("id")
        is_seen = and_(policy.rows(thing, row), policy.rows(thing, row, FOLLOW))
        has_left = policy.events_that_end(thing, row, FOLLOW)
        found = (
            select(_EVENT.c.id.label("event_id"), key.label("subject_id"), is_seen.label("is_seen"))
            .join_from(_EVENT, binding.table, key == _EVENT.c.aggregate_id)
            .where(_EVENT.c.aggregate_type == self.subject, or_(is_seen, has_left))
        )
        return found if self.states is None else found.where(self._in_states(binding, parameters))

    def _in_states(self, binding: TypeBinding, parameters: Parameters) -> ColumnElement[bool]:
        now, before = binding.column("state"), func.jsonb_extract_path_text(_EVENT.c.changes, "state", "0")
        return or_(
            now == any_(parameters("states", ARRAY(now.type))),
            before == any_(parameters("state_names", ARRAY(Text()))),
        )
