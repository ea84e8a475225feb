"""How is a server asked without a socket? Bytes go into the protocol that uvicorn runs, and come out of it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import ASGIApp
from uvicorn.server import ServerState

from server.http_protocol import BoundedHeadProtocol
from server.serve import uvicorn_config
from server.settings import Settings
from tests.api import ADDRESS


class Wire(asyncio.Transport):
    """A connection without a socket: what is written is kept until it is asked for."""

    def __init__(self) -> None:
        super().__init__({"peername": (ADDRESS, 1234), "sockname": ("127.0.0.1", 8000)})
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass


class Line(BoundedHeadProtocol):
    """The server's end of that connection, saying when an answer is complete."""

    answered: asyncio.Future[None] | None = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.answered is not None:
            self.answered.set_result(None)


class Peer:
    """A client on one connection to an application."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        config = uvicorn_config(app, settings)
        config.load()
        self._wire = Wire()
        self._line = Line(config, ServerState(), {})
        self._line.connection_made(self._wire)
        self._loop = asyncio.get_running_loop()

    async def ask(self, request: bytes) -> bytes:
        """Send one request; return all bytes of the answer."""
        self._wire.written.clear()
        self._line.answered = self._loop.create_future()
        self._line.data_received(request)
        await self._line.answered
        return b"".join(self._wire.written)

    def hang_up(self) -> None:
        """End the connection."""
        self._line.connection_lost(None)
