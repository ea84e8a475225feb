"""Which events were given places between two positions? Read from the database, for those who were away.

Not from the stream: it may have been trimmed or lost, the database never is, and what a subscriber may see of an event
has to be asked there anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Uuid, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from db.faults import translated
from db.tables import EventRow, FeedRow, NotificationRow
from loaders.followed import FollowQuestion
from subscriptions.entries import FeedEntry

ENTRIES_PER_READ = 500

_ENTRIES = select(
    FeedRow.position,
    EventRow.id.label("event_id"),
    EventRow.type,
    EventRow.aggregate_type,
    EventRow.aggregate_id,
    EventRow.project_id,
    EventRow.version,
    func.coalesce(
        select(func.array_agg(NotificationRow.user_id))
        .where(NotificationRow.event_id == EventRow.id)
        .scalar_subquery(),
        cast([], ARRAY(Uuid())),
        type_=ARRAY(Uuid(), as_tuple=True),
    ).label("notified_ids"),
).join(EventRow, EventRow.id == FeedRow.event_id)


async def entries_after(
    engine: AsyncEngine,
    position: int,
    *,
    last: int | None = None,
    question: FollowQuestion | None = None,
    most: int = ENTRIES_PER_READ,
) -> Sequence[FeedEntry]:
    """Return the first entries behind a position, up to `last`, that can be news; fewer than `most` are all.

    Raises `Unavailable`.
    """
    statement = _ENTRIES.where(FeedRow.position > position).order_by(FeedRow.position).limit(most)
    if last is not None:
        statement = statement.where(FeedRow.position <= last)
    if question is not None:
        statement = statement.where(*question.candidates())
    with translated():
        async with engine.connect() as connection:
            rows = (await connection.execute(statement)).mappings().all()
    return [FeedEntry(**row) for row in rows]
