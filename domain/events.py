"""What is an event, and how does a chain of them prove itself?

An aggregate's state is a *snapshot*: a flat map from field name (`title`, `lines.2.quantity`) to a JSON scalar, without
nulls. An event holds the difference of two snapshots as {field: [before, after]}. Folding an aggregate's events gives
its snapshot again, and each event's hash covers the one before it, so that nothing can be changed, removed or slipped
in between without being seen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from domain.values import plain

Scalar = str | int | bool
Snapshot = Mapping[str, Scalar]
Changes = dict[str, list[Scalar | None]]
"""Field name to [before, after]; null says that the field was not set."""

JsonObject = Mapping[str, Scalar | None]


@dataclass(frozen=True, slots=True)
class EventBody:
    """All that an event's hash covers, but the hash before it."""

    id: UUID
    aggregate_type: str
    aggregate_id: UUID
    version: int
    type: str
    occurred_at: datetime
    recorded_at: datetime
    actor_id: UUID | None
    project_id: UUID | None
    changes: Changes
    note: str | None
    details: JsonObject
    request_id: str | None
    address: str | None


def scalar(value: StrEnum | str | int | bool | Decimal | date | datetime | UUID) -> Scalar:
    """Return the JSON scalar that stands for a field's value in snapshots and events."""
    match value:
        case StrEnum():
            return value.value
        case bool() | int() | str():
            return value
        case Decimal():
            return plain(value)
        case datetime():
            return timestamp(value)
        case date():
            return value.isoformat()
        case UUID():
            return str(value)


def timestamp(moment: datetime) -> str:
    """Return a moment in UTC as RFC 3339 with microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def difference(before: Snapshot, after: Snapshot) -> Changes:
    """Return what changed, sorted by field name."""
    return {
        field: [before.get(field), after.get(field)]
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    }


def fold(chain: Iterable[Changes]) -> Snapshot:
    """Return the snapshot that a whole chain of changes, oldest first, leads to."""
    state: dict[str, Scalar] = {}
    for changes in chain:
        for field, (_, after) in changes.items():
            if after is None:
                state.pop(field, None)
            else:
                state[field] = after
    return state


def chained_hash(previous: bytes, event: EventBody) -> bytes:
    """Return SHA-256 over the previous hash (32 bytes, zeros for the first) and the event's canonical JSON.

    Canonical: keys sorted, no blanks, UTF-8, timestamps in UTC with microseconds.
    """
    content = {
        "id": str(event.id),
        "aggregateType": event.aggregate_type,
        "aggregateId": str(event.aggregate_id),
        "version": event.version,
        "type": event.type,
        "occurredAt": timestamp(event.occurred_at),
        "recordedAt": timestamp(event.recorded_at),
        "actorId": str(event.actor_id) if event.actor_id else None,
        "projectId": str(event.project_id) if event.project_id else None,
        "changes": event.changes,
        "note": event.note,
        "details": dict(event.details),
        "requestId": event.request_id,
        "address": event.address,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous + canonical.encode()).digest()


FIRST_HASH = bytes(32)
"""What stands before the first event of every chain."""
