"""Does any document that fits the schema make the server stumble?

Schemathesis writes the documents: some for each query and mutation, the same in every run, against a real server as
one who sees everything and as one from outside. Most of them get ids and page sizes that mean something, so that
resolvers are reached and not only the checks before them. What belongs together over several requests is left to
`test_stateful`, requests that are none to `test_http_shape`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.personas import Personas
from tests.fuzz.answers import GRAPHQL_JSON, PLAIN_JSON, told
from tests.fuzz.runs import EXAMPLES, SECONDS, fuzzed_server, run, tell_of_run
from tests.fuzz.written import SCHEMA, Ids, aimed, documents, root_fields

VIEWERS = ("director", "contractor")

_MOSTLY = st.sampled_from((True, True, True, False))

# Ending the session that asks would leave every document after it without a viewer.
_NOT_SENT = "sessionRevoke"


class Target(NamedTuple):
    """A running server, both viewers' tokens, and ids of each type by the argument that takes them."""

    url: str
    personas: Personas
    ids: Ids


@dataclass
class Sent:
    """What was sent for one field, and which of the viewers got an answer without an error."""

    count: int = 0
    answered: set[str] = field(default_factory=set[str])


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with fuzzed_server() as server:
        personas = Personas(server.url)
        personas.sign_in(*VIEWERS)
        yield Target(server.url, personas, _known_ids(personas))
        personas.close()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_no_document_that_fits_the_schema_makes_the_server_stumble(target: Target) -> None:
    with ExitStack() as stack:
        clients = {who: stack.enter_context(_client(target, who)) for who in VIEWERS}
        sent = {name: _send_all(clients, name, target.ids) for name in root_fields() if name != _NOT_SENT}
    tell_of_run(sum(each.count for each in sent.values()), "as " + " and ".join(VIEWERS))
    assert {name: each.count for name, each in sent.items() if each.count < EXAMPLES * len(VIEWERS)} == {}
    assert SCHEMA.query_type is not None
    unreached = {name for name in SCHEMA.query_type.fields if sent[name].answered != set(VIEWERS)}
    assert unreached == set(), "these never got past their arguments"


def _client(target: Target, who: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {target.personas.token(who)}"}
    return httpx.Client(base_url=target.url, headers=headers, timeout=60)


def _send_all(clients: Mapping[str, httpx.Client], name: str, ids: Ids) -> Sent:
    """Send the documents of one field; to write one takes as long as to have it answered, so all viewers get each."""
    sent = Sent()

    @given(documents(name), _MOSTLY, st.booleans(), st.integers(0, 1000))
    def send(document: str, is_aimed: bool, is_plain: bool, place: int) -> None:
        text = aimed(document, ids, place) if is_aimed else document
        media_type = PLAIN_JSON if is_plain else GRAPHQL_JSON
        for who, client in clients.items():
            response = client.post("/graphql", json={"query": text}, headers={"Accept": media_type})
            answer = told(response, media_type, text, SCHEMA)
            sent.count += 1
            if not answer.codes:
                sent.answered.add(who)

    run(send, EXAMPLES, name)
    return sent


def _known_ids(personas: Personas) -> dict[str, list[str]]:
    # Any: JSON.
    found: dict[str, Any] = personas.ask(
        "director",
        "{ orders(first: 20) { nodes { id lines(first: 3) { nodes { id } } } edges { cursor } }"
        " projects(first: 3) { nodes { id wbsNodes(first: 5) { nodes { id } } } } organizations(first: 6) { nodes { id } }"
        " users(first: 10) { nodes { id } } costCodes(first: 5) { nodes { id } } events(first: 5) { nodes { id } }"
        " items(first: 40) { nodes { id bomRevisions(first: 2) { nodes { id lines(first: 2) { nodes { id } } } } } }"
        " engineeringChanges(first: 5) { nodes { id } } }",
    ).data
    keys = {name: [node["id"] for node in connection["nodes"]] for name, connection in found.items()}
    nodes = [node["id"] for project in found["projects"]["nodes"] for node in project["wbsNodes"]["nodes"]]
    lines = [line["id"] for order in found["orders"]["nodes"] for line in order["lines"]["nodes"]]
    revisions = [each for item in found["items"]["nodes"] for each in item["bomRevisions"]["nodes"]]
    lines += [line["id"] for revision in revisions for line in revision["lines"]["nodes"]]
    revision_ids = [revision["id"] for revision in revisions]
    return {
        "id": keys["orders"] + keys["projects"],
        "Order": keys["orders"],
        "Project": keys["projects"],
        "Item": keys["items"],
        "BomRevision": revision_ids,
        "EngineeringChange": keys["engineeringChanges"],
        "revisionIds": revision_ids,
        "addRevisionIds": revision_ids,
        "removeRevisionIds": revision_ids,
        "sourceId": revision_ids,
        "left": revision_ids,
        "right": revision_ids,
        "ids": [
            *keys["orders"][:5],
            *(each for name in keys for each in keys[name][-2:]),
            *lines[:2],
            *nodes[:2],
            *revision_ids[:2],
        ],
        "wbsNodeId": nodes,
        "projectId": keys["projects"],
        "customerId": keys["organizations"],
        "contractorId": keys["organizations"],
        "userId": keys["users"],
        "actorId": keys["users"],
        "costCodeId": keys["costCodes"],
        "aggregateId": keys["orders"],
        "lineId": lines,
        "after": [edge["cursor"] for edge in found["orders"]["edges"]],
    }
