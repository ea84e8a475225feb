"""How does one event stream live, from its headers to its last event?

GraphQL over SSE in distinct connections mode (https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md): one
response carries the answers to one operation, each as a `next` event, and `complete` behind the last. Which streams there
are is left to `server.event_streams`, what they answer to whoever gives the answers.

How a stream ends tells the client what to do:

- `complete`: there is nothing more to come. An error that ended the operation is the last `next` before it, also where
  nothing was executed at all: the protocol wants that in the stream, for a browser shows no body of a refused one.
- `next` with UNAUTHENTICATED, then `complete`: his rights have changed or his token has run out. A dropped connection
  would make graphql-sse come back by itself with the same token; on this code Apollo's and urql's exchanges renew it first.
- neither, and the response is cut off: the server stops, or the client was too slow. graphql-sse takes that for a lost
  connection and comes back, urql reports a network error that can be tried again; after a proper end urql would think that
  all is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.errors import Unauthenticated
from server.answers import told_exception
from server.requests import EVENT_STREAM
from server.websocket_protocol import Answer
from subscriptions.outbox import FellBehind

_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"
_LINE_ENDS = bytes.maketrans(b"\r\n", b"  ")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the event streams of a process; `write_seconds` is how long the client may leave one event unread."""

    max_per_viewer: int
    heartbeat_seconds: float = 15
    write_seconds: float = 20


@dataclass(frozen=True, slots=True)
class _Ending:
    """Why a stream ended: with these last events and a proper end, or (null) cut off."""

    last_events: bytes | None


_COMPLETED = _Ending(_COMPLETE)
_CUT_OFF = _Ending(None)


class EventStream(Response):
    """One response of type `text/event-stream`; `on_over` is called once it is served and nothing of it is left.

    With `expires_at` (UTC) it ends then at the latest, as one whose viewer has to sign in again.
    """

    def __init__(
        self,
        answers: AsyncGenerator[Answer],
        limits: StreamLimits,
        request_id: str,
        headers: Mapping[str, str],
        expires_at: datetime | None,
        on_over: Callable[[EventStream], None],
    ) -> None:
        self.status_code = 200
        self.media_type = f"{EVENT_STREAM}; charset=utf-8"
        self.background = None
        self.init_headers(headers)
        self.headers["Cache-Control"] = "no-cache, no-store"
        # nginx would collect events until they fill a buffer.
        self.headers["X-Accel-Buffering"] = "no"
        self._answers = answers
        self._limits = limits
        self._request_id = request_id
        self._expires_at = expires_at
        self._on_over = on_over
        self._turn = asyncio.Lock()
        self._ending: _Ending | None = None
        self._life: asyncio.Timeout | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry the answers until one side ends the stream, and leave nothing behind."""
        watches = [
            asyncio.create_task(self._watch_client(receive)),
            asyncio.create_task(self._watch_pulse(send)),
        ]
        expiry = self._expiry_timer()
        try:
            await self._live(send, is_head=scope["method"] == "HEAD")
            # What the client is told last must not meet a heartbeat on its way.
            await _stopped(watches)
            await self._say_last(send)
        finally:
            if expiry is not None:
                expiry.cancel()
            try:
                await _stopped(watches)
                # Those of a stream that ended before its first event have not been closed.
                await self._answers.aclose()
            finally:
                self._on_over(self)

    def refuse(self, error: Exception) -> None:
        """End the stream now with an error; where it is ending already, that ending counts."""
        told = told_exception(error, self._request_id)
        self._end(_Ending(_next({"errors": [told]}) + _COMPLETE))

    def cut_off(self) -> None:
        """End the stream now without a word; where it is ending already, that ending counts."""
        self._end(_CUT_OFF)

    def _end(self, ending: _Ending) -> None:
        if self._ending is None:
            self._ending = ending
            if self._life is not None:
                self._life.reschedule(asyncio.get_running_loop().time())

    async def _live(self, send: Send, *, is_head: bool) -> None:
        life = asyncio.timeout(None)
        try:
            await self._write(
                send, {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            async with life:
                self._life = life
                if self._ending is not None:
                    return
                if not is_head:
                    await self._carry(send)
        except ClientDisconnect:
            self.cut_off()
        except FellBehind:
            self.cut_off()
        except Exception as error:  # noqa: BLE001  # told by its code, or masked
            if not (life.expired() and isinstance(error, TimeoutError)):
                self.refuse(error)
        finally:
            self._life = None
        self._end(_COMPLETED)

    async def _carry(self, send: Send) -> None:
        """Send answer after answer; the next one is not asked for before the client has room for the last."""
        # The headers reach the client with the first part of the body, which a silent subscription has not for long.
        await self._write(send, _part(_COMMENT))
        async with aclosing(self._answers) as answers:
            try:
                async for answer in answers:
                    await self._write(send, _part(_next(answer)))
                    # Sending to a client that is gone takes no time; where making answers takes none either, nobody else
                    # would have a turn, nor the task that waits to say so.
                    await asyncio.sleep(0)
            finally:
                # Whatever ends the stream from here on does not interrupt the closing of the answers.
                self._life = None

    async def _say_last(self, send: Send) -> None:
        assert self._ending is not None, "whatever ends a life says how"
        if self._ending.last_events is None:
            return
        try:
            await self._write(send, _part(self._ending.last_events, is_last=True))
        except ClientDisconnect:
            _log.info("event_stream_end_untold", request_id=self._request_id)

    # Any: an ASGI message.
    async def _write(self, send: Send, message: dict[str, Any]) -> None:
        """Send a message; raise `ClientDisconnect` where the client is gone or does not read."""
        try:
            async with self._turn, asyncio.timeout(self._limits.write_seconds):
                await send(message)
        except TimeoutError as error:
            _log.info("event_stream_client_too_slow", request_id=self._request_id)
            raise ClientDisconnect from error
        except OSError as error:
            raise ClientDisconnect from error

    async def _watch_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.cut_off()

    async def _watch_pulse(self, send: Send) -> None:
        """Send comments, which keep proxies from closing a silent stream and find clients that are gone."""
        try:
            while True:
                await asyncio.sleep(self._limits.heartbeat_seconds)
                await self._write(send, _part(_COMMENT))
        except ClientDisconnect:
            self.cut_off()

    def _expiry_timer(self) -> asyncio.TimerHandle | None:
        if self._expires_at is None:
            return None
        left = (self._expires_at - datetime.now(UTC)).total_seconds()
        expired = Unauthenticated("The token has expired.")
        return asyncio.get_running_loop().call_later(max(left, 0), self.refuse, expired)


def _next(answer: Answer) -> bytes:
    payload = answer if isinstance(answer, bytes) else orjson.dumps(answer)
    # JSON has line ends between its tokens only. Events may have several data lines, but urql reads no more than one.
    return b"event: next\ndata: " + payload.translate(_LINE_ENDS) + b"\n\n"


def _part(body: bytes, *, is_last: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": not is_last}


async def _stopped(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
