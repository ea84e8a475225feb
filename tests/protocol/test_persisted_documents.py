"""Who may send which registered document, over every road, and what is everybody else told?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio

from commands.documents import ManifestDocument, publish
from commands.transactions import transaction
from db.events import Origin
from domain.identifiers import ClientId
from server.asking import asked_of
from server.settings import Settings
from server.websocket_protocol import SocketOperation
from tests.api import ADDRESS, Api, plain, running_api
from tests.api_clients import added_client, client_headers
from tests.integration.live_stores import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

GRAPHQL_JSON = "application/graphql-response+json"
ORDERS = "query Orders($n: Int!) { orders(first: $n, orderBy: [{field: NUMBER, direction: ASC}]) { nodes { number } } }"
OTHERS = "query Others { projects(first: 5) { nodes { code } } }"
CANCEL = "mutation Cancel($input: OrderActionInput!) { orderCancel(input: $input) { errors { code } } }"
FOLLOW = "subscription Follow { orderChanged { cursor } }"
FIRST_ORDER = {"orders": {"nodes": [{"number": "EO-2025-000001"}]}}

Headers = dict[str, str]


def named(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def apollo(text: str) -> dict[str, object]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}


async def registered(api: Api, client_id: ClientId, *texts: str) -> None:
    """Register documents as `eoms documents publish` does."""
    origin = Origin(None, None, ADDRESS, datetime.now(UTC))
    async with transaction(api.database.write) as session:
        await publish(session, origin, client_id, [ManifestDocument("D", text) for text in texts])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def partners(company_settings: Settings) -> AsyncGenerator[Api]:
    """A company with two partners, each with documents of its own; both may do what a director may."""
    async with running_api(company_settings) as api:
        for username, texts in (("partner-a", (ORDERS, CANCEL, FOLLOW)), ("partner-b", (OTHERS,))):
            added = await added_client(api.database.write, username, roles=("director",), may_send_text=False)
            await registered(api, added.client_id, *texts)
            _SECRETS[username] = added.secret
        yield api


_SECRETS: dict[str, str] = {}


async def as_partner(api: Api, username: str = "partner-a") -> Headers:
    return await client_headers(api, username, _SECRETS[username])


async def as_person(api: Api, username: str) -> Headers:
    return {"Authorization": f"Bearer {await api.token(username)}"}


async def post(api: Api, body: object, headers: Headers) -> httpx.Response:
    return await api.client.post("/graphql", json=body, headers={"Accept": GRAPHQL_JSON, **headers})


async def get(api: Api, headers: Headers, **parameters: object) -> httpx.Response:
    texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in parameters.items()
    }
    return await api.client.get("/graphql", params=texts, headers={"Accept": GRAPHQL_JSON, **headers})


def codes(response: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in response.json()["errors"]]


async def test_partner_sends_the_id_of_its_document_by_post_and_get(partners: Api) -> None:
    headers = await as_partner(partners)
    for response in (
        await post(partners, {"documentId": named(ORDERS), "variables": {"n": 1}}, headers),
        await get(partners, headers, documentId=named(ORDERS), variables={"n": 1}),
        await post(partners, {"extensions": apollo(ORDERS), "variables": {"n": 1}}, headers),
        await get(partners, headers, extensions=apollo(ORDERS), variables={"n": 1}),
        await post(partners, {"query": ORDERS, "extensions": apollo(ORDERS), "variables": {"n": 1}}, headers),
    ):
        assert (response.status_code, plain(response)) == (200, {"data": FIRST_ORDER})


async def test_partner_sends_nothing_else(partners: Api) -> None:
    headers = await as_partner(partners)
    for body in (
        {"query": ORDERS, "variables": {"n": 1}},
        {"query": "{ __typename }"},
        {"query": "{ __typename }", "extensions": apollo("{ __typename }")},
        {"query": "{ __schema { types { name } } }"},
        {"query": "{"},
    ):
        response = await post(partners, body, headers)
        assert (response.status_code, codes(response)) == (400, ["PERSISTED_DOCUMENT_REQUIRED"])


@pytest.mark.parametrize(
    "document_id",
    [
        named(OTHERS),
        named(ORDERS + " "),
        named(ORDERS).upper(),
        named(ORDERS).removeprefix("sha256:"),
        "md5:0123456789abcdef0123456789abcdef",
        "sha256:",
        "sha256:" + "g" * 64,
        "",
        "Orders",
        "x" * 100_000,
    ],
)
async def test_what_is_not_its_own_is_not_found(partners: Api, document_id: str) -> None:
    headers = await as_partner(partners)
    response = await post(partners, {"documentId": document_id, "variables": {"n": 1}}, headers)
    assert (response.status_code, codes(response)) == (400, ["PERSISTED_DOCUMENT_NOT_FOUND"])
    assert response.json()["errors"][0]["message"] == "There is no such registered document."


async def test_hash_that_nobody_registered_is_told_in_apollos_words(partners: Api) -> None:
    for headers in (await as_partner(partners), await as_person(partners, "pm"), {}):
        for extension in (
            apollo("{ nobody }"),
            {"persistedQuery": {"version": 1, "sha256Hash": "x"}},
        ):
            response = await post(partners, {"extensions": extension}, headers)
            (error,) = response.json()["errors"]
            assert (error["message"], error["extensions"]) == (
                "PersistedQueryNotFound",
                {"code": "PERSISTED_DOCUMENT_NOT_FOUND"},
            )


async def test_people_find_everybodys_documents_with_their_own_rights(partners: Api) -> None:
    body = {"documentId": named(OTHERS)}
    seen = (await post(partners, body, await as_person(partners, "pm"))).json()["data"]["projects"]["nodes"]
    assert [project["code"] for project in seen] == ["P-001", "P-002"]
    anonymous = await post(partners, body, {})
    assert (codes(anonymous), anonymous.json()["data"]) == (["UNAUTHENTICATED"], None)


async def test_mutation_of_an_id_takes_post(partners: Api) -> None:
    before = await partners.order_state()
    headers = await as_partner(partners)
    variables = {"input": {"id": "Order:0198c5f2-0000-7000-8000-000000000000"}}
    refused = await get(partners, headers, documentId=named(CANCEL), variables=variables)
    assert (refused.status_code, codes(refused)) == (405, ["MUTATION_OVER_GET"])
    taken = await post(partners, {"documentId": named(CANCEL), "variables": variables}, headers)
    assert plain(taken) == {"data": {"orderCancel": {"errors": [{"code": "NOT_FOUND"}]}}}
    follow = await post(partners, {"documentId": named(FOLLOW)}, headers)
    assert (follow.status_code, codes(follow)) == (400, ["SUBSCRIPTION_OVER_HTTP"])
    assert await partners.order_state() == before


async def test_retired_document_is_gone_once_the_notice_of_it_is_heard(partners: Api) -> None:
    text = "query Retired { __typename }"
    (client_id,) = (
        await partners.rows(
            "SELECT c.id FROM api_client c JOIN app_user u ON u.id = c.user_id WHERE username = 'partner-a'"
        )
    )[0]
    await registered(partners, ClientId(client_id), text)
    headers = await as_partner(partners)
    assert (await post(partners, {"documentId": named(text)}, headers)).status_code == 200
    digest = hashlib.sha256(text.encode()).digest()
    await partners.rows("UPDATE client_document SET retired_at = now() WHERE hash = :hash", hash=digest)
    refused = await eventually(
        lambda: post(partners, {"documentId": named(text)}, headers), lambda answer: answer.status_code != 200
    )
    assert (refused.status_code, codes(refused)) == (400, ["PERSISTED_DOCUMENT_NOT_FOUND"])


async def test_answer_of_an_id_is_validated_instead_of_sent_again(partners: Api) -> None:
    headers = await as_partner(partners)
    first = await get(partners, headers, documentId=named(ORDERS), variables={"n": 1})
    assert first.headers["cache-control"] == "private, no-cache"
    assert {each.strip() for each in first.headers["vary"].split(",")} >= {"Authorization", "Accept"}
    validator = first.headers["etag"]
    assert validator.startswith('W/"')
    for known in (validator, f'"other", {validator}', validator.removeprefix("W/"), "*"):
        again = await get(
            partners, headers | {"If-None-Match": known}, documentId=named(ORDERS), variables={"n": 1}
        )
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", validator)
    other = await get(
        partners, headers | {"If-None-Match": validator}, documentId=named(ORDERS), variables={"n": 2}
    )
    assert (other.status_code, len(other.json()["data"]["orders"]["nodes"])) == (200, 2)


async def test_only_good_answers_of_ids_have_a_validator(partners: Api) -> None:
    director, nobody = await as_person(partners, "director"), dict[str, str]()
    for response in (
        await get(partners, director, query="{ __typename }"),
        await get(partners, nobody, documentId=named(OTHERS)),
        await post(partners, {"documentId": named(OTHERS)}, director),
    ):
        assert "etag" not in response.headers
        assert response.headers["cache-control"] == "no-store"


async def test_staffs_clients_register_by_themselves_each_for_its_own_person(partners: Api) -> None:
    text = "query Own { viewer { user { username } } }"
    engineer, buyer = await as_person(partners, "engineer"), await as_person(partners, "buyer")
    by_hash = {"extensions": apollo(text)}
    assert codes(await post(partners, by_hash, engineer)) == ["PERSISTED_DOCUMENT_NOT_FOUND"]
    expected = {"data": {"viewer": {"user": {"username": "engineer"}}}}
    assert plain(await post(partners, {"query": text, **by_hash}, engineer)) == expected
    assert plain(await post(partners, by_hash, engineer)) == expected
    assert plain(await get(partners, engineer, extensions=apollo(text))) == expected
    assert codes(await post(partners, by_hash, buyer)) == ["PERSISTED_DOCUMENT_NOT_FOUND"]
    # The registry is another namespace.
    assert codes(await post(partners, {"documentId": named(text)}, engineer)) == [
        "PERSISTED_DOCUMENT_NOT_FOUND"
    ]


@pytest.mark.parametrize("who", ["contractor", None])
async def test_strangers_register_nothing(partners: Api, who: str | None) -> None:
    text = f"query By{who} {{ __typename }}"
    headers = await as_person(partners, who) if who else {}
    body = {"query": text, "extensions": apollo(text)}
    assert plain(await post(partners, body, headers)) == {"data": {"__typename": "Query"}}
    assert codes(await post(partners, {"extensions": apollo(text)}, headers)) == [
        "PERSISTED_DOCUMENT_NOT_FOUND"
    ]


async def test_hash_of_another_text_registers_nothing(partners: Api) -> None:
    headers = await as_person(partners, "finance")
    wrong = {"query": "{ __typename }", "extensions": apollo("{ other }")}
    assert codes(await post(partners, wrong, headers)) == ["PERSISTED_DOCUMENT_MISMATCH"]
    assert codes(await post(partners, {"extensions": apollo("{ other }")}, headers)) == [
        "PERSISTED_DOCUMENT_NOT_FOUND"
    ]


async def test_broken_text_is_not_registered(partners: Api) -> None:
    headers = await as_person(partners, "finance")
    body = {"query": "{ nothing }", "extensions": apollo("{ nothing }")}
    assert codes(await post(partners, body, headers)) == ["GRAPHQL_VALIDATION_FAILED"]
    assert codes(await post(partners, {"extensions": apollo("{ nothing }")}, headers)) == [
        "PERSISTED_DOCUMENT_NOT_FOUND"
    ]


async def test_outsiders_text_is_shorter_than_the_document_that_was_registered_for_it(partners: Api) -> None:
    long = " ".join(f"query Q{nth} {{ viewer {{ user {{ id name username }} }} }}" for nth in range(200))
    added = await added_client(
        partners.database.write, "outsider", organization="K-001", roles=("contractor",)
    )
    await registered(partners, added.client_id, long)
    headers = await client_headers(partners, "outsider", added.secret)
    sent = await post(partners, {"query": long, "operationName": "Q1"}, headers)
    assert codes(sent) == ["TOO_MANY_TOKENS"]
    named_one = await post(partners, {"documentId": named(long), "operationName": "Q1"}, headers)
    assert named_one.json()["data"]["viewer"]["user"]["id"].startswith("User:")


async def test_uses_are_counted_for_the_client_and_for_everybody(company_settings: Settings) -> None:
    async with running_api(company_settings) as api:
        text = "query Counted { __typename }"
        added = await added_client(api.database.write, "counted", may_send_text=False)
        await registered(api, added.client_id, text)
        headers = await client_headers(api, "counted", added.secret)
        for _ in range(3):
            await post(api, {"documentId": named(text)}, headers)
        await post(api, {"documentId": named(text)}, await as_person(api, "pm"))
        await post(api, {"documentId": named(text + " ")}, headers)
    async with running_api(company_settings) as api:
        digest = hashlib.sha256(text.encode()).digest()
        (everybody,) = await api.rows(
            "SELECT calls, last_used_at IS NOT NULL FROM document WHERE hash = :hash", hash=digest
        )
        (own,) = await api.rows(
            "SELECT calls, last_used_at IS NOT NULL FROM client_document WHERE hash = :hash", hash=digest
        )
        assert (everybody, own) == ((4, True), (3, True))


async def test_ids_and_refusals_are_the_same_on_a_socket(partners: Api) -> None:
    gate = partners.app.state.gate
    passport = await gate.authenticate({"authorization": (await as_partner(partners))["Authorization"]})

    async def first(**payload: object) -> dict[str, Any]:
        operation = SocketOperation(asked_of(payload), "test", ADDRESS)
        async with aclosing(gate.answers(passport.holder, operation)) as answers:
            # As it goes out: what the database wrote is text already.
            return orjson.loads(orjson.dumps(await anext(answers)))

    answer = await first(documentId=named(ORDERS), variables={"n": 1})
    assert answer["data"] == FIRST_ORDER
    for payload, code in (
        ({"query": ORDERS, "variables": {"n": 1}}, "PERSISTED_DOCUMENT_REQUIRED"),
        ({"documentId": named(OTHERS)}, "PERSISTED_DOCUMENT_NOT_FOUND"),
        ({"extensions": apollo(OTHERS)}, "PERSISTED_DOCUMENT_NOT_FOUND"),
    ):
        refused = await first(**payload)
        assert "data" not in refused
        assert [error["extensions"]["code"] for error in refused["errors"]] == [code]


async def test_ids_and_refusals_are_the_same_in_events(partners: Api) -> None:
    headers = await as_partner(partners) | {"Accept": "text/event-stream"}
    found = await get(partners, headers, documentId=named(ORDERS), variables={"n": 1})
    assert found.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert '"number":"EO-2025-000001"' in found.text
    refused = await get(partners, headers, documentId=named(OTHERS))
    assert (refused.status_code, codes(refused)) == (400, ["PERSISTED_DOCUMENT_NOT_FOUND"])
    text = await get(partners, headers, query=FOLLOW)
    assert (text.status_code, codes(text)) == (400, ["PERSISTED_DOCUMENT_REQUIRED"])
