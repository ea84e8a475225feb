"""Is what was changed in rows what is written, and no more?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest_asyncio
from sqlalchemy import event, select

from db.engine import Database, open_database
from db.identifiers import new_id
from db.kept_rows import KeptRows, KeptTable
from db.limits import PoolLimits
from db.sessions import Transaction
from db.tables import CostCodeRow
from domain.parties import CostType

CODES = KeptTable(CostCodeRow)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A database with the cost codes A, B and C."""
    opened = open_database(database_url, database_url, PoolLimits(), PoolLimits())
    await written(opened, KeptRows(CODES), [code("A"), code("B"), code("C")])
    yield opened
    await opened.close()


def code(text: str) -> CostCodeRow:
    return CostCodeRow(id=new_id(), code=text, name=f"Name of {text}", cost_type=CostType.LABOR)


async def kept(database: Database) -> KeptRows[CostCodeRow]:
    session = Transaction(database.write)
    found = CODES.read(await session.execute(select(CODES.table).order_by(CODES.table.c.code)))
    await session.rollback()
    return found


async def written(
    database: Database, before: KeptRows[CostCodeRow], rows: Sequence[CostCodeRow]
) -> list[str]:
    """Write rows; return the first words of the statements that it took."""
    statements: list[str] = []

    # Any: SQLAlchemy's hook gives the driver's own things.
    def collect(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(database.write.sync_engine, "before_cursor_execute", collect)
    session = Transaction(database.write)
    await before.replace(session, rows)
    await session.commit()
    event.remove(database.write.sync_engine, "before_cursor_execute", collect)
    return [statement.split(" WHERE ")[0].split(" VALUES ")[0] for statement in statements]


async def contents(database: Database) -> list[tuple[str, str, CostType]]:
    return [(row.code, row.name, row.cost_type) for row in (await kept(database)).objects()]


async def test_rows_that_nobody_changed_are_not_written(database: Database) -> None:
    before = await kept(database)
    assert await written(database, before, before.objects()) == []
    assert [code for code, _, _ in await contents(database)] == ["A", "B", "C"]


async def test_only_the_columns_that_changed_are_written(database: Database) -> None:
    before = await kept(database)
    rows = before.objects()
    rows[1].cost_type = CostType.EQUIPMENT
    rows[2].name = rows[2].name
    assert await written(database, before, rows) == ["UPDATE cost_code SET cost_type=$1"]
    assert await contents(database) == [
        ("A", "Name of A", CostType.LABOR),
        ("B", "Name of B", CostType.EQUIPMENT),
        ("C", "Name of C", CostType.LABOR),
    ]


async def test_rows_that_changed_alike_are_written_together(database: Database) -> None:
    before = await kept(database)
    rows = before.objects()
    rows[0].name, rows[2].name = "First", "Last"
    assert await written(database, before, rows) == ["UPDATE cost_code SET name=$1::VARCHAR"]
    assert [name for _, name, _ in await contents(database)] == ["First", "Name of B", "Last"]


async def test_new_row_may_take_the_place_of_one_that_is_gone(database: Database) -> None:
    before = await kept(database)
    first, _, last = before.objects()
    second = code("B")
    second.name = "Another"
    assert await written(database, before, [first, second, last]) == [
        "DELETE FROM cost_code",
        "INSERT INTO cost_code (id, code, name, cost_type)",
    ]
    assert [name for _, name, _ in await contents(database)] == ["Name of A", "Another", "Name of C"]
