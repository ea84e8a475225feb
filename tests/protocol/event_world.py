"""What serves event streams in tests without GraphQL behind them? Generators by name, each counted while it runs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import EomsError, Forbidden
from server.event_stream import StreamLimits
from server.event_streams import EventStreams
from server.websocket_protocol import Answer, Passport
from tests.e2e.event_streams import Listener, listening

WAIT_SECONDS = 5
SECRET = "what nobody may read"
PERSON = UUID(int=7)
REQUEST_ID = "request-1"


@dataclass
class World:
    """The streams under test, and what runs behind them."""

    streams: EventStreams[str]
    client: httpx.AsyncClient
    url: str = ""
    running: int = 0
    given: int = 0
    closed: list[str] = field(default_factory=list[str])
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    # Python closes a generator that nobody holds any more, which would hide that the stream didn't.
    _kept: list[AsyncGenerator[Answer]] = field(default_factory=list[AsyncGenerator[Answer]])

    async def answer(self, request: Request) -> Response:
        """The endpoint: `{"answers": NAME, "userId": …, "lifetime": seconds, …}`, none of them required.

        `isBegun` has the first answer taken before the stream is asked for, `isRevoked` revokes the person just after.
        """
        asked = json.loads(await request.body() or "{}")
        user_id = UUID(asked["userId"]) if "userId" in asked else None
        expires_at = datetime.now(UTC) + timedelta(seconds=asked.get("lifetime", 900))
        holder = Passport("somebody", user_id, expires_at) if user_id else None
        answers = self._counted(asked.get("answers", "silent"))
        self._kept.append(answers)
        if asked.get("isBegun"):
            await anext(answers)
        try:
            response = await self.streams.response(
                request, answers, holder, {"X-Request-Id": REQUEST_ID}, is_single=asked.get("isSingle", False)
            )
        except EomsError as error:
            return JSONResponse(error.code, 429 if error.code == "TOO_MANY_STREAMS" else 503)
        if user_id and asked.get("isRevoked"):
            self.streams.revoke(user_id)
        return response

    async def _counted(self, name: str) -> AsyncGenerator[Answer]:
        self.running += 1
        try:
            async for answer in getattr(self, name)():
                self.given += 1
                yield answer
        finally:
            # Closing takes a moment, as giving back a connection does.
            await asyncio.sleep(0)
            self.running -= 1
            self.closed.append(name)

    async def three(self) -> AsyncGenerator[Answer]:
        for number in (1, 2, 3):
            yield {"data": {"数": number}}

    async def none(self) -> AsyncGenerator[Answer]:
        for nothing in list[Answer]():
            yield nothing

    async def text(self) -> AsyncGenerator[Answer]:
        yield b'{"data": {"number": 1.50}}'
        yield b'{\r\n  "data":\n\n{"a": "\\n"\r}\n}\n'

    async def silent(self) -> AsyncGenerator[Answer]:
        await asyncio.Event().wait()
        yield {}

    async def endless(self) -> AsyncGenerator[Answer]:
        while True:
            yield {"data": 1}
            await asyncio.sleep(0.01)

    async def flood(self) -> AsyncGenerator[Answer]:
        while True:
            yield b'"' + b"." * 1_000_000 + b'"'

    async def patient(self) -> AsyncGenerator[Answer]:
        await self.go_on.wait()
        yield {"data": "done"}

    async def denied(self) -> AsyncGenerator[Answer]:
        yield {"data": 1}
        raise Forbidden

    async def mistaken(self) -> AsyncGenerator[Answer]:
        yield {"data": 1}
        raise RuntimeError(SECRET)

    async def timed_out(self) -> AsyncGenerator[Answer]:
        yield {"data": 1}
        raise TimeoutError(SECRET)

    async def invalid(self) -> AsyncGenerator[Answer]:
        yield {"errors": [{"message": "No such field."}]}

    async def stubborn(self) -> AsyncGenerator[Answer]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise RuntimeError(SECRET) from error
        yield {}

    @asynccontextmanager
    async def listening(self, answers: str, **asked: Any) -> AsyncGenerator[Listener]:
        async with listening(self.client, self.url, {"answers": answers, **asked}) as listener:
            assert listener.response.status_code == 200
            assert await listener.part() == b":\n\n"
            yield listener

    async def status(self, answers: str, **asked: Any) -> int:
        async with listening(self.client, self.url, {"answers": answers, **asked}) as listener:
            return listener.response.status_code

    async def raw(
        self, receive_bytes: int = 4096, **asked: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that has sent its request and read nothing yet; so much waits for it unread."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", httpx.URL(self.url).port))
        reader, writer = await asyncio.open_connection(sock=connection)
        body = json.dumps(asked).encode()
        writer.write(
            b"POST /graphql HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nContent-Length: %d\r\n\r\n%b"
            % (len(body), body)
        )
        await writer.drain()
        return reader, writer


@asynccontextmanager
async def served(
    *, max_per_viewer: int = 3, heartbeat_seconds: float = 60, write_seconds: float = 5
) -> AsyncGenerator[World]:
    """A server with these limits; at its end nothing of any stream may be left."""
    streams = EventStreams[str](StreamLimits(max_per_viewer, heartbeat_seconds, write_seconds))
    async with httpx.AsyncClient(trust_env=False) as client:
        world = World(streams, client)
        app = Starlette(routes=[Route("/graphql", world.answer, methods=["GET", "POST"])])
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            world.url = f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
            server = uvicorn.Server(uvicorn.Config(app, http="httptools", log_config=None, lifespan="off"))
            tasks = asyncio.all_tasks()
            serving = asyncio.create_task(server.serve([listener]))
            try:
                await until(lambda: server.started)
                yield world
                await until(lambda: world.streams.count == 0)
                assert world.running == 0
                assert world.streams.user_ids == set()
            finally:
                server.should_exit = True
                await serving
            assert asyncio.all_tasks() <= tasks


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not is_so():
            await asyncio.sleep(0.01)
