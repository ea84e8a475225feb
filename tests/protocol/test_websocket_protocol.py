"""Does `/graphql` speak `graphql-transport-ws` as specified, and does it end sockets as we promise?

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md
"""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.types.execution import ExecutionResult, PreExecutionError
from structlog.testing import capture_logs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from domain.errors import Forbidden, Unauthenticated, Unavailable
from server.answers import told
from server.websocket import Sockets
from server.websocket_connection import SocketLimits
from server.websocket_protocol import Answer, Passport, SocketOperation

PROTOCOL = Subprotocol("graphql-transport-ws")
WAIT_SECONDS = 5
SECRET = "what nobody may read"

Message = dict[str, Any]


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "你好"

    @strawberry.field
    def forbidden(self) -> str:
        raise Forbidden

    @strawberry.field
    def broken(self) -> str:
        raise RuntimeError(SECRET)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, to: int) -> AsyncGenerator[int]:
        for number in range(1, to + 1):
            yield number

    @strawberry.subscription
    async def endless(self, info: strawberry.Info[Any, None]) -> AsyncGenerator[int]:
        gate: Gate = info.context
        gate.running += 1
        try:
            number = 0
            while True:
                number += 1
                yield number
                await asyncio.sleep(0.01)
        finally:
            gate.running -= 1

    @strawberry.subscription
    async def silent(self) -> AsyncGenerator[int]:
        await asyncio.Event().wait()
        yield 1


SCHEMA = strawberry.Schema(Query, subscription=Subscription)


@dataclass
class Gate:
    """Lets in whoever names himself; each operation's context is the gate, which counts what runs."""

    lifetime: timedelta = timedelta(minutes=15)
    running: int = 0
    operations: list[SocketOperation] = field(default_factory=list[SocketOperation])
    let_in: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.let_in.set()

    async def authenticate(self, payload: Mapping[str, Any]) -> Passport[str]:
        match payload.get("who"):
            case None:
                raise Unauthenticated
            case "store away":
                raise Unavailable
            case "mistake":
                raise RuntimeError(SECRET)
            case who:
                await self.let_in.wait()
                user_id = UUID(payload["userId"]) if "userId" in payload else uuid4()
                return Passport(who, user_id, datetime.now(UTC) + self.lifetime)

    async def answers(self, holder: str, operation: SocketOperation) -> AsyncGenerator[Answer]:
        self.operations.append(operation)
        if operation.document_id == "bytes":
            yield b'{"data": {"holder":"' + holder.encode() + b'"}}'
            return
        if operation.document_id == "flood":
            self.running += 1
            try:
                while True:
                    yield b'{"data": "' + b"." * 100_000 + b'"}'
            finally:
                self.running -= 1
        if operation.document_id == "mistake":
            raise RuntimeError(SECRET)
        if operation.document_id == "denied":
            raise Forbidden
        stream = await SCHEMA.stream(
            operation.text,
            dict(operation.variables),
            context_value=self,
            operation_name=operation.operation_name,
        )
        async with aclosing(stream) as results:
            async for result in results:
                assert isinstance(result, ExecutionResult)
                errors = [told(error, operation.request_id) for error in result.errors or ()]
                is_request_error = isinstance(result, PreExecutionError)
                yield ({} if is_request_error else {"data": result.data}) | (
                    {"errors": errors} if errors else {}
                )


@dataclass
class Served:
    gate: Gate
    sockets: Sockets[str]
    url: str

    @asynccontextmanager
    async def connected(
        self, protocols: list[Subprotocol] | None = None, origin: str | None = None
    ) -> AsyncGenerator[ClientConnection]:
        headers = {"Origin": origin} if origin else None
        async with connect(
            self.url, subprotocols=protocols or [PROTOCOL], additional_headers=headers, proxy=None
        ) as client:
            yield client

    @asynccontextmanager
    async def signed_in(self, **payload: str) -> AsyncGenerator[ClientConnection]:
        async with self.connected() as client:
            await say(client, {"type": "connection_init", "payload": {"who": "li"} | payload})
            assert await hear(client) == {"type": "connection_ack"}
            assert await hear(client) == {"type": "ping"}
            yield client


