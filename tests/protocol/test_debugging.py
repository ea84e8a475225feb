"""Does an answer tell in debug mode how it was made, to staff only, and never with a value?"""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy import text

from db.explaining import explained
from server.settings import Settings
from tests.api import Api, running_api
from tests.e2e.event_streams import listening
from tests.e2e.sockets import opened

SEARCH = """
query ($first: Int!, $search: String!) {
  orders(first: $first, filter: {search: $search, amountAtLeast: "7654321.5"}) { nodes { number amount } }
}
"""
HELLO = "{ viewer { user { username } } }"
SECRET = "zqvalueofsomebodyzq"
UNTIMED = {"plan": None, "statement": None, "finish": None}
WAIT_SECONDS = 10

# Any: JSON.
Json = dict[str, Any]


@pytest.fixture
def debug_settings(planning_settings: Settings) -> Settings:
    return planning_settings.model_copy(update={"debug": True})


@pytest_asyncio.fixture
async def debug_api(debug_settings: Settings) -> AsyncGenerator[Api]:
    async with running_api(debug_settings) as api:
        yield api


async def told(api: Api, document: str, who: str | None, **variables: Any) -> tuple[Json, dict[str, float]]:
    """Return `extensions.plan` and the milliseconds in `Server-Timing`; fail unless both are there."""
    headers = {"Authorization": f"Bearer {await api.token(who)}"} if who else {}
    body = {"query": document, "variables": variables}
    response = await api.client.post("/graphql", json=body, headers=headers)
    steps = re.findall(r"(\w+);dur=([0-9.]+)(?:, |$)", response.headers["server-timing"])
    return response.json()["extensions"]["plan"], {step: float(each) for step, each in steps}


def without_plan(response: httpx.Response) -> bool:
    return (
        response.json()["extensions"].keys() == {"cost"}
        and "server-timing" not in response.headers
        and "planned" not in response.text
    )


async def test_planned_query_tells_statement_and_times(debug_api: Api) -> None:
    plan, timing = await told(debug_api, SEARCH, "pm", first=3, search="P")
    assert (plan.keys(), plan["path"], plan["reason"]) == (
        {"path", "reason", "sql", "milliseconds"},
        "planned",
        None,
    )
    types = (await explained(debug_api.database.read, plan["sql"], None)).types
    assert set(types) == {"uuid[]", "varchar", "numeric", "int4"}
    total = timing.pop("total")
    assert [*plan["milliseconds"]] == ["plan", "statement", "finish"]
    assert timing == plan["milliseconds"]
    # Each is rounded to a thousandth.
    assert sum(timing.values()) <= total + 0.002


async def test_no_value_is_told(debug_api: Api) -> None:
    plan, _ = await told(debug_api, SEARCH, "pm", first=3, search=SECRET)
    content = json.dumps(plan)
    assert plan["path"] == "planned"
    for value in (SECRET, "7654321"):
        assert value not in content
    inline = SEARCH.replace("$search: String!", "$unused: Int").replace("$search", f'"{SECRET}"')
    inline = inline.replace(", $unused: Int", "")
    plan, _ = await told(debug_api, inline, "pm", first=3)
    assert plan["path"] == "planned"
    assert SECRET not in json.dumps(plan)


async def test_interpreted_query_tells_why(debug_api: Api) -> None:
    plan, timing = await told(debug_api, "{ __schema { queryType { name } } }", "pm")
    assert (plan["path"], plan["reason"], plan["sql"]) == ("interpreted", "introspection", None)
    assert plan["milliseconds"] == UNTIMED
    assert timing.keys() == {"total"}


async def test_planner_that_is_off_is_told(debug_settings: Settings) -> None:
    async with running_api(debug_settings.model_copy(update={"planner": False})) as api:
        plan, timing = await told(api, HELLO, "pm")
    assert plan == {
        "path": "interpreted",
        "reason": "the planner is off",
        "sql": None,
        "milliseconds": UNTIMED,
    }
    assert timing.keys() == {"total"}


