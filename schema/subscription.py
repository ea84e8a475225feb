"""What can be followed live?"""

from __future__ import annotations

import strawberry

from schema import news
from schema.binding import followed
from schema.events import OrderChange


@strawberry.type(description="What can be followed live, over `graphql-transport-ws` or event streams.")
class Subscription:
    """The root of subscriptions."""

    order_changed: OrderChange = followed(
        news.order_changed, "Changes of orders, in the order in which they were committed."
    )
