"""What becomes of a statement whose client no longer waits for it? A query's is cancelled, a command goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy import text
from websockets.asyncio.client import connect

from domain.order import OrderState
from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.live_stores import eventually
from tests.integration.order_world import order_in

QUERY = {"query": "{ orders(first: 2) { nodes { number title } } }"}
HOLD = "mutation ($input: OrderActionInput!) { orderHold(input: $input) { order { number } } }"
WAIT_SECONDS = 4
"""Less than a wait for a lock takes to end by itself."""


@pytest_asyncio.fixture(params=[True, False], ids=["planned", "interpreted"])
async def api(request: pytest.FixtureRequest, demo_settings: Settings) -> AsyncGenerator[Api]:
    async with running_api(demo_settings.model_copy(update={"planner": request.param})) as api:
        yield api


@pytest_asyncio.fixture
async def served(api: Api) -> AsyncGenerator[str]:
    """Where the application is served over a real socket."""
    server = uvicorn.Server(uvicorn.Config(api.app, http="httptools", log_config=None, lifespan="off"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
        server.should_exit = True
        await serving


async def running(api: Api) -> int:
    """Return how many statements wait for the orders."""
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
        " AND wait_event_type = 'Lock' AND query LIKE '%engineering_order%'"
    )
    ((count,),) = await api.rows(statement)
    return count


@asynccontextmanager
async def asked_in_vain(api: Api) -> AsyncGenerator[None]:
    """Hold the orders until what is asked inside of the block waits for them; then see that nothing waits any more."""
    async with api.database.write.begin() as other:
        await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
        yield
        await eventually(lambda: running(api), lambda count: count == 0, seconds=WAIT_SECONDS)


async def until_it_waits(api: Api) -> None:
    await eventually(lambda: running(api), lambda count: count == 1, seconds=WAIT_SECONDS)


async def post_and_hang_up(api: Api, served: str, accept: str, content: Mapping[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {await api.token('pm')}", "Accept": accept}
    async with httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.post(served, json=content, headers=headers))
        await until_it_waits(api)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


async def test_statement_of_a_request_is_cancelled_when_its_client_hangs_up(api: Api, served: str) -> None:
    async with asked_in_vain(api):
        await post_and_hang_up(api, served, "application/json", QUERY)
    assert (await api.ask(QUERY["query"], "pm")).codes == []


async def test_command_of_a_request_is_done_though_its_client_hangs_up(api: Api, served: str) -> None:
    order = await order_in(api, OrderState.IN_PROGRESS)
    given = {"id": order["id"], "note": "Rain", "idempotencyKey": "hold"}
    async with api.database.write.begin() as other:
        await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
        await post_and_hang_up(
            api, served, "application/json", {"query": HOLD, "variables": {"input": given}}
        )
        # Longer than the server takes to see that a client is gone.
        await asyncio.sleep(0.5)
        assert await running(api) == 1
    kept = "SELECT state::text FROM engineering_order WHERE number = :it"
    await eventually(lambda: api.rows(kept, it=order["number"]), lambda rows: rows == [("ON_HOLD",)])


async def test_statement_of_an_event_stream_is_cancelled_when_its_client_hangs_up(
    api: Api, served: str
) -> None:
    async with asked_in_vain(api):
        await post_and_hang_up(api, served, "text/event-stream", QUERY)


@pytest.mark.parametrize("ending", ["complete", "close"])
async def test_statement_of_a_socket_is_cancelled_when_its_client_gives_up(
    api: Api, served: str, ending: str
) -> None:
    token = await api.token("pm")
    address = served.replace("http://", "ws://")
    async with (
        asked_in_vain(api),
        connect(address, subprotocols=["graphql-transport-ws"], proxy=None) as client,  # pyright: ignore[reportArgumentType]  # its Subprotocol is a NewType
    ):
        first = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
        await client.send(json.dumps(first))
        assert json.loads(await client.recv()) == {"type": "connection_ack"}
        await client.send(json.dumps({"id": "1", "type": "subscribe", "payload": QUERY}))
        await until_it_waits(api)
        if ending == "complete":
            await client.send(json.dumps({"id": "1", "type": "complete"}))
            await eventually(lambda: running(api), lambda count: count == 0, seconds=WAIT_SECONDS)
