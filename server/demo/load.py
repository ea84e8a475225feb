"""How does the demo company get into a database?

Once, in one transaction, and only into a database that holds nothing yet. History is not news: its events
get their places in the feed here and are not relayed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from sqlalchemy import exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from db.bom_tables import UnitRow
from db.snapshots import user_snapshot
from db.tables import (
    CostCodeRow,
    EventRow,
    FeedRow,
    MembershipRow,
    OrderNumberRow,
    OrderRow,
    OrganizationRow,
    OutboxRow,
    ProjectRow,
    Row,
    UserRow,
    WbsNodeRow,
)
from domain.units import Unit
from policies.passwords import CHEAP_COST, Passwords
from server.demo.bom_rows import BomRows, demo_boms
from server.demo.changes import demo_changes
from server.demo.company import (
    COST_CODES,
    CURRENCY,
    FOUNDED,
    ORGANIZATION_BY_CODE,
    ORGANIZATIONS,
    PASSWORD,
    PEOPLE,
    PERSON_BY_USERNAME,
    PROJECT_BY_CODE,
    PROJECTS,
)
from server.demo.fixed import fixed_id
from server.demo.history import Chain, OrderHistory
from server.demo.orders import demo_orders
from server.demo.told import notifications

_ADVISORY_LOCK = 0x44454D4F
"""Held while loading ("DEMO" in ASCII), so that two servers that start together don't both load."""


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """How many rows the database holds, and whether this call has put them there."""

    is_new: bool
    organization_count: int
    user_count: int
    project_count: int
    order_count: int
    event_count: int


def load_demo(database_url: str, report: Callable[[str], None]) -> DemoSummary:
    """Load the demo company into the database at `postgresql+asyncpg://…`; leave one that has data as it is.

    `report` is told of each step that is about to begin, and of none where nothing is to be done.
    """
    return asyncio.run(_load(database_url, report))


