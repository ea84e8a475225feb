"""Do operations over server-sent events say what they say over WebSocket, to the same people, for as long?

How a stream looks on the wire and ends is tested in test_event_stream_life.py.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn

from commands.accounts import DisableUser, disable_user, user_id_of
from commands.transactions import transaction
from db.events import Origin
from tests.api import Api
from tests.e2e.event_streams import EVENT_STREAM, Event, Listener, listening, listening_by_get
from tests.e2e.sockets import opened

ORDER_CHANGED = """
subscription {
  orderChanged {
    cursor resyncRequired
    event { type version changes { field before after } }
    order { id number state version amount hiddenFields lines(first: 10) { nodes { unitPrice amount } } }
  }
}
"""
CREATE = """
mutation ($input: OrderCreateInput!) { orderCreate(input: $input) { order { id version } errors { code } } }
"""
SIGN_OUT = """
mutation ($input: SessionRevokeInput!) { sessionRevoke(input: $input) { revoked errors { code } } }
"""
HELLO = "{ viewer { user { username } } }"
COMPLETE = Event("complete", None)
WAIT_SECONDS = 10

# Any: GraphQL's variables and answers.
Json = dict[str, Any]


@dataclass
class Served:
    """The application behind a real server, which streams need."""

    api: Api
    url: str
    client: httpx.AsyncClient

    @asynccontextmanager
    async def following(self, who: str, document: str = ORDER_CHANGED) -> AsyncGenerator[Listener]:
        """A stream that listens already."""
        before = self.listeners
        token = await self.api.token(who)
        async with listening(self.client, self.url, {"query": document}, token=token) as stream:
            assert stream.response.status_code == 200
            await until(lambda: self.listeners == before + 1)
            yield stream

    async def asked(self, body: Json, who: str | None = None) -> list[Event]:
        """Return the events of a stream that ends by itself."""
        token = await self.api.token(who) if who else None
        async with listening(self.client, self.url, body, token=token) as stream:
            assert stream.response.headers["content-type"] == f"{EVENT_STREAM}; charset=utf-8"
            return await stream.rest()

    @property
    def listeners(self) -> int:
        return self.api.app.state.gate.listener_count

    async def create(self) -> str:
        """Let the buyer create an order; return its id."""
        asked = '{ project(code: "P-001") { id } }'
        project = (await self.api.ask(asked, who="buyer")).data["project"]
        lines = [{"description": "Pump", "quantity": "10", "uom": "pcs", "unitPrice": "1234.56"}]
        given = {"projectId": project["id"], "title": "Pumps", "lines": lines}
        payload = (await self.api.ask(CREATE, who="buyer", input=given)).data["orderCreate"]
        assert payload["errors"] == []
        return payload["order"]["id"]


@pytest_asyncio.fixture
async def served(api: Api) -> AsyncGenerator[Served]:
    """A server on the demo company."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(api.app, http="httptools", log_config=None, lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await until(lambda: server.started)
            async with httpx.AsyncClient(trust_env=False) as client:
                yield Served(api, f"http://127.0.0.1:{listener.getsockname()[1]}/graphql", client)
            # Whatever way its stream ended, nobody listens on.
            await until(lambda: api.app.state.gate.listener_count == 0)
        finally:
            server.should_exit = True
            await serving


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_change_arrives_alike_over_post_get_and_websocket(served: Served) -> None:
    token = await served.api.token("director")
    async with (
        served.following("director") as posted,
        listening_by_get(served.client, served.url, {"query": ORDER_CHANGED}, token=token) as got,
        opened(served.url.removesuffix("/graphql"), token) as follower,
    ):
        assert (await follower.message())["type"] == "connection_ack"
        await follower.follow(ORDER_CHANGED)
        await until(lambda: served.listeners == 3)
        order_id = await served.create()
        payload = await posted.payload()
        change = payload["data"]["orderChanged"]
        assert (change["event"]["type"], change["event"]["version"]) == ("OrderCreated", 1)
        assert (change["order"]["id"], change["order"]["amount"]) == (order_id, "12345.60")
        assert await got.payload() == payload
        # What tells that the socket listens may still be on its way.
        while (message := await follower.message())["id"] != "changes":
            pass
        assert (message["type"], message["payload"]) == ("next", payload)


