"""How do texts go over one WebSocket, and how does it end? In one place, with one reason; what they say is left to others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected

from server.direct_sending import SEND_NOW
from server.websocket_protocol import CloseCode

_CLOSE_SECONDS = 2
_CLOSE_REASON_BYTES = 123  # RFC 6455, section 5.5: a control frame has 125 bytes, two of them the code.

# Any: the base class keeps a reference to Strawberry's HTTP view, which nothing here reaches.
_NONE: Any = None


class Wire(AsyncWebSocketAdapter):
    """The socket as text frames; after `end` nothing is sent but the reason."""

    def __init__(self, socket: WebSocket, max_message_bytes: int) -> None:
        super().__init__(_NONE)  # pyright: ignore[reportUnknownMemberType]  (Strawberry leaves its view open)
        self._socket = socket
        self._max_message_bytes = max_message_bytes
        self._life: asyncio.Timeout | None = None
        self.is_open = True
        self.ending: tuple[int, str] | None = None
        self.heard_at = 0.0
        extensions = cast("Mapping[str, Mapping[str, Any]]", socket.scope.get("extensions") or {})
        self._now: Callable[[bytes], bool] = extensions.get(SEND_NOW, {}).get("call", _never)

    async def live(self, life: Awaitable[None]) -> None:
        """Run until the life is over or `end` is called, whatever it waits for then."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._life = scope
                await life
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            self._life = None

    def end(self, code: int, reason: str) -> None:
        """End the socket; the first reason counts."""
        if self.ending is None:
            self.ending = (code, reason.encode()[:_CLOSE_REASON_BYTES].decode(errors="ignore"))
            if self._life is not None:
                self._life.reschedule(asyncio.get_running_loop().time())

    async def iter_json(self, *, ignore_parsing_errors: bool = False) -> AsyncGenerator[object, None]:
        """Yield the messages of the client until either end closes."""
        while self.ending is None:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                self.is_open = False
                return
            self.heard_at = asyncio.get_running_loop().time()
            text: str | None = frame.get("text")
            if text is None:
                raise NonTextMessageReceived
            if len(text.encode()) > self._max_message_bytes:
                self.end(CloseCode.TOO_BIG, "Message too big")
                return
            try:
                message: object = orjson.loads(text)
            except orjson.JSONDecodeError as error:
                raise NonJsonMessageReceived from error
            yield message

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message; raise `WebSocketDisconnected` where the socket has ended."""
        await self.send_text(orjson.dumps(message))

    def send_now(self, text: bytes) -> bool:
        """Send a message that is JSON already, if that takes no waiting; return whether it was sent."""
        return self.ending is None and self.is_open and self._now(text)

    async def send_text(self, text: bytes) -> None:
        """Send a message that is JSON already, however long it takes; raise as `send_json`."""
        if self.ending is not None or not self.is_open:
            raise WebSocketDisconnected
        try:
            await self._socket.send_text(text.decode())
        except WebSocketDisconnect as error:
            self.is_open = False
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        """End the socket, as Strawberry's handler asks for it."""
        self.end(code, reason)

    async def say_why(self) -> None:
        """Tell the client why the socket ended; one that does not read is not waited for."""
        if self.ending is None or not self.is_open:
            return
        self.is_open = False
        code, reason = self.ending
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code, reason)


def _never(_text: bytes) -> bool:
    """Send nothing: what can't be sent at once is sent by waiting."""
    return False