@asynccontextmanager
async def served(
    gate: Gate | None = None,
    *,
    max_operations: int = 3,
    init_seconds: float = 5,
    ping_seconds: float = 20,
    allowed_origins: tuple[str, ...] = (),
) -> AsyncGenerator[Served]:
    gate = gate or Gate()
    limits = SocketLimits(max_operations, 2000, init_seconds, ping_seconds)
    sockets = Sockets(gate, limits, allowed_origins)
    app = Starlette(routes=[WebSocketRoute("/graphql", sockets)])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(app, ws="websockets-sansio", log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await until(lambda: server.started)
            yield Served(gate, sockets, f"ws://127.0.0.1:{port}/graphql")
        finally:
            server.should_exit = True
            await serving
            assert sockets.count == 0
            assert gate.running == 0


async def say(client: ClientConnection, message: object) -> None:
    await client.send(message if isinstance(message, str | bytes) else json.dumps(message))


async def hear(client: ClientConnection) -> Message:
    async with asyncio.timeout(WAIT_SECONDS):
        return json.loads(await client.recv())


async def ask(client: ClientConnection, message_id: str, query: str, **rest: object) -> None:
    await say(client, {"id": message_id, "type": "subscribe", "payload": {"query": query, **rest}})


async def hear_end(client: ClientConnection) -> tuple[int, str]:
    """The close code and reason, after whatever was still under way."""
    async with asyncio.timeout(WAIT_SECONDS):
        with suppress(ConnectionClosed):
            async for _message in client:
                pass
        await client.wait_closed()
    assert client.close_code is not None
    return client.close_code, client.close_reason or ""


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so():  # noqa: ASYNC110 (what is waited for has no event)
            await asyncio.sleep(0.01)


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


async def test_an_operation_carries_everything_that_was_asked_for() -> None:
    async with served() as server, server.signed_in() as client:
        payload = {
            "documentId": "bytes",
            "operationName": "O",
            "extensions": {"persistedQuery": {"version": 1}},
        }
        await say(client, {"id": "1", "type": "subscribe", "payload": payload})
        assert (await hear(client))["payload"] == {"data": {"holder": "li"}}
        operation = server.gate.operations[0]
        assert operation.text is None
        assert (operation.document_id, operation.operation_name) == ("bytes", "O")
        assert operation.extensions == {"persistedQuery": {"version": 1}}
        assert (operation.variables, operation.address) == ({}, "127.0.0.1")


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


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        b"\x00binary",
        "[]",
        "null",
        "[" * 1990,
        {},
        {"type": None},
        {"type": "start"},
        {"type": "connection_init", "payload": "text"},
        {"type": "connection_init", "payload": [1]},
        {"type": "ping", "payload": 7},
        {"type": "complete"},
        {"type": "complete", "id": 7},
        {"type": "subscribe", "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": ["1"], "payload": {"query": "{ hello }"}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": "{ hello }"},
        {"type": "subscribe", "id": "1", "payload": {}},
        {"type": "subscribe", "id": "1", "payload": {"query": 1}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "variables": []}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "operationName": {}}},
        {"type": "subscribe", "id": "1", "payload": {"query": "{ hello }", "extensions": "none"}},
    ],
    ids=lambda message: repr(message)[:60],
)
async def test_a_malformed_message_ends_the_socket_with_4400(message: object) -> None:
    async with served() as server, server.signed_in() as client:
        await say(client, message)
        assert (await hear_end(client))[0] == 4400


async def test_a_message_that_is_too_big_ends_the_socket_with_1009() -> None:
    async with served() as server, server.signed_in() as client:
        await ask(client, "1", "{ hello }" + " " * 2000)
        assert await hear_end(client) == (1009, "Message too big")


async def test_subscribing_before_the_handshake_ends_the_socket_with_4401() -> None:
    async with served() as server, server.connected() as client:
        await ask(client, "1", "{ hello }")
        assert await hear_end(client) == (4401, "Unauthorized")
        assert server.gate.operations == []


async def test_a_client_that_may_not_come_in_is_sent_away_with_4403() -> None:
    async with served() as server, server.connected() as client:
        await say(client, {"type": "connection_init"})
        assert await hear_end(client) == (4403, "Forbidden")


async def test_a_store_that_is_away_at_the_handshake_asks_to_come_back_with_1013() -> None:
    async with served() as server, server.connected() as client:
        await say(client, {"type": "connection_init", "payload": {"who": "store away"}})
        assert await hear_end(client) == (1013, "Try again later")


async def test_a_mistake_at_the_handshake_ends_the_socket_with_4500() -> None:
    async with served() as server, server.connected() as client:
        with capture_logs() as logs:
            await say(client, {"type": "connection_init", "payload": {"who": "mistake"}})
            assert await hear_end(client) == (4500, "Internal server error")
        assert [log["event"] for log in logs] == ["socket_authentication_failed"]


@pytest.mark.parametrize("protocols", [["graphql-ws"], ["chat", "graphql-ws"]])
async def test_any_other_subprotocol_is_refused_with_4406(protocols: list[str]) -> None:
    async with served() as server:
        offered = [Subprotocol(protocol) for protocol in protocols]
        async with server.connected(offered) as client:
            assert client.subprotocol is None
            assert await hear_end(client) == (4406, "Subprotocol not acceptable")


async def test_a_client_that_says_nothing_is_sent_away_with_4408() -> None:
    async with served(init_seconds=0.1) as server, server.connected() as client:
        await say(client, {"type": "ping"})
        assert await hear(client) == {"type": "pong"}
        assert (await hear_end(client))[0] == 4408


