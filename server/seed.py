"""How does a database get many orders at once, to measure with?

By COPY, in batches of one transaction each: a killed seed leaves whole batches behind, with numbers, rows
and events that agree. The orders count as imported: each has one event with all of it, and a number of the
year of its work.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, cast
from uuid import UUID

import orjson
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from db.events import WAKE_CHANNEL, event_columns
from db.identifiers import new_id
from db.tables import (
    EventRow,
    OrderLineRow,
    OrderNumberRow,
    OrderRow,
    OrganizationRow,
    OutboxRow,
    ProjectRow,
    Row,
)
from domain.events import FIRST_HASH, Changes, EventBody
from domain.parties import OrganizationKind
from server.seed_patterns import CURRENCY, OrderPattern, order_pattern

PROJECT_COUNT = 20
CUSTOMER_COUNT = 5
CONTRACTOR_COUNT = 10
PATTERN_COUNT = 1_000
BATCH_ORDERS = 2_000
LAST_NUMBER = 999_999
CHUNK_ROWS = 20

_OWN_ORDER_COLUMNS = (
    "id",
    "number",
    "project_id",
    "customer_id",
    "contractor_id",
    "created_at",
    "updated_at",
)
_SHARED_ORDER_COLUMNS = tuple(
    column.key for column in OrderRow.__table__.columns if column.key not in _OWN_ORDER_COLUMNS
)
_OWN_LINE_COLUMNS = ("id", "order_id")
_SHARED_LINE_COLUMNS = tuple(
    column.key for column in OrderLineRow.__table__.columns if column.key not in _OWN_LINE_COLUMNS
)
# The database numbers events itself.
_EVENT_COLUMNS = tuple(column.key for column in EventRow.__table__.columns if column.key != "sequence")

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"


class SeedError(Exception):
    """The orders can't be made; the message says why."""


class _Copying(Protocol):
    """The part of asyncpg's connection that SQLAlchemy does not offer."""

    async def copy_to_table(
        self, table_name: str, *, source: AsyncIterator[bytes], columns: Sequence[str]
    ) -> str: ...


@dataclass(frozen=True, slots=True)
class _Parties:
    projects: Sequence[UUID]
    customers: Sequence[UUID]
    contractors: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class _Template:
    """A pattern as COPY reads it: the shared columns of its order and its lines, to be put behind the own."""

    year: int
    changes: Changes
    order_text: str
    line_texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Seedling:
    """One order of a batch: its template, and what is its own."""

    id: UUID
    event_id: UUID
    number: str
    template: _Template
    project_id: UUID
    customer_id: UUID
    contractor_id: UUID
    recorded_at: datetime


def seed(database_url: str, orders: int, lines: int, report_progress: Callable[[int, int], None]) -> None:
    """Add `orders` orders of `lines` lines each to the database at `postgresql+asyncpg://…`.

    `report_progress` is told (orders committed so far, orders in all). The events go to the outbox like all
    others. Raises `SeedError` where a year would run out of numbers; earlier batches stay.
    """
    asyncio.run(_seed(database_url, orders, lines, report_progress))


async def _seed(
    database_url: str, orders: int, lines: int, report_progress: Callable[[int, int], None]
) -> None:
    engine = create_async_engine(database_url, poolclass=NullPool, hide_parameters=True)
    try:
        templates = [_template(order_pattern(nth, lines)) for nth in range(min(orders, PATTERN_COUNT))]
        async with engine.connect() as connection:
            async with connection.begin():
                parties = await _parties(connection)
            report_progress(0, orders)
            for done in range(0, orders, BATCH_ORDERS):
                places = range(done, min(done + BATCH_ORDERS, orders))
                async with connection.begin():
                    await _write(connection, await _seedlings(connection, templates, parties, places))
                report_progress(places.stop, orders)
    finally:
        await engine.dispose()


async def _parties(connection: AsyncConnection) -> _Parties:
    """Make sure of the seed's own parties; its orders go to all customers and contractors there are."""
    kinds = (
        (OrganizationKind.CUSTOMER, "SC", "Seed customer 业主", CUSTOMER_COUNT),
        (OrganizationKind.CONTRACTOR, "SK", "Seed contractor 施工方", CONTRACTOR_COUNT),
    )
    organizations = [
        {"id": new_id(), "code": f"{prefix}-{nth:03d}", "name": f"{name} {nth}", "kind": kind}
        for kind, prefix, name, count in kinds
        for nth in range(1, count + 1)
    ]
    projects = [
        {"id": new_id(), "code": f"S-{nth:03d}", "name": f"Seed project 项目 {nth}", "currency": CURRENCY}
        for nth in range(1, PROJECT_COUNT + 1)
    ]
    await connection.execute(insert(OrganizationRow).on_conflict_do_nothing(), organizations)
    await connection.execute(insert(ProjectRow).on_conflict_do_nothing(), projects)

    async def of_kind(kind: OrganizationKind) -> Sequence[UUID]:
        query = select(OrganizationRow.id).where(OrganizationRow.kind == kind).order_by(OrganizationRow.code)
        return (await connection.scalars(query)).all()

    codes = [project["code"] for project in projects]
    query = select(ProjectRow.id).where(ProjectRow.code.in_(codes)).order_by(ProjectRow.code)
    return _Parties(
        (await connection.scalars(query)).all(),
        await of_kind(OrganizationKind.CUSTOMER),
        await of_kind(OrganizationKind.CONTRACTOR),
    )


