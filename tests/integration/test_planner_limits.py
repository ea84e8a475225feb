"""Does a planned query end in time: when its statement does not, when nobody waits for it, when its connection is lost?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from structlog.testing import capture_logs

from db.engine import Database
from domain.order import OrderState
from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.live_stores import eventually
from tests.integration.order_world import order_in, unchanged
from tests.integration.plan_world import paths_of, sent_statements
from tests.server_parts import runtime_of

DOCUMENT = '{ orders(first: 2) { nodes { number } } order(number: "EO-2025-000001") { number } }'
MARKED = "%row_to_json%"
"""What only the statements of plans have."""

WAIT_SECONDS = 10


def database_of(api: Api) -> Database:
    return runtime_of(api).database


async def running(api: Api) -> list[int]:
    """Return the backends that run a statement of a plan."""
    found = await api.rows(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
        " AND query LIKE :it AND pid <> pg_backend_pid()",
        it=MARKED,
    )
    return [pid for (pid,) in found]


async def until_running(api: Api) -> list[int]:
    return await eventually(lambda: running(api), lambda pids: len(pids) == 1, seconds=WAIT_SECONDS)


async def until_gone(api: Api) -> None:
    await eventually(lambda: running(api), lambda pids: pids == [], seconds=WAIT_SECONDS)


@asynccontextmanager
async def locked(api: Api) -> AsyncGenerator[None]:
    """Hold the orders so that nobody can read them."""
    async with api.database.write.begin() as other:
        await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
        yield


async def slow_projects(api: Api, seconds: float) -> None:
    """Let whoever reads projects wait that long for each row."""
    await api.rows("ALTER TABLE project RENAME TO project_itself")
    columns = await api.rows(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'project_itself'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    await api.rows(
        f"CREATE VIEW project AS SELECT {columns[0][0]} FROM project_itself"
        f" WHERE pg_sleep({seconds}) IS NOT NULL"
    )


@asynccontextmanager
async def opened(settings: Settings, **changes: Any) -> AsyncGenerator[Api]:
    async with running_api(settings.model_copy(update={"planner": True, **changes})) as api:
        await api.ask(DOCUMENT, "director")
        yield api


async def test_statement_past_its_time_limit_is_cancelled_and_told(demo_settings: Settings) -> None:
    async with opened(demo_settings, statement_timeout_seconds=0.4) as api:
        await slow_projects(api, 30)
        began = time.monotonic()
        with sent_statements() as sent, capture_logs() as logs:
            answer = await api.ask("{ projects(first: 2) { nodes { code } } }", "director")
        assert (answer.codes, answer.partial) == (["TIMEOUT"], None)
        assert 0.4 <= time.monotonic() - began < 5
        # Neither tried again nor given to the interpreter, which would wait as long once more.
        assert len(sent.planned) == 1
        assert [each["event"] for each in logs if each["event"] == "statement_failed"] == []
        assert await running(api) == []
        assert (await api.ask(DOCUMENT, "director")).data["order"] == {"number": "EO-2025-000001"}


async def test_wait_for_a_lock_past_its_limit_is_told_and_not_waited_for_again(
    demo_settings: Settings,
) -> None:
    async with opened(demo_settings, lock_timeout_seconds=0.4, statement_timeout_seconds=20) as api:
        before = paths_of(api)
        began = time.monotonic()
        with sent_statements() as sent, capture_logs() as logs:
            async with locked(api):
                answer = await api.ask(DOCUMENT, "director")
                assert await running(api) == []
        assert (answer.codes, answer.partial) == (["TIMEOUT"], None)
        assert 0.4 <= time.monotonic() - began < 5
        assert len(sent.planned) == 1
        assert [each["event"] for each in logs if each["event"] == "statement_failed"] == []
        assert {each for each in paths_of(api) if "interpreted" in each} == {
            each for each in before if "interpreted" in each
        }
        assert (await api.ask(DOCUMENT, "director")).data["order"] == {"number": "EO-2025-000001"}


async def test_operation_past_its_time_limit_is_told_and_its_statement_cancelled(
    demo_settings: Settings,
) -> None:
    async with opened(demo_settings, max_operation_seconds=0.5) as api:
        async with locked(api):
            asking = asyncio.create_task(api.ask(DOCUMENT, "director"))
            (pid,) = await until_running(api)
            answer = await asking
            assert (answer.codes, answer.partial) == (["TIMEOUT"], None)
            await until_gone(api)
        assert (
            await api.rows("SELECT 1 FROM pg_stat_activity WHERE pid = :it AND state = 'active'", it=pid)
            == []
        )
        assert (await api.ask(DOCUMENT, "director")).data["order"] == {"number": "EO-2025-000001"}


async def test_statement_that_nobody_waits_for_is_cancelled(demo_settings: Settings) -> None:
    async with opened(demo_settings) as api:
        async with locked(api):
            asking = asyncio.create_task(api.ask(DOCUMENT, "director"))
            await until_running(api)
            asking.cancel()
            await until_gone(api)
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await api.ask(DOCUMENT, "director")).data["order"] == {"number": "EO-2025-000001"}


async def test_connections_that_were_given_up_make_room_for_others(demo_settings: Settings) -> None:
    async with opened(demo_settings, read_pool_size=2, max_operation_seconds=0.3) as api:
        for _ in range(3):
            async with locked(api):
                answers = await asyncio.gather(*(api.ask(DOCUMENT, "director") for _ in range(3)))
                assert [answer.codes for answer in answers] == [["TIMEOUT"]] * 3
                await until_gone(api)
            answers = await asyncio.gather(*(api.ask(DOCUMENT, "director") for _ in range(6)))
            assert [answer.data["order"] for answer in answers] == [{"number": "EO-2025-000001"}] * 6
        statements = database_of(api).statements
        assert statements._open <= 2  # pyright: ignore[reportPrivateUsage]  # nobody else needs it


@pytest_asyncio.fixture
async def losing(demo_settings: Settings) -> AsyncGenerator[Api]:
    async with opened(demo_settings) as api:
        yield api


_END_ALL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE :it"
)


async def test_connections_lost_while_idle_are_noticed_by_nobody(losing: Api) -> None:
    await asyncio.gather(*(losing.ask(DOCUMENT, "director") for _ in range(5)))
    open_before = len(database_of(losing).statements._idle)  # pyright: ignore[reportPrivateUsage]  # nobody else needs it
    assert await losing.rows(_END_ALL, it=MARKED) == [(open_before,)]
    answers = await asyncio.gather(*(losing.ask(DOCUMENT, "director") for _ in range(5)))
    assert [answer.data["order"] for answer in answers] == [{"number": "EO-2025-000001"}] * 5
    assert paths_of(losing).keys() == {"planned"}


async def test_statement_whose_connection_is_lost_is_sent_once_more(losing: Api) -> None:
    with sent_statements():
        async with locked(losing):
            asking = asyncio.create_task(losing.ask(DOCUMENT, "director"))
            (pid,) = await until_running(losing)
            await losing.rows("SELECT pg_terminate_backend(:it)", it=pid)
            (again,) = await eventually(
                lambda: running(losing), lambda pids: len(pids) == 1 and pids != [pid]
            )
        assert again != pid
        assert (await asking).data["order"] == {"number": "EO-2025-000001"}
    assert paths_of(losing).keys() == {"planned"}


async def test_statement_whose_connection_is_lost_twice_is_unavailable(losing: Api) -> None:
    async with locked(losing):
        asking = asyncio.create_task(losing.ask(DOCUMENT, "director"))
        first = await until_running(losing)
        await losing.rows("SELECT pg_terminate_backend(:it)", it=first[0])
        second = await eventually(lambda: running(losing), lambda pids: len(pids) == 1 and pids != first)
        await losing.rows("SELECT pg_terminate_backend(:it)", it=second[0])
        answer = await asking
        assert (answer.codes, answer.partial) == (["UNAVAILABLE"], None)
        assert await running(losing) == []
    assert (await losing.ask(DOCUMENT, "director")).data["order"] == {"number": "EO-2025-000001"}


async def test_command_whose_connection_is_lost_is_undone_and_not_sent_again(losing: Api) -> None:
    order = await order_in(losing, OrderState.DRAFT)
    document = """mutation ($input: OrderActionInput!) {
      orderCancel(input: $input) { order { number costCode { code } } errors { code } }
    }"""
    given = {"id": order["id"], "note": "n", "idempotencyKey": "lost"}
    async with unchanged(losing, "pm"), losing.database.write.begin() as other:
        # The command itself doesn't look at cost codes; reading its object does.
        await other.execute(text("LOCK TABLE cost_code IN ACCESS EXCLUSIVE MODE"))
        asking = asyncio.create_task(losing.ask(document, "pm", input=given))
        (pid,) = await until_running(losing)
        await losing.rows("SELECT pg_terminate_backend(:it)", it=pid)
        answer = await asking
        assert answer.codes == ["UNAVAILABLE"]
        assert await running(losing) == []
    answer = await losing.ask(document, "pm", input=given)
    assert answer.data == {
        "orderCancel": {"order": {"number": order["number"], "costCode": None}, "errors": []}
    }
