"""What is happening to orders right now? A terminal that follows `orderChanged` of a running server.

It is a client like any other: signs in over HTTP, subscribes over `graphql-transport-ws`, and sees what the person it
signed in as may see.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator
from typing import Any

from rich.console import Console
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

_SIGN_IN = """
mutation ($input: SessionCreateInput!) {
  sessionCreate(input: $input) { accessToken errors { message } }
}
"""
_FOLLOW = """
subscription {
  orderChanged {
    resyncRequired
    event { type occurredAt actor { name } }
    order { number title state amount percentComplete hiddenFields }
  }
}
"""


class WatchError(Exception):
    """The server can't be watched; the message says why."""


# Any: what comes over the wire is JSON in the shape of the two documents above.
def sign_in(address: str, username: str, password: str) -> str:
    """Return an access token; raise `WatchError`. `address` is `http://host:port`."""
    body = json.dumps(
        {"query": _SIGN_IN, "variables": {"input": {"username": username, "password": password}}}
    ).encode()
    request = urllib.request.Request(  # noqa: S310  # the address is the operator's own
        f"{address}/graphql", body, {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            answer: dict[str, Any] = json.load(response)["data"]["sessionCreate"]
    except (urllib.error.URLError, OSError) as error:
        raise WatchError(f"No server answers at {address}.") from error
    if answer["accessToken"] is None:
        raise WatchError(answer["errors"][0]["message"])
    return answer["accessToken"]


async def changes(address: str, token: str) -> AsyncGenerator[dict[str, Any]]:
    """Yield the messages of `orderChanged`; raise `WatchError` when the server ends the connection."""
    url = f"ws{address.removeprefix('http')}/graphql"
    try:
        async with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
            await _open(socket, token)
            async for frame in socket:
                message: dict[str, Any] = json.loads(frame)
                match message["type"]:
                    case "next":
                        yield message["payload"]["data"]["orderChanged"]
                    case "ping":
                        await socket.send(json.dumps({"type": "pong"}))
                    case "error":
                        raise WatchError(message["payload"][0]["message"])
                    case _:
                        pass
    except (ConnectionClosed, OSError) as error:
        raise WatchError(f"The connection has ended: {error}") from error


async def _open(socket: ClientConnection, token: str) -> None:
    init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
    await socket.send(json.dumps(init))
    await socket.recv()
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": _FOLLOW}}))


def watch(address: str, username: str, password: str, console: Console) -> None:
    """Print a line for every change until Ctrl-C; raise `WatchError`."""
    token = sign_in(address, username, password)
    console.print(f"Following orders at {address} as {username}; Ctrl-C ends it.", highlight=False)

    async def follow() -> None:
        async for change in changes(address, token):
            console.print(_line(change), highlight=False, markup=False)

    asyncio.run(follow())


def _line(change: dict[str, Any]) -> str:
    if change["resyncRequired"]:
        return "Some changes were missed; read again what you need."
    event, order = change["event"], change["order"]
    actor = event and event["actor"]
    amount = "hidden" if "amount" in order["hiddenFields"] else order["amount"] or "-"
    what = f"{event['type']} by {actor['name'] if actor else 'somebody'}" if event else "changed"
    return (
        f"{order['number']}  {order['state']:<12} {order['percentComplete']:>6}%  {amount:>14}  "
        f"{order['title']}  ({what})"
    )
