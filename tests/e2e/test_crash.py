"""Does kill -9 in the middle of 1,000 commands lose, halve or double anything?"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from server.stores import StoreUrls
from server.verify import verify_events
from tests.e2e.personas import Personas
from tests.e2e.rows import assert_stream_tells_the_feed, fetched
from tests.e2e.server import Server, demo_data, serving, stores_of

CLIENT_COUNT = 20
COMMAND_COUNT = 1_000
KILLED_AFTER = (500,)

# Any: GraphQL's variables and answers.
Json = dict[str, Any]

CREATE = """
mutation ($input: OrderCreateInput!) {
  orderCreate(input: $input) { order { id version } errors { code message } }
}
"""
UPDATE = """
mutation ($input: OrderUpdateInput!) {
  orderUpdate(input: $input) { order { id version } errors { code message } }
}
"""


@dataclass
class Client:
    """Makes orders and changes each once; keeps the command that was never answered, to send it again."""

    name: int
    project_id: str
    acknowledged: dict[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    order: tuple[str, int] | None = None
    sent: int = 0
    retried: int = 0
    pending: Json | None = None

    async def work(self, http: httpx.AsyncClient, crowd: Crowd) -> None:
        """Give commands until the crowd has given all, or the server is gone."""
        while self.pending is not None or crowd.has_more():
            if self.pending is None:
                self.pending = self._next()
            else:
                self.retried += 1
            try:
                response = await http.post("/graphql", json=self.pending)
            except httpx.TransportError:
                return
            content: Json = response.json()
            assert "errors" not in content, content
            (answer,) = content["data"].values()
            assert answer["errors"] == []
            order = answer["order"]
            key: str = self.pending["variables"]["input"]["idempotencyKey"]
            self.acknowledged[key] = (order["id"], order["version"])
            self.order = (order["id"], order["version"]) if order["version"] == 1 else None
            self.pending = None
            crowd.acknowledge()

    def _next(self) -> Json:
        self.sent += 1
        key = f"crash-{self.name}-{self.sent}"
        if self.order is None:
            given = {"projectId": self.project_id, "title": key}
            return {"query": CREATE, "variables": {"input": {**given, "idempotencyKey": key}}}
        order_id, version = self.order
        given = {"id": order_id, "expectedVersion": version, "description": key}
        return {"query": UPDATE, "variables": {"input": {**given, "idempotencyKey": key}}}


class Crowd:
    """All clients, the count of what is done, and the server's death at the given counts."""

    def __init__(self, server: Server, token: str, project_id: str) -> None:
        self.clients = [Client(name, project_id) for name in range(CLIENT_COUNT)]
        self._server = server
        self._token = token
        self._given = itertools.count(1)
        self._done = 0
        self._die_at = 0

    async def work(self, die_at: int) -> None:
        """Let all clients work until the server dies, or everything is done."""
        self._die_at = die_at
        headers = {"Authorization": f"Bearer {self._token}"}
        limits = httpx.Limits(max_connections=CLIENT_COUNT)
        async with httpx.AsyncClient(
            base_url=self._server.url, headers=headers, limits=limits, timeout=30
        ) as http:
            await asyncio.gather(*(client.work(http, self) for client in self.clients))

    def has_more(self) -> bool:
        """Take the right to give one more command."""
        return next(self._given) <= COMMAND_COUNT

    def acknowledge(self) -> None:
        """Count an answer, and kill the server at the one that was chosen."""
        self._done += 1
        if self._done == self._die_at:
            self._server.kill9()

    @property
    def acknowledged(self) -> dict[str, tuple[str, int]]:
        """Return what was answered so far: key to (order, version)."""
        return {key: done for client in self.clients for key, done in client.acknowledged.items()}


@pytest.mark.slow
def test_kill_in_the_middle_of_a_thousand_commands_loses_and_doubles_nothing() -> None:
    with demo_data() as data_dir, serving(data_dir) as server:
        token, project_id = _signed_in(server)
        crowd = Crowd(server, token, project_id)
        for killed_after in KILLED_AFTER:
            asyncio.run(crowd.work(killed_after))
            assert any(client.pending for client in crowd.clients), "the kill left nobody without an answer"
            server.start()
            with stores_of(data_dir) as urls:
                asyncio.run(_assert_kept_and_whole(urls, crowd))
        asyncio.run(crowd.work(die_at=0))
        with stores_of(data_dir) as urls:
            asyncio.run(_assert_each_done_once(urls, crowd))
            asyncio.run(assert_stream_tells_the_feed(urls))
        assert sum(client.retried for client in crowd.clients) > 0
        assert server.stop() == 0


async def _assert_kept_and_whole(urls: StoreUrls, crowd: Crowd) -> None:
    """Every acknowledged command has its event, and every row is what its events say."""
    told = await fetched(
        urls.database_url,
        "SELECT 'Order:' || aggregate_id, version FROM event WHERE aggregate_type = 'Order'",
    )
    missing = set(crowd.acknowledged.values()) - set(told)
    assert missing == set()
    verified = await verify_events(urls.database_url, _silence)
    assert verified.findings == ()


async def _assert_each_done_once(urls: StoreUrls, crowd: Crowd) -> None:
    """There is one order for each creation and one event for each command, of all that were ever sent."""
    await _assert_kept_and_whole(urls, crowd)
    assert len(crowd.acknowledged) == COMMAND_COUNT
    found = await fetched(
        urls.database_url,
        "SELECT title, description, version FROM engineering_order WHERE title LIKE 'crash-%' ORDER BY title",
    )
    assert len({title for title, _, _ in found}) == len(found)
    keys = sorted(key for title, description, _ in found for key in (title, description) if key)
    assert keys == sorted(crowd.acknowledged)
    events = await fetched(
        urls.database_url,
        "SELECT count(*) FROM event JOIN engineering_order AS o ON o.id = aggregate_id"
        " WHERE o.title LIKE 'crash-%'",
    )
    assert events == [(COMMAND_COUNT,)]
    numbers = await fetched(
        urls.database_url,
        "SELECT count(*), max(substr(number, 9)::int) - min(substr(number, 9)::int) + 1"
        " FROM engineering_order WHERE title LIKE 'crash-%'",
    )
    assert numbers[0][0] == numbers[0][1], "order numbers have gaps"


def _signed_in(server: Server) -> tuple[str, str]:
    personas = Personas(server.url)
    try:
        personas.sign_in("engineer")
        found = personas.ask("engineer", '{ project(code: "P-001") { id } }').data
        return personas.token("engineer"), found["project"]["id"]
    finally:
        personas.close()


def _silence(_line: str) -> None:
    """Progress is no news in a test."""