async def _seedlings(
    connection: AsyncConnection, templates: Sequence[_Template], parties: _Parties, places: range
) -> list[_Seedling]:
    """Return the orders of one batch, their numbers taken in the transaction that writes them."""
    of_places = [templates[place % len(templates)] for place in places]
    following = await _take_numbers(connection, Counter(template.year for template in of_places))
    now = datetime.now(UTC)
    made: list[_Seedling] = []
    for nth, (place, template) in enumerate(zip(places, of_places, strict=True)):
        number = following[template.year]
        following[template.year] += 1
        # The divisors keep project, customer and contractor from always meeting in the same pairs.
        made.append(
            _Seedling(
                id=new_id(),
                event_id=new_id(),
                number=f"EO-{template.year}-{number:06d}",
                template=template,
                project_id=parties.projects[place % len(parties.projects)],
                customer_id=parties.customers[place // 3 % len(parties.customers)],
                contractor_id=parties.contractors[place // 7 % len(parties.contractors)],
                # No two the same, so that sorting by time has one answer.
                recorded_at=now + timedelta(microseconds=nth),
            )
        )
    return made


async def _take_numbers(connection: AsyncConnection, counts: Counter[int]) -> dict[int, int]:
    """Take so many numbers of each year and return the first; years in order, so that two can't deadlock."""
    first: dict[int, int] = {}
    for year, count in sorted(counts.items()):
        taking = (
            insert(OrderNumberRow)
            .values(year=year, last=count)
            .on_conflict_do_update(index_elements=["year"], set_={"last": OrderNumberRow.last + count})
            .returning(OrderNumberRow.last)
        )
        last = (await connection.execute(taking)).scalar_one()
        if last > LAST_NUMBER:
            raise SeedError(f"{year} has no {count} order numbers left; a year has {LAST_NUMBER:,}.")
        first[year] = last - count + 1
    return first


async def _write(connection: AsyncConnection, batch: Sequence[_Seedling]) -> None:
    # Rows are made chunk by chunk, so that the database stores one while the next is made: each has its core.
    await _copy(connection, OrderRow, _OWN_ORDER_COLUMNS + _SHARED_ORDER_COLUMNS, map(_order_text, batch))
    await _copy(connection, OrderLineRow, _OWN_LINE_COLUMNS + _SHARED_LINE_COLUMNS, map(_lines_text, batch))
    await _copy(connection, EventRow, _EVENT_COLUMNS, map(_event_text, batch))
    await _copy(connection, OutboxRow, ("event_id",), (f"{one.event_id}\n" for one in batch))
    await connection.execute(select(func.pg_notify(WAKE_CHANNEL, "")))


async def _copy(
    connection: AsyncConnection, table: type[Row], columns: Sequence[str], rows: Iterable[str]
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        pending: list[str] = []
        for row in rows:
            pending.append(row)
            if len(pending) == CHUNK_ROWS:
                yield "".join(pending).encode()
                pending.clear()
        yield "".join(pending).encode()

    driver = cast("_Copying", (await connection.get_raw_connection()).driver_connection)
    await driver.copy_to_table(table.__tablename__, source=chunks(), columns=columns)


def _template(pattern: OrderPattern) -> _Template:
    return _Template(
        pattern.year,
        pattern.changes,
        _copied([getattr(pattern.order, column) for column in _SHARED_ORDER_COLUMNS]),
        tuple(_copied([getattr(line, column) for column in _SHARED_LINE_COLUMNS]) for line in pattern.lines),
    )


def _order_text(one: _Seedling) -> str:
    at = one.recorded_at.isoformat()
    own = f"{one.id}\t{one.number}\t{one.project_id}\t{one.customer_id}\t{one.contractor_id}\t{at}\t{at}"
    return f"{own}\t{one.template.order_text}\n"


def _lines_text(one: _Seedling) -> str:
    return "".join([f"{new_id()}\t{one.id}\t{shared}\n" for shared in one.template.line_texts])


def _event_text(one: _Seedling) -> str:
    body = EventBody(
        id=one.event_id,
        aggregate_type="Order",
        aggregate_id=one.id,
        version=1,
        type="OrderImported",
        occurred_at=one.recorded_at,
        recorded_at=one.recorded_at,
        actor_id=None,
        project_id=one.project_id,
        changes={
            **one.template.changes,
            "number": [None, one.number],
            "project": [None, str(one.project_id)],
            "customer": [None, str(one.customer_id)],
            "contractor": [None, str(one.contractor_id)],
        },
        note=None,
        details={},
        request_id=None,
        address=None,
    )
    columns = event_columns(body, FIRST_HASH)
    return _copied([columns[column] for column in _EVENT_COLUMNS]) + "\n"


def _copied(values: Iterable[object]) -> str:
    """Return the columns of a row in COPY's text format (PostgreSQL documentation, COPY, Text Format)."""
    return "\t".join([_column(value) for value in values])


def _column(value: object) -> str:
    match value:
        case None:
            return _NULL
        case StrEnum():
            return value.value
        case dict():
            # JSON has no raw control characters, and `translate` takes its time.
            return orjson.dumps(value).decode().replace("\\", "\\\\")
        case bytes():
            return f"\\\\x{value.hex()}"
        case datetime():
            return value.isoformat()
        case str():
            return value.translate(_ESCAPES)
        case _:
            return str(value)
