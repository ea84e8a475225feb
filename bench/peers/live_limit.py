"""How fast can a finished text reach many sockets? A bare Starlette endpoint that sends what PostgreSQL tells it.

It answers the protocol's first two messages and checks nothing. The text comes whole in a notification of the commit,
and goes to each socket by `send_text`, one after the other.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench.commits import TEXT_CHANNEL
from bench.peers.viewer import SOCKET_SETTINGS, Environment

# Any, and imported by its name: asyncpg brings no types.
_asyncpg: Any = import_module("asyncpg")
_ACK = '{"type":"connection_ack"}'


class _Sockets:
    """Everybody who follows, and what is to be sent to them."""

    def __init__(self) -> None:
        self._open: dict[WebSocket, None] = {}
        self._texts: asyncio.Queue[str] = asyncio.Queue()

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        """Listen to the database and send to all, as long as the server runs."""
        connection = await _asyncpg.connect()
        await connection.add_listener(TEXT_CHANNEL, self._hear)
        sending = asyncio.create_task(self._send())
        yield
        sending.cancel()
        await connection.close()

    async def follow(self, socket: WebSocket) -> None:
        """Serve one socket until it is closed."""
        await socket.accept("graphql-transport-ws")
        await socket.receive_text()
        await socket.send_text(_ACK)
        await socket.receive_text()
        self._open[socket] = None
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            del self._open[socket]

    def _hear(self, *heard: Any) -> None:
        self._texts.put_nowait(heard[-1])

    async def _send(self) -> None:
        while True:
            text = await self._texts.get()
            for socket in list(self._open):
                try:
                    await socket.send_text(text)
                except WebSocketDisconnect:
                    self._open.pop(socket, None)


async def _root(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("")


def main() -> None:
    """Serve until SIGTERM."""
    environment = Environment.of(os.environ)
    sockets = _Sockets()
    app = Starlette(
        routes=[Route("/", _root), WebSocketRoute("/graphql", sockets.follow)], lifespan=sockets.lifespan
    )
    uvicorn.run(app, port=environment.port, log_level="warning", access_log=False, **SOCKET_SETTINGS)


if __name__ == "__main__":
    main()
