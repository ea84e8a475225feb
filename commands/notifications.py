"""How does a person mark what he was told as read? Marks are his alone and change nothing for others, so they leave no event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import Table, any_, bindparam, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.transactions import transaction
from db.tables import NotificationRow
from domain.errors import InvalidInput
from policies.compiler import Policy
from policies.viewer import Viewer

MARKS_LIMIT = 500

_NOTIFICATION = cast("Table", NotificationRow.__table__)


async def mark_read(
    engine: AsyncEngine, viewer: Viewer, policy: Policy, ids: Sequence[UUID] | None, now: datetime
) -> int:
    """Mark the viewer's unread notifications as read, those with the ids or all there are; return how many those were.

    Ids that are read already, or somebody else's, count for nothing. Raises `InvalidInput` or `Unavailable`.
    """
    if ids is not None and len(ids) > MARKS_LIMIT:
        raise InvalidInput("TOO_MANY", f"At most {MARKS_LIMIT} notifications.", ("ids",))
    marked = (
        update(_NOTIFICATION)
        .where(policy.rows("notification", NotificationRow), _NOTIFICATION.c.read_at.is_(None))
        .values(read_at=bindparam("moment"))
    )
    parameters = {**viewer.parameters, "moment": now}
    if ids is not None:
        marked = marked.where(
            _NOTIFICATION.c.id == any_(bindparam("ids", type_=ARRAY(_NOTIFICATION.c.id.type)))
        )
        parameters["ids"] = list(ids)
    async with transaction(engine) as session:
        return (await session.execute(marked, parameters)).rowcount
