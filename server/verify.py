"""Does the event log prove itself, and does every row say what its events say?

Reads everything in one snapshot, a few aggregates at a time, so that memory stays flat and commands may go on
meanwhile. What is found is told in words, without the values of fields; nothing is repaired.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.pool import NullPool

from db.tables import EventRow, Keyed
from domain.events import FIRST_HASH, EventBody, Snapshot, chained_hash, difference, fold
from server.verify_aggregates import AGGREGATES, Aggregate
from server.verify_places import feed_findings, number_findings

EVENTS_PER_FETCH = 1_000
AGGREGATES_PER_COMPARISON = 500

_EVENT_BODY = tuple(EventBody.__dataclass_fields__)
_Row = TypeVar("_Row", bound=Keyed)


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """How much was checked, and every finding in words."""

    event_count: int
    aggregate_counts: Mapping[str, int]
    findings: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class _Told:
    """What an aggregate's events say of its row."""

    aggregate_id: UUID
    state: Snapshot
    version: int
    created_at: datetime
    updated_at: datetime

    def differences(self, state: Snapshot, version: int) -> list[str]:
        """Return the names of fields in which a row differs."""
        names = list(difference(self.state, state))
        return names if version == self.version else [*names, "version"]


async def verify_events(database_url: str, report: Callable[[str], None]) -> VerifyResult:
    """Check the whole database at `postgresql+asyncpg://…`; `report` is told of each part before it begins.

    Checked are versions and hashes of every chain, the rows of `AGGREGATES` against the fold of their events, the places of
    events in feed and outbox, and the numbers of orders and engineering changes.
    """
    engine = create_async_engine(database_url, poolclass=NullPool, isolation_level="REPEATABLE READ")
    try:
        async with engine.connect() as connection:
            return await verify_snapshot(connection, report)
    finally:
        await engine.dispose()


async def verify_snapshot(connection: AsyncConnection, report: Callable[[str], None]) -> VerifyResult:
    """Check what this connection's transaction sees, as `verify_events` does."""
    checks = _AggregateChecks(connection)
    event_count = await connection.scalar(select(func.count()).select_from(EventRow)) or 0
    report(f"Checking {event_count:,} events")
    await checks.run()
    report("Checking the feed")
    places = await feed_findings(connection)
    report("Checking numbers")
    numbers = await number_findings(connection)
    return VerifyResult(event_count, dict(checks.counts), (*checks.findings, *places, *numbers))


class _AggregateChecks:
    """Goes through all chains; what is wrong with them and the rows they tell of collects in `findings`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.findings: list[str] = []
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Check every chain and every row."""
        pending: defaultdict[str, list[_Told]] = defaultdict(list)
        async for chain in _chains(self._connection):
            aggregate_type = chain[0]["aggregate_type"]
            self.counts[aggregate_type] += 1
            self.findings += _chain_findings(chain)
            told = pending[aggregate_type]
            told.append(_told(chain))
            if len(told) == AGGREGATES_PER_COMPARISON:
                await self._compare(aggregate_type, told)
                told.clear()
        for aggregate_type, told in pending.items():
            await self._compare(aggregate_type, told)
        for each in AGGREGATES.values():
            await self._find_untold(each)

    async def _compare(self, aggregate_type: str, told: Sequence[_Told]) -> None:
        aggregate = AGGREGATES.get(aggregate_type)
        # Others keep nothing but their events.
        if aggregate is None:
            return
        ids = [one.aggregate_id for one in told]
        rows = await self._rows(aggregate.row, aggregate.row.id, ids)
        parts = [await self._rows(row, key, ids) for row, key in aggregate.parts]
        for one in told:
            key = one.aggregate_id
            if not rows[key]:
                self.findings.append(f"{aggregate_type} {key} has events but no row.")
                continue
            row = rows[key][0]
            state = aggregate.snapshot(row, *(part[key] for part in parts))
            names = one.differences(state, aggregate.version(row))
            names += aggregate.wrong_moments(row, one.created_at, one.updated_at)
            self._note_differences(f"{aggregate_type} {aggregate.name(row)}", names)

    def _note_differences(self, subject: str, names: Sequence[str]) -> None:
        if names:
            self.findings.append(f"{subject}: the row differs from its events in {', '.join(names)}.")

    async def _rows(
        self, row: type[_Row], key: InstrumentedAttribute[UUID], ids: Sequence[UUID]
    ) -> defaultdict[UUID, list[_Row]]:
        """Return the rows whose `key` is among `ids`, grouped by it."""
        grouped: defaultdict[UUID, list[_Row]] = defaultdict(list)
        async with AsyncSession(self._connection) as session:
            for found in await session.scalars(select(row).where(key.in_(ids))):
                grouped[getattr(found, key.key)].append(found)
        return grouped

    async def _find_untold(self, aggregate: Aggregate) -> None:
        row = aggregate.row
        has_events = select(EventRow.id).where(EventRow.aggregate_id == row.id).exists()
        untold = await self._connection.scalars(select(row.id).where(~has_events).order_by(row.id))
        self.findings += [f"{aggregate.type} {key} has a row but no events." for key in untold]


async def _chains(connection: AsyncConnection) -> AsyncIterator[list[RowMapping]]:
    """Yield the events of one aggregate after the other, oldest first."""
    everything = select(EventRow.__table__).order_by(EventRow.aggregate_id, EventRow.version)
    chain: list[RowMapping] = []
    stream = await connection.stream(everything, execution_options={"yield_per": EVENTS_PER_FETCH})
    async for event in stream.mappings():
        if chain and chain[0]["aggregate_id"] != event["aggregate_id"]:
            yield chain
            chain = []
        chain.append(event)
    if chain:
        yield chain


def _chain_findings(chain: Sequence[RowMapping]) -> Iterable[str]:
    subject = f"{chain[0]['aggregate_type']} {chain[0]['aggregate_id']}"
    state: Snapshot = {}
    previous, expected = FIRST_HASH, 1
    for event in chain:
        version = event["version"]
        if version != expected:
            yield f"{subject}: event {expected} is missing before event {version}."
        elif event["previous_hash"] != previous:
            yield f"{subject}: event {version} does not follow the event before it."
        body = EventBody(**{name: event[name] for name in _EVENT_BODY})
        if chained_hash(event["previous_hash"], body) != event["hash"]:
            yield f"{subject}: event {version} was changed, its hash does not match."
        unfit = [name for name, (before, _) in body.changes.items() if state.get(name) != before]
        if unfit:
            yield f"{subject}: event {version} starts from another state in {', '.join(unfit)}."
        state = fold([{name: [None, value] for name, value in state.items()}, body.changes])
        previous, expected = event["hash"], version + 1


def _told(chain: Sequence[RowMapping]) -> _Told:
    return _Told(
        aggregate_id=chain[0]["aggregate_id"],
        state=fold(event["changes"] for event in chain),
        version=chain[-1]["version"],
        created_at=chain[0]["recorded_at"],
        updated_at=chain[-1]["recorded_at"],
    )
