"""Which GraphQL sockets are open in this process, who may open one, and who closes them all?

The ASGI endpoint of `/graphql` for WebSocket, which speaks `graphql-transport-ws` and nothing else. The life
of one socket is left to `server.websocket_connection`, what operations do to the `SocketGate`.

    sockets = Sockets(gate, SocketLimits(max_operations=50, max_message_bytes=1_048_576, max_per_viewer=20))
    WebSocketRoute("/graphql", sockets)

uvicorn closes what is still open when it stops (1012) before the application's lifespan ends, so whoever
stops the server calls `drain` first.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Generic
from uuid import UUID

import structlog
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.http.websocket_origin import is_same_origin, normalize_allowed_origins, normalize_origin

from domain.errors import Unauthenticated, Unavailable
from server.websocket_connection import Connection, SocketLimits
from server.websocket_protocol import SUBPROTOCOL, CloseCode, Holder, Passport, SocketGate

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_LEAST_SPREAD_MS, _SPREAD_MS = 500, 2
"""Over how long sockets of a server that stops come back: at least, and for each of them."""


class Sockets(Generic[Holder]):
    """The endpoint, and the sockets that it has open."""

    def __init__(
        self, gate: SocketGate[Holder], limits: SocketLimits, allowed_origins: Iterable[str] = ()
    ) -> None:
        self._gate = gate
        self._limits = limits
        self._allowed_origins = normalize_allowed_origins(allowed_origins)
        self._open: dict[Connection[Holder], UUID | None] = {}
        self._open_of: Counter[UUID] = Counter()
        # Who was revoked while a connection was being authenticated: what it is told may then be old.
        self._revoked_meanwhile: dict[Connection[Holder], set[UUID]] = {}
        self._has_none_open = asyncio.Event()
        self._is_draining = False

    @property
    def count(self) -> int:
        """Return how many sockets are open."""
        return len(self._open)

    @property
    def user_ids(self) -> frozenset[UUID]:
        """Return the people who have a socket open, for instance to look whether they still may."""
        return frozenset(self._open_of)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it ends."""
        socket = WebSocket(scope, receive, send)
        if not self._is_allowed(socket):
            _log.warning("socket_origin_refused", origin=socket.headers.get("origin"))
            await socket.close()
            return
        if SUBPROTOCOL not in scope["subprotocols"]:
            await socket.accept()
            await socket.close(CloseCode.WRONG_SUBPROTOCOL, "Subprotocol not acceptable")
            return
        await socket.accept(SUBPROTOCOL)
        connection = Connection(socket, self._gate, self._limits, self._admit)
        self._open[connection] = None
        self._has_none_open.clear()
        if self._is_draining:
            connection.end(CloseCode.GOING_AWAY, _going_away(_LEAST_SPREAD_MS))
        try:
            await connection.handle()
        finally:
            self._forget(connection)
            if not self._open:
                self._has_none_open.set()

    def revoke(self, user_id: UUID) -> int:
        """Close every socket of a person at once (4403) and return how many those were."""
        for revoked in self._revoked_meanwhile.values():
            revoked.add(user_id)
        closed = [connection for connection, holder_id in self._open.items() if holder_id == user_id]
        for connection in closed:
            connection.end(CloseCode.FORBIDDEN, "Your rights have changed")
        return len(closed)

    async def drain(self, grace_seconds: float) -> None:
        """Close every socket (1001), also those that still come; wait until they are gone or time is up.

        Each is told when to come back, so that they don't all come at once to whoever serves them next.
        """
        self._is_draining = True
        spread = _LEAST_SPREAD_MS + len(self._open) * _SPREAD_MS
        for connection in self._open:
            connection.end(CloseCode.GOING_AWAY, _going_away(spread))
        if self._open:
            try:
                async with asyncio.timeout(grace_seconds):
                    await self._has_none_open.wait()
            except TimeoutError:
                _log.warning("sockets_left_open", count=self.count)

    async def _admit(self, connection: Connection[Holder], payload: Mapping[str, Any]) -> Passport[Holder]:
        revoked = self._revoked_meanwhile[connection] = set()
        try:
            passport = await self._gate.authenticate(payload)
        finally:
            del self._revoked_meanwhile[connection]
        if passport.user_id in revoked:
            raise Unauthenticated
        if self._open_of[passport.user_id] >= self._limits.max_per_viewer:
            raise Unavailable("This viewer has too many sockets open.")
        self._open[connection] = passport.user_id
        self._open_of[passport.user_id] += 1
        return passport

    def _forget(self, connection: Connection[Holder]) -> None:
        user_id = self._open.pop(connection)
        if user_id is not None:
            self._open_of[user_id] -= 1
            if not self._open_of[user_id]:
                del self._open_of[user_id]

    def _is_allowed(self, socket: WebSocket) -> bool:
        """Return whether the page that opens the socket may; only browsers name one."""
        origin = socket.headers.get("origin")
        if origin is None or is_same_origin(origin, socket.headers.get("host")):
            return True
        return "*" in self._allowed_origins or normalize_origin(origin) in self._allowed_origins


def _going_away(spread_ms: int) -> str:
    return f"Going away; retry in {random.randint(0, spread_ms)} ms"  # noqa: S311 (spreads load)
