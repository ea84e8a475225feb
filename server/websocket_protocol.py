"""What do the two ends of a GraphQL socket say to each other, and what must the server provide to answer?

The messages and close codes of `graphql-transport-ws`
(https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md). Carrying them is left to
`server.websocket_connection`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

from domain.errors import MalformedRequest
from server.asking import Asked, asked_of
from subscriptions.outbox import Outbox

SUBPROTOCOL = "graphql-transport-ws"

Holder = TypeVar("Holder")


class CloseCode(IntEnum):
    """Why a socket ends; those below 4000 are of RFC 6455, section 7.4.1."""

    GOING_AWAY = 1001
    TOO_BIG = 1009
    TRY_AGAIN_LATER = 1013
    MALFORMED = 4400
    UNAUTHORIZED = 4401
    FORBIDDEN = 4403
    WRONG_SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    DUPLICATE_ID = 4409
    TOO_MANY_INITS = 4429
    INTERNAL_ERROR = 4500


@dataclass(frozen=True, slots=True)
class Passport(Generic[Holder]):
    """Who is at the other end of a socket, and until when that is believed (UTC)."""

    holder: Holder
    user_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SocketOperation:
    """What a client asks for, and where it came from."""

    asked: Asked
    request_id: str
    address: str | None


Answer = bytes | Mapping[str, Any]
"""A GraphQL response, as its JSON text or still to be written as JSON."""


class SocketGate(Protocol[Holder]):
    """What a socket needs from the rest of the server."""

    async def authenticate(self, payload: Mapping[str, Any]) -> Passport[Holder]:
        """Return who signed in with the payload of `connection_init`; raise `Unauthenticated`."""
        ...

    def answers(self, holder: Holder, operation: SocketOperation) -> AsyncGenerator[Answer | Outbox]:
        """Yield one answer to a query or mutation, and the answers of a subscription until it ends.

        An outbox stands for all answers that come in it. A first answer without `data` says that nothing was executed. What is raised is told to the client, by
        its code or, where it was not foreseen, by the request id only.
        """
        ...


def malformation(message: object) -> str | None:
    """Return what is wrong with a message from a client, null for a good one; says nothing that it held."""
    if not isinstance(message, dict):
        return "A message is a JSON object"
    fields = cast("dict[str, object]", message)
    payload = fields.get("payload")
    match fields.get("type"):
        case "connection_init" | "ping" | "pong":
            return None if payload is None or isinstance(payload, dict) else "The payload is an object"
        case "complete":
            return _malformed_id(fields)
        case "subscribe":
            return _malformed_id(fields) or _malformed_subscription(payload)
        case _:
            return "Unknown message type"


def operation_of(payload: Mapping[str, Any], request_id: str, address: str | None) -> SocketOperation:
    """Return the operation in the payload of a well-formed `subscribe`."""
    return SocketOperation(asked_of(payload), request_id, address)


def _malformed_id(fields: Mapping[str, object]) -> str | None:
    message_id = fields.get("id")
    return None if isinstance(message_id, str) and message_id else "The id is a string that is not empty"


def _malformed_subscription(payload: object) -> str | None:
    try:
        asked_of(payload)
    except MalformedRequest as malformed:
        return malformed.message
    return None