async def test_an_id_in_use_ends_the_socket_with_4409() -> None:
    async with served() as server, server.signed_in() as client:
        long_id = "长" * 100
        await ask(client, long_id, "subscription { silent }")
        await ask(client, long_id, "{ hello }")
        code, reason = await hear_end(client)
        assert code == 4409
        assert reason.startswith("Subscriber for 长长")


async def test_a_second_handshake_ends_the_socket_with_4429() -> None:
    async with served() as server, server.signed_in() as client:
        await say(client, {"type": "connection_init", "payload": {"who": "li"}})
        assert await hear_end(client) == (4429, "Too many initialisation requests")


async def test_the_socket_ends_with_4403_when_the_token_runs_out() -> None:
    async with served(Gate(lifetime=timedelta(seconds=0.3))) as server, server.signed_in() as client:
        await ask(client, "1", "subscription { endless }")
        assert await hear_end(client) == (4403, "The token has expired")


async def test_revoking_closes_all_sockets_of_that_person_and_of_nobody_else() -> None:
    person = str(uuid4())
    async with (
        served() as server,
        server.signed_in(userId=person) as phone,
        server.signed_in(userId=person) as desk,
        server.signed_in() as somebody_else,
    ):
        await ask(phone, "1", "subscription { endless }")
        await hear(phone)
        assert UUID(person) in server.sockets.user_ids
        assert server.sockets.revoke(UUID(person)) == 2
        assert await hear_end(phone) == (4403, "Your rights have changed")
        assert await hear_end(desk) == (4403, "Your rights have changed")
        await ask(somebody_else, "1", "{ hello }")
        assert (await hear(somebody_else))["payload"] == {"data": {"hello": "你好"}}
        assert server.sockets.count == 1
        assert server.sockets.revoke(UUID(person)) == 0


async def test_whoever_is_revoked_during_the_handshake_does_not_come_in() -> None:
    person = str(uuid4())
    async with served() as server, server.connected() as client:
        server.gate.let_in.clear()
        await say(client, {"type": "connection_init", "payload": {"who": "li", "userId": person}})
        await asyncio.sleep(0.05)
        assert server.sockets.revoke(UUID(person)) == 0
        server.gate.let_in.set()
        assert await hear_end(client) == (4403, "Forbidden")


async def test_a_handshake_that_takes_too_long_asks_to_come_back() -> None:
    async with served(init_seconds=0.1) as server, server.connected() as client:
        server.gate.let_in.clear()
        await say(client, {"type": "connection_init", "payload": {"who": "li"}})
        assert await hear_end(client) == (1013, "Try again later")


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_is_sent_away() -> None:
    async with served(ping_seconds=0.2) as server, server.signed_in() as living, server.signed_in() as dead:
        dead_end = asyncio.create_task(hear_end(dead))
        for _ in range(5):
            await say(living, {"type": "pong"})
            assert await hear(living) == {"type": "ping"}
        assert await dead_end == (1001, "No answer to a ping")
        assert server.sockets.count == 1


async def test_a_client_that_reads_nothing_does_not_keep_its_socket() -> None:
    async with served(ping_seconds=0.3) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(server.url.split(":")[2].split("/")[0])
        )
        writer.write(
            b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        flood = {"id": "1", "type": "subscribe", "payload": {"documentId": "flood"}}
        for message in ({"type": "connection_init", "payload": {"who": "li"}}, flood):
            raw = json.dumps(message).encode()
            writer.write(bytes([0x81, 0x80 | len(raw)]) + bytes(4) + raw)
        await writer.drain()
        await until(lambda: server.gate.running == 1)
        await until(lambda: server.sockets.count == 0)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_client_that_vanishes_leaves_nothing_behind() -> None:
    async with served() as server:
        async with server.signed_in() as client:
            await ask(client, "1", "subscription { endless }")
            await hear(client)
            client.transport.abort()
        await until(lambda: not server.sockets.count and not server.gate.running)


async def test_draining_says_1001_to_everybody_also_to_those_who_still_come() -> None:
    async with served() as server, server.signed_in() as client, server.connected() as waiting:
        await ask(client, "1", "subscription { endless }")
        await hear(client)
        await server.sockets.drain(grace_seconds=2)
        assert server.sockets.count == 0
        assert server.gate.running == 0
        assert await hear_end(client) == (1001, "Going away")
        assert await hear_end(waiting) == (1001, "Going away")
        async with server.connected() as late:
            assert await hear_end(late) == (1001, "Going away")


async def test_a_page_of_another_origin_may_not_open_a_socket() -> None:
    async with served(allowed_origins=("https://board.example",)) as server:
        with pytest.raises(InvalidStatus) as refused:
            async with server.connected(origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        for origin in (
            "https://board.example",
            server.url.replace("ws://", "http://").removesuffix("/graphql"),
        ):
            async with server.connected(origin=origin) as client:
                assert client.subprotocol == PROTOCOL
