"""Does the server stay sound while people do one thing after the other?

Schemathesis has stateful testing for GraphQL, and it runs here. But it feeds only arguments that are ids themselves with
what mutations named like `create…` return at their root; our commands take one input and return one payload, so that it
finds no way but from the code of a project or an item to the project or the item. The rest is done by two machines of our own, with what schemathesis
writes: `order_machine` and `session_machine`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx
import pytest

from domain.order import OrderAction
from resolvers.orders import mutation_name
from tests.e2e.personas import PERSONAS, Personas
from tests.fuzz.answers import PLAIN_JSON, told
from tests.fuzz.order_machine import OrderMachine, World
from tests.fuzz.runs import EXAMPLES, SECONDS, fuzzed_server, run_machine, tell_of_run
from tests.fuzz.session_machine import SessionMachine
from tests.fuzz.voices import Voices
from tests.fuzz.written import SCHEMA, WRITER
from tests.integration.order_world import PATHS

_ROWS = """
{
  project(code: "P-001") { id wbsNodes(first: 10) { nodes { id } } }
  organizations(first: 10) { nodes { id kind } }
  users(first: 20) { nodes { id username } }
  costCodes(first: 5) { nodes { id } }
  items(first: 50) { nodes { bomRevisions(first: 2) { nodes { id } } } }
}
"""


@pytest.fixture(scope="module")
def server_url() -> Generator[str]:
    many = {"EOMS_SIGN_IN_ATTEMPTS_PER_ACCOUNT": "1000", "EOMS_SIGN_IN_ATTEMPTS_PER_ADDRESS": "100000"}
    with fuzzed_server(**many) as server:
        yield server.url


@pytest.fixture(scope="module")
def personas(server_url: str) -> Generator[Personas]:
    personas = Personas(server_url)
    personas.sign_in(*PERSONAS)
    yield personas
    personas.close()


@pytest.fixture
def voices(server_url: str, personas: Personas) -> Generator[Voices]:
    voices = Voices(server_url, personas)
    yield voices
    voices.close()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_orders_obey_their_book_whatever_people_do(voices: Voices) -> None:
    OrderMachine.world = _world(voices)
    with voices.telling():
        run_machine(OrderMachine, scenarios=max(2 * len(PATHS), EXAMPLES // 3), steps=18)
    mutations = {mutation_name(action) for action in OrderAction}
    assert OrderMachine.world.done == mutations, "these were never carried out"
    tell_of_run(voices.sent, "about orders")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_sessions_live_exactly_as_long_as_they_should(voices: Voices) -> None:
    SessionMachine.voices = voices
    with voices.telling():
        run_machine(SessionMachine, scenarios=max(1, EXAMPLES // 4), steps=25)
    tell_of_run(voices.sent, "about sessions")


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_what_schemathesis_itself_chains_is_answered(
    server_url: str, voices: Voices, personas: Personas
) -> None:
    sent: list[str] = []

    class Chain(WRITER.as_state_machine()):
        """Schemathesis' own machine, told where the server is and what an answer has to be."""

        def get_call_kwargs(self, _case: Any) -> dict[str, Any]:
            """Speak as the director."""
            token = personas.token("director")
            headers = {"Authorization": f"Bearer {token}", "Accept": PLAIN_JSON}
            return {"base_url": f"{server_url}/graphql", "headers": headers}

        def validate_response(self, response: Any, case: Any, **_: Any) -> None:
            """Check as everywhere, and not only what schemathesis would."""
            kind = {"Content-Type": response.headers["content-type"][0]}
            answer = httpx.Response(response.status_code, headers=kind, content=response.content)
            told(answer, PLAIN_JSON, case.body, SCHEMA)
            sent.append(case.operation.label)

    run_machine(Chain, scenarios=EXAMPLES, steps=5)
    assert set(sent) == {"Query.project", "Query.projects", "Query.item", "Query.items"}
    tell_of_run(len(sent), "by schemathesis' own machine")


def _world(voices: Voices) -> World:
    rows = voices.ask("director", _ROWS)
    organizations = rows["organizations"]["nodes"]
    users = {user["username"]: user["id"] for user in rows["users"]["nodes"]}

    def of_kinds(*kinds: str) -> list[str]:
        return [each["id"] for each in organizations if each["kind"] in kinds]

    return World(
        voices=voices,
        project_id=rows["project"]["id"],
        contractor_ids=of_kinds("CONTRACTOR"),
        worker_id=users["worker"],
        ids={
            "projectId": [rows["project"]["id"]],
            "customerId": of_kinds("CUSTOMER", "OWN"),
            "contractorId": of_kinds("CONTRACTOR", "OWN"),
            "wbsNodeId": [each["id"] for each in rows["project"]["wbsNodes"]["nodes"]],
            "costCodeId": [each["id"] for each in rows["costCodes"]["nodes"]],
            "bomRevisionId": [
                revision["id"]
                for item in rows["items"]["nodes"]
                for revision in item["bomRevisions"]["nodes"]
            ],
            "userId": list(users.values()),
            "actorId": list(users.values()),
        },
    )
