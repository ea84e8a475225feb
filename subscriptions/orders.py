"""Which committed events concern a subscriber to orders, and what may he see of them now?

Rights are asked per event: the viewer, his grants and his snapshot are today's, not those of the moment in which he
subscribed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from domain.order import OrderState
from loaders.reads import Reads
from loaders.records import Record
from loaders.rows import row_by_key
from subscriptions.entries import FeedEntry, Gap, cursor_of
from subscriptions.feed import Feed


@dataclass(frozen=True)
class OrderInterest:
    """Which orders a subscriber wants to hear of: every given criterion must hold, states as they are afterwards."""

    project_id: UUID | None = None
    order_ids: frozenset[UUID] | None = None
    states: frozenset[OrderState] | None = None

    def may_concern(self, entry: FeedEntry) -> bool:
        """Return whether an entry can concern the subscriber, as far as that is known without reading the order."""
        if entry.aggregate_type != "Order":
            return False
        if self.project_id is not None and entry.project_id != self.project_id:
            return False
        return self.order_ids is None or entry.aggregate_id in self.order_ids


@dataclass(frozen=True)
class OrderNews:
    """One message: the order and the event as the viewer may see them, or (both null) that some were missed."""

    cursor: str
    resync_required: bool
    event: Record | None
    order: Record | None


async def order_news(
    feed: Feed,
    interest: OrderInterest,
    renew: Callable[[], Awaitable[Reads]],
    rest: Callable[[], Awaitable[None]],
) -> AsyncGenerator[OrderNews]:
    """Yield what happens to the orders of interest from now on, in the order of commits.

    `renew` gives fresh reads with today's rights for each entry, `rest` gives back what they hold. Entries that the viewer
    may not see are passed over.
    """
    async with feed.listen() as entries:
        async for entry in entries:
            if isinstance(entry, Gap):
                yield OrderNews(cursor_of(entry.last), resync_required=True, event=None, order=None)
                continue
            if not interest.may_concern(entry):
                continue
            reads = await renew()
            order = await row_by_key(reads, "Order", entry.aggregate_id, "subscribe")
            if order is None or (interest.states is not None and order["state"] not in interest.states):
                await rest()
                continue
            event = await row_by_key(reads, "Event", entry.event_id)
            yield OrderNews(entry.cursor, resync_required=False, event=event, order=order)
