"""What does a client hear that sends nonsense, and do others on the same server go on hearing what they heard?

On the whole application behind a real server. Each case has a bystander who follows orders all the while: he keeps his
socket and hears the next change, and nothing else. The codes of the protocol are tested message by message in
test_socket_life.py.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from websockets.asyncio.client import ClientConnection, connect

from loaders.places import cursor_of
from server.serve import uvicorn_config
from server.settings import Settings
from tests.api import Api
from tests.e2e.event_streams import listening
from tests.e2e.sockets import PROTOCOL, following
from tests.integration.order_world import done, draft
from tests.protocol.socket_world import hear_end, say, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOLLOW = "subscription ($after: String) { orderChanged(after: $after) { cursor resyncRequired } }"
CREATE = """
mutation ($input: OrderCreateInput!) { orderCreate(input: $input) { order { version } errors { code } } }
"""
NOBODY_ELSES = 10**12
MOST_BYTES = 16_384
"""So little that a message past it comes as one piece: else the socket may end before who sends it reads why."""

WAIT_SECONDS = 10

# Any: JSON.
Json = dict[str, Any]


@dataclass
class Served:
    """The application behind a real server."""

    api: Api
    url: str

    @asynccontextmanager
    async def unmoved(self) -> AsyncGenerator[None]:
        """See that whatever is done meanwhile changes nothing, and that a bystander hears the next change and it alone."""
        before = await self.api.order_state()
        async with following(self.url, await self.api.token("director")) as bystander:
            yield
            assert await self.api.order_state() == before
            order = await done(self.api, "pm", "orderCreate", **draft())
            change = await bystander.change()
            assert (change["order"]["id"], change["event"]["type"]) == (order["id"], "OrderCreated")
            assert change["resyncRequired"] is False
            assert await bystander.is_open()

    @asynccontextmanager
    async def signed_in(self) -> AsyncGenerator[ClientConnection]:
        """A socket of somebody who may follow and write."""
        async with connect(self.socket_url, subprotocols=[PROTOCOL], proxy=None) as client:
            await say(client, await self.init())
            assert (await heard(client)) == {"type": "connection_ack"}
            yield client

    async def init(self) -> Json:
        """Return the message by which he signs in."""
        token = await self.api.token("pm")
        return {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}

    @property
    def socket_url(self) -> str:
        return self.url.replace("http://", "ws://") + "/graphql"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(company: Api, company_settings: Settings) -> AsyncGenerator[Served]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        narrow = company_settings.model_copy(update={"max_body_bytes": MOST_BYTES})
        config = uvicorn_config(company.app, narrow)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await until(lambda: server.started)
            for who in ("director", "pm"):
                # Signing in is an event, too.
                await company.token(who)
            yield Served(company, f"http://127.0.0.1:{listener.getsockname()[1]}")
        finally:
            server.should_exit = True
            await serving


async def heard(client: ClientConnection) -> Json:
    """Return the next message that is no ping."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (message := json.loads(await client.recv()))["type"] == "ping":
            pass
    return message


def subscribe(query: str, message_id: str = "1", **variables: object) -> Json:
    return {"id": message_id, "type": "subscribe", "payload": {"query": query, "variables": variables}}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("no JSON", 4400),
        (b"\x00\xff", 4400),
        ("[]", 4400),
        ({"type": "start", "id": "1"}, 4400),
        ({"type": "subscribe", "payload": {"query": FOLLOW}}, 4400),
        ({"type": "connection_init"}, 4429),
        ("x" * (MOST_BYTES + 1), 1009),
        ("长" * (MOST_BYTES // 2), 1009),
    ],
    ids=[
        "no JSON",
        "binary",
        "no object",
        "unknown type",
        "no id",
        "second handshake",
        "too big",
        "too many bytes",
    ],
)
async def test_message_that_ends_its_socket_ends_no_other(served: Served, message: object, code: int) -> None:
    async with served.unmoved(), served.signed_in() as client:
        await say(client, subscribe(FOLLOW, "followed"))
        await say(client, message)
        assert (await hear_end(client))[0] == code


async def test_id_in_use_ends_its_socket_and_no_other(served: Served) -> None:
    async with served.unmoved(), served.signed_in() as client:
        for _ in range(2):
            await say(client, subscribe(FOLLOW))
        assert await hear_end(client) == (4409, "Subscriber for 1 already exists")


