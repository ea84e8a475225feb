"""What can be followed live?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry
from strawberry import UNSET, argument

from domain.identifiers import parse_key
from resolvers.context import Info
from resolvers.live import order_changes
from resolvers.relations import given
from schema.enums import OrderState
from schema.events import OrderChange
from schema.filters import given_key
from subscriptions.orders import OrderInterest


@strawberry.type(description="What can be followed live, over `graphql-transport-ws`.")
class Subscription:
    """The root of subscriptions."""

    @strawberry.subscription(
        description="Changes of orders, from now on, in the order in which they were committed."
    )
    async def order_changed(
        self,
        info: Info,
        project_id: Annotated[
            strawberry.ID | None, argument(description="Orders of this project only.")
        ] = UNSET,
        order_ids: Annotated[
            list[strawberry.ID] | None, argument(description="These orders only, at most 500.")
        ] = UNSET,
        states: Annotated[
            list[OrderState] | None, argument(description="Orders that are in one of these states now.")
        ] = UNSET,
    ) -> AsyncGenerator[OrderChange]:
        """Follow orders."""
        ids, wanted = given(order_ids), given(states)
        interest = OrderInterest(
            project_id=given_key(project_id, "Project"),
            order_ids=None if ids is None else frozenset(parse_key(each, "Order") for each in ids),
            states=None if wanted is None else frozenset(wanted),
        )
        async with aclosing(order_changes(info.context, interest)) as changes:
            async for change in changes:
                # A mapping, which the executor takes for the type named above.
                yield change  # pyright: ignore[reportReturnType]
