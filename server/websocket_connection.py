"""How does one GraphQL socket live, from its first message to its end?

Strawberry's handler knows the order of messages; this one adds what it leaves out: a person whose token runs
out, operations each with a life of its own, pings, limits, and one place where the socket ends. Which sockets
there are is left to `server.websocket`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, cast

import orjson
import structlog
from starlette.websockets import WebSocket
from strawberry.http.exceptions import NonJsonMessageReceived, NonTextMessageReceived, WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    PingMessage,
    SubscribeMessage,
)

from db.identifiers import new_id
from domain.errors import EomsError, Unauthenticated, Unavailable
from server.answers import told_exception
from server.websocket_protocol import (
    Answer,
    CloseCode,
    Holder,
    Passport,
    SocketGate,
    malformation,
    operation_of,
)
from server.websocket_wire import Wire
from subscriptions.outbox import FellBehind, Outbox

_PING = b'{"type":"ping"}'

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Any: the base classes keep a reference to Strawberry's HTTP view and schema, which nothing here reaches.
_NONE: Any = None


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """Bounds of one socket; `ping_seconds` is also how long the client may take to answer a ping."""

    max_operations: int
    max_message_bytes: int
    max_per_viewer: int
    init_seconds: float = 5
    ping_seconds: float = 20


class _Running(Operation[None, None]):
    """An operation under way."""

    __slots__ = ("_next_start", "_wire")

    def __init__(self, connection: Connection[Any], wire: Wire, message_id: str) -> None:
        super().__init__(connection, message_id, "", None, None)
        self._wire = wire
        self._next_start = b'{"id":%b,"type":"next","payload":' % orjson.dumps(message_id)

    def send_now(self, payload: bytes) -> bool:
        """Send an answer, if that takes no waiting; return whether that is done. Nothing is sent of what is completed."""
        return self.completed or self._wire.send_now(self._next_start + payload + b"}")

    async def send(self, payload: bytes) -> None:
        """Send an answer, however long it takes."""
        if not self.completed:
            await self._wire.send_text(self._next_start + payload + b"}")

    async def send_operation_message(self, message: Message) -> None:
        """Say that it has ended, however long that takes; until it is said, it counts and its id is taken."""
        text = orjson.dumps(message)
        if self.completed:
            return
        if not self._wire.send_now(text):
            await self._wire.send_text(text)
        self.completed = True
        self.handler.forget_id(self.id)


class Connection(BaseGraphQLTransportWSHandler[None, None], Generic[Holder]):
    """One accepted socket."""

    def __init__(
        self,
        socket: WebSocket,
        gate: SocketGate[Holder],
        limits: SocketLimits,
        admit: Callable[[Connection[Holder], Mapping[str, Any]], Awaitable[Passport[Holder]]],
    ) -> None:
        self._wire = Wire(socket, limits.max_message_bytes)
        super().__init__(
            view=_NONE,
            websocket=self._wire,
            context=None,
            root_value=None,
            schema=_NONE,
            connection_init_wait_timeout=timedelta(seconds=limits.init_seconds),
            max_subscriptions_per_connection=limits.max_operations,
        )
        self._gate = gate
        self._limits = limits
        self._admit = admit
        self._address = socket.client.host if socket.client else None
        self._passport: Passport[Holder] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._pulse: asyncio.TimerHandle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self) -> None:
        """Serve the socket until it ends, and leave nothing behind."""
        self.on_request_accepted()
        try:
            await self._wire.live(self._read())
        finally:
            await self.shutdown()

    def end(self, code: CloseCode, reason: str) -> None:
        """End the socket now: nothing is sent any more but the reason."""
        self._wire.end(code, reason)

    async def shutdown(self) -> None:
        """Stop everything that belongs to the socket."""
        for timer in (self._expiry, self._pulse):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        await self._wire.say_why()
        await super().shutdown()
        # Also those that were completed by the client and are still tidying up.
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def handle_message(self, message: Message) -> None:
        """Handle one message; a malformed one ends the socket (4400)."""
        wrong = malformation(message)
        if wrong is not None:
            self.end(CloseCode.MALFORMED, wrong)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Authenticate the client, and from then on watch his token and his pulse."""
        if self.connection_init_received:
            self.end(CloseCode.TOO_MANY_INITS, "Too many initialisation requests")
            return
        self.connection_init_received = True
        # Strawberry does not say what its task returns.
        timer = self.connection_init_timeout_task  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        assert timer is not None, "the time limit runs since the socket was accepted"
        timer.cancel()
        self.connection_init_timeout_task = None
        try:
            async with asyncio.timeout(self._limits.init_seconds):
                self._passport = await self._admit(self, message.get("payload") or {})
        except (Unavailable, TimeoutError):
            self.end(CloseCode.TRY_AGAIN_LATER, "Try again later")
        except EomsError:
            self.end(CloseCode.FORBIDDEN, "Forbidden")
        except Exception:  # noqa: BLE001 (whatever it is, the client learns nothing of it)
            _log.exception("socket_authentication_failed")
            self.end(CloseCode.INTERNAL_ERROR, "Internal server error")
        else:
            await self._acknowledge(self._passport.expires_at)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation."""
        message_id = message["id"]
        if self._passport is None:
            self.end(CloseCode.UNAUTHORIZED, "Unauthorized")
        elif message_id in self.operations:
            self.end(CloseCode.DUPLICATE_ID, f"Subscriber for {message_id} already exists")
        elif len(self.operations) >= self._limits.max_operations:
            limit = f"At most {self._limits.max_operations} operations on one socket."
            error = {"message": limit, "extensions": {"code": "TOO_MANY_OPERATIONS"}}
            await self.websocket.send_json({"id": message_id, "type": "error", "payload": [error]})
        else:
            payload = cast("Mapping[str, Any]", message["payload"])
            running = _Running(self, self._wire, message_id)
            operation = operation_of(payload, str(new_id()), self._address)
            answers = self._gate.answers(self._passport.holder, operation)
            self.operations[message_id] = running
            running.task = self._start(self._operate(running, answers, operation.request_id))

    async def handle_ping(self, message: PingMessage) -> None:
        """Answer a ping; one that carries a token renews the client's authorization in place."""
        payload = cast("Mapping[str, Any]", message.get("payload") or {})
        if self._passport is None or "authorization" not in {name.lower() for name in payload}:
            await super().handle_ping(message)
            return
        told: dict[str, str]
        try:
            async with asyncio.timeout(self._limits.init_seconds):
                passport = await self._gate.authenticate(payload)
            if passport.user_id != self._passport.user_id:
                raise Unauthenticated("That is somebody else's token.")
        except EomsError as error:
            told = {"code": error.code, "message": error.message}
        except TimeoutError:
            told = {"code": Unavailable.code, "message": "Try again later."}
        else:
            self._passport = passport
            self._expire_at(passport.expires_at)
            told = {"expiresAt": passport.expires_at.isoformat()}
        await self._wire.send_json({"type": "pong", "payload": told})

    async def cleanup_operation(self, operation_id: str) -> None:
        """Stop an operation; its id may be used again at once, so it may not even say that it ended."""
        operation = self.operations.get(operation_id)
        if operation is not None:
            operation.completed = True
        await super().cleanup_operation(operation_id)

    async def _read(self) -> None:
        try:
            async with aclosing(self._wire.iter_json()) as messages:
                async for message in messages:
                    await self.handle_message(cast("Message", message))
        except NonTextMessageReceived:
            self.end(CloseCode.MALFORMED, "A message is text")
        except NonJsonMessageReceived:
            self.end(CloseCode.MALFORMED, "A message is JSON")
        except WebSocketDisconnected:
            # The client is gone, or was told to go, which iter_json would have noticed next.
            pass

    async def _acknowledge(self, expires_at: datetime) -> None:
        self._expire_at(expires_at)
        await self.send_message({"type": "connection_ack"})
        self.connection_acknowledged = True
        self._ping()

    def _expire_at(self, moment: datetime) -> None:
        """End the socket then, and not when it was to end before."""
        if self._expiry is not None:
            self._expiry.cancel()
        left = (moment - datetime.now(UTC)).total_seconds()
        loop = asyncio.get_running_loop()
        self._expiry = loop.call_later(max(left, 0), self.end, CloseCode.FORBIDDEN, "The token has expired")

    def _ping(self) -> None:
        """Ping the client, and look later whether he has been heard of: one that is gone need not have said so."""
        if not self._wire.send_now(_PING):
            # He reads too slowly, or such a socket can only be waited for.
            self._pinging = self._start(self._ping_soon())
        self._feel_pulse_later()

    async def _ping_soon(self) -> None:
        with suppress(WebSocketDisconnected):
            await self._wire.send_text(_PING)
            # He can't have answered before.
            self._feel_pulse_later()

    def _feel_pulse_later(self) -> None:
        if self._pulse is not None:
            self._pulse.cancel()
        loop = asyncio.get_running_loop()
        self._pulse = loop.call_later(self._limits.ping_seconds, self._feel_pulse, loop.time())

    def _feel_pulse(self, pinged_at: float) -> None:
        is_unread = self._pinging is not None and not self._pinging.done()
        if is_unread or self._wire.heard_at < pinged_at:
            self.end(CloseCode.GOING_AWAY, "No answer to a ping")
        else:
            self._ping()

    async def _operate(
        self, running: _Running, answers: AsyncGenerator[Answer | Outbox], request_id: str
    ) -> None:
        """Carry the answers to one operation; however it ends, the socket and the others go on."""
        with suppress(WebSocketDisconnected):
            try:
                async with aclosing(answers):
                    is_first = True
                    async for answer in answers:
                        if isinstance(answer, Outbox):
                            await answer.pour(running.send_now, running.send)
                        elif is_first and isinstance(answer, Mapping) and "data" not in answer:
                            await self._refuse(running, answer["errors"])
                            return
                        else:
                            await running.send(answer if isinstance(answer, bytes) else orjson.dumps(answer))
                        is_first = False
            except WebSocketDisconnected:
                raise
            except FellBehind:
                self.end(CloseCode.TRY_AGAIN_LATER, "Too slow: resume after the last cursor")
            except Exception as error:  # noqa: BLE001 (told by its code, or masked)
                await self._refuse(running, [told_exception(error, request_id)])
            else:
                await running.send_operation_message({"id": running.id, "type": "complete"})

    async def _refuse(self, running: _Running, errors: list[Any]) -> None:
        await running.send_operation_message({"id": running.id, "type": "error", "payload": errors})

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_log_failure)
        return task


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("socket_task_failed", exc_info=task.exception())
