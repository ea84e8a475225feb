"""How does a test follow orders over a real WebSocket (`graphql-transport-ws`)?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Never

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")
WAIT_SECONDS = 20

ORDER_CHANGED = """
subscription {
  orderChanged {
    cursor resyncRequired
    event { type version changes { field before after } }
    order { id number state version amount hiddenFields lines(first: 10) { nodes { unitPrice amount } } }
  }
}
"""

# Any: a message holds what the document asked for.
Message = dict[str, Any]


class Follower:
    """One socket that follows orders; `heard` keeps the text of everything that came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.heard = ""

    async def follow(self, document: str = ORDER_CHANGED) -> None:
        """Subscribe; what is committed after this returns is heard."""
        await self._send({"id": "changes", "type": "subscribe", "payload": {"query": document}})
        # Nothing says that a subscription listens; but operations start in order, and these read the database.
        for barrier in ("first", "second"):
            query = {"query": "{ projects(first: 1) { nodes { id } } }"}
            await self._send({"id": barrier, "type": "subscribe", "payload": query})
            while (await self.message()).get("id") != barrier:
                pass

    async def change(self) -> Message:
        """Return the next change; fail for anything else but what belongs to the barriers."""
        while True:
            message = await self.message()
            if message["id"] == "changes":
                assert message["type"] == "next", message
                return message["payload"]["data"]["orderChanged"]

    async def changes(self, order_id: str, count: int) -> list[Message]:
        """Return the next changes of one order."""
        found: list[Message] = []
        while len(found) < count:
            change = await self.change()
            if change["order"]["id"] == order_id:
                found.append(change)
        return found

    async def changes_until(self, order_id: str, cursor: str) -> list[Message]:
        """Return the changes of one order up to the one with that cursor."""
        found = await self.changes(order_id, 1)
        while found[-1]["cursor"] != cursor:
            found += await self.changes(order_id, 1)
        return found

    async def message(self) -> Message:
        """Return the next message that is no ping."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                text = await self._socket.recv(decode=True)
                message: Message = json.loads(text)
                if message["type"] != "ping":
                    self.heard += text
                    return message
                await self._send({"type": "pong"})

    async def closed(self) -> int:
        """Return the code with which the server closes the socket."""
        with pytest.raises(ConnectionClosed) as closed:
            await self._listen_on()
        assert closed.value.rcvd is not None, "the server says why"
        return closed.value.rcvd.code

    async def is_open(self) -> bool:
        """Return whether the server still answers."""
        pong = await self._socket.ping()
        async with asyncio.timeout(WAIT_SECONDS):
            await pong
        return True

    async def _listen_on(self) -> Never:
        while True:
            await self.message()

    async def _send(self, message: Message) -> None:
        await self._socket.send(json.dumps(message))


@asynccontextmanager
async def opened(url: str, token: str) -> AsyncGenerator[Follower]:
    """A socket whose first message carries the token; whether that was good is not waited for."""
    address = url.replace("http://", "ws://") + "/graphql"
    async with connect(address, subprotocols=[PROTOCOL], proxy=None) as socket:
        payload = {"authorization": f"Bearer {token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        yield Follower(socket)


@asynccontextmanager
async def following(url: str, token: str) -> AsyncGenerator[Follower]:
    """A socket that hears every change of an order which its owner may see."""
    async with opened(url, token) as follower:
        assert (await follower.message())["type"] == "connection_ack"
        await follower.follow()
        yield follower
