"""What do the root fields of queries ask? Arguments of the API in, a question out; answering is left to others.

Each raises `MalformedRequest` for arguments that no question can be made of. The interpreter and the planner both call
them, so that an argument means the same to both.
"""

from __future__ import annotations

from typing import Annotated

from strawberry import UNSET, argument

from domain.errors import MalformedRequest
from domain.identifiers import parse_global_id, parse_key
from loaders.engineering_changes import ChangeCriteria
from loaders.notifications import NotificationCriteria
from loaders.orders import OrderList
from loaders.questions import (
    ComparisonQuestion,
    FieldQuestion,
    ListQuestion,
    PlaceQuestion,
    RowQuestion,
    RowsQuestion,
    WhoQuestion,
)
from loaders.recosts import RecostCriteria
from loaders.totals import TotalsQuestion
from loaders.vocabulary import Vocabulary
from resolvers.arguments import After, Before, First, GlobalId, GlobalIds, Last, OptionalGlobalId, Search
from resolvers.relations import given, paging
from schema.enums import EngineeringChangeState, OrderGrouping, SortDirection
from schema.filters import EventFilter, OrderFilter, OrderOrder

_NODES_LIMIT = 100

_Orders = Annotated[OrderFilter | None, argument(description="Which orders.")]
_Events = Annotated[EventFilter | None, argument(description="Which events.")]
_Sort = Annotated[list[OrderOrder] | None, argument(description="By what to sort, in turn.")]
_Groups = Annotated[list[OrderGrouping] | None, argument(description="By what to group, in turn.")]
_Code = Annotated[str | None, argument(description="Its code.")]
_IsRead = Annotated[
    bool | None, argument(description="Only those that he has read, or only those that he has not.")
]
_ChangeStates = Annotated[
    list[EngineeringChangeState] | None, argument(description="Those in one of these states.")
]
_Number = Annotated[str | None, argument(description="Its number.")]


def viewer() -> WhoQuestion:
    """Ask who is signed in."""
    return WhoQuestion()


def feed_cursor() -> PlaceQuestion:
    """Ask where the feed stands."""
    return PlaceQuestion()


def node(id: GlobalId) -> RowQuestion:
    """Ask for any object."""
    return RowQuestion(*parse_global_id(id))


def nodes(ids: GlobalIds) -> RowsQuestion:
    """Ask for any objects."""
    if len(ids) > _NODES_LIMIT:
        raise MalformedRequest("TOO_MANY_NODES", f"At most {_NODES_LIMIT} ids.")
    return RowsQuestion(tuple(parse_global_id(each) for each in ids))


def projects(
    first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
) -> ListQuestion:
    """Ask for projects, by code."""
    return ListQuestion(Vocabulary("Project", "code"), paging(first, after, last, before))


def project(id: OptionalGlobalId = UNSET, code: _Code = UNSET) -> RowQuestion | FieldQuestion:
    """Ask for one project."""
    return _one("Project", given(id), "code", given(code))


def organizations(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    search: Search = UNSET,
) -> ListQuestion:
    """Ask for organizations, by code."""
    page = paging(first, after, last, before)
    return ListQuestion(Vocabulary("Organization", "code", given(search)), page)


def users(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    search: Search = UNSET,
) -> ListQuestion:
    """Ask for people, by username."""
    return ListQuestion(Vocabulary("User", "username", given(search)), paging(first, after, last, before))


def cost_codes(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    search: Search = UNSET,
) -> ListQuestion:
    """Ask for cost codes, by code."""
    return ListQuestion(Vocabulary("CostCode", "code", given(search)), paging(first, after, last, before))


def units(
    first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
) -> ListQuestion:
    """Ask for units, by code."""
    return ListQuestion(Vocabulary("Unit", "code"), paging(first, after, last, before))


def items(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    search: Search = UNSET,
) -> ListQuestion:
    """Ask for items, by code."""
    return ListQuestion(Vocabulary("Item", "code", given(search)), paging(first, after, last, before))


def item(id: OptionalGlobalId = UNSET, code: _Code = UNSET) -> RowQuestion | FieldQuestion:
    """Ask for one item."""
    return _one("Item", given(id), "code", given(code))


def recost_runs(
    first: First = UNSET, after: After = UNSET, last: Last = UNSET, before: Before = UNSET
) -> ListQuestion:
    """Ask for runs that computed costs."""
    return ListQuestion(RecostCriteria(), paging(first, after, last, before))


def bom_revision(id: GlobalId) -> RowQuestion:
    """Ask for one revision of a BOM."""
    return RowQuestion("BomRevision", parse_key(id, "BomRevision"))


def bom_comparison(left: GlobalId, right: GlobalId) -> ComparisonQuestion:
    """Ask in what two revisions differ."""
    return ComparisonQuestion(parse_key(left, "BomRevision"), parse_key(right, "BomRevision"))


def engineering_changes(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    states: _ChangeStates = UNSET,
) -> ListQuestion:
    """Ask for engineering changes, newest first."""
    wanted = given(states)
    criteria = ChangeCriteria(None if wanted is None else tuple(wanted))
    return ListQuestion(criteria, paging(first, after, last, before))


def engineering_change(id: OptionalGlobalId = UNSET, number: _Number = UNSET) -> RowQuestion | FieldQuestion:
    """Ask for one engineering change."""
    return _one("EngineeringChange", given(id), "number", given(number))


def orders(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    filter: _Orders = UNSET,
    order_by: _Sort = UNSET,
) -> ListQuestion:
    """Ask for orders."""
    page, wanted = paging(first, after, last, before), given(filter) or OrderFilter()
    sort = ((each.field, each.direction is SortDirection.DESC) for each in given(order_by) or ())
    return ListQuestion(OrderList(wanted.criteria(), tuple(sort)), page)


def order(id: OptionalGlobalId = UNSET, number: _Number = UNSET) -> RowQuestion | FieldQuestion:
    """Ask for one order."""
    return _one("Order", given(id), "number", given(number))


def order_statistics(filter: _Orders = UNSET, group_by: _Groups = UNSET) -> TotalsQuestion:
    """Ask for totals."""
    groupings = tuple(dict.fromkeys(given(group_by) or ()))
    return TotalsQuestion((given(filter) or OrderFilter()).criteria(), groupings)


def events(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    filter: _Events = UNSET,
) -> ListQuestion:
    """Ask for the event log."""
    page = paging(first, after, last, before)
    return ListQuestion((given(filter) or EventFilter()).criteria(), page)


def notifications(
    first: First = UNSET,
    after: After = UNSET,
    last: Last = UNSET,
    before: Before = UNSET,
    is_read: _IsRead = UNSET,
) -> ListQuestion:
    """Ask for what the viewer was told."""
    return ListQuestion(NotificationCriteria(given(is_read)), paging(first, after, last, before))


def _one(type_name: str, text: str | None, field: str, value: str | None) -> RowQuestion | FieldQuestion:
    if text is not None and value is None:
        return RowQuestion(type_name, parse_key(text, type_name))
    if value is not None and text is None:
        return FieldQuestion(type_name, field, value)
    raise MalformedRequest("ONE_ARGUMENT_REQUIRED", f"Give exactly one of id and {field}.")
