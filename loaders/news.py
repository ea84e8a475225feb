"""What is an event of an order to somebody who follows orders: news, the end of what he may see, or nothing?

An order is *seen* where the viewer may read and follow it now. It has *left* his sight where he may not, and this very
event took it out of what he may follow; later events of it are nothing to him. Both are asked of the database as it is
now, so that what is told late is told by today's rights.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Text, and_, any_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.tables import EventRow, OrderRow
from domain.order import OrderState
from loaders.questions import Parameters
from loaders.reads import Reads
from policies.bindings import AnySelect
from policies.compiler import Policy

_EVENT, _ORDER = EventRow.__table__, OrderRow.__table__

FOLLOW = "subscribe"
"""The deed that following an order is."""


@dataclass(frozen=True)
class NewsQuestion:
    """What happens to orders: every given criterion must hold. `after` is a position in the feed, null for from now on."""

    project_id: UUID | None = None
    order_ids: frozenset[UUID] | None = None
    states: frozenset[OrderState] | None = None
    after: int | None = None

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on: projects and ids are told by the entries of the feed."""
        return "news", self.states is not None

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of its parameters."""
        if self.states is None:
            return {}
        wanted = sorted(self.states)
        return {"states": wanted, "state_names": [state.value for state in wanted]}

    def may_be_told(self, aggregate_type: str, project_id: UUID | None, aggregate_id: UUID) -> bool:
        """Return whether an event can be news, as far as that is known without reading anything."""
        if aggregate_type != "Order" or (self.project_id is not None and project_id != self.project_id):
            return False
        return self.order_ids is None or aggregate_id in self.order_ids

    def sights(self, policy: Policy, parameters: Parameters) -> AnySelect:
        """Return (event_id, order_id, is_seen) of the events that are anything to a viewer, of all there are.

        An order that a change brings into one of the states, or takes out of them, is news.
        """
        is_seen = and_(policy.rows("order", OrderRow), policy.rows("order", OrderRow, FOLLOW))
        has_left = policy.events_that_end("order", OrderRow, FOLLOW)
        found = (
            select(_EVENT.c.id.label("event_id"), _ORDER.c.id.label("order_id"), is_seen.label("is_seen"))
            .join_from(_EVENT, _ORDER, _ORDER.c.id == _EVENT.c.aggregate_id)
            .where(_EVENT.c.aggregate_type == "Order", or_(is_seen, has_left))
        )
        return found if self.states is None else found.where(self._in_states(parameters))

    def _in_states(self, parameters: Parameters) -> ColumnElement[bool]:
        now, before = _ORDER.c.state, func.jsonb_extract_path_text(_EVENT.c.changes, "state", "0")
        return or_(
            now == any_(parameters("states", ARRAY(now.type))),
            before == any_(parameters("state_names", ARRAY(Text()))),
        )


async def order_sight(reads: Reads, question: NewsQuestion, event_id: UUID) -> RowMapping | None:
    """Return what `NewsQuestion.sights` says of one event, null where it is nothing to the viewer."""
    sights = question.sights(reads.policy, Parameters()).where(_EVENT.c.id == bindparam("event"))
    rows = await reads.fetch(sights, {**question.values, "event": event_id})
    return rows[0] if rows else None
