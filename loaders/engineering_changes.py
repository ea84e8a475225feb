"""Which engineering changes are meant, newest first, and what may the viewer do with one now?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import any_, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.bom_tables import BomRevisionRow
from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.tables import OrderRow
from db.touched_orders import TOUCHED_ORDERS
from domain.bom import RevisionState
from domain.engineering_change import ChangeAction, ChangeFacts, ChangeState, blockers
from loaders.actions import Availability, availability
from loaders.cursors import SortKey
from loaders.questions import Listing, Parameters, bounded
from policies.bindings import AnySelect, Through, ToMany, catalog
from policies.compiler import Policy

_TYPE = "EngineeringChange"

TOUCHED = ToMany(
    "Order",
    TOUCHED_ORDERS.c.change_id,
    OrderRow.__table__.c.number,
    Through(TOUCHED_ORDERS, TOUCHED_ORDERS.c.order_id == OrderRow.__table__.c.id),
)
"""The open orders that are built by what a change replaces, of those that the viewer may read."""


@dataclass(frozen=True)
class ChangeCriteria:
    """Engineering changes in one of the states, or all; an empty list of states means none."""

    states: tuple[ChangeState, ...] | None = None

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what the listing's SQL depends on."""
        return "engineering changes", self.states is not None

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of the listing's parameters; raise `MalformedRequest` TOO_MANY_VALUES."""
        return {} if self.states is None else {"states": bounded(self.states)}

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the list, compared through the masks."""
        binding = catalog.types[_TYPE]
        key = SortKey("id", binding.column("id"), is_descending=True)
        if self.states is None:
            return Listing(_TYPE, (key,))
        state = policy.masked(binding, "state")
        return Listing(_TYPE, (key,), (state == any_(parameters("states", ARRAY(state.type))),))


def change_facts(policy: Policy) -> AnySelect:
    """Return what the rules ask of every readable engineering change, and which deeds are granted on it."""
    row, held = EngineeringChangeRow, EngineeringChangeRevisionRow
    held_count = select(func.count()).where(held.change_id == row.id)
    draft_count = (
        select(func.count())
        .select_from(held)
        .join(BomRevisionRow, BomRevisionRow.id == held.revision_id)
        .where(held.change_id == row.id, BomRevisionRow.state == RevisionState.DRAFT)
    )
    granted = policy.may("engineering_change", row, tuple(action.value for action in ChangeAction))
    return select(
        row.id,
        row.state,
        row.submitted_by_id,
        row.edited_by_id,
        held_count.scalar_subquery().label("revision_count"),
        draft_count.scalar_subquery().label("draft_count"),
        *(predicate.label(f"may_{deed}") for deed, predicate in granted.items()),
    ).where(policy.rows("engineering_change", row))


def change_availabilities(row: Mapping[str, Any], user_id: UUID) -> Sequence[Availability]:
    """Return every action of an engineering change in the order of its life, each with its reasons, from its facts."""
    facts = ChangeFacts(
        state=row["state"],
        revision_count=row["revision_count"],
        draft_count=row["draft_count"],
        submitted_by=row["submitted_by_id"],
        edited_by=row["edited_by_id"],
    )
    return [
        availability(action, partial(blockers, facts, action, user_id), is_granted=row[f"may_{action.value}"])
        for action in ChangeAction
    ]
