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
from secrets import token_hex
from typing import Any
from uuid import UUID, uuid4

import orjson
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.types.execution import ExecutionResult, PreExecutionError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from domain.errors import Forbidden, Unauthenticated, Unavailable
from server.answers import told
from server.direct_sending import DirectSocketProtocol
from server.websocket import Sockets
from server.websocket_connection import SocketLimits
from server.websocket_protocol import Answer, Passport, SocketOperation
from subscriptions.outbox import FellBehind, Outbox, OutboxLimits

PROTOCOL = Subprotocol("graphql-transport-ws")
WAIT_SECONDS = 5
SECRET = "what nobody may read"
NOISE = token_hex(50_000)
"""What can't be compressed to nearly nothing."""

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
    outbox: Outbox = field(default_factory=lambda: Outbox(OutboxLimits(kept=1_000, most=1_000)))
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

    async def answers(self, holder: str, operation: SocketOperation) -> AsyncGenerator[Answer | Outbox]:
        self.operations.append(operation)
        if operation.asked.document_id == "outbox":
            yield self.outbox
            return
        if operation.asked.document_id == "bytes":
            yield orjson.dumps({"data": {"holder": holder}})
            return
        if operation.asked.document_id == "flood":
            self.running += 1
            try:
                while True:
                    yield orjson.dumps({"data": NOISE})
                    # Sending to a connection that is gone waits for nothing.
                    await asyncio.sleep(0)
            finally:
                self.running -= 1
        if operation.asked.document_id == "mistake":
            raise RuntimeError(SECRET)
        if operation.asked.document_id == "slow":
            yield {"data": {"cursor": "seven"}}
            raise FellBehind
        if operation.asked.document_id == "denied":
            raise Forbidden
        stream = await SCHEMA.stream(
            operation.asked.text,
            dict(operation.asked.variables),
            context_value=self,
            operation_name=operation.asked.operation_name,
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
    connections: set[Any]
    """uvicorn's protocols, one for each connection that is open."""

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
    max_per_viewer: int = 1_000,
    allowed_origins: tuple[str, ...] = (),
    protocol: type[asyncio.Protocol] = DirectSocketProtocol,
) -> AsyncGenerator[Served]:
    gate = gate or Gate()
    limits = SocketLimits(max_operations, 2000, max_per_viewer, init_seconds, ping_seconds)
    sockets = Sockets(gate, limits, allowed_origins)
    app = Starlette(routes=[WebSocketRoute("/graphql", sockets)])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        config = uvicorn.Config(app, ws=protocol, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await until(lambda: server.started)
            yield Served(gate, sockets, f"ws://127.0.0.1:{port}/graphql", server.server_state.connections)
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
        while not is_so():
            await asyncio.sleep(0.01)
