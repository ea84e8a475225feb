"""Who comes and goes while it is looked whether a server wears out? Guests who follow orders, and writers.

A guest follows as somebody, by one of some documents, narrowed to something or not, over a socket or an event stream. He
leaves properly, or is cut off, and comes back with his last cursor; sometimes he is gone for good and another one comes, who
follows from now on. What each must have heard is left to `tests.e2e.soak_truth`, the server's memory to `tests.e2e.soak_wear`.
"""

from __future__ import annotations

import asyncio
import json
import random
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from loaders.places import position_of
from tests.e2e import faults
from tests.e2e.event_streams import listening
from tests.e2e.faults import CREATE, FOLLOW, UPDATE, Json
from tests.e2e.sockets import PROTOCOL

WRITERS: Mapping[str, str] = {"buyer": "P-001", "pm2": "P-002"}
"""Who writes orders, in which project."""

_IN_FIRST = faults.SEEN["pm"]
SEEN: Mapping[str, str] = {
    **faults.SEEN,
    "finance": "true",
    "pm": f"{_IN_FIRST} OR {faults.SEEN['pm2']}",
    "engineer": _IN_FIRST,
    "buyer": _IN_FIRST,
}
"""What each sees of the orders in both projects, as SQL over engineering_order. The manager of one is an engineer in the other."""

_ARGUMENTS = "$after: String, $projectId: ID, $orderIds: [ID!], $states: [OrderState!]"
_NARROWED = "after: $after, projectId: $projectId, orderIds: $orderIds, states: $states"
_FOLLOWED = f"subscription ({_ARGUMENTS}) {{ orderChanged({_NARROWED}) {{ cursor resyncRequired orderId "
DOCUMENTS = (
    FOLLOW.replace("$after: String", _ARGUMENTS).replace("after: $after", _NARROWED),
    f"{_FOLLOWED} event {{ type occurredAt actor {{ name }} }} order {{ number state version }} }} }}",
    f"{_FOLLOWED} order {{ version title amount contractor {{ name }} hiddenFields lines(first: 5) {{ nodes {{ unitPrice }} }} }} }} }}",
)

_RECENT = 20
_STREAMS = 1 / 6
_GONE_FOR_GOOD = 0.1
_SUBSCRIBED_ANEW = 0.02
_OPEN_SECONDS = 30
_PUT_OFF = (1013, "Try again later")
"""How a socket is closed that the server has no time for just now (docs/live.md)."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to hear of: the variables that say so, and the same as SQL over engineering_order."""

    variables: Json
    told: str


