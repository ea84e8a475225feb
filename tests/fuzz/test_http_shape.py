"""Is every request to `/graphql` answered soundly, however it is put together?

Bodies that are no JSON or the wrong JSON, documents of any text, variables of any shape, headers of any value: never a 5xx,
always a response in JSON, with a status and codes out of a fixed set and the request id that was sent, where it is one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.personas import Personas
from tests.fuzz.answer_codes import REQUEST_CODES
from tests.fuzz.answers import GRAPHQL_JSON, PLAIN_JSON, codes_of, response_faults
from tests.fuzz.runs import EXAMPLES, SECONDS, fuzzed_server, run, tell_of_run

# Which codes come with a status that is neither 200 nor 400, and nothing else does.
_CODES_BY_STATUS = {
    401: {"UNAUTHENTICATED"},
    405: {"MUTATION_OVER_GET"},
    406: {"NOT_ACCEPTABLE"},
    413: {"BODY_TOO_LARGE"},
    415: {"UNSUPPORTED_MEDIA_TYPE"},
}
_MOST_BYTES = 1_048_576
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_DOCUMENTS = (
    "{ __typename }",
    "query ($v: ID!) { node(id: $v) { id } }",
    "query ($v: [ID!]!) { nodes(ids: $v) { id } }",
    "query ($v: Int) { projects(first: $v) { nodes { id } } }",
    "query ($v: String) { orders(first: 1, after: $v) { nodes { id } } }",
    "query ($v: String) { users(first: 1, search: $v) { totalCount } }",
    "query ($v: OrderFilter) { orders(first: 1, filter: $v) { totalCount } }",
    "query ($v: [OrderOrder!]) { orders(first: 1, orderBy: $v) { totalCount } }",
    "query ($v: EventFilter) { events(first: 1, filter: $v) { totalCount } }",
    "query ($v: [OrderGrouping!]) { orderStatistics(groupBy: $v) { groups { count } } }",
    "mutation ($v: OrderCreateInput!) { orderCreate(input: $v) { errors { code } } }",
    "mutation ($v: OrderUpdateInput!) { orderUpdate(input: $v) { errors { code } } }",
    "mutation ($v: OrderActionInput!) { orderSubmit(input: $v) { errors { code } } }",
    "mutation ($v: OrderProgressInput!) { orderReportProgress(input: $v) { errors { code } } }",
    "mutation ($v: SessionRefreshInput!) { sessionRefresh(input: $v) { errors { code } } }",
    "query A { __typename } query B { viewer { user { id } } }",
    "subscription { orderChanged { cursor } }",
    "{ nothing }",
    "{",
    "",
)
_NAMES = (
    "id",
    "projectId",
    "title",
    "lines",
    "quantity",
    "note",
    "dryRun",
    "expectedVersion",
    "idempotencyKey",
    "percent",
    "occurredAt",
    "position",
    "latitude",
    "search",
    "states",
    "amountAtLeast",
    "dueBefore",
    "types",
    "since",
    "field",
    "direction",
    "refreshToken",
)


@dataclass(frozen=True)
class Long:
    """A body about as long as one may be, by so many bytes more; told by its size, for hypothesis tells what it gives."""

    more: int
    is_variable: bool

    @property
    def content(self) -> bytes:
        """Return the body."""
        start, end = (
            (
                '{"query": "query ($v: String) { users(first: 1, search: $v) { totalCount } }", "variables": {"v": "',
                '"}}',
            )
            if self.is_variable
            else ('{"query": "{ __typename } #', '"}')
        )
        return f"{start}{'x' * (_MOST_BYTES + self.more - len(start) - len(end))}{end}".encode()


_PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((2**31 - 1, 2**31, -(2**31) - 1, 2**53 + 1, 2**63, 2**64, 10**30)),
    st.floats(),
    st.text(),
    st.sampled_from(
        ("Order:019a0000-0000-7000-8000-000000000000", "1e400", "NaN", "DRAFT", "\0", "2026-02-30")
    ),
    st.integers(1, 20_000).map(lambda length: "x" * length),
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    _PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_NAMES) | st.text(), inner, max_size=6)
    ),
    max_leaves=12,
)
_NESTED = st.tuples(st.integers(1, 3000), st.sampled_from(("[]", "{}"))).map(
    lambda many: (
        ("[" * many[0] + "]" * many[0]) if many[1] == "[]" else ('{"id":' * many[0] + "1" + "}" * many[0])
    )
)
_APOLLO = st.sampled_from(
    ({"version": 1, "sha256Hash": "0" * 64}, {"version": 1, "sha256Hash": "x"}, {"version": 2})
)
_PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(_DOCUMENTS) | st.text() | _JSON,
        "documentId": st.sampled_from(("sha256:" + "0" * 64, "sha256:", "x")) | st.text() | _JSON,
        "operationName": st.sampled_from(("A", "B", "")) | _JSON,
        "variables": st.fixed_dictionaries({"v": _JSON}) | _JSON,
        "extensions": st.fixed_dictionaries({"persistedQuery": _APOLLO | _JSON}) | _JSON,
        "more": _JSON,
    },
)
_OPERATION: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"query": st.sampled_from(_DOCUMENTS), "variables": st.fixed_dictionaries({"v": _JSON})}
)
_BODY = st.one_of(
    _OPERATION.map(json.dumps),
    _PARAMETERS.map(json.dumps),
    _JSON.map(json.dumps),
    _NESTED.map(lambda nested: f'{{"query": "{{ __typename }}", "variables": {{"v": {nested}}}}}'),
    st.text(),
).map(lambda body: body.encode("utf-8", "surrogatepass"))
_BODIES = _BODY | st.binary(max_size=200) | st.builds(Long, st.integers(-200, 200), st.booleans())

_HEADER = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80).map(str.strip)
_HEADERS = st.fixed_dictionaries(
    {
        "Accept": st.sampled_from((GRAPHQL_JSON, PLAIN_JSON, "*/*", "text/html", f"{PLAIN_JSON};q=0", ""))
        | _HEADER.filter(lambda value: "event-stream" not in value),
        "Content-Type": st.sampled_from(
            (PLAIN_JSON, PLAIN_JSON, PLAIN_JSON, f"{PLAIN_JSON}; charset=utf-16", "")
        )
        | _HEADER,
        "X-Request-Id": st.from_regex(_REQUEST_ID, fullmatch=True) | _HEADER | st.just("x" * 65),
        "Accept-Encoding": st.sampled_from(("identity", "gzip", "gzip;q=0", "*")),
    }
)
_AUTHORIZATION = st.sampled_from(
    ("mine", "mine", "mine", "none", "Bearer x", "Basic eDp4", "Bearer", "Bearer a.b.c")
)


class Target(NamedTuple):
    """A running server and a token for it."""

    client: httpx.Client
    token: str


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with fuzzed_server() as server:
        personas = Personas(server.url)
        personas.sign_in("pm")
        with httpx.Client(base_url=server.url, timeout=60) as client:
            yield Target(client, personas.token("pm"))
        personas.close()


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_no_body_and_no_header_makes_the_server_stumble(target: Target) -> None:
    codes: list[str] = []

    @given(_BODIES, _HEADERS, _AUTHORIZATION)
    def send(given_body: bytes | Long, headers: dict[str, str], authorization: str) -> None:
        body = given_body.content if isinstance(given_body, Long) else given_body
        given = _with_authorization(headers, authorization, target)
        response = target.client.post("/graphql", content=body, headers=given)
        if response.status_code == 413 or len(body) > _MOST_BYTES:
            # What a body is comes before how long it is.
            assert len(body) > _MOST_BYTES
            assert response.status_code in {413, 415}
        codes.extend(_codes(response, given, body[:1000]))

    run(send, EXAMPLES * 20, "bodies")
    tell_of_run(EXAMPLES * 20, "with odd bodies")
    assert set(codes) >= {
        "",
        "MALFORMED_JSON",
        "MALFORMED_REQUEST",
        "UNSUPPORTED_MEDIA_TYPE",
        "BODY_TOO_LARGE",
        "UNAUTHENTICATED",
    }


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
def test_no_query_string_makes_the_server_stumble(target: Target) -> None:
    codes: list[str] = []

    @given(_OPERATION | _PARAMETERS, _HEADERS, _AUTHORIZATION, st.booleans())
    def send(parameters: dict[str, Any], headers: dict[str, str], authorization: str, is_json: bool) -> None:
        given = _with_authorization(headers, authorization, target)
        texts = {
            name: value if isinstance(value, str) and not is_json else json.dumps(value)
            for name, value in parameters.items()
        }
        query = urlencode(texts, errors="surrogatepass")[:30_000]
        response = target.client.get(f"/graphql?{query}", headers=given)
        codes.extend(_codes(response, given, query))

    run(send, EXAMPLES * 10, "query strings")
    tell_of_run(EXAMPLES * 10, "with odd query strings")
    assert set(codes) >= {"", "NOT_ACCEPTABLE", "MALFORMED_REQUEST", "MUTATION_OVER_GET"}


def _with_authorization(headers: Mapping[str, str], authorization: str, target: Target) -> dict[str, str]:
    if authorization == "none":
        return dict(headers)
    return {
        **headers,
        "Authorization": f"Bearer {target.token}" if authorization == "mine" else authorization,
    }


def _codes(response: httpx.Response, headers: Mapping[str, str], request: object) -> list[str]:
    """Return the codes of an answer, an empty one where it has no error; fail where it is none that may be given."""
    seen = f"{response.status_code} {response.text[:2000]}\n{headers}\n{request!r}"
    assert response.headers["content-type"].partition(";")[0] in {GRAPHQL_JSON, PLAIN_JSON}, seen
    content: dict[str, Any] = response.json()
    assert response_faults(content, REQUEST_CODES) == [], seen
    codes = codes_of(content)
    assert response.status_code in {200, 400, *_CODES_BY_STATUS}, seen
    assert set(codes) <= _CODES_BY_STATUS.get(response.status_code, REQUEST_CODES), seen
    assert "data" in content or codes, seen
    given = headers["X-Request-Id"]
    answered = response.headers["x-request-id"]
    assert answered == given if _REQUEST_ID.fullmatch(given) else _REQUEST_ID.fullmatch(answered), seen
    return codes or [""]
