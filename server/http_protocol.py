"""How long is a client waited for that does not end what it sends, or does not read what it asked for?

uvicorn waits for ever for a head that doesn't end, and keeps all of it; so it does with the trailers behind a body, and
with the rest of a body that was answered before its end. It also waits for ever until an answer is taken. This subclass
of its protocol bounds the head in time and size, takes no trailers, waits as long for the rest of a request that was
answered unread, and gives up whom nothing of an answer has reached for a while. Bodies that are read are left to
`server.requests`.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 10.0
UNREAD_SECONDS = 30.0

BODY_IS_HERE = "eoms.body_is_here"
"""Set in a request's state when all of its body has arrived."""

_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHeadProtocol(HttpToolsProtocol):
    """One connection; each request's head arrives within `head_seconds` and has at most `head_bytes`.

    Where nothing of an answer leaves for `unread_seconds`, the connection ends.
    """

    head_seconds = HEAD_SECONDS
    head_bytes = HEAD_BYTES
    unread_seconds = UNREAD_SECONDS

    # Any: uvicorn's constructor is its own matter.
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
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
        self._stop_watching()
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
        self._watch_ending()

    def pause_writing(self) -> None:
        """Watch whether the client reads at all."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """The client has read; go on."""
        super().resume_writing()
        self._stop_watching()
        self._watch_ending()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nothing is asked on any more."""
        super().timeout_keep_alive_handler()
        self._watch_ending()

    def _watch_ending(self) -> None:
        """Watch a connection that is closed once all is sent."""
        if self.transport.is_closing() and self._unread_timer is None:
            self._watch()

    def _watch(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        self._stop_watching()
        self._unread_timer = self.loop.call_later(self.unread_seconds, self._give_up, unsent)

    def _give_up(self, unsent: int) -> None:
        """End the connection, unless the client has taken some of what was unsent."""
        if self.transport.get_write_buffer_size() < unsent:
            self._watch()
        else:
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
