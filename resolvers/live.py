"""How are subscriptions resolved? The feed's news, each read with fresh rights."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from domain.errors import MalformedRequest
from loaders.reads import Reads
from resolvers.context import Context
from subscriptions.orders import OrderInterest, order_news

IDS_LIMIT = 500


async def order_changes(context: Context, interest: OrderInterest) -> AsyncGenerator[dict[str, Any]]:
    """Yield the messages of `orderChanged`; raise `Unauthenticated`, or `MalformedRequest` for too many ids."""
    _ = context.signed_in
    if interest.order_ids is not None and len(interest.order_ids) > IDS_LIMIT:
        raise MalformedRequest("TOO_MANY_VALUES", f"At most {IDS_LIMIT} ids.")

    async def renew() -> Reads:
        await context.renew()
        return context.reads

    async with aclosing(order_news(context.runtime.feed, interest, renew, context.rest)) as messages:
        async for news in messages:
            yield {
                "cursor": news.cursor,
                "resync_required": news.resync_required,
                "event": news.event,
                "order": news.order,
            }
