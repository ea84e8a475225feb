"""Is a planned query's statement logged when it is slow, and never a value of it?"""

from __future__ import annotations

import asyncio
import json

from sqlalchemy import text
from structlog.testing import capture_logs
from structlog.typing import EventDict

from server.settings import Settings
from tests.api import Answer, Api, running_api

DOCUMENT = """
query ($first: Int!, $search: String!) {
  orders(first: $first, filter: {search: $search, amountAtLeast: "7654321.5"}) { nodes { number amount } }
}
"""
SECRET = "zqvalueofsomebodyzq"
HELD_SECONDS = 0.4
WAIT_SECONDS = 30
WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
WHERE NOT granted AND datname = current_database()
"""


async def waited_for(api: Api, seconds: float) -> None:
    """Let somebody wait for a lock for so long, from when he is seen to do so."""
    async with asyncio.timeout(WAIT_SECONDS):
        while await api.rows(WAITING) == [(0,)]:
            await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)


async def asked_while_locked(api: Api, seconds: float | None) -> tuple[Answer, list[EventDict]]:
    """Return an answer, and what was logged; the table was locked for so long before it could be read, null for ever."""
    token = await api.token("pm")
    body = {"query": DOCUMENT, "variables": {"first": 3, "search": SECRET}}
    headers = {"Authorization": f"Bearer {token}", "X-Request-Id": "slow-1"}
    with capture_logs() as logs:
        async with api.database.write.begin() as other:
            await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
            asking = asyncio.create_task(api.send(body, headers))
            await (asking if seconds is None else waited_for(api, seconds))
        answer = await asking
    return answer, [each for each in logs if each["event"] == "slow_statement"]


async def test_slow_statement_is_logged_with_its_sql_and_no_value(planning_settings: Settings) -> None:
    slow = planning_settings.model_copy(update={"slow_statement_seconds": HELD_SECONDS / 2})
    async with running_api(slow) as api:
        answer, (logged,) = await asked_while_locked(api, HELD_SECONDS)
    assert answer.data == {"orders": {"nodes": []}}
    assert logged.keys() == {"event", "log_level", "request_id", "seconds", "planned_seconds", "sql"}
    assert (logged["log_level"], logged["request_id"]) == ("warning", "slow-1")
    assert HELD_SECONDS / 2 <= logged["seconds"] < 10
    assert logged["sql"].startswith("SELECT ")
    assert "engineering_order.title ILIKE $" in logged["sql"]
    content = json.dumps(logged)
    for value in (SECRET, "7654321"):
        assert value not in content


async def test_statement_within_its_time_is_not_logged(planning_settings: Settings) -> None:
    patient = planning_settings.model_copy(update={"slow_statement_seconds": 600})
    async with running_api(patient) as api:
        answer, logged = await asked_while_locked(api, 0.1)
    assert (answer.data, logged) == ({"orders": {"nodes": []}}, [])


async def test_statement_that_runs_out_of_time_is_logged_too(planning_settings: Settings) -> None:
    limits = {"slow_statement_seconds": 0.1, "statement_timeout_seconds": 0.2}
    async with running_api(planning_settings.model_copy(update=limits)) as api:
        answer, (logged,) = await asked_while_locked(api, None)
    assert (answer.codes, answer.partial) == (["TIMEOUT"], None)
    assert logged["seconds"] >= 0.2
    assert SECRET not in json.dumps(logged)


async def test_slow_payload_of_a_command_is_logged_too(planning_settings: Settings) -> None:
    document = """
    mutation ($input: OrderActionInput!) { orderCancel(input: $input) { order { costCode { code } } } }
    """
    slow = planning_settings.model_copy(update={"slow_statement_seconds": HELD_SECONDS / 2})
    async with running_api(slow) as api:
        ((order_id,),) = await api.rows("SELECT id FROM engineering_order WHERE state = 'SUBMITTED' LIMIT 1")
        given = {"id": f"Order:{order_id}", "note": SECRET, "dryRun": True}
        with capture_logs() as logs:
            async with api.database.write.begin() as other:
                # The command doesn't look at cost codes; reading its object does.
                await other.execute(text("LOCK TABLE cost_code IN ACCESS EXCLUSIVE MODE"))
                asking = asyncio.create_task(api.ask(document, "director", input=given))
                await waited_for(api, HELD_SECONDS)
            answer = await asking
    (logged,) = [each for each in logs if each["event"] == "slow_statement"]
    assert answer.codes == []
    assert HELD_SECONDS / 2 <= logged["seconds"] < 10
    assert "cost_code" in logged["sql"]
    assert SECRET not in json.dumps(logged)
