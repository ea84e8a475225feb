"""Does every probe of a GraphQL security scanner get a clean refusal?

The probes are those of graphql-cop and of the checklist in OWASP's GraphQL Cheat Sheet, sent as nobody, as one from outside
and as staff.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from graphql import get_introspection_query

from tests.api import Api

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPHQL_JSON = "application/graphql-response+json"
EVERYBODY = (None, "contractor", "director")
STRANGERS = (None, "contractor")

CIRCULAR = "{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }"


def nested(depth: int) -> str:
    """Return a document that goes round between projects and orders."""
    around = ("project", "orders(first: 1)", "nodes")
    path = ["orders(first: 1)", "nodes", *(around[nth % 3] for nth in range(depth - 3)), "__typename"]
    return "{" + "{".join(path) + "}" * (len(path) - 1 + 1)


async def probe(api: Api, body: object, who: str | None, **headers: str) -> httpx.Response:
    """POST a body and show that the answer is one of ours and gives nothing of the inside away."""
    if who:
        headers["Authorization"] = f"Bearer {await api.token(who)}"
    response = await api.client.post("/graphql", json=body, headers={"Accept": GRAPHQL_JSON, **headers})
    assert response.status_code < 500
    for inside in ("Traceback", ".py", "SELECT ", "asyncpg", "sqlalchemy", "tracing"):
        assert inside not in response.text
    return response


def codes(response: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json()["errors"]]


@pytest.mark.parametrize("who", EVERYBODY)
@pytest.mark.parametrize(
    ("document", "code"),
    [
        (
            "{ " + " ".join(f"alias{nth}: __typename" for nth in range(101)) + " }",
            "TOO_MANY_ALIASES TOO_MANY_ROOT_FIELDS",
        ),
        ("query cop { " + "__typename \n" * 500 + "}", "TOO_MANY_REPETITIONS"),
        ("query { __typename " + "@aa" * 10 + " }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { __typename " + "@include(if: true)" * 50 + " }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { __typename " + "@aa" * 5000 + " }", "TOO_MANY_TOKENS"),
        (nested(17), "TOO_DEEP"),
        ("{ __typename " + "#" * 900_000 + "\n}", "DOCUMENT_TOO_LONG"),
        ("queryy { __typename }", "GRAPHQL_PARSE_FAILED"),
        ("query { doesNotExist }", "GRAPHQL_VALIDATION_FAILED"),
        ("query { \x00 }", "GRAPHQL_PARSE_FAILED"),
        (
            "query { orders(first: 100) { nodes { project { orders(first: 100) { nodes { lines(first: 100) { nodes { id } } } } } } } }",
            "TOO_MANY_NODES",
        ),
    ],
)
async def test_overload_is_refused_by_its_code_and_never_runs(
    company: Api, who: str | None, document: str, code: str
) -> None:
    response = await probe(company, {"query": document}, who)
    assert response.status_code == 400
    assert set(codes(response)) == set(code.split())
    assert len(codes(response)) <= 5
    assert "data" not in response.json()


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize(
    "document", [get_introspection_query(), CIRCULAR, '{ __type(name: "Order") { name } }']
)
async def test_strangers_learn_nothing_of_the_schema(company: Api, who: str | None, document: str) -> None:
    response = await probe(company, {"query": document}, who)
    assert (response.status_code, set(codes(response))) == (400, {"GRAPHQL_VALIDATION_FAILED"})


@pytest.mark.parametrize("who", STRANGERS)
@pytest.mark.parametrize(
    "document",
    [
        "{ order { numbr } }",
        "{ ordrs(first: 1) { nodes { id } } }",
        "{ orders(frst: 1) { nodes { id } } }",
        "{ orders(first: 1, orderBy: [{field: NUMBR, direction: ASC}]) { nodes { id } } }",
        "{ orders(first: 1, filter: {stats: []}) { nodes { id } } }",
        "query ($a: OrdrFilter) { orders(first: 1, filter: $a) { nodes { id } } }",
        "{ node(id: 1) { ... on Ordr { id } } }",
    ],
)
async def test_strangers_are_not_told_what_they_might_have_meant(
    company: Api, who: str | None, document: str
) -> None:
    response = await probe(company, {"query": document}, who)
    assert set(codes(response)) <= {"GRAPHQL_VALIDATION_FAILED"}
    assert "Did you mean" not in response.text


async def test_strangers_are_not_told_what_a_variable_might_have_meant(company: Api) -> None:
    document = "query ($a: OrderFilter) { orders(first: 1, filter: $a) { nodes { id } } }"
    for who in STRANGERS:
        response = await probe(company, {"query": document, "variables": {"a": {"stats": []}}}, who)
        assert codes(response) == ["BAD_USER_INPUT"]
        assert "Did you mean" not in response.text


@pytest.mark.parametrize("size", [2, 10, 1000])
async def test_batches_are_refused(company: Api, size: int) -> None:
    response = await probe(company, [{"query": "{ __typename }"}] * size, None)
    assert (response.status_code, codes(response)) == (400, ["MALFORMED_REQUEST"])


async def test_nothing_is_executed_for_what_a_foreign_page_can_send(company: Api) -> None:
    body = json.dumps({"query": "{ __typename }"})
    for content_type in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        response = await company.client.post("/graphql", content=body, headers={"Content-Type": content_type})
        assert (response.status_code, codes(response)) == (415, ["UNSUPPORTED_MEDIA_TYPE"])
    for accept in ("*/*", "text/html,*/*;q=0.8"):
        response = await company.client.get(
            "/graphql", params={"query": "{ __typename }"}, headers={"Accept": accept}
        )
        assert (response.status_code, codes(response)) == (406, ["NOT_ACCEPTABLE"])
    preflight = await company.client.options(
        "/graphql", headers={"Origin": "https://elsewhere.test", "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 400
    assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize(
    "path", ["/graphiql", "/playground", "/console", "/altair", "/api/graphql", "/graphql/"]
)
async def test_no_other_door_is_open(company: Api, path: str) -> None:
    for method in ("GET", "POST"):
        response = await company.client.request(method, path, json={"query": "{ __typename }"})
        assert response.status_code in {307, 404}
        assert "data" not in response.text


async def test_asking_for_a_trace_gives_none(company: Api) -> None:
    body = {"query": "{ __typename }", "extensions": {"tracing": True, "debug": True}}
    response = await probe(company, body, "director", **{"Apollo-Tracing": "1", "X-Debug": "1"})
    assert set(response.json()["extensions"]) == {"cost"}


@pytest.mark.parametrize(
    "body",
    [
        b'{"query": "{ \xff\xfe }"}',
        b'{"query": "\\ud800"}',
        b"\xef\xbb\xbf" + b'{"query": "{ __typename }"}',
        b'{"query": "{ __typename }"}\x00',
        b'{"query": "{ __typename }", "variables": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
        '{"query": "{ __typename }"}'.encode("utf-16"),
    ],
)
async def test_broken_bytes_are_no_json(company: Api, body: bytes) -> None:
    response = await company.client.post(
        "/graphql", content=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, codes(response)) == (400, ["MALFORMED_JSON"])


@pytest.mark.parametrize("value", ["a", None, ["a"], {"a": 1}])
async def test_flood_of_values_is_refused_before_it_is_read(company: Api, value: object) -> None:
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    response = await probe(company, {"query": document, "variables": {"ids": [value] * 50_000}}, None)
    assert (response.status_code, codes(response)) == (400, ["TOO_MANY_VALUES"])


async def test_at_most_five_errors_of_variables_are_told(company: Api) -> None:
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    response = await probe(company, {"query": document, "variables": {"ids": [None] * 500}}, "director")
    assert (response.status_code, codes(response)) == (400, ["BAD_USER_INPUT"] * 5)


async def test_long_name_is_not_sent_back(company: Api) -> None:
    document = "query ($a: OrderFilter) { orders(first: 1, filter: $a) { nodes { id } } }"
    response = await probe(company, {"query": document, "variables": {"a": {"x" * 900_000: 1}}}, "director")
    assert codes(response) == ["BAD_USER_INPUT"]
    assert len(response.json()["errors"][0]["message"]) == 501


async def test_strangers_documents_are_shorter(company: Api) -> None:
    document = "{ " + "viewer { user { name } } " * 340 + "}"
    for who in STRANGERS:
        assert codes(await probe(company, {"query": document}, who)) == ["TOO_MANY_TOKENS"]


async def test_document_with_too_much_to_compare_is_told_so(company: Api) -> None:
    inner = "nodes { " + "id " * 8 + "} "
    document = "{ " + ("orders(first: 1) { " + inner * 20 + "} ") * 20 + "}"
    response = await probe(company, {"query": document}, "director")
    assert (response.status_code, codes(response)) == (400, ["TOO_COMPLEX"])


async def test_errors_name_no_value_that_was_sent(company: Api) -> None:
    secret = "hunter2-hunter2"
    document = "mutation ($input: SessionCreateInput!) { sessionCreate(input: $input) { accessToken } }"
    body: dict[str, Any] = {"query": document, "variables": {"input": {"username": 7, "password": secret}}}
    response = await probe(company, body, None)
    assert codes(response) == ["BAD_USER_INPUT"]
    assert secret not in response.text
