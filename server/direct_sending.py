"""How does a text reach a socket without anybody waiting for it?

ASGI's `send` is awaited, through a task and four layers of coroutines, for what can nearly always be written at once.
For an event that thousands hear that is most of the work. This subclass of uvicorn's protocol also offers its application
a plain call, in the scope's extensions; what that can't send now is sent as ever, by `send`.

It also lets nobody keep a connection or memory by not reading: uvicorn waits for ever until what is left is taken, and
answers every ping whether the answers are taken or not.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

SEND_NOW = "eoms.send_now"
"""The extension; its `call` is `(text: bytes) -> bool`: a text message in UTF-8, and whether it was sent."""


class DirectSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

    linger_seconds = 10.0
    """How long a client may take for what is left to be sent when its socket has ended."""

    _lingering: asyncio.TimerHandle | None = None
    _pong = b""

    async def run_asgi(self) -> None:
        """Serve until the application is done, and a little longer."""
        await super().run_asgi()
        if not self.disconnected:
            self._lingering = self.loop.call_later(self.linger_seconds, self.transport.abort)

    def handle_connect(self, event: Request) -> None:
        """Begin to serve, with the extension in the scope."""
        super().handle_connect(event)
        if not self.close_sent:
            self.scope["extensions"] = {
                **(self.scope.get("extensions") or {}),
                SEND_NOW: {"call": self._send_now},
            }

    def connection_lost(self, exc: Exception | None) -> None:
        """Be over; the scope holds on to the connection no longer."""
        super().connection_lost(exc)
        if self._lingering is not None:
            self._lingering.cancel()
        if hasattr(self, "scope"):
            self.scope["extensions"] = {}

    def handle_ping(self) -> None:
        """Answer, where the client reads; else the newest ping alone, once it does (RFC 6455, section 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        elif pongs := self.conn.data_to_send():
            self._pong = pongs[-1]

    def resume_writing(self) -> None:
        """Go on, first with the answer that waits."""
        super().resume_writing()
        pong, self._pong = self._pong, b""
        self.transport.write(pong)

    def _send_now(self, text: bytes) -> bool:
        """Send a message; return false, with nothing sent, where the client reads too slowly or the connection ends."""
        if self.close_sent or self.disconnected or not self.writable.is_set() or self.transport.is_closing():
            return False
        try:
            self.conn.send_text(text)
        except InvalidState:
            return False
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True
