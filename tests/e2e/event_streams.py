"""How does a test read an event stream of a real server (`text/event-stream`) as its clients do?

    async with listening(client, f"{url}/graphql", {"query": "subscription { … }"}, token=token) as stream:
        assert await stream.payload() == {"data": {…}}
        assert await stream.rest() == [Event("complete", None)]

Events are read as https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation says.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

EVENT_STREAM = "text/event-stream"
WAIT_SECONDS = 20

# Any: a payload holds what the document asked for.
Payload = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One event: its type, and its data as JSON (null where it is empty)."""

    kind: str
    content: Any


class Listener:
    """One answered request; `heard` keeps every byte of its body, `was_cut` says that it had no proper end."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.heard = b""
        self.was_cut = False
        self._parts = response.aiter_raw()
        self._unread = b""

    async def event(self) -> Event | None:
        """Return the next event that is no comment, null at the end of the stream."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                block, found, rest = self._unread.partition(b"\n\n")
                if found:
                    self._unread = rest
                    event = _event(block.decode())
                    if event is not None:
                        return event
                elif not await self.part():
                    assert not self._unread, "the stream ends in the middle of an event"
                    return None

    async def payload(self) -> Payload:
        """Return the GraphQL response in the next event; fail where that is another event or none."""
        event = await self.event()
        assert event is not None, "the stream has ended"
        assert event.kind == "next", event
        return event.content

    async def rest(self) -> list[Event]:
        """Return the events from here to the end of the stream."""
        found: list[Event] = []
        while (event := await self.event()) is not None:
            found.append(event)
        return found

    async def part(self) -> bytes:
        """Return the next bytes as they come, none at the end of the stream."""
        try:
            part = await anext(self._parts, b"")
        except httpx.RemoteProtocolError:
            self.was_cut = True
            part = b""
        self.heard += part
        self._unread += part
        return part


@asynccontextmanager
async def listening(
    client: httpx.AsyncClient,
    url: str,
    body: Mapping[str, Any],
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncGenerator[Listener]:
    """POST a request for an event stream and read what comes; leaving closes the connection."""
    sent = {"Accept": EVENT_STREAM, **_authorization(token), **(headers or {})}
    async with client.stream("POST", url, json=body, headers=sent) as response:
        yield Listener(response)


@asynccontextmanager
async def listening_by_get(
    client: httpx.AsyncClient, url: str, body: Mapping[str, Any], *, token: str | None = None
) -> AsyncGenerator[Listener]:
    """Ask for an event stream by GET; objects in the body go as JSON."""
    parameters = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()
    }
    sent = {"Accept": EVENT_STREAM, **_authorization(token)}
    async with client.stream("GET", url, params=parameters, headers=sent) as response:
        yield Listener(response)


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _event(block: str) -> Event | None:
    """Return the event in the lines of a block, null where they are comments."""
    kind, lines = "message", list[str]()
    for line in block.split("\n"):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                continue
            case "event":
                kind = value
            case "data":
                lines.append(value)
            case _:
                raise AssertionError(f"no GraphQL stream has the field {name!r}")
    if not lines:
        assert kind == "message", f"a browser does not tell of {kind!r} without data"
        return None
    text = "\n".join(lines)
    return Event(kind, json.loads(text) if text else None)
