"""Does the database go on with a statement that a client no longer waits for?"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import pytest_asyncio
import uvicorn
from sqlalchemy import text
from websockets.asyncio.client import connect

from tests.api import Api
from tests.integration.live_stores import eventually

QUERY = {"query": "{ orders(first: 2) { nodes { number title } } }"}
WAIT_SECONDS = 4
"""Less than a wait for a lock takes to end by itself."""


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
        " AND query LIKE '%row_to_json%' AND pid <> pg_backend_pid()"
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


async def post_and_hang_up(api: Api, served: str, accept: str) -> None:
    headers = {"Authorization": f"Bearer {await api.token('pm')}", "Accept": accept}
    async with asked_in_vain(api), httpx.AsyncClient() as client:
        asking = asyncio.create_task(client.post(served, json=QUERY, headers=headers))
        await until_it_waits(api)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking


@pytest.mark.xfail(strict=True, raises=TimeoutError, reason="a plain request isn't watched for its client")
async def test_statement_of_a_request_is_cancelled_when_its_client_hangs_up(api: Api, served: str) -> None:
    await post_and_hang_up(api, served, "application/json")


async def test_statement_of_an_event_stream_is_cancelled_when_its_client_hangs_up(
    api: Api, served: str
) -> None:
    await post_and_hang_up(api, served, "text/event-stream")


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