async def test_mutation_before_the_handshake_is_not_carried_out(served: Served) -> None:
    async with served.unmoved(), connect(served.socket_url, subprotocols=[PROTOCOL], proxy=None) as client:
        await say(client, subscribe(CREATE, input=draft()))
        assert await hear_end(client) == (4401, "Unauthorized")


async def test_mutation_with_an_id_in_use_is_not_carried_out(served: Served) -> None:
    async with served.unmoved(), served.signed_in() as client:
        await say(client, subscribe(FOLLOW))
        await say(client, subscribe(CREATE, input=draft()))
        assert (await hear_end(client))[0] == 4409


async def test_operation_past_the_bound_is_refused_and_those_before_it_go_on(served: Served) -> None:
    async with served.unmoved(), served.signed_in() as client:
        for number in range(50):
            await say(client, subscribe("subscription { orderChanged { cursor } }", f"{number}"))
        await say(client, subscribe(CREATE, "one more", input=draft()))
        refused = await heard(client)
        assert (refused["id"], refused["type"]) == ("one more", "error")
        assert [error["extensions"]["code"] for error in refused["payload"]] == ["TOO_MANY_OPERATIONS"]


@pytest.mark.parametrize(
    "cursor",
    [cursor_of(7)[:-1] + "x", "garbage", "", "x" * 10_000, "\u0000长"],
    ids=["wrong checksum", "garbage", "nothing", "10 kB", "no base64"],
)
async def test_forged_cursor_is_refused_over_socket_and_event_stream_alike(
    served: Served, cursor: str
) -> None:
    async with served.unmoved(), served.signed_in() as client:
        await say(client, subscribe(FOLLOW, after=cursor))
        refused = await heard(client)
        assert (refused["id"], refused["type"]) == ("1", "error")
        assert [error["extensions"]["code"] for error in refused["payload"]] == ["MALFORMED_CURSOR"]
        body = {"query": FOLLOW, "variables": {"after": cursor}}
        told = await streamed(served, body)
        assert '"code":"MALFORMED_CURSOR"' in told
        assert '"resyncRequired"' not in told
        assert await is_answered(client)


async def test_cursor_of_another_database_far_beyond_is_told_to_read_again(served: Served) -> None:
    async with served.unmoved(), served.signed_in() as client:
        await say(client, subscribe(FOLLOW, after=cursor_of(NOBODY_ELSES)))
        change = (await heard(client))["payload"]["data"]["orderChanged"]
        assert change["resyncRequired"] is True
        assert change["cursor"] != cursor_of(NOBODY_ELSES)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (
            "subscription { a: orderChanged { cursor } b: orderChanged { cursor } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { ordersChanged { cursor } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { orderChanged }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription A { orderChanged { cursor } } subscription B { orderChanged { cursor } }",
            "OPERATION_RESOLUTION_FAILURE",
        ),
        ("{ viewer { nonsense } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription {", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_document_that_is_none_is_refused_over_socket_and_event_stream_alike(
    served: Served, document: str, code: str
) -> None:
    async with served.unmoved(), served.signed_in() as client:
        await say(client, subscribe(document))
        refused = await heard(client)
        assert (refused["id"], refused["type"]) == ("1", "error")
        assert refused["payload"][0]["extensions"]["code"] == code
        assert f'"code":"{code}"' in await streamed(served, {"query": document})
        # The id is free again.
        assert await is_answered(client)


async def test_query_and_mutation_are_answered_over_a_socket(served: Served) -> None:
    async with served.signed_in() as client:
        assert await is_answered(client)
        await say(client, subscribe(CREATE, input=draft()))
        answer = await heard(client)
        assert answer["payload"]["data"] == {"orderCreate": {"order": {"version": 1}, "errors": []}}
        assert await heard(client) == {"id": "1", "type": "complete"}


async def is_answered(client: ClientConnection) -> bool:
    """Return whether a socket still answers a query, once, under an id that was used."""
    await say(client, subscribe("{ viewer { user { username } } }"))
    answer = await heard(client)
    assert answer["payload"]["data"] == {"viewer": {"user": {"username": "pm"}}}
    return await heard(client) == {"id": "1", "type": "complete"}


async def streamed(served: Served, body: Json) -> str:
    """Return all that is said to who asks for an event stream that ends by itself."""
    async with (
        httpx.AsyncClient(trust_env=False) as client,
        listening(client, f"{served.url}/graphql", body, token=await served.api.token("pm")) as stream,
    ):
        async with asyncio.timeout(WAIT_SECONDS):
            return (b"".join([part async for part in stream.response.aiter_raw()])).decode()
