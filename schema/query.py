"""What can be asked? The root of queries: arguments in, the resolvers' answers out."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry
from strawberry import UNSET, argument

from resolvers import queries
from resolvers.arguments import After, Before, First, GlobalId, GlobalIds, Last, OptionalGlobalId, Search
from resolvers.context import Info
from resolvers.relations import given, paging
from schema.enums import OrderGrouping, SortDirection
from schema.events import Event
from schema.filters import EventFilter, OrderFilter, OrderOrder
from schema.node import Connection, Node
from schema.orders import Order
from schema.parties import CostCode, Organization, Project, User
from schema.totals import OrderStatistics, Viewer

_Orders = Annotated[OrderFilter | None, argument(description="Which orders.")]
_Events = Annotated[EventFilter | None, argument(description="Which events.")]
_Sort = Annotated[list[OrderOrder] | None, argument(description="By what to sort, in turn.")]
_Groups = Annotated[list[OrderGrouping] | None, argument(description="By what to group, in turn.")]
_Code = Annotated[str | None, argument(description="Its code.")]
_Number = Annotated[str | None, argument(description="Its number.")]


@strawberry.type(
    description="What can be asked. Whoever isn't signed in gets null for `viewer` and UNAUTHENTICATED for the rest."
)
class Query:
    """The root of queries. Resolvers give records and listings, which the executor takes for the types named here."""

    @strawberry.field(description="Who is signed in, null for nobody.")
    async def viewer(self, info: Info) -> Viewer | None:
        """Return the viewer."""
        return as_api(await queries.viewer(info.context))

    @strawberry.field(
        description="The object of a global id; null where it doesn't exist or may not be read."
    )
    async def node(self, info: Info, id: GlobalId) -> Node | None:
        """Return any object."""
        return as_api(await queries.node(info.context, id))

    @strawberry.field(description="The objects of up to 100 global ids, in the same order.")
    async def nodes(self, info: Info, ids: GlobalIds) -> list[Node | None]:
        """Return any objects."""
        return as_api(await queries.nodes(info.context, ids))

    @strawberry.field(description="Projects, by code.")
    def projects(
        self,
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
    ) -> Connection[Project]:
        """Return them."""
        arguments = paging(info.context, first, after, last, before)
        return as_api(queries.vocabulary(info.context, "Project", "code", arguments))

    @strawberry.field(description="One project, by exactly one of id and code.")
    async def project(
        self,
        info: Info,
        id: OptionalGlobalId = UNSET,
        code: _Code = UNSET,
    ) -> Project | None:
        """Return it."""
        return as_api(await queries.by_id_or(info.context, "Project", given(id), "code", given(code)))

    @strawberry.field(description="Organizations, by code; `search` looks in code and name.")
    def organizations(
        self,
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        search: Search = UNSET,
    ) -> Connection[Organization]:
        """Return them."""
        arguments = paging(info.context, first, after, last, before)
        return as_api(queries.vocabulary(info.context, "Organization", "code", arguments, given(search)))

    @strawberry.field(description="People who can sign in, by username; `search` looks in username and name.")
    def users(
        self,
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        search: Search = UNSET,
    ) -> Connection[User]:
        """Return them."""
        arguments = paging(info.context, first, after, last, before)
        return as_api(queries.vocabulary(info.context, "User", "username", arguments, given(search)))

    @strawberry.field(description="Cost codes 费用科目, by code; `search` looks in code and name.")
    def cost_codes(
        self,
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        search: Search = UNSET,
    ) -> Connection[CostCode]:
        """Return them."""
        arguments = paging(info.context, first, after, last, before)
        return as_api(queries.vocabulary(info.context, "CostCode", "code", arguments, given(search)))

    @strawberry.field(description="Orders, newest first where nothing else is said.")
    def orders(
        self,
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: _Orders = UNSET,
        order_by: _Sort = UNSET,
    ) -> Connection[Order]:
        """Return them."""
        arguments = paging(info.context, first, after, last, before)
        sort = [(each.field, each.direction is SortDirection.DESC) for each in given(order_by) or ()]
        wanted = given(filter) or OrderFilter()
        return as_api(queries.orders(info.context, arguments, wanted.criteria(), sort))

    @strawberry.field(description="One order, by exactly one of id and number.")
    async def order(
        self,
        info: Info,
        id: OptionalGlobalId = UNSET,
        number: _Number = UNSET,
    ) -> Order | None:
        """Return it."""
        return as_api(await queries.by_id_or(info.context, "Order", given(id), "number", given(number)))

    @strawberry.field(description="Totals of orders, and of groups of them.")
    async def order_statistics(
        self,
        info: Info,
        filter: _Orders = UNSET,
        group_by: _Groups = UNSET,
    ) -> OrderStatistics:
        """Return the totals."""
        wanted = given(filter) or OrderFilter()
        return as_api(await queries.order_statistics(info.context, wanted.criteria(), given(group_by) or []))

    @strawberry.field(description="The event log, newest first.")
    def events(
        self,
        info: Info,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
        filter: _Events = UNSET,
    ) -> Connection[Event]:
        """Return them."""
        arguments = paging(info.context, first, after, last, before)
        return as_api(queries.events(info.context, arguments, (given(filter) or EventFilter()).criteria()))


# Any: loaders give records and listings; which type of the API they are is told by the record itself.
def as_api(found: Any) -> Any:
    """Return what a loader found, to be taken for the API's type."""
    return found
