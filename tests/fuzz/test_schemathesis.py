"""Does any document that fits the schema make the server stumble?

Schemathesis writes the documents: some for each query and mutation, the same in every run, against a real server as
one who sees everything and as one from outside. Every other one gets ids and page sizes that mean something, so that
resolvers are reached and not only the checks before them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import httpx
import pytest
import schemathesis
from graphql import (
    ArgumentNode,
    FieldNode,
    GraphQLSchema,
    IntValueNode,
    NameNode,
    ObjectFieldNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    introspection_from_schema,
    parse,
    print_ast,
    visit,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from schema.build import build_schema, graphql_schema
from tests.e2e.personas import Personas
from tests.e2e.server import demo_data, serving

EXAMPLES_PER_FIELD = 10
VIEWERS = ("director", "contractor")

# Ending the session that asks would leave every document after it without a viewer.
_NOT_SENT = "sessionRevoke"
_SCALARS = {
    "Decimal": ("0", "12.50", "-1", "0.00001", "1E400", "NaN", "x"),
    "Date": ("2026-02-28", "2026-02-30", "0001-01-01", "x"),
    "DateTime": (
        "2026-02-28T08:00:00Z",
        "2026-02-28T08:00:00.123456+08:00",
        "9999-12-31T23:59:59-14:00",
        "x",
    ),
}
_PAGING = ("first", "after", "last", "before")

# Any: whatever JSON an answer holds.
Json = dict[str, Any]


class Target(NamedTuple):
    """A running server, everybody's tokens, and ids of each type by the argument that takes them."""

    url: str
    tokens: Mapping[str, str]
    ids: Mapping[str, Sequence[str]]


@pytest.fixture(scope="module")
def target() -> Generator[Target]:
    with demo_data() as data_dir, serving(data_dir) as server:
        personas = Personas(server.url)
        personas.sign_in(*VIEWERS)
        yield Target(server.url, {who: personas.token(who) for who in VIEWERS}, _known_ids(personas))
        personas.close()


@pytest.mark.parametrize("who", VIEWERS)
def test_no_document_that_fits_the_schema_makes_the_server_stumble(target: Target, who: str) -> None:
    schema = graphql_schema(build_schema())
    answered: set[str] = set()
    headers = {"Authorization": f"Bearer {target.tokens[who]}"}
    with httpx.Client(base_url=target.url, headers=headers, timeout=30) as client:
        for name, documents in _documents_by_field(schema).items():
            codes = _sent(
                documents, lambda text: client.post("/graphql", json={"query": text}), target, schema
            )
            if [] in codes:
                answered.add(name)
    assert schema.query_type is not None
    assert set(schema.query_type.fields) - answered == set(), "these never got past their arguments"


def _sent(
    documents: st.SearchStrategy[str],
    post: Callable[[str], httpx.Response],
    target: Target,
    schema: GraphQLSchema,
) -> list[list[str]]:
    """Return the codes of each answer; fail at the first that is the server's own fault."""
    codes: list[list[str]] = []

    @settings(
        max_examples=EXAMPLES_PER_FIELD,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=(
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ),
    )
    @given(documents, st.booleans(), st.integers(0, 1000))
    def send(document: str, is_sharpened: bool, place: int) -> None:
        text = _sharpened(document, schema, target.ids, place) if is_sharpened else document
        codes.append(_codes_of(post(text), text))

    send()
    return codes


def _codes_of(response: httpx.Response, document: str) -> list[str]:
    """Return the codes of an answer's errors; fail where one is the server's own fault."""
    content: Json = response.json()
    errors: list[Json] = content.get("errors", [])
    codes: list[str] = [error["extensions"]["code"] for error in errors]
    seen = f"{response.status_code} {response.text}\n{document}"
    assert response.status_code < 500, seen
    assert {"INTERNAL", "UNAUTHENTICATED", "UNAVAILABLE"}.isdisjoint(codes), seen
    assert not any("Cannot return null" in error["message"] for error in errors), seen
    return codes


def _documents_by_field(schema: GraphQLSchema) -> dict[str, st.SearchStrategy[str]]:
    for name, examples in _SCALARS.items():
        schemathesis.graphql.scalar(name, st.sampled_from(examples).map(nodes.String))
    # Any: Schemathesis leaves the types of its schemas and cases open.
    wrapped: Any = schemathesis.graphql.from_dict(cast("Json", introspection_from_schema(schema)))
    found: dict[str, st.SearchStrategy[str]] = {}
    for result in wrapped.get_all_operations():
        operation: Any = result.ok()
        name = operation.label.partition(".")[2]
        if name != _NOT_SENT:
            found[name] = operation.as_strategy().map(_text_of)
    return found


def _text_of(case: Any) -> str:
    return case.body if isinstance(case.body, str) else case.body["query"]


class _Sharpener(Visitor):
    """Puts ids that exist and page sizes that are allowed in place of random ones."""

    def __init__(self, types: TypeInfo, ids: Mapping[str, Sequence[str]], place: int) -> None:
        super().__init__()
        self._types = types
        self._ids = ids
        self._place = place

    def enter_field(self, node: FieldNode, *_: object) -> FieldNode | None:
        """Ask for a page where the field gives pages."""
        definition = self._types.get_field_def()
        if definition is None or "first" not in definition.args:
            return None
        page = ArgumentNode(name=NameNode(value="first"), value=IntValueNode(value=str(1 + self._place % 10)))
        others = [each for each in node.arguments or () if each.name.value not in _PAGING]
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=(page, *others),
            directives=node.directives,
            selection_set=node.selection_set,
        )

    def enter_argument(self, node: ArgumentNode, *_: object) -> ArgumentNode | None:
        """Name a row."""
        return self._named(node)

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> ObjectFieldNode | None:
        """Name a row."""
        return self._named(node)

    def _named(self, node: Any) -> Any:
        known = self._ids.get(node.name.value)
        if known is None or not isinstance(node.value, StringValueNode):
            return None
        return type(node)(name=node.name, value=StringValueNode(value=known[self._place % len(known)]))


def _sharpened(document: str, schema: GraphQLSchema, ids: Mapping[str, Sequence[str]], place: int) -> str:
    types = TypeInfo(schema)
    visitor = TypeInfoVisitor(types, _Sharpener(types, ids, place))
    return print_ast(visit(parse(document), visitor))


def _known_ids(personas: Personas) -> dict[str, list[str]]:
    found: Json = personas.ask(
        "director",
        "{ orders(first: 20) { nodes { id lines(first: 3) { nodes { id } } } } projects(first: 3) { nodes { id } }"
        " organizations(first: 6) { nodes { id } } users(first: 10) { nodes { id } }"
        " costCodes(first: 5) { nodes { id } } events(first: 5) { nodes { id } } }",
    ).data
    keys = {name: [node["id"] for node in connection["nodes"]] for name, connection in found.items()}
    lines = [line["id"] for order in found["orders"]["nodes"] for line in order["lines"]["nodes"]]
    return {
        "id": keys["orders"] + keys["projects"],
        "projectId": keys["projects"],
        "customerId": keys["organizations"],
        "contractorId": keys["organizations"],
        "userId": keys["users"],
        "actorId": keys["users"],
        "costCodeId": keys["costCodes"],
        "aggregateId": keys["orders"],
        "lineId": lines,
    }
