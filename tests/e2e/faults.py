"""What does a live follower hear while everything around him breaks? Servers, stores, writers and phones on bad networks.

Each phone follows as somebody, is cut off at random, comes back to any server with its last cursor, and keeps what it
heard. At the end everybody must have heard exactly what he may see of the event table: nothing lost, nothing twice, nothing
out of order, nothing that isn't his.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from loaders.places import position_of
from server.store_postgres import EmbeddedPostgres
from server.store_valkey import EmbeddedValkey
from tests.e2e.rows import fetched
from tests.e2e.server import Server
from tests.e2e.sockets import PROTOCOL

SILENT_SECONDS = 5
HEARD_SECONDS = 90

FOLLOW = """subscription ($after: String) {
  orderChanged(after: $after) { cursor resyncRequired orderId order { version } }
}"""

CREATE = """mutation ($input: OrderCreateInput!) {
  orderCreate(input: $input) { order { id version } errors { code } }
}"""
UPDATE = """mutation ($input: OrderUpdateInput!) {
  orderUpdate(input: $input) { order { id version } errors { code } }
}"""

# What each sees of the orders that the writers make, as SQL over engineering_order; written beside policies/rules.csv.
SEEN: Mapping[str, str] = {
    "director": "true",
    "pm": "o.project_id = (SELECT id FROM project WHERE code = 'P-001')",
    "pm2": "o.project_id = (SELECT id FROM project WHERE code = 'P-002')",
    "contractor": "o.contractor_id = (SELECT id FROM organization WHERE code = 'K-001')",
    "contractor2": "o.contractor_id = (SELECT id FROM organization WHERE code = 'K-002')",
    "worker": "EXISTS (SELECT FROM assignment a JOIN app_user u ON u.id = a.user_id"
    " WHERE a.order_id = o.id AND u.username = 'worker')",
}

# Any: GraphQL's variables and answers.
Json = dict[str, Any]


@dataclass
class Story:
    """What is shared by all who take part."""

    servers: Sequence[Server]
    tokens: Mapping[str, str]
    seed: int
    writing: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    last_position: int | None = None
    """Where everybody has heard everything, once nobody writes any more."""

    drops: int = 0
    commands: int = 0

    def url(self, chance: random.Random) -> str:
        return chance.choice(self.servers).url


class Phone:
    """Somebody who follows, on a bad network."""

    def __init__(self, story: Story, number: int, who: str, cursor: str) -> None:
        self.who = who
        self.heard: list[tuple[int, str, int | None]] = []
        """Position, order, and the version that was shown, null where it was said to have left."""

        self.resyncs = 0
        self._story = story
        self._cursor = cursor
        self._chance = random.Random(f"{story.seed} {number}")

    async def live(self) -> None:
        """Follow until the story is over."""
        while not self._story.over.is_set():
            with suppress(OSError, TimeoutError, WebSocketException, InvalidHandshake):
                await self._follow()
            self._story.drops += 1
            await asyncio.sleep(self._chance.uniform(0.02, 0.4))

    async def _follow(self) -> None:
        address = self._story.url(self._chance).replace("http://", "ws://") + "/graphql"
        patience = self._chance.uniform(0.2, 6)
        async with asyncio.timeout(30), connect(address, subprotocols=[PROTOCOL], proxy=None) as socket:
            token = self._story.tokens[self.who]
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}})
            )
            payload = {"query": FOLLOW, "variables": {"after": self._cursor}}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            ends_at = asyncio.get_running_loop().time() + patience
            while not self._story.over.is_set():
                if asyncio.get_running_loop().time() > ends_at and self._story.writing.is_set():
                    # Not closed: a phone in a tunnel says nothing.
                    socket.transport.abort()
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.25):
                        self._take(json.loads(await socket.recv()))

    def _take(self, message: Json) -> None:
        if message["type"] != "next":
            return
        assert "errors" not in message["payload"], message
        change = message["payload"]["data"]["orderChanged"]
        self._cursor = change["cursor"]
        if change["resyncRequired"]:
            self.resyncs += 1
            return
        order = change["order"]
        self.heard.append((position_of(self._cursor), change["orderId"], order and order["version"]))


async def write(story: Story, number: int, projects: Sequence[str], contractors: Sequence[str]) -> None:
    """Make orders and change them, each command until it is answered."""
    chance = random.Random(f"{story.seed} writer {number}")
    count = 0
    async with httpx.AsyncClient(timeout=10) as client:
        while story.writing.is_set():
            count += 1
            key = f"fault-{story.seed}-{number}-{count}"
            given = {
                "projectId": chance.choice(projects),
                "contractorId": chance.choice(contractors),
                "title": key,
            }
            order = await _given(
                story, client, chance, "orderCreate", CREATE, {**given, "idempotencyKey": key}
            )
            for change in range(chance.randint(0, 4)):
                update = {
                    "id": order["id"],
                    "expectedVersion": order["version"],
                    "description": f"{key} {change}",
                    "idempotencyKey": f"{key}-{change}",
                }
                order = await _given(story, client, chance, "orderUpdate", UPDATE, update)
            await asyncio.sleep(chance.uniform(0, 0.1))


async def _given(
    story: Story, client: httpx.AsyncClient, chance: random.Random, name: str, document: str, given: Json
) -> Json:
    while True:
        headers = {"Authorization": f"Bearer {story.tokens['writer']}"}
        with suppress(httpx.TransportError, ValueError):
            body = {"query": document, "variables": {"input": given}}
            answer = await client.post(f"{story.url(chance)}/graphql", json=body, headers=headers)
            content = answer.json()
            if "errors" not in content:
                payload = content["data"][name]
                assert payload["errors"] == [], payload
                story.commands += 1
                return payload["order"]
            codes = {error["extensions"]["code"] for error in content["errors"]}
            assert codes <= {"UNAVAILABLE", "TIMEOUT"}, content
        await asyncio.sleep(0.1)


async def check(story: Story, phones: Sequence[Phone], database_url: str, after: int) -> None:
    """Wait until everybody can have heard everything, and compare it with the event table."""
    expected: dict[str, list[tuple[int, str]]] = {}
    for who, seen in SEEN.items():
        rows = await fetched(
            database_url,
            "SELECT f.position, 'Order:' || o.id FROM event_feed f JOIN event e ON e.id = f.event_id"
            " JOIN engineering_order o ON o.id = e.aggregate_id"
            f" WHERE f.position > {after} AND ({seen}) ORDER BY f.position",
        )
        expected[who] = [(position, order) for position, order in rows]
    with suppress(TimeoutError):
        async with asyncio.timeout(HEARD_SECONDS):
            while any(len(phone.heard) < len(expected[phone.who]) for phone in phones):
                await asyncio.sleep(0.1)
    # Whoever hears something twice, or what isn't his, gets the time for it.
    await asyncio.sleep(2)
    story.over.set()
    for phone in phones:
        heard, wanted = [each[:2] for each in phone.heard], expected[phone.who]
        lost, alien = sorted({*wanted} - {*heard}), sorted({*heard} - {*wanted})
        assert heard == wanted, f"{phone.who} heard {len(heard)} of {len(wanted)}: {lost=} {alien=}"
        assert phone.resyncs == 0
        assert None not in {version for _, _, version in phone.heard}


class Stores:
    """The stores that everything breaks of."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
        self.folder = folder
        self.postgres = postgres
        self.valkey = valkey

    def lose_valkey(self) -> None:
        """Kill it, throw away what it knew, and start it again."""
        os.kill(self._valkey_pid, signal.SIGKILL)
        self.valkey.stop()
        for each in (self.folder / "valkey").glob("appendonly*"):
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        self.valkey.start(_silence)

    def restart_postgres(self) -> None:
        """Stop it in the middle of everything, and start it again."""
        self.postgres.stop()
        self.postgres.start(_silence)

    async def freeze_valkey(self, seconds: float) -> None:
        """Let it stand still."""
        pid = self._valkey_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    @property
    def _valkey_pid(self) -> int:
        return int((self.folder / "valkey" / "valkey.pid").read_text())


def _silence(_message: str) -> None:
    pass