async def test_command_tells_how_its_object_was_read(debug_api: Api) -> None:
    found = await debug_api.rows("SELECT id FROM engineering_order WHERE state = 'SUBMITTED' LIMIT 1")
    document = """
    mutation ($input: OrderActionInput!) { orderCancel(input: $input) { order { number } errors { code } } }
    """
    given = {"id": f"Order:{found[0][0]}", "note": SECRET, "dryRun": True}
    plan, timing = await told(debug_api, document, "director", input=given)
    assert (plan["path"], plan["reason"]) == ("planned", None)
    assert timing.keys() == {"plan", "statement", "finish", "total"}
    assert sum(plan["milliseconds"].values()) <= timing["total"]
    types = (await explained(debug_api.database.read, plan["sql"], None)).types
    # The director may read every row, so that the order's id is all there is to say.
    assert types == ("uuid",)
    assert SECRET not in json.dumps(plan)
    assert str(found[0][0]) not in json.dumps(plan)


async def test_refused_command_reads_nothing(debug_api: Api) -> None:
    document = """
    mutation { orderCancel(input: {id: "Order:01890a5d-ac96-774b-bcce-b302099a8057", note: "why"}) {
      order { number } errors { code }
    } }
    """
    plan, _ = await told(debug_api, document, "director")
    assert plan == {
        "path": "interpreted",
        "reason": "nothing to read",
        "sql": None,
        "milliseconds": UNTIMED,
    }


async def test_statement_that_is_cut_off_is_told(debug_settings: Settings) -> None:
    hurried = debug_settings.model_copy(update={"statement_timeout_seconds": 0.5})
    async with running_api(hurried) as api:
        token = await api.token("pm")
        # What is to be looked up of a person has the same limit, and is remembered.
        assert (await api.ask(HELLO, "pm")).data == {"viewer": {"user": {"username": "pm"}}}
        async with api.database.write.begin() as other:
            await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
            answer = await api.send(
                {"query": SEARCH, "variables": {"first": 3, "search": SECRET}},
                {"Authorization": f"Bearer {token}"},
            )
    assert answer.codes == ["TIMEOUT"]
    plan = answer.content["extensions"]["plan"]
    assert (plan["path"], plan["reason"]) == ("planned", None)
    assert "engineering_order" in plan["sql"]
    assert plan["milliseconds"]["statement"] >= 500
    assert plan["milliseconds"]["finish"] is None


@pytest.mark.parametrize("who", [None, "contractor", "customer"])
async def test_strangers_are_told_nothing_in_debug_mode_either(debug_api: Api, who: str | None) -> None:
    headers = {"Authorization": f"Bearer {await debug_api.token(who)}"} if who else {}
    for document in (HELLO, "{ orders(first: 1) { nodes { number } } }"):
        response = await debug_api.client.post("/graphql", json={"query": document}, headers=headers)
        assert without_plan(response)


async def test_nobody_is_told_anything_without_debug_mode(api: Api) -> None:
    headers = {"Authorization": f"Bearer {await api.token('director')}"}
    response = await api.client.post("/graphql", json={"query": HELLO}, headers=headers)
    assert without_plan(response)


@pytest_asyncio.fixture
async def served(debug_api: Api) -> AsyncGenerator[str]:
    """The address of a real server, which sockets and streams need."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(debug_api.app, http="httptools", log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not server.started:
                    await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def plans_heard(heard: str) -> list[Json | None]:
    """Return `extensions.plan` of each answer in all that came over a socket."""
    decoder, place, found = json.JSONDecoder(), 0, list[Json | None]()
    while place < len(heard):
        message, place = decoder.raw_decode(heard, place)
        if message["type"] == "next":
            found.append(message["payload"]["extensions"].get("plan"))
    return found


async def test_sockets_and_streams_tell_the_same(debug_api: Api, served: str) -> None:
    # What a follower asks before it follows, to know that it does.
    asked = "{ projects(first: 1) { nodes { id } } }"
    over_http, _ = await told(debug_api, asked, "pm")
    token = await debug_api.token("pm")
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        listening(client, f"{served}/graphql", {"query": asked}, token=token) as stream,
        opened(served, token) as follower,
    ):
        streamed = (await stream.payload())["extensions"]["plan"]
        await follower.follow()
    over_socket = plans_heard(follower.heard)
    assert len(over_socket) == 2
    for plan in (over_http, streamed, *over_socket):
        assert plan is not None
        assert (plan["path"], plan["reason"], plan["sql"]) == ("planned", None, over_http["sql"])


async def test_strangers_socket_is_told_nothing(debug_api: Api, served: str) -> None:
    async with opened(served, await debug_api.token("contractor")) as follower:
        await follower.follow()
    assert plans_heard(follower.heard) == [None, None]
