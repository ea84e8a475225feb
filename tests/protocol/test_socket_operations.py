"""How are operations answered over a socket, and what ends one without ending the socket?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection

from server.asking import Asked
from server.direct_sending import DirectSocketProtocol
from server.serve import uvicorn_config
from server.settings import Settings
from server.websocket_connection import Connection
from subscriptions.outbox import Message
from tests.protocol.socket_world import SECRET, Served, ask, hear, say, served, until


async def test_a_query_is_answered_by_next_and_complete() -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "1", "{ hello }")
        assert await hear(client) == {"id": "1", "type": "next", "payload": {"data": {"hello": "你好"}}}
        assert await hear(client) == {"id": "1", "type": "complete"}


async def test_a_subscription_is_answered_until_it_ends() -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "a", "subscription($n: Int!) { count(to: $n) }", variables={"n": 3})
        for number in (1, 2, 3):
            expected = {"id": "a", "type": "next", "payload": {"data": {"count": number}}}
            assert await hear(client) == expected
        assert await hear(client) == {"id": "a", "type": "complete"}


@pytest.mark.parametrize("protocol", [DirectSocketProtocol, WebSocketsSansIOProtocol])
async def test_what_an_outbox_gives_comes_once_and_in_order_to_a_client_that_reads_in_fits_and_starts(
    protocol: type[asyncio.Protocol],
) -> None:
    # Each more than the buffers of a socket hold, so that some are sent at once and some by waiting.
    texts = [orjson.dumps({"data": [number, "." * 300_000]}) for number in range(60)]
    async with served(protocol=protocol) as server, server.signed_in() as client:
        await say(client, {"id": "1", "type": "subscribe", "payload": {"documentId": "outbox"}})
        heard: list[int] = []
        for at in range(0, len(texts), 20):
            for position, text in enumerate(texts[at : at + 20], start=at):
                server.gate.outbox.put(Message(position, None, text))
                await asyncio.sleep(0)
            heard += [(await hear(client))["payload"]["data"][0] for _ in range(15)]
        heard += [(await hear(client))["payload"]["data"][0] for _ in range(len(texts) - len(heard))]
        assert heard == list(range(len(texts)))
        server.gate.outbox.end()
        assert await hear(client) == {"id": "1", "type": "complete"}


async def test_nothing_of_a_completed_subscription_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as server, server.signed_in() as client:
        outbox = server.gate.outbox
        clean_up = Connection[str].cleanup_operation

        async def news_meanwhile(self: Connection[str], operation_id: str) -> None:
            await clean_up(self, operation_id)
            # The operation's task is cancelled, and has had no turn yet.
            outbox.put(Message(2, None, b'{"data":2}'))

        monkeypatch.setattr(Connection, "cleanup_operation", news_meanwhile)
        await say(client, {"id": "1", "type": "subscribe", "payload": {"documentId": "outbox"}})
        outbox.put(Message(1, None, b'{"data":1}'))
        assert (await hear(client))["payload"] == {"data": 1}
        await say(client, {"id": "1", "type": "complete"})
        await say(client, {"type": "ping"})
        assert await hear(client) == {"type": "pong"}
        outbox.put(Message(3, None, b'{"data":3}'))
        await say(client, {"type": "ping"})
        assert await hear(client) == {"type": "pong"}


async def test_an_operation_carries_everything_that_was_asked_for() -> None:
    async with served() as server, server.signed_in() as client:
        payload = {"documentId": "bytes", "operationName": "O", "variables": {"n": 1}}
        await say(client, {"id": "1", "type": "subscribe", "payload": payload})
        assert (await hear(client))["payload"] == {"data": {"holder": "li"}}
        operation = server.gate.operations[0]
        assert operation.asked == Asked(None, "bytes", None, "O", {"n": 1})
        assert operation.address == "127.0.0.1"


async def test_a_completed_operation_stops_and_its_id_is_free_at_once() -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "x", "subscription { endless }")
        assert (await hear(client))["payload"] == {"data": {"endless": 1}}
        await say(client, {"id": "x", "type": "complete"})
        await ask(client, "x", "{ hello }")
        while "endless" in (message := await hear(client))["payload"]["data"]:
            pass
        assert message["payload"] == {"data": {"hello": "你好"}}
        assert await hear(client) == {"id": "x", "type": "complete"}
        assert server.gate.running == 0


async def test_completing_an_unknown_operation_is_no_error() -> None:
    async with served() as server, server.signed_in() as client:
        await say(client, {"id": "nothing", "type": "complete"})
        await say(client, {"type": "ping"})
        assert await hear(client) == {"type": "pong"}


@pytest.mark.parametrize(
    ("query", "code"),
    [("{ hello", "BAD_USER_INPUT"), ("{ goodbye }", "BAD_USER_INPUT"), ("", "BAD_USER_INPUT")],
)
async def test_a_document_that_is_none_ends_its_operation_and_not_the_socket(query: str, code: str) -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "1", query)
        refused = await hear(client)
        assert (refused["id"], refused["type"]) == ("1", "error")
        assert [error["extensions"]["code"] for error in refused["payload"]] == [code]
        await ask(client, "1", "{ hello }")
        assert (await hear(client))["payload"] == {"data": {"hello": "你好"}}


async def test_a_domain_error_keeps_its_code() -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "1", "{ forbidden }")
        (error,) = (await hear(client))["payload"]["errors"]
        assert error["extensions"] == {"code": "FORBIDDEN"}
        assert await hear(client) == {"id": "1", "type": "complete"}
        await say(client, {"id": "2", "type": "subscribe", "payload": {"documentId": "denied"}})
        refused = await hear(client)
        assert refused["type"] == "error"
        assert refused["payload"][0]["extensions"] == {"code": "FORBIDDEN"}


async def test_our_own_mistake_is_told_by_its_request_id_only_and_logged_with_its_trace() -> None:
    async with served() as server, server.signed_in() as client:
        with capture_logs() as logs:
            await say(client, {"id": "1", "type": "subscribe", "payload": {"documentId": "mistake"}})
            refused = await hear(client)
        request_id = server.gate.operations[0].request_id
        masked = {
            "message": "Something went wrong here.",
            "extensions": {"code": "INTERNAL", "requestId": request_id},
        }
        assert refused == {"id": "1", "type": "error", "payload": [masked]}
        assert [(log["event"], log["request_id"]) for log in logs] == [("operation_failed", request_id)]
        assert str(logs[0]["exc_info"]) == SECRET
        await ask(client, "2", "{ broken }")
        assert SECRET not in json.dumps(await hear(client))


async def test_more_operations_than_allowed_are_refused_one_by_one() -> None:
    async with served(max_operations=2) as server, server.signed_in() as client:
        await ask(client, "1", "subscription { silent }")
        await ask(client, "2", "subscription { silent }")
        await ask(client, "3", "{ hello }")
        refused = await hear(client)
        assert (refused["id"], refused["type"]) == ("3", "error")
        assert refused["payload"][0]["extensions"] == {"code": "TOO_MANY_OPERATIONS"}
        await say(client, {"id": "1", "type": "complete"})
        await ask(client, "3", "{ hello }")
        assert (await hear(client))["payload"] == {"data": {"hello": "你好"}}


@asynccontextmanager
async def unread() -> AsyncGenerator[tuple[Served, ClientConnection]]:
    """A socket on which nothing more can be sent until its client reads; what fills it is the operation "flood"."""
    async with served() as server, server.signed_in() as client:
        await say(client, {"id": "flood", "type": "subscribe", "payload": {"documentId": "flood"}})
        (connection,) = server.connections
        await until(lambda: not connection.writable.is_set())
        # It goes on filling as long as the system takes something from it.
        await asyncio.sleep(0.2)
        assert not connection.writable.is_set()
        yield server, client
        # It would wait for the other end's farewell behind all that it hasn't read.
        client.transport.abort()


async def hear_without_flood(client: ClientConnection) -> dict[str, Any]:
    while (message := await hear(client)).get("id") == "flood":
        pass
    return message


async def test_operation_counts_until_its_end_is_told() -> None:
    async with unread() as (_, client):
        for message_id in ("1", "2", "3"):
            await say(client, {"id": message_id, "type": "subscribe", "payload": {"documentId": "denied"}})
            # The earlier ones have nothing more to do than to say that they are refused.
            await asyncio.sleep(0.1)
        errors = [await hear_without_flood(client) for _ in range(3)]
    codes = {each["id"]: each["payload"][0]["extensions"]["code"] for each in errors}
    assert codes == {"1": "FORBIDDEN", "2": "FORBIDDEN", "3": "TOO_MANY_OPERATIONS"}


async def test_end_of_an_operation_is_not_told_of_the_next_one_with_its_id() -> None:
    async with unread() as (server, client):
        await say(client, {"id": "1", "type": "subscribe", "payload": {"documentId": "denied"}})
        await until(lambda: len(server.gate.operations) == 2)
        await asyncio.sleep(0.1)
        await say(client, {"id": "1", "type": "complete"})
        await ask(client, "1", "{ hello }")
        await asyncio.sleep(0.1)
        assert (await hear_without_flood(client))["payload"] == {"data": {"hello": "你好"}}
        assert await hear_without_flood(client) == {"id": "1", "type": "complete"}


async def test_messages_are_sent_at_once_where_the_server_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[bytes] = []
    send_now = DirectSocketProtocol._send_now  # pyright: ignore[reportPrivateUsage]

    def watched(self: DirectSocketProtocol, text: bytes) -> bool:
        sent.append(text)
        return send_now(self, text)

    monkeypatch.setattr(DirectSocketProtocol, "_send_now", watched)
    async with served() as server, server.signed_in() as client:
        await say(client, {"id": "1", "type": "subscribe", "payload": {"documentId": "outbox"}})
        server.gate.outbox.put(Message(1, None, b'{"data":1}'))
        assert (await hear(client))["payload"] == {"data": 1}
    assert b'{"id":"1","type":"next","payload":{"data":1}}' in sent
    assert uvicorn_config(Starlette(), Settings()).ws is DirectSocketProtocol
