"""What does an operation cost, who pays, and what happens to him who has nothing left?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from server.settings import Settings
from tests.api import Api, running_api
from tests.api_clients import added_client, client_headers
from tests.integration.live_stores import eventually
from tests.server_parts import executor_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPHQL_JSON = "application/graphql-response+json"
POINTS, RATE, MOST = 1_000, 1, 300
BOARD = "{ orders(first: 20) { totalCount nodes { id project { code } } } }"
ORDERS = "query ($f: OrderFilter) { orders(first: 1, filter: $f) { totalCount nodes { number title } } }"
HOLD = """mutation ($i: OrderActionInput!, $first: Int, $last: Int) {
  orderHold(input: $i) { order { lines(first: $first, last: $last) { nodes { uom } } } errors { code } }
}"""
BOARD_POINTS = 1 + 10 + 20 * 2
BOARD_FIELDS = 6
"""What making its plan costs, once for each shape of a viewer."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def poor(company_settings: Settings) -> AsyncGenerator[Api]:
    """A server whose callers have little and get it back slowly."""
    narrow = {"rate_points": POINTS, "rate_points_per_second": RATE, "max_cost": MOST, "planner": True}
    async with running_api(company_settings.model_copy(update=narrow)) as api:
        yield api


async def post(api: Api, document: str, who: str | None, **headers: str) -> httpx.Response:
    if who:
        headers["Authorization"] = f"Bearer {await api.token(who)}"
    return await api.client.post(
        "/graphql", json={"query": document}, headers={"Accept": GRAPHQL_JSON, **headers}
    )


def left(header: str) -> int:
    """Return the points that a `RateLimit` header names."""
    return int(header.partition(";r=")[2].partition(";")[0])


def codes(response: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json().get("errors", [])]


async def test_answer_says_what_was_asked_for_and_what_it_used(poor: Api) -> None:
    # Reading a new text costs something too; from then on it is known.
    await post(poor, BOARD, "engineer")
    response = await post(poor, BOARD, "director")
    cost = response.json()["extensions"]["cost"]
    assert (cost["requested"], cost["restoreRate"]) == (BOARD_POINTS, RATE)
    assert cost["actual"] == 1 + 10 + 20 * 2
    assert cost["remaining"] == POINTS - cost["actual"] - BOARD_FIELDS


async def test_operation_whose_variables_do_not_fit_costs_its_start_known_or_not(poor: Api) -> None:
    document = "query ($n: Int!, $of: ID) { orders(first: $n, filter: {projectId: $of}) { nodes { id } } }"
    headers = {"Authorization": f"Bearer {await poor.token('director')}"}
    found: list[tuple[int, int, bool]] = []
    misfit: dict[str, str] = {}
    for of in (misfit, None, misfit):
        answer = await poor.send({"query": document, "variables": {"n": 5, "of": of}}, headers)
        cost = answer.content["extensions"]["cost"]
        found.append((cost["requested"], cost["actual"], "data" in answer.content))
    assert found == [(1, 1, False), (6, 6, True), (6, 1, False)]


async def test_what_was_not_used_comes_back(poor: Api) -> None:
    empty = '{ orders(first: 100, filter: {search: "no such order anywhere"}) { nodes { id } } }'
    for document in (empty, "{ __typename }"):
        await post(poor, document, "engineer")
    first = (await post(poor, empty, "finance")).json()["extensions"]["cost"]
    assert (first["requested"], first["actual"]) == (101, 1)
    second = (await post(poor, "{ __typename }", "finance")).json()["extensions"]["cost"]
    # Making their plans costs as much as they have fields: three and one.
    expected = POINTS - (1 + 3) - (1 + 1)
    assert second["remaining"] in {expected, expected + RATE}


async def test_headers_say_what_is_left(poor: Api) -> None:
    await post(poor, "{ __typename }", "engineer")
    response = await post(poor, "{ __typename }", "auditor")
    assert response.headers["ratelimit-policy"] == f'"points";q={POINTS};w={POINTS // RATE}'
    assert response.headers["ratelimit"] == f'"points";r={POINTS - 2};t=2'


@pytest.mark.parametrize(("first", "expected"), [(99, []), (100, ["TOO_COSTLY"])])
async def test_operation_costs_no_more_than_allowed(poor: Api, first: int, expected: list[str]) -> None:
    document = f"{{ orders(first: {first}) {{ nodes {{ id project {{ code }} contractor {{ code }} }} }} }}"
    response = await post(poor, document, "admin")
    assert (codes(response), response.status_code) == (expected, 400 if expected else 200)
    assert ("data" in response.json()) is not bool(expected)


async def test_who_has_spent_everything_waits_and_nobody_else_does(poor: Api) -> None:
    spent = [await post(poor, BOARD, "customer") for _ in range(60)]
    admitted = [each for each in spent if each.status_code == 200]
    refused = spent[-1]
    assert (refused.status_code, codes(refused)) == (429, ["RATE_LIMITED"])
    assert "data" not in refused.json()
    used = sum(each.json()["extensions"]["cost"]["actual"] for each in admitted)
    assert used > POINTS - 2 * BOARD_POINTS
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.headers["ratelimit"].startswith('"points";r=')
    assert (await post(poor, BOARD, "pm")).status_code == 200


async def test_side_by_side_no_more_is_admitted_than_there_is(poor: Api) -> None:
    document = "{ orders(first: 100) { nodes { id project { code } } } }"
    await poor.token("worker")
    answers = await asyncio.gather(*(post(poor, document, "worker") for _ in range(20)))
    assert sorted({each.status_code for each in answers}) == [200, 429]
    assert sum(each.status_code == 200 for each in answers) >= POINTS // 201


