"""Which status, headers and error does a request over HTTP get?"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.api import Api, plain

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPHQL_JSON = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}
MUTATION = 'mutation { orderSubmit(input: {id: "x"}) { order { id } } }'


async def post(api: Api, body: object, accept: str = GRAPHQL_JSON, **headers: str) -> httpx.Response:
    return await api.client.post("/graphql", json=body, headers={"Accept": accept, **headers})


async def get(api: Api, accept: str = GRAPHQL_JSON, **parameters: str) -> httpx.Response:
    return await api.client.get("/graphql", params=parameters, headers={"Accept": accept})


def codes(response: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json()["errors"]]


async def test_answer_has_the_media_type_that_was_asked_for(company: Api) -> None:
    for accept, media_type in (
        (GRAPHQL_JSON, GRAPHQL_JSON),
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html, application/graphql-response+json;q=0.9", GRAPHQL_JSON),
    ):
        response = await post(company, TYPENAME, accept)
        assert response.status_code == 200
        assert response.headers["content-type"] == f"{media_type}; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        assert plain(response) == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
        ({"query": ""}, "GRAPHQL_PARSE_FAILED"),
        ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({"query": "fragment F on Query { __typename }"}, "GRAPHQL_VALIDATION_FAILED"),
        ({**TYPENAME, "operationName": "Other"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query A { __typename } query B { __typename }"}, "OPERATION_RESOLUTION_FAILURE"),
        ({"query": "query ($a: Int!) { orders(first: $a) { __typename } }"}, "BAD_USER_INPUT"),
        (
            {"query": "query ($a: Int!) { orders(first: $a) { __typename } }", "variables": {"a": "1"}},
            "BAD_USER_INPUT",
        ),
    ],
)
async def test_operation_that_never_ran_is_400_or_200_by_media_type(
    company: Api, body: Any, code: str
) -> None:
    for accept, status in ((GRAPHQL_JSON, 400), ("application/json", 200)):
        response = await post(company, body, accept)
        assert (response.status_code, codes(response)) == (status, [code])
        assert "data" not in response.json()


async def test_error_while_running_is_200_with_data(company: Api) -> None:
    response = await post(company, {"query": "{ orders(first: 1) { __typename } }"})
    assert (response.status_code, codes(response)) == (200, ["UNAUTHENTICATED"])
    assert response.json()["data"] is None


async def test_operation_is_chosen_by_its_name(company: Api) -> None:
    document = "query A { __typename } query B { b: __typename }"
    response = await post(company, {"query": document, "operationName": "B"})
    assert plain(response) == {"data": {"b": "Query"}}


async def test_query_over_get_takes_its_parameters_from_the_address(company: Api) -> None:
    response = await get(
        company,
        query="query A($x: Boolean!) { __typename @include(if: $x) } query B { b: __typename }",
        operationName="A",
        variables='{"x": true}',
        extensions="{}",
    )
    assert (response.status_code, plain(response)) == (200, {"data": {"__typename": "Query"}})


async def test_mutation_takes_nothing_but_post(company: Api) -> None:
    before = await company.order_state()
    response = await get(company, query=MUTATION)
    assert (response.status_code, codes(response)) == (405, ["MUTATION_OVER_GET"])
    assert response.headers["allow"] == "POST"
    headers = {"Content-Type": "application/json", "Accept": GRAPHQL_JSON}
    body = json.dumps({"query": MUTATION})
    head = await company.client.request("HEAD", "/graphql", params={"query": MUTATION}, headers=headers)
    assert (head.status_code, head.headers["allow"]) == (405, "POST")
    assert (
        await company.client.request("HEAD", "/graphql", content=body, headers=headers)
    ).status_code == 400
    for method in ("PUT", "PATCH", "DELETE"):
        refused = await company.client.request(method, "/graphql", content=body, headers=headers)
        assert refused.status_code == 405
    assert await company.order_state() == before


@pytest.mark.parametrize("accept", ["*/*", "text/html,application/xhtml+xml", "image/png", ""])
async def test_get_names_a_graphql_media_type_which_no_page_can_make_a_browser_do(
    company: Api, accept: str
) -> None:
    response = await get(company, accept, query="{ __typename }")
    assert (response.status_code, codes(response)) == (406, ["NOT_ACCEPTABLE"])


async def test_get_of_whoever_sends_a_token_needs_no_media_type(company: Api) -> None:
    headers = {"Authorization": f"Bearer {await company.token('pm')}", "Accept": "*/*"}
    response = await company.client.get("/graphql", params={"query": "{ __typename }"}, headers=headers)
    assert (response.status_code, plain(response)) == (200, {"data": {"__typename": "Query"}})
    assert response.headers["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "MALFORMED_REQUEST"),
        ({"query": "{ __typename }", "variables": "{"}, "MALFORMED_JSON"),
        ({"query": "{ __typename }", "variables": "[]"}, "MALFORMED_REQUEST"),
        ({"query": "{ __typename }", "extensions": "1"}, "MALFORMED_REQUEST"),
    ],
)
async def test_malformed_address_is_400(company: Api, parameters: dict[str, str], code: str) -> None:
    for accept in (GRAPHQL_JSON, "application/json"):
        response = await get(company, accept, **parameters)
        assert (response.status_code, codes(response)) == (400, [code])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "MALFORMED_JSON"),
        ("{", "MALFORMED_JSON"),
        ("NaN", "MALFORMED_JSON"),
        ('{"query": "\ud800"}'.encode("utf-8", "surrogatepass"), "MALFORMED_JSON"),
        ("[" * 10_000, "MALFORMED_JSON"),
        ("null", "MALFORMED_REQUEST"),
        ('"{ __typename }"', "MALFORMED_REQUEST"),
        ("{}", "MALFORMED_REQUEST"),
        ('[{"query": "{ __typename }"}, {"query": "{ __typename }"}]', "MALFORMED_REQUEST"),
        ('{"query": 1}', "MALFORMED_REQUEST"),
        ('{"query": "{ __typename }", "operationName": 1}', "MALFORMED_REQUEST"),
        ('{"query": "{ __typename }", "variables": []}', "MALFORMED_REQUEST"),
        ('{"query": "{ __typename }", "extensions": "x"}', "MALFORMED_REQUEST"),
    ],
)
async def test_malformed_body_is_400_whatever_is_accepted(company: Api, body: str | bytes, code: str) -> None:
    for accept in (GRAPHQL_JSON, "application/json"):
        headers = {"Accept": accept, "Content-Type": "application/json"}
        response = await company.client.post("/graphql", content=body, headers=headers)
        assert (response.status_code, codes(response)) == (400, [code])


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/graphql", "application/x-www-form-urlencoded", "multipart/form-data"],
)
async def test_body_of_another_type_is_415(company: Api, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    response = await company.client.post("/graphql", content=json.dumps(TYPENAME), headers=headers)
    assert (response.status_code, codes(response)) == (415, ["UNSUPPORTED_MEDIA_TYPE"])


async def test_body_is_taken_up_to_its_limit_and_not_a_byte_beyond(company: Api) -> None:
    limit = 1_048_576
    body = json.dumps(TYPENAME).encode().ljust(limit)
    headers = {"Content-Type": "application/json; charset=utf-8"}
    taken = await company.client.post("/graphql", content=body, headers=headers)
    assert (taken.status_code, plain(taken)) == (200, {"data": {"__typename": "Query"}})
    declared = await company.client.post("/graphql", content=body + b" ", headers=headers)
    assert (declared.status_code, codes(declared)) == (413, ["BODY_TOO_LARGE"])

    async def undeclared() -> AsyncGenerator[bytes]:
        for _ in range(limit // 4096 + 1):
            yield b" " * 4096

    streamed = await company.client.post("/graphql", content=undeclared(), headers=headers)
    assert (streamed.status_code, codes(streamed)) == (413, ["BODY_TOO_LARGE"])


async def test_subscription_is_not_taken_over_post(company: Api) -> None:
    response = await post(company, {"query": "subscription { orderChanged { cursor } }"})
    assert (response.status_code, codes(response)) == (400, ["SUBSCRIPTION_OVER_HTTP"])


async def test_request_id_is_the_clients_where_it_is_one(company: Api) -> None:
    for given in ("a", "phone-7.A_b", "x" * 64):
        response = await post(company, TYPENAME, **{"X-Request-Id": given})
        assert response.headers["x-request-id"] == given
    for given in ("", "x" * 65, "two words", "a;b"):
        response = await post(company, TYPENAME, **{"X-Request-Id": given})
        assert response.headers["x-request-id"] != given
        assert len(response.headers["x-request-id"]) == 36


async def test_request_id_and_address_are_kept_with_the_event(company: Api) -> None:
    (order_id,) = (
        await company.rows("SELECT id FROM engineering_order WHERE state = 'SUBMITTED' ORDER BY id LIMIT 1")
    )[0]
    document = (
        f'mutation {{ orderCancel(input: {{id: "Order:{order_id}", note: "why"}}) {{ errors {{ code }} }} }}'
    )
    headers = {
        "Authorization": f"Bearer {await company.token('director')}",
        "X-Request-Id": "from-the-client",
    }
    response = await post(company, {"query": document}, **headers)
    assert plain(response) == {"data": {"orderCancel": {"errors": []}}}
    kept = await company.rows(
        "SELECT request_id, address, type FROM event WHERE aggregate_id = :id ORDER BY version DESC LIMIT 1",
        id=order_id,
    )
    assert kept == [("from-the-client", "192.0.2.1", "OrderCancelled")]


async def test_healthz_and_readyz_answer_without_a_token(company: Api) -> None:
    assert (await company.client.get("/healthz")).json() == {"status": "ok"}
    ready = await company.client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"stores": {"database": "ok", "redis": "ok"}})
    assert (await company.client.post("/healthz")).status_code == 405