async def test_change_is_masked_for_whom_it_is_masked_elsewhere(served: Served) -> None:
    async with served.following("engineer") as stream:
        order_id = await served.create()
        order = (await stream.payload())["data"]["orderChanged"]["order"]
        assert (order["id"], order["amount"]) == (order_id, None)
        assert b"1234.56" not in stream.heard
        assert b"12345.60" not in stream.heard


async def test_query_and_mutation_are_answered_once_and_completed(served: Served) -> None:
    (event, end) = await served.asked({"query": HELLO}, "pm")
    assert (event.kind, end) == ("next", COMPLETE)
    assert event.content["data"] == {"viewer": {"user": {"username": "pm"}}}
    wrong = {"input": {"username": "pm", "password": "wrong"}}
    signing_in = "mutation ($input: SessionCreateInput!) { sessionCreate(input: $input) { errors { code } } }"
    (event, end) = await served.asked({"query": signing_in, "variables": wrong})
    assert event.content["data"] == {"sessionCreate": {"errors": [{"code": "INVALID_CREDENTIALS"}]}}
    assert end == COMPLETE


async def test_whoever_signs_out_over_a_stream_is_told_that_it_is_done(served: Served) -> None:
    (event, end) = await served.asked({"query": SIGN_OUT, "variables": {"input": {}}}, "pm")
    assert event.content["data"] == {"sessionRevoke": {"revoked": True, "errors": []}}
    assert end == COMPLETE


@pytest.mark.parametrize("token", ["not.a.token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."])
async def test_wrong_token_opens_no_stream(served: Served, token: str) -> None:
    async with listening(served.client, served.url, {"query": ORDER_CHANGED}, token=token) as stream:
        assert stream.response.status_code == 401
        assert stream.response.headers["www-authenticate"] == 'Bearer realm="eoms", error="invalid_token"'
        told = json.loads(await stream.response.aread())
        assert [error["extensions"] for error in told["errors"]] == [{"code": "UNAUTHENTICATED"}]
    assert served.listeners == 0


async def test_nobody_follows_orders_without_signing_in(served: Served) -> None:
    async with listening(served.client, served.url, {"query": ORDER_CHANGED}) as stream:
        told = (await stream.response.aread()).decode()
    assert '"code":"UNAUTHENTICATED"' in told
    assert served.listeners == 0


async def test_mutation_by_get_is_refused_and_nothing_is_done(served: Served) -> None:
    token = await served.api.token("buyer")
    before = await served.api.order_state()
    body: Json = {"query": CREATE, "variables": {"input": {}}}
    valid: Json = {"query": SIGN_OUT, "variables": {"input": {}}}
    for asked in (body, valid):
        async with listening_by_get(served.client, served.url, asked, token=token) as stream:
            assert stream.response.status_code == 405
            assert stream.response.headers["allow"] == "POST"
            assert '"code":"MUTATION_OVER_GET"' in (await stream.response.aread()).decode()
    assert await served.api.order_state() == before
    assert (await served.api.ask(HELLO, who="buyer")).data["viewer"]["user"]["username"] == "buyer"


async def test_disabled_person_loses_the_stream_at_once_and_gets_no_other(served: Served) -> None:
    async with served.following("auditor") as stream, served.following("director") as bystander:
        origin = Origin(None, None, None, datetime.now(UTC))
        async with transaction(served.api.database.write) as session:
            await disable_user(session, origin, DisableUser(await user_id_of(session, "auditor")))
        (event, end) = await stream.rest()
        assert [error["extensions"]["code"] for error in event.content["errors"]] == ["UNAUTHENTICATED"]
        assert end == COMPLETE
        order_id = await served.create()
        assert (await bystander.payload())["data"]["orderChanged"]["order"]["id"] == order_id
    token = await served.api.token("auditor")
    async with listening(served.client, served.url, {"query": ORDER_CHANGED}, token=token) as refused:
        assert refused.response.status_code == 401


async def test_draining_cuts_streams_off_and_refuses_new_ones(served: Served) -> None:
    async with served.following("director") as stream:
        await served.api.app.state.drain()
        assert await stream.rest() == []
        assert stream.was_cut
    async with listening(served.client, served.url, {"query": HELLO}) as refused:
        assert refused.response.status_code == 503
        assert refused.response.headers["retry-after"] == "1"