async def test_nonsense_is_not_free(poor: Api) -> None:
    refused = [await post(poor, "{ nothing }", "contractor") for _ in range(101)]
    assert {each.status_code for each in refused[:99]} == {400}
    assert (refused[-1].status_code, codes(refused[-1])) == (429, ["RATE_LIMITED"])


async def test_new_text_is_paid_for_before_it_is_read(poor: Api) -> None:
    text = "{ __typename }" + "#" * 206
    first = (await post(poor, text, "buyer")).json()["extensions"]["cost"]
    second = (await post(poor, text, "buyer")).json()["extensions"]["cost"]
    assert (first["remaining"], second["remaining"] - first["remaining"]) == (POINTS - 10 - 11 - 1 - 1, -1)
    await asyncio.gather(*(post(poor, f"{{ a{nth} }}", "buyer") for nth in range(100)))
    documents = executor_of(poor).documents
    refused = await post(poor, "{ never: __typename }", "buyer")
    assert (refused.status_code, codes(refused)) == (429, ["RATE_LIMITED"])
    assert not documents.knows("{ never: __typename }", is_stranger=False)


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_making_a_plan_is_paid_for_and_finding_it_is_not(poor: Api, kind: str) -> None:
    """Five and seven fields; what differs is which arguments are given, so that each is a plan of its own."""
    nothing = {"id": "Order:0198c5f2-0000-7000-8000-000000000000"}
    text, points, some, other = (
        (ORDERS, 5, {"f": {"search": "E"}}, {"f": {"priorities": ["RUSH"]}})
        if kind == "query"
        else (HOLD, 7, {"i": nothing, "first": 1}, {"i": nothing, "last": 1})
    )
    headers = {"Authorization": f"Bearer {await poor.token('director')}", "Accept": GRAPHQL_JSON}

    async def spent(variables: dict[str, Any]) -> int:
        before = left((await post(poor, "{ __typename }", "director")).headers["ratelimit"])
        body = {"query": text, "variables": variables}
        answer = await poor.client.post("/graphql", json=body, headers=headers)
        requested = answer.json()["extensions"]["cost"]["requested"]
        return before - left(answer.headers["ratelimit"]) - requested

    await spent(some)
    costs = [await spent(each) for each in (some, other, other)]
    assert costs == [0, points, 0]


async def test_what_costs_a_full_bucket_can_be_paid_with_its_plan(company_settings: Settings) -> None:
    full = {"rate_points": 100, "rate_points_per_second": 1_000, "max_cost": 100, "planner": True}
    async with running_api(company_settings.model_copy(update=full)) as api:
        document = "{ orders(first: 99) { nodes { id } } }"
        # Reading it for the first time takes points that flow back at once.
        answer = await eventually(
            lambda: post(api, document, "director"), lambda response: response.status_code == 200, seconds=5
        )
        assert answer.json()["extensions"]["cost"]["requested"] == 100


@pytest.mark.parametrize(
    ("who", "text", "status", "code"),
    [
        (
            "contractor2",
            'mutation { sessionRefresh(input: {refreshToken: "x"}) { errors { code } } }',
            405,
            "MUTATION_OVER_GET",
        ),
        ("pm2", "subscription { orderChanged { cursor } }", 400, "SUBSCRIPTION_OVER_HTTP"),
    ],
)
async def test_what_the_transport_does_not_carry_is_not_free(
    poor: Api, who: str, text: str, status: int, code: str
) -> None:
    headers = {"Accept": GRAPHQL_JSON, "Authorization": f"Bearer {await poor.token(who)}"}
    answers = [await poor.client.get("/graphql", params={"query": text}, headers=headers) for _ in range(105)]
    assert (answers[0].status_code, codes(answers[0])) == (status, [code])
    assert "ratelimit" in answers[0].headers
    assert (answers[-1].status_code, codes(answers[-1])) == (429, ["RATE_LIMITED"])


async def test_the_anonymous_of_an_address_share_what_they_have(poor: Api) -> None:
    first = (await post(poor, "{ __typename }", None)).json()["extensions"]["cost"]
    second = (await post(poor, "{ __typename }", None)).json()["extensions"]["cost"]
    assert second["remaining"] <= first["remaining"]


async def test_read_scope_lets_no_mutation_in(poor: Api) -> None:
    reader = await added_client(poor.database.write, "reader", roles=("director",), scopes=("read",))
    headers = await client_headers(poor, "reader", reader.secret)
    (order_id,) = (await poor.rows("SELECT id FROM engineering_order WHERE state = 'DRAFT' LIMIT 1"))[0]
    before = await poor.order_state()
    document = (
        f'mutation {{ orderCancel(input: {{id: "Order:{order_id}", note: "why"}}) {{ errors {{ code }} }} }}'
    )
    refused = await post(poor, document, None, **headers)
    assert (refused.status_code, codes(refused)) == (400, ["INSUFFICIENT_SCOPE"])
    follow = await post(
        poor, "subscription { orderChanged { cursor } }", None, **headers | {"Accept": "text/event-stream"}
    )
    assert (follow.status_code, codes(follow)) == (400, ["INSUFFICIENT_SCOPE"])
    assert (await post(poor, "{ __typename }", None, **headers)).status_code == 200
    assert await poor.order_state() == before


async def test_write_scope_alone_reads_nothing(poor: Api) -> None:
    writer = await added_client(poor.database.write, "writer", roles=("director",), scopes=("write",))
    headers = await client_headers(poor, "writer", writer.secret)
    refused = await post(poor, "{ orders(first: 1) { nodes { id } } }", None, **headers)
    assert (refused.status_code, codes(refused)) == (400, ["INSUFFICIENT_SCOPE"])
