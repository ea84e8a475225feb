"""Is what a write session says it kept really kept?"""

from __future__ import annotations

from asyncio import sleep

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from db.engine import open_database
from db.limits import PoolLimits
from db.sessions import Transaction, WriteSession
from domain.errors import Unavailable
from tests.api import Api


async def test_commit_after_a_failed_read_of_the_payload_says_that_nothing_was_kept(
    database_url: str,
) -> None:
    database = open_database(database_url, database_url, PoolLimits(), PoolLimits())
    session = WriteSession(database.write)
    await session.orm.execute(text("INSERT INTO order_number (year, last) VALUES (2026, 1)"))
    reading = await session.reading()
    with pytest.raises(DBAPIError):
        await reading.fetch(text("SELECT 1 / 0"), {})
    # PostgreSQL answers COMMIT of such a transaction with a rollback, without an error.
    with pytest.raises(Unavailable):
        await session.commit()
    async with database.read.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM order_number"))).scalar_one() == 0
    await database.close()


async def test_command_whose_payload_could_not_be_read_is_not_acknowledged(api: Api) -> None:
    [(order_id, version)] = await api.rows(
        "SELECT o.id, o.version FROM engineering_order o JOIN project p ON p.id = o.project_id"
        " WHERE o.state = 'IN_PROGRESS' AND p.code = 'P-001' ORDER BY o.number LIMIT 1"
    )
    # The command itself doesn't read this column; only the payload's events do.
    await api.rows("ALTER TABLE app_user RENAME COLUMN phone TO telephone")
    document = """
    mutation ($id: ID!) {
      orderHold(input: { id: $id, note: "rain" }) { errors { code } order { assignments { id } events(last: 1) { nodes { actor { phone } } } } }
    }
    """
    answer = await api.ask(document, "pm", id=f"Order:{order_id}")
    assert answer.content["data"] is None
    assert answer.codes == ["UNAVAILABLE"]
    await api.rows("ALTER TABLE app_user RENAME COLUMN telephone TO phone")
    assert await api.rows("SELECT version FROM engineering_order WHERE id = :id", id=order_id) == [(version,)]


async def test_connection_that_the_server_ended_is_replaced(database_url: str) -> None:
    database = open_database(database_url, database_url, PoolLimits(), PoolLimits())
    first = Transaction(database.write)
    ended = await first.scalar(text("SELECT pg_backend_pid()"))
    await first.commit()
    async with database.read.connect() as other:
        # Waits until it is gone; the driver has heard of it once this answer is there and the loop has turned.
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})
    await sleep(0.1)
    second = Transaction(database.write)
    assert await second.scalar(text("SELECT pg_backend_pid()")) != ended
    await second.rollback()
    await database.close()


async def test_statement_on_a_connection_that_is_lost_on_the_way_says_so(database_url: str) -> None:
    database = open_database(database_url, database_url, PoolLimits(), PoolLimits())
    session = Transaction(database.write)
    await session.execute(text("INSERT INTO order_number (year, last) VALUES (2026, 1)"))
    own = await session.scalar(text("SELECT pg_backend_pid()"))
    async with database.read.connect() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": own})
    with pytest.raises(Unavailable):
        await session.commit()
    async with database.read.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM order_number"))).scalar_one() == 0
    await database.close()
