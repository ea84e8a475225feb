"""Which runs computed costs, which costs are stale, and who is told when one has changed?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, and_, select

from db.bom_tables import ItemRow
from db.recost_structures import is_stale
from db.recost_tables import ItemCostRow, RecostRunRow
from db.tables import EventRow
from loaders.cursors import SortKey
from loaders.news import FOLLOW, NewsQuestion
from loaders.questions import Listing, Parameters
from policies.bindings import AnySelect
from policies.compiler import Policy

_COST, _RUN = cast("Table", ItemCostRow.__table__), cast("Table", RecostRunRow.__table__)
_EVENT, _ITEM = cast("Table", EventRow.__table__), cast("Table", ItemRow.__table__)


@dataclass(frozen=True)
class RecostCriteria:
    """All runs."""

    @property
    def shape(self) -> Hashable:
        """Return what the listing's SQL depends on."""
        return "recosts"

    @property
    def values(self) -> Mapping[str, object]:
        """Return no values: there are no parameters."""
        return {}

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the runs, newest first."""
        return Listing("RecostRun", (SortKey("id", _RUN.c.id, is_descending=True),))


def staleness_facts(policy: Policy) -> AnySelect:
    """Return whether each readable cost is stale."""
    return select(_COST.c.id, is_stale(_COST).label("is_stale")).where(policy.rows("item_cost", ItemCostRow))


@dataclass(frozen=True)
class CostNewsQuestion(NewsQuestion):
    """What happens to costs of items, told of the items; `ids` are those of the costs, which the items' own tell.

    A cost is seen where its item is, by whoever may follow costs.
    """

    subject: str = "Item"

    @property
    def aggregate(self) -> str:
        """Return the type of what the events happen to."""
        return "ItemCost"

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return "cost news"

    def sights(self, policy: Policy, parameters: Parameters) -> AnySelect:
        """Return (event_id, subject_id, is_seen) of the events that are anything to a viewer, of all there are."""
        is_seen = and_(
            policy.rows("item", ItemRow),
            policy.rows("item_cost", ItemCostRow),
            policy.rows("item_cost", ItemCostRow, FOLLOW),
        )
        return (
            select(_EVENT.c.id.label("event_id"), _ITEM.c.id.label("subject_id"), is_seen.label("is_seen"))
            .join_from(_EVENT, _COST, _COST.c.id == _EVENT.c.aggregate_id)
            .join(_ITEM, _ITEM.c.id == _COST.c.item_id)
            .where(_EVENT.c.aggregate_type == self.aggregate, is_seen)
        )
