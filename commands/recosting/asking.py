"""How does a change ask for the costs that it moves? In its own transaction: what is committed can't be forgotten.

The request says what changed, the job in the queue that somebody has to look. What that concerns is found out later: a
command never waits for the costs of what is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast
from uuid import UUID

from sqlalchemy import Table, insert

from db.events import Origin
from db.identifiers import new_id
from db.job_queue import enqueue
from db.recost_tables import RecostRequestRow
from db.sessions import Transaction
from domain.recost import Cause

RECOST = "recost"
"""The job's name in the queue."""

_REQUESTS = cast("Table", RecostRequestRow.__table__)


async def ask_for_recost(
    session: Transaction,
    origin: Origin,
    cause: Cause,
    item_ids: Iterable[UUID],
    revision_id: UUID | None = None,
) -> None:
    """Have the costs of some items, and of all that is made of them, computed again once this transaction has committed."""
    requests = [
        {
            "id": new_id(),
            "item_id": item_id,
            "cause": cause,
            "revision_id": revision_id,
            "requested_at": origin.now,
            "actor_id": origin.actor_id,
            "run_id": None,
            "is_pending": True,
        }
        for item_id in item_ids
    ]
    if requests:
        await session.execute(insert(_REQUESTS), requests)
        await enqueue(session, RECOST)
