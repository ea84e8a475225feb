"""What can be followed live?"""

from __future__ import annotations

import strawberry

from schema import news
from schema.binding import followed
from schema.cost_news import ItemCostChange
from schema.events import EngineeringChangeNews, OrderChange
from schema.notifications import NotificationChange


@strawberry.type(description="What can be followed live, over `graphql-transport-ws` or event streams.")
class Subscription:
    """The root of subscriptions."""

    order_changed: OrderChange = followed(
        news.order_changed, "Changes of orders, in the order in which they were committed."
    )
    engineering_changed: EngineeringChangeNews = followed(
        news.engineering_changed,
        "News of engineering changes 工程变更, in the order in which it was committed.",
    )
    item_cost_changed: ItemCostChange = followed(
        news.item_cost_changed,
        "Changes of rolled-up costs of items, in the order in which they were committed.",
    )
    viewer_notifications: NotificationChange = followed(
        news.viewer_notifications,
        "What the viewer is told because it concerns him: assigned, asked to act, refused, overdue.",
    )