@dataclass
class Soak:
    """What is shared by all who take part."""

    url: str
    tokens: Mapping[str, str]
    wishes: Sequence[Wish]
    chance: random.Random
    client: httpx.AsyncClient
    """By which guests and writers ask."""

    is_over: bool = False
    messages: int = 0
    commands: int = 0
    comings: int = 0
    put_off: int = 0
    """How often somebody was told to come again later."""

    orders: dict[int, str] = field(default_factory=dict[int, str])
    """Of which order a place in the feed was said to be; everybody has to be told the same."""

    gone: list[Guest] = field(default_factory=list["Guest"])
    """Who will not come back; each has heard all that was his up to his last cursor."""

    async def asked(self, who: str, query: str, **variables: object) -> Json:
        """Return the data of an answer without errors."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        body = {"query": query, "variables": variables}
        while True:
            answer = (await self.client.post(f"{self.url}/graphql", json=body, headers=headers)).json()
            if not self.has_put_off(answer.get("errors", ())):
                assert "errors" not in answer, answer
                return answer["data"]
            await asyncio.sleep(0.2)

    def has_put_off(self, errors: Sequence[Json]) -> bool:
        """Return whether these say that the server has no time just now; counted."""
        is_busy = [each["extensions"]["code"] for each in errors] == ["UNAVAILABLE"]
        self.put_off += is_busy
        return is_busy


class Guest:
    """Somebody who follows from a cursor on; `positions` are the places of what he has heard."""

    def __init__(self, soak: Soak, cursor: str) -> None:
        self.who = soak.chance.choice([*SEEN])
        self.wish = soak.chance.choice(soak.wishes)
        self.after = position_of(cursor)
        # Millions of them in a whole run.
        self.positions = array("q")
        self._soak = soak
        self._cursor = cursor
        self._chance = soak.chance
        self._document = soak.chance.choice(DOCUMENTS)
        self._visit = self._by_stream if soak.chance.random() < _STREAMS else self._by_socket
        self._stay: asyncio.Timeout | None = None

    @property
    def last(self) -> int:
        """Return the last place that he has heard of."""
        return self.positions[-1] if self.positions else self.after

    async def live(self) -> None:
        """Come and go until he is gone for good, or all is over."""
        while not self._soak.is_over:
            self._soak.comings += 1
            await self._visit()
            if self._chance.random() < _GONE_FOR_GOOD:
                return
            await asyncio.sleep(self._chance.uniform(0.02, 1))

    def leave(self) -> None:
        """Leave at once, in whichever way."""
        if self._stay is not None:
            # He may be away already.
            with suppress(RuntimeError):
                self._stay.reschedule(0)

    def _patience(self) -> asyncio.Timeout:
        return asyncio.timeout(0 if self._soak.is_over else self._chance.uniform(0.1, 15))

    @property
    def _body(self) -> Json:
        return {"query": self._document, "variables": {**self.wish.variables, "after": self._cursor}}

    async def _by_stream(self) -> None:
        address, token = f"{self._soak.url}/graphql", self._soak.tokens[self.who]
        with suppress(TimeoutError):
            async with (
                self._patience() as self._stay,
                listening(self._soak.client, address, self._body, token=token) as stream,
            ):
                while not self._soak.has_put_off((payload := await stream.payload()).get("errors", ())):
                    self._take(payload)

    async def _by_socket(self) -> None:
        address = self._soak.url.replace("http://", "ws://") + "/graphql"
        socket = await connect(address, subprotocols=[PROTOCOL], proxy=None, open_timeout=_OPEN_SECONDS)
        try:
            with suppress(TimeoutError):
                async with self._patience() as self._stay:
                    await self._listen(socket)
        except ConnectionClosedError as error:
            # So it is said where nobody can be signed in just now; who reads too slowly is told otherwise.
            if error.rcvd is None or (error.rcvd.code, error.rcvd.reason) != _PUT_OFF:
                raise
            self._soak.put_off += 1
        finally:
            if self._chance.random() < 0.5:
                # A phone in a tunnel says nothing.
                socket.transport.abort()
            else:
                await socket.close()

    async def _listen(self, socket: ClientConnection) -> None:
        token = f"Bearer {self._soak.tokens[self.who]}"
        await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": token}}))
        operation = 1
        await self._subscribe(socket, operation)
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "ping":
                await socket.send('{"type":"pong"}')
            elif message["type"] == "error" and self._soak.has_put_off(message["payload"]):
                return
            elif message.get("id") == str(operation):
                assert message["type"] == "next", message
                self._take(message["payload"])
                if self._chance.random() < _SUBSCRIBED_ANEW:
                    await socket.send(json.dumps({"id": str(operation), "type": "complete"}))
                    operation += 1
                    await self._subscribe(socket, operation)
        raise AssertionError(f"the server closed: {socket.close_code} {socket.close_reason}")

    async def _subscribe(self, socket: ClientConnection, operation: int) -> None:
        await socket.send(json.dumps({"id": str(operation), "type": "subscribe", "payload": self._body}))

    def _take(self, payload: Json) -> None:
        # A replaced message is a lost one here: these guests are as quick as they can be.
        # Engineers may not read prices.
        assert {each["extensions"]["code"] for each in payload.get("errors", ())} <= {"FORBIDDEN"}, payload
        assert "extensions" not in payload, payload
        change = payload["data"]["orderChanged"]
        assert not change["resyncRequired"], change
        assert change["order"] is not None, change
        self._cursor = change["cursor"]
        position = position_of(self._cursor)
        assert position > self.last, (position, self.last)
        assert self._soak.orders.setdefault(position, change["orderId"]) == change["orderId"]
        self.positions.append(position)
        self._soak.messages += 1


class Room:
    """So many guests at a time."""

    def __init__(self, soak: Soak, size: int) -> None:
        self.guests: list[Guest | None] = [None] * size
        self._soak = soak

    async def full(self) -> None:
        """Keep every place taken until all is over."""
        async with asyncio.TaskGroup() as group:
            for place in range(len(self.guests)):
                group.create_task(self._taken(place))

    def leave(self) -> None:
        """Let all who are there leave at once."""
        for guest in self.guests:
            if guest is not None:
                guest.leave()

    async def _taken(self, place: int) -> None:
        soak = self._soak
        while not soak.is_over:
            cursor = (await soak.asked("director", "{ feedCursor }"))["feedCursor"]
            guest = self.guests[place] = Guest(soak, cursor)
            await guest.live()
            if not soak.is_over:
                self.guests[place] = None
                soak.gone.append(guest)


class Writer:
    """Somebody who makes orders and changes them, as long as he is let."""

    def __init__(self, soak: Soak, who: str, given: Json, contractors: Sequence[str]) -> None:
        self.orders: list[Json] = []
        """The newest, and at its end the very newest, as they are now."""

        self._soak = soak
        self._who = who
        self._given = given
        self._contractors = contractors

    async def make(self) -> Json:
        """Make an order."""
        chance = self._soak.chance
        contractor = chance.choice(self._contractors)
        order = await self._done(
            "orderCreate", CREATE, {**self._given, "contractorId": contractor, "title": "soaked"}
        )
        self.orders = [*self.orders, order][-_RECENT:]
        return order

    async def write(self, pause_seconds: float, writing: asyncio.Event) -> None:
        """Give commands, so far apart."""
        chance = self._soak.chance
        while writing.is_set():
            if chance.random() < 0.3:
                await self.make()
            else:
                place = chance.randrange(len(self.orders))
                order = self.orders[place]
                given = {"id": order["id"], "expectedVersion": order["version"]}
                description = f"version {order['version']}"
                self.orders[place] = await self._done(
                    "orderUpdate", UPDATE, {**given, "description": description}
                )
            await asyncio.sleep(chance.uniform(0, 2 * pause_seconds))

    async def _done(self, name: str, document: str, given: Json) -> Json:
        payload = (await self._soak.asked(self._who, document, input=given))[name]
        assert payload["errors"] == [], payload
        self._soak.commands += 1
        return payload["order"]
