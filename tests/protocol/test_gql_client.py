"""Does Python's `gql` work with a real server: over httpx, over a WebSocket, and with our schema fetched?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any, NamedTuple

import pytest
from gql import Client, GraphQLRequest
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from graphql import GraphQLError
from websockets.exceptions import ConnectionClosedError

from tests.e2e.personas import Personas
from tests.e2e.server import demo_data, serving

WAIT_SECONDS = 20
FORBIDDEN = 4403

# Any: GraphQL's variables and answers.
Json = dict[str, Any]

PROJECT = "query ($code: String!) { project(code: $code) { id code } viewer { user { username } } }"
CREATE = """
mutation ($projectId: ID!) {
  orderCreate(input: {projectId: $projectId, title: "New"}) { order { id title version } errors { code } }
}
"""
UPDATE = """
mutation ($id: ID!, $version: Int!, $title: String!) {
  orderUpdate(input: {id: $id, expectedVersion: $version, title: $title}) {
    order { title version }
    errors { __typename code ... on VersionConflict { currentVersion } }
  }
}
"""
CHANGED = """
subscription ($ids: [ID!]) {
  orderChanged(orderIds: $ids) { resyncRequired event { type version } order { id title version } }
}
"""


class Served(NamedTuple):
    """A running server, and everybody's voice on it."""

    url: str
    personas: Personas

    def over_http(self, who: str, *, fetches_schema: bool = False) -> Client:
        """Return a client over httpx."""
        transport = HTTPXAsyncTransport(f"{self.url}/graphql", headers=self._bearer(who))
        return Client(transport=transport, fetch_schema_from_transport=fetches_schema)

    def over_socket(self, who: str) -> Client:
        """Return a client over a WebSocket."""
        return self.over_socket_with({"authorization": self._bearer(who)["Authorization"]})

    def over_socket_with(self, payload: Json) -> Client:
        """Return a client over a WebSocket that says this in its `connection_init`."""
        address = f"{self.url.replace('http', 'ws', 1)}/graphql"
        transport = WebsocketsTransport(address, init_payload=payload, connect_args={"proxy": None})
        return Client(transport=transport)

    def _bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.personas.token(who)}"}


@pytest.fixture(scope="module")
def served() -> Generator[Served]:
    with demo_data() as data_dir, serving(data_dir) as server:
        personas = Personas(server.url)
        personas.sign_in("pm", "buyer")
        yield Served(server.url, personas)
        personas.close()


async def test_query_over_http(served: Served) -> None:
    async with served.over_http("pm") as session:
        found = await asked(session, PROJECT, code="P-001")
    assert (found["project"]["code"], found["viewer"]["user"]["username"]) == ("P-001", "pm")


async def test_mutation_over_http_and_its_refusal_as_a_typed_error(served: Served) -> None:
    async with served.over_http("buyer") as session:
        order = await created(session)
        given = {"id": order["id"], "version": 1, "title": "Newer"}
        done = await asked(session, UPDATE, **given)
        assert done["orderUpdate"] == {"order": {"title": "Newer", "version": 2}, "errors": []}
        refused = await asked(session, UPDATE, **given)
    conflict = {"__typename": "VersionConflict", "code": "VERSION_CONFLICT", "currentVersion": 2}
    assert refused["orderUpdate"] == {"order": None, "errors": [conflict]}


async def test_bad_document_is_refused_by_the_server_with_its_code(served: Served) -> None:
    async with served.over_http("pm") as session:
        with pytest.raises(TransportQueryError) as refused:
            await asked(session, "{ viewer { nonsense } }")
    assert codes(refused.value) == ["GRAPHQL_VALIDATION_FAILED"]


async def test_schema_is_fetched_and_refuses_a_bad_document_before_it_is_sent(served: Served) -> None:
    client = served.over_http("pm", fetches_schema=True)
    async with client as session:
        with pytest.raises(GraphQLError, match="Cannot query field 'nonsense' on type 'Viewer'"):
            await asked(session, "{ viewer { nonsense } }")
        found = await asked(session, PROJECT, code="P-001")
    assert found["project"]["code"] == "P-001"
    assert client.schema is not None
    assert client.schema.get_type("Order") is not None


async def test_bad_token_is_refused(served: Served) -> None:
    transport = HTTPXAsyncTransport(f"{served.url}/graphql", headers={"Authorization": "Bearer not.a.token"})
    async with Client(transport=transport) as session:
        with pytest.raises(TransportQueryError) as refused:
            await asked(session, PROJECT, code="P-001")
    assert codes(refused.value) == ["UNAUTHENTICATED"]


async def test_subscription_over_a_socket_tells_of_a_change_from_outside(served: Served) -> None:
    async with served.over_http("buyer") as outside, served.over_socket("pm") as session:
        order = await created(outside)
        request = GraphQLRequest(CHANGED, variable_values={"ids": [order["id"]]})
        async with aclosing(session.subscribe(request)) as changes:
            hearing = asyncio.create_task(heard(changes, version=2))
            # Nothing says that a subscription listens; but operations start in order, and these read the database.
            for _ in range(2):
                await asked(session, PROJECT, code="P-001")
            await asked(outside, UPDATE, id=order["id"], version=1, title="Heard")
            change = await asyncio.wait_for(hearing, WAIT_SECONDS)
    assert change == {
        "resyncRequired": False,
        "event": {"type": "OrderUpdated", "version": 2},
        "order": {"id": order["id"], "title": "Heard", "version": 2},
    }


async def test_bad_token_closes_the_socket(served: Served) -> None:
    with pytest.raises(TransportConnectionFailed) as failed:
        async with served.over_socket_with({"authorization": "Bearer not.a.token"}):
            pass
    closed = failed.value.__cause__
    assert isinstance(closed, ConnectionClosedError)
    assert closed.rcvd is not None
    assert closed.rcvd.code == FORBIDDEN


async def asked(session: AsyncClientSession, document: str, **variables: Any) -> Json:
    """Return the data of an answer without errors."""
    # gql says `ExecutionResult` too, which comes only to who asks for it.
    answer: Any = await session.execute(GraphQLRequest(document, variable_values=variables))
    return answer


def codes(refusal: TransportQueryError) -> list[str]:
    """Return the codes of a refusal's errors."""
    return [error["extensions"]["code"] for error in refusal.errors or ()]


async def created(session: AsyncClientSession) -> Json:
    """Open a draft in the first project and return it."""
    project = (await asked(session, PROJECT, code="P-001"))["project"]
    payload = (await asked(session, CREATE, projectId=project["id"]))["orderCreate"]
    assert payload["errors"] == []
    return payload["order"]


async def heard(changes: AsyncGenerator[Any], *, version: int) -> Json:
    """Return the change that led to this version."""
    async for answer in changes:
        change = answer["orderChanged"]
        if change["event"]["version"] == version:
            return change
    raise AssertionError("the subscription has ended")
