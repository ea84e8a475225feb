"""How long, and how large, may be what a client sends that nobody reads?

uvicorn waits for ever for a head that doesn't end, and keeps all of it; so it does with the trailers behind a body, and
with the rest of a body that was answered before its end. This subclass of its protocol bounds the head in time and size,
takes no trailers, and waits as long for the rest of a request that was answered unread. Bodies that are read are left to
`server.requests`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0

BODY_IS_HERE = "eoms.body_is_here"
"""Set in a request's state when all of its body has arrived."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHeadProtocol(HttpToolsProtocol):
    """One connection; each request's head arrives within `head_seconds` and has at most `head_bytes`."""

    head_seconds = HEAD_SECONDS
    head_bytes = HEAD_BYTES

    # Any: uvicorn's constructor is its own matter.
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_in_head = True
        self._is_read = True
        self._size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, but not for ever."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, unless the head that it belongs to has become too large."""
        if self._is_in_head:
            self._size += len(data)
        super().data_received(data)
        if not self._is_in_head:
            return
        if self._size > self.head_bytes and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        # Most heads are here at once, and need no timer.
        if self._head_timer is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """Count anew for another request on the same connection."""
        self._is_in_head = True
        self._is_read = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is there, and within its bounds."""
        self._is_in_head = False
        self._size = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head; fields behind the body are good for nothing and might never end."""
        if self._is_in_head:
            super().on_header(name, value)
        else:
            self.transport.close()

    def on_message_complete(self) -> None:
        """The request is here to its end, which spares its reader a timer where it was here from the first."""
        self._is_read = True
        self.scope.setdefault("state", {})[BODY_IS_HERE] = True
        self._stop_waiting()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a request that was answered unread, but no longer than for a head.

        Closed at once, the connection would be reset, and the answer lost with it.
        """
        if not self._is_read and self._head_timer is None:
            self._await_head()
        super().on_response_complete()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
