"""How does an event get into the log?

`record` is the only way, and `record_all` is the same for many. It runs inside the transaction of the change itself, with the aggregate's row locked, so the
chain of an aggregate's hashes can't fork. It also puts the event into the outbox and wakes the relay when (and only
if) the transaction commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Insert,
    Select,
    Table,
    bindparam,
    column,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.identifiers import new_id
from db.sessions import Transaction
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
    latest_hash: bytes | None = None
    """The hash of the aggregate's latest event, where it was read with the row locked; else it is read now."""


async def record(session: Transaction, origin: Origin, happening: Happening) -> UUID:
    """Append one event to its aggregate's chain and to the outbox; return its id."""
    previous = happening.latest_hash
    if previous is None:
        previous = await session.scalar(_LATEST_HASH, {"aggregate_id": happening.aggregate_id}) or FIRST_HASH
    body = _body(origin, happening)
    columns = event_columns(body, previous)
    await session.execute(_APPEND, {_parameter(name): value for name, value in columns.items()})
    return body.id


async def record_all(session: Transaction, origin: Origin, happenings: Sequence[Happening]) -> None:
    """Append one event to each of many aggregates' chains by one statement, in this order.

    Of those that have events already the latest hash has been read.
    """
    if not happenings:
        return
    columns = [
        event_columns(_body(origin, each), each.latest_hash if each.version > 1 else FIRST_HASH)
        for each in happenings
    ]
    arrays = {_parameter(name): [each[name] for each in columns] for name in columns[0]}
    await session.execute(_APPEND_ALL, arrays)


def _body(origin: Origin, happening: Happening) -> EventBody:
    return EventBody(
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


def event_columns(body: EventBody, previous: bytes | None) -> dict[str, object]:
    """Return the columns of an event's row, with the two hashes that bind it to the one before."""
    assert previous is not None, "whatever has events has a latest hash"
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


# Any: a key of whichever table.
def latest_hash(aggregate_id: ColumnElement[Any]) -> Select[bytes]:
    """Return the statement that reads the hash of an aggregate's latest event."""
    events = EventRow.__table__
    return (
        select(events.c.hash)
        .where(events.c.aggregate_id == aggregate_id)
        .order_by(events.c.version.desc())
        .limit(1)
    )


def _parameter(column: str) -> str:
    # A parameter of a column's own name is SQLAlchemy's to fill.
    return f"event_{column}"


# Any: a SELECT is typed by its columns, and nobody reads them.
def _append() -> Select[Any]:
    """Return the statement that writes an event, puts it into the outbox and wakes the relay, in one round trip."""
    given: dict[str, BindParameter[Any]] = {
        column.key: bindparam(_parameter(column.key)) for column in _given()
    }
    return _appended(insert(_EVENTS).values(given))


# Any: as above.
def _append_all() -> Select[Any]:
    """Return the statement that does the same for many events, given as one array for each column."""
    columns = _given()
    arrays = [bindparam(_parameter(each.key), type_=ARRAY(each.type)) for each in columns]
    named = [column(each.key, each.type) for each in columns]
    rows = func.unnest(*arrays).table_valued(*named, with_ordinality="place").render_derived()
    each_row = select(*(rows.c[each.key] for each in columns)).order_by(rows.c.place)
    return _appended(insert(_EVENTS).from_select([each.key for each in columns], each_row))


def _given() -> list[Column[Any]]:
    return [each for each in _EVENTS.c if each.identity is None]


def _appended(addition: Insert) -> Select[Any]:
    written = addition.returning(_EVENTS.c.id).cte("written")
    queued = insert(_OUTBOX).from_select(["event_id"], select(written.c.id)).cte("queued")
    return select(func.pg_notify(WAKE_CHANNEL, "")).add_cte(queued)


_EVENTS, _OUTBOX = cast("Table", EventRow.__table__), cast("Table", OutboxRow.__table__)
_APPEND, _APPEND_ALL = _append(), _append_all()
_LATEST_HASH = latest_hash(bindparam("aggregate_id"))
