"""How do WebSocket operations reach the schema? The gate between the sockets and the front door."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from domain.errors import Unauthenticated
from policies.tokens import Claims
from policies.viewer import Viewer
from resolvers.context import Context, RequestFacts, Runtime
from server.front_door import FrontDoor, Refused
from server.requests import bearer_token
from server.websocket_protocol import Passport, SocketGate, SocketOperation
from subscriptions.outbox import Outbox


class Gate(SocketGate[Claims]):
    """Signs sockets in by the token in `connection_init` and runs their operations, each with today's rights."""

    def __init__(self, front_door: FrontDoor, runtime: Runtime) -> None:
        self._front_door = front_door
        self._runtime = runtime

    @property
    def listener_count(self) -> int:
        """Return how many subscriptions of this process follow the feed."""
        return self._runtime.hub.member_count

    @property
    def cohort_count(self) -> int:
        """Return how many readings those share."""
        return self._runtime.hub.cohort_count

    async def authenticate(self, payload: Mapping[str, Any]) -> Passport[Claims]:
        """Return who holds the token in `{"authorization": "Bearer …"}`; raise `Unauthenticated`."""
        header = payload.get("authorization", payload.get("Authorization"))
        token = bearer_token(header) if isinstance(header, str) else None
        if token is None:
            raise Unauthenticated
        claims = self._runtime.sessions.mint.read(token)
        return passport_of(claims, await self._runtime.grants.viewer(claims))

    async def answers(
        self, holder: Claims, operation: SocketOperation
    ) -> AsyncGenerator[Mapping[str, Any] | Outbox]:
        """Yield the answer to one operation, or what gives those of a subscription."""
        facts = RequestFacts(operation.request_id, operation.address)
        context = Context(self._runtime, facts, holder, await self._runtime.grants.viewer(holder))
        try:
            admitted = await self._front_door.admit(operation.asked, context)
        except Refused as refusal:
            yield {"errors": refusal.errors}
            return
        async with self._front_door.answered(admitted, context) as answer:
            # A subscription lasts for hours, and thousands of them need nothing of their requests any more.
            del admitted, context, facts, operation
            yield answer


def passport_of(claims: Claims, viewer: Viewer) -> Passport[Claims]:
    """Return who is at the other end, until his token ends or what it was given for."""
    ends = [claims.expires_at, *([viewer.ends_at] if viewer.ends_at else [])]
    return Passport(claims, claims.user_id, min(ends))
