"""What do the root fields of subscriptions ask? Arguments of the API in, a question out, as `schema.questions` for queries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import strawberry
from strawberry import UNSET, argument

from db.identifiers import cost_id
from domain.errors import MalformedRequest
from domain.identifiers import parse_key
from loaders.news import NewsQuestion
from loaders.notifications import NoticeQuestion
from loaders.places import position_of
from loaders.recosts import CostNewsQuestion
from resolvers.relations import given
from schema.enums import OrderState
from schema.filters import given_key

_IDS_LIMIT = 500

_Project = Annotated[strawberry.ID | None, argument(description="Orders of this project only.")]
_Orders = Annotated[list[strawberry.ID] | None, argument(description="These orders only, at most 500.")]
_Changes = Annotated[
    list[strawberry.ID] | None, argument(description="These engineering changes only, at most 500.")
]
_Items = Annotated[
    list[strawberry.ID] | None, argument(description="Costs of these items only, at most 500.")
]
_States = Annotated[
    list[OrderState] | None,
    argument(description="Orders that are in one of these states now, or were before the change."),
]
_After = Annotated[
    str | None,
    argument(
        description="Begin behind this cursor, of a message or of `feedCursor`; without it, from now on."
    ),
]


def order_changed(
    project_id: _Project = UNSET,
    order_ids: _Orders = UNSET,
    states: _States = UNSET,
    after: _After = UNSET,
) -> NewsQuestion:
    """Ask for changes of orders."""
    wanted = given(states)
    return NewsQuestion(
        "Order",
        project_id=given_key(project_id, "Project"),
        ids=_keys("Order", order_ids),
        states=None if wanted is None else frozenset(wanted),
        after=_place(after),
    )


def engineering_changed(ids: _Changes = UNSET, after: _After = UNSET) -> NewsQuestion:
    """Ask for changes of engineering changes."""
    return NewsQuestion("EngineeringChange", ids=_keys("EngineeringChange", ids), after=_place(after))


def item_cost_changed(item_ids: _Items = UNSET, after: _After = UNSET) -> CostNewsQuestion:
    """Ask for changes of costs."""
    items = _keys("Item", item_ids)
    ids = None if items is None else frozenset(cost_id(each) for each in items)
    return CostNewsQuestion(ids=ids, after=_place(after))


def viewer_notifications(after: _After = UNSET) -> NoticeQuestion:
    """Ask for what the viewer is told."""
    return NoticeQuestion(_place(after))


def _keys(type_name: str, ids: list[strawberry.ID] | None) -> frozenset[UUID] | None:
    """Return the keys of the ids of one type, null where none were given; raise `MalformedRequest`."""
    found = given(ids)
    if found is None:
        return None
    if len(found) > _IDS_LIMIT:
        raise MalformedRequest("TOO_MANY_VALUES", f"At most {_IDS_LIMIT} ids.")
    return frozenset(parse_key(each, type_name) for each in found)


def _place(after: str | None) -> int | None:
    cursor = given(after)
    return None if cursor is None else position_of(cursor)