async def _load(database_url: str, report: Callable[[str], None]) -> DemoSummary:
    engine = create_async_engine(database_url, poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
            is_new = not await connection.scalar(select(exists().where(OrganizationRow.id.is_not(None))))
            if is_new:
                report("Loading the demo company")
                await _write_company(connection)
                boms = demo_boms(await _units(connection))
                await _write_boms(connection, boms)
                changes = demo_changes(boms)
                for rows in (changes.changes, changes.revisions, changes.numbers):
                    await _insert(connection, rows)
                await _write_history(connection, demo_orders(), [*boms.chains, *changes.chains])
            return await _summary(connection, is_new=is_new)
    finally:
        await engine.dispose()


async def _write_company(connection: AsyncConnection) -> None:
    # One cheap hash for all: everybody knows this password, so a salt of one's own would guard nothing, and
    # eighteen expensive ones would take longer than everything else here.
    users = _users(await Passwords(CHEAP_COST).hash(PASSWORD))
    for rows in (_organizations(), users, _projects(), _memberships(), _wbs_nodes(), _cost_codes()):
        await _insert(connection, rows)


async def _write_boms(connection: AsyncConnection, boms: BomRows) -> None:
    for rows in (
        boms.items,
        boms.units,
        [*boms.boms.values()],
        boms.revisions,
        boms.lines,
        boms.substitutes,
        boms.operations,
        boms.co_products,
    ):
        await _insert(connection, rows)


async def _units(connection: AsyncConnection) -> dict[str, Unit]:
    """Return the units that every company begins with, by code."""
    found = await connection.execute(
        select(UnitRow.id, UnitRow.code, UnitRow.dimension, UnitRow.factor).order_by(UnitRow.id)
    )
    return {row.code: Unit(*row) for row in found}


async def _write_history(
    connection: AsyncConnection, histories: Sequence[OrderHistory], others: Iterable[Chain]
) -> None:
    await _insert(connection, [history.order for history in histories])
    await _insert(connection, [line for history in histories for line in history.lines])
    await _insert(connection, [one for history in histories for one in history.assignments])
    await _insert(connection, [part for history in histories for part in history.bom_parts])
    await _insert(connection, _numbers(histories))
    chains = [*_user_chains(), *others, *(history.chain for history in histories)]
    events = [event for chain in chains for event in chain.events]
    # As they would have been committed, one after the other; ids decide between two of the same second.
    events.sort(key=itemgetter("recorded_at", "id"))
    await connection.execute(insert(EventRow), events)
    await _insert(connection, await notifications(connection, histories))
    if await connection.scalar(select(exists().where(FeedRow.position.is_not(None)))):
        await connection.execute(insert(OutboxRow), [{"event_id": event["id"]} for event in events])
    else:
        places = [{"position": place, "event_id": event["id"]} for place, event in enumerate(events, 1)]
        await connection.execute(insert(FeedRow), places)


async def _insert(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    table = rows[0].__table__
    await connection.execute(
        insert(type(rows[0])),
        [{column.key: getattr(row, column.key) for column in table.columns} for row in rows],
    )


def _organizations() -> list[OrganizationRow]:
    return [
        OrganizationRow(
            id=one.id,
            code=one.code,
            name=one.name,
            kind=one.kind,
            bank_name=one.bank_name,
            bank_account=one.bank_account,
        )
        for one in ORGANIZATIONS
    ]


def _users(password_hash: str) -> list[UserRow]:
    return [
        UserRow(
            id=person.id,
            username=person.username,
            name=person.name,
            email=person.email,
            phone=person.phone,
            organization_id=ORGANIZATION_BY_CODE[person.organization].id,
            password_hash=password_hash,
            disabled_at=None,
            version=1,
        )
        for person in PEOPLE
    ]


def _projects() -> list[ProjectRow]:
    return [
        ProjectRow(
            id=project.id,
            code=project.code,
            name=project.name,
            location=project.location,
            currency=CURRENCY,
            manager_id=PERSON_BY_USERNAME[project.manager].id,
            starts_on=project.starts_on,
            ends_on=project.ends_on,
            approval_limit=project.approval_limit,
        )
        for project in PROJECTS
    ]


def _memberships() -> list[MembershipRow]:
    return [
        MembershipRow(
            id=fixed_id(FOUNDED, f"membership.{person.username}.{role}.{project}"),
            user_id=person.id,
            role=role.value,
            project_id=PROJECT_BY_CODE[project].id if project else None,
        )
        for person in PEOPLE
        for role, project in person.roles
    ]


def _wbs_nodes() -> list[WbsNodeRow]:
    return [
        WbsNodeRow(
            id=project.wbs_id(code),
            project_id=project.id,
            parent_id=project.wbs_id(code.rpartition(".")[0]) if "." in code else None,
            code=code,
            name=name,
        )
        for project in PROJECTS
        for code, name in project.wbs
    ]


def _cost_codes() -> list[CostCodeRow]:
    return [
        CostCodeRow(id=one.id, code=one.code, name=one.name, cost_type=one.cost_type) for one in COST_CODES
    ]


def _user_chains() -> Iterable[Chain]:
    memberships = _memberships()
    admin = PERSON_BY_USERNAME["admin"]
    for nth, user in enumerate(_users(password_hash="")):
        chain = Chain("User", user.id, None)
        held = [membership for membership in memberships if membership.user_id == user.id]
        # Somebody has to be there before he can add the others.
        added_by = None if user.id == admin.id else admin.id
        chain.add("UserAdded", added_by, _entered_at(nth), before={}, after=user_snapshot(user, held))
        yield chain


def _entered_at(nth: int) -> datetime:
    return FOUNDED + timedelta(minutes=nth)


def _numbers(histories: Iterable[OrderHistory]) -> list[OrderNumberRow]:
    last: dict[int, int] = {}
    for history in histories:
        _, year, digits = history.order.number.split("-")
        last[int(year)] = max(last.get(int(year), 0), int(digits))
    return [OrderNumberRow(year=year, last=number) for year, number in last.items()]


async def _summary(connection: AsyncConnection, *, is_new: bool) -> DemoSummary:
    tables = (OrganizationRow, UserRow, ProjectRow, OrderRow, EventRow)
    counts = [await connection.scalar(select(func.count()).select_from(table)) or 0 for table in tables]
    return DemoSummary(is_new, *counts)
