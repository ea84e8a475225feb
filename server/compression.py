"""How is a big answer made small on its way? Brotli or gzip, as the client's Accept-Encoding prefers.

Starlette's responders know which content isn't to be compressed (event streams, images) and how headers change; this
adds Brotli and reads weights. There is no secret of an answer to guess from its size: who may read it sends a token that
no page can make a browser send.
"""

from __future__ import annotations

from typing import Protocol, cast

import anyio.to_thread
import brotli  # pyright: ignore[reportMissingTypeStubs]
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.negotiation import preferred

_BROTLI_QUALITY = 4
_GZIP_LEVEL = 6
"""Answers are compressed once and sent once: a quarter of the best levels' time for nearly their size."""

_THREAD_FROM_BYTES = 128 * 1024


class _Compressor(Protocol):
    """What Brotli's compressor does, which comes without types."""

    def process(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...
    def finish(self) -> bytes: ...


class Compression:
    """The middleware."""

    def __init__(self, app: ASGIApp, from_bytes: int) -> None:
        self._app = app
        self._from_bytes = from_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        onwards: Send | None = None

        async def sized(message: Message) -> None:
            nonlocal onwards
            if onwards is None:
                onwards = send if self._is_small(message) else self._responder(scope, send)
            await onwards(message)

        await self._app(scope, receive, sized)

    def _is_small(self, message: Message) -> bool:
        """Return whether an answer says with its first message that it is too small to be compressed."""
        lengths = (value for name, value in message.get("headers", ()) if name == b"content-length")
        length = next(lengths, None)
        return length is not None and int(length) < self._from_bytes

    def _responder(self, scope: Scope, send: Send) -> Send:
        """Return what compresses an answer as its client prefers."""
        accepted = next((value for name, value in scope["headers"] if name == b"accept-encoding"), b"")
        responder: IdentityResponder
        match preferred(accepted.decode("latin-1"), ("br", "gzip", "identity")):
            case "br":
                responder = _BrotliResponder(self._app, self._from_bytes)
            case "gzip":
                responder = GZipResponder(self._app, self._from_bytes, _GZIP_LEVEL)
            case _:
                responder = IdentityResponder(self._app, self._from_bytes)
        responder.send = send
        return responder.send_with_compression


class _BrotliResponder(IdentityResponder):
    content_encoding = "br"

    def __init__(self, app: ASGIApp, minimum_size: int) -> None:
        super().__init__(app, minimum_size)
        made = brotli.Compressor(quality=_BROTLI_QUALITY)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        self._compressor = cast("_Compressor", made)

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        """Return the compressed bytes of one part of a body."""
        if len(body) >= _THREAD_FROM_BYTES:
            return await anyio.to_thread.run_sync(self._compressed, body, more_body)
        return self._compressed(body, more_body)

    def _compressed(self, body: bytes, more_body: bool) -> bytes:
        compressed = self._compressor.process(body)
        return compressed + (self._compressor.flush() if more_body else self._compressor.finish())
