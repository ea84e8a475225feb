"""How does a text reach a socket without anybody waiting for it?

ASGI's `send` is awaited, through a task and four layers of coroutines, for what can nearly always be written at once.
For an event that thousands hear that is most of the work. This subclass of uvicorn's protocol also offers its application
a plain call, in the scope's extensions; what that can't send now is sent as ever, by `send`.
"""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.http11 import Request

SEND_NOW = "eoms.send_now"
"""The extension; its `call` is `(text: bytes) -> bool`: a text message in UTF-8, and whether it was sent."""


class DirectSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket connection."""

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
        if hasattr(self, "scope"):
            self.scope["extensions"] = {}

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
