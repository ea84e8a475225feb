"""How does an event get into the log?

`record` is the only way. It runs inside the transaction of the change itself, with the aggregate's row locked, so the
chain of an aggregate's hashes can't fork. It also puts the event into the outbox and wakes the relay when (and only
if) the transaction commits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, text

from db.identifiers import new_id
from db.sessions import WriteSession
from db.tables import EventRow, Json, OutboxRow
from domain.events import FIRST_HASH, Changes, EventBody, chained_hash

WAKE_CHANNEL = "eoms_outbox"
"""The NOTIFY channel that says the outbox has something to relay."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who did something, by which request, from which address, and when (UTC)."""

    actor_id: UUID | None
    request_id: str | None
    address: str | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened to one aggregate; `occurred_at` is when it did outside, null for now."""

    aggregate_type: str
    aggregate_id: UUID
    version: int
    type: str
    project_id: UUID | None
    changes: Changes
    note: str | None = None
    occurred_at: datetime | None = None
    details: Json | None = None


async def record(session: WriteSession, origin: Origin, happening: Happening) -> UUID:
    """Append one event to its aggregate's chain and to the outbox; return its id."""
    latest = (
        select(EventRow.hash)
        .where(EventRow.aggregate_id == happening.aggregate_id)
        .order_by(EventRow.version.desc())
        .limit(1)
    )
    previous = await session.orm.scalar(latest) or FIRST_HASH
    body = EventBody(
        id=new_id(),
        aggregate_type=happening.aggregate_type,
        aggregate_id=happening.aggregate_id,
        version=happening.version,
        type=happening.type,
        occurred_at=happening.occurred_at or origin.now,
        recorded_at=origin.now,
        actor_id=origin.actor_id,
        project_id=happening.project_id,
        changes=happening.changes,
        note=happening.note,
        details=happening.details or {},
        request_id=origin.request_id,
        address=origin.address,
    )
    await session.orm.execute(insert(EventRow).values(**event_columns(body, previous)))
    await session.orm.execute(insert(OutboxRow).values(event_id=body.id))
    await session.orm.execute(text("SELECT pg_notify(:channel, '')"), {"channel": WAKE_CHANNEL})
    return body.id


def event_columns(body: EventBody, previous: bytes) -> dict[str, object]:
    """Return the columns of an event's row, with the two hashes that bind it to the one before."""
    return {
        "id": body.id,
        "aggregate_type": body.aggregate_type,
        "aggregate_id": body.aggregate_id,
        "version": body.version,
        "type": body.type,
        "occurred_at": body.occurred_at,
        "recorded_at": body.recorded_at,
        "actor_id": body.actor_id,
        "project_id": body.project_id,
        "changes": body.changes,
        "note": body.note,
        "details": dict(body.details),
        "request_id": body.request_id,
        "address": body.address,
        "previous_hash": previous,
        "hash": chained_hash(previous, body),
    }
