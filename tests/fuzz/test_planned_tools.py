"""Is the comparison of the two paths worth something? What its documents reach, what it notices, and what it shows."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import pytest
from graphql import (
    ArgumentNode,
    EnumValueNode,
    FieldNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    Node,
    ObjectFieldNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    value_from_ast_untyped,
    visit,
)
from sqlalchemy import text

from policies.bindings import catalog
from policies.compiler import Policies
from policies.roles import Role
from schema.build import build_schema, graphql_schema
from server.document_check import limits_of
from server.documents import Documents
from server.settings import Settings
from tests.fuzz.planned.author import Author, Document, is_worked
from tests.fuzz.planned.company import Company, random_company
from tests.fuzz.planned.given import InputKind, Plain, kind_named, kind_of
from tests.fuzz.planned.knowledge import Knowledge
from tests.fuzz.planned.odd_rules import is_hideable, odd_rulebook
from tests.fuzz.planned.onlookers import onlookers
from tests.fuzz.planned.reduction import reduced
from tests.fuzz.planned.rounds import open_paths
from tests.fuzz.planned.selections import named, type_text
from tests.fuzz.planned.two_paths import Compared, Refused, Request, Told, TwoPaths

QUERIES = 4_000
COMMANDS = 1_500


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())


@pytest.fixture(scope="module")
def company() -> Company:
    return random_company(random.Random("tools"))


def author(schema: GraphQLSchema, company: Company) -> Author:
    return Author(schema, Knowledge(company), random.Random("author"))


class Reached(Visitor):
    """What documents reach of the schema: fields, arguments, fields of inputs, values of enums."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self._info = info
        self.found: set[str] = set()

    # Any: graphql-core's visitors take whatever nodes there are.
    def enter(self, node: Node, *_: Any) -> None:
        parent = self._info.get_parent_type()
        if isinstance(node, FieldNode) and parent is not None:
            self.found.add(f"{parent.name}.{node.name.value}")
        elif isinstance(node, ArgumentNode) and parent is not None:
            definition = self._info.get_field_def()
            name = next((each for each in fields_of(parent) if fields_of(parent)[each] is definition), None)
            self.found.add(f"{parent.name}.{name}({node.name.value})")
        elif isinstance(node, ObjectFieldNode):
            self.found.add(f"{self._named('get_parent_input_type')}.{node.name.value}")
        elif isinstance(node, EnumValueNode):
            self.found.add(f"{self._named('get_input_type')}.{node.value}")

    def _named(self, what: str) -> str:
        # graphql-core leaves open what lists and non-nulls hold, and with it what its methods return.
        kind: InputKind = getattr(self._info, what)()
        return kind_named(kind).name


def fields_of(kind: GraphQLNamedType) -> dict[str, Any]:
    return kind.fields if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else {}


def reached_by(schema: GraphQLSchema, documents: Iterable[Document]) -> set[str]:
    info = TypeInfo(schema)
    reached = Reached(info)
    for document in documents:
        visit(parse(document.text), TypeInfoVisitor(info, reached))
    return reached.found


def reachable(schema: GraphQLSchema, root: GraphQLObjectType, names: Iterable[str]) -> Iterator[str]:
    """All that stands behind some fields of a root."""
    waiting: list[tuple[GraphQLNamedType, Iterable[str]]] = [(root, names)]
    known: set[str] = set()
    while waiting:
        kind, chosen = waiting.pop()
        known.add(kind.name)
        if isinstance(kind, GraphQLInterfaceType):
            waiting += [
                (each, fields_of(each)) for each in schema.get_possible_types(kind) if each.name not in known
            ]
        for name in chosen:
            if is_worked(kind, name):
                continue
            definition = fields_of(kind)[name]
            yield f"{kind.name}.{name}"
            for argument in definition.args:
                yield f"{kind.name}.{name}({argument})"
                yield from input_parts(kind_of(definition.args[argument]), known)
            below = named(definition)
            if below.name not in known:
                known.add(below.name)
                waiting.append((below, fields_of(below)))


def input_parts(kind: InputKind, known: set[str]) -> Iterator[str]:
    inner = kind_named(kind)
    if inner.name in known:
        return
    known.add(inner.name)
    if isinstance(inner, GraphQLEnumType):
        yield from (f"{inner.name}.{value}" for value in inner.values)
    elif isinstance(inner, GraphQLInputObjectType):
        for name, each in inner.fields.items():
            yield f"{inner.name}.{name}"
            yield from input_parts(kind_of(each), known)


def test_queries_reach_every_field_argument_and_value_of_the_schema(
    schema: GraphQLSchema, company: Company
) -> None:
    writer, root = author(schema, company), schema.query_type
    assert root is not None
    found = reached_by(schema, (writer.query() for _ in range(QUERIES)))
    # Cursors are known from answers only.
    missed = set(reachable(schema, root, root.fields)) - found
    assert {each for each in missed if not each.endswith(("(after)", "(before)"))} == set()


def test_commands_reach_every_command_that_can_be_tried(schema: GraphQLSchema, company: Company) -> None:
    writer, root = author(schema, company), schema.mutation_type
    assert root is not None
    names = [name for name in root.fields if name.startswith("order")]
    found = reached_by(schema, (writer.command() for _ in range(COMMANDS)))
    # What stands behind an order is queried too, and asked for by the test above; cursors are known from answers only.
    queried = schema.query_type
    assert queried is not None
    behind = {each.partition(".")[0] for each in reachable(schema, queried, queried.fields)}
    own = {each for each in reachable(schema, root, names) if each.partition(".")[0] not in behind}
    assert {each for each in own - found if not each.endswith(("(after)", "(before)"))} == set()
    assert {each for each in found if each.startswith("Mutation.session")} == set()


def test_every_command_is_only_tried(schema: GraphQLSchema, company: Company) -> None:
    writer, chance = author(schema, company), random.Random("sent")
    for _ in range(300):
        document = writer.command()
        sent = document.meant(document.sent(chance))
        inputs = inputs_of(document, sent)
        assert inputs
        # What doesn't even name its object is no input.
        assert [each for each in inputs if {"id", "projectId"} & each.keys() and not each.get("dryRun")] == []


def inputs_of(document: Document, sent: dict[str, Plain]) -> list[dict[str, Plain]]:
    found: list[dict[str, Plain]] = []
    for definition in parse(document.text).definitions:
        for each in getattr(getattr(definition, "selection_set", None), "selections", ()):
            for argument in getattr(each, "arguments", None) or ():
                value = cast("Plain", value_from_ast_untyped(argument.value, sent))
                found.append(value if isinstance(value, dict) else {})
    return found


def test_same_chance_writes_the_same_documents(schema: GraphQLSchema, company: Company) -> None:
    def written() -> list[object]:
        writer, chance = author(schema, company), random.Random("sent")
        documents = [write() for write in (writer.query, writer.command) for _ in range(100)]
        return [(each.text, each.operation_name, each.sent(chance)) for each in documents]

    assert written() == written()


def test_viewers_are_of_every_shape(company: Company) -> None:
    viewers = onlookers(random.Random("viewers"), company, 400)
    roles = [{held.role for held in viewer.shape} for viewer in viewers]
    assert set(range(len(Role) + 1)) - {len(each) for each in roles} == set()
    held = {(each.role, each.is_global) for viewer in viewers for each in viewer.shape}
    assert held == {(role, is_global) for role in Role for is_global in (True, False)}
    assert {viewer.client is None for viewer in viewers} == {True, False}
    alike = [one.shape == other.shape and one != other for one, other in pairwise(viewers)]
    assert sum(alike) >= 100


def test_odd_rules_hide_what_the_schema_says_is_never_null(schema: GraphQLSchema, company: Company) -> None:
    hidden: set[str] = set()
    for nth in range(60):
        chance = random.Random(f"rules {nth}")
        policies = Policies(odd_rulebook(chance))
        for viewer in onlookers(chance, company, 10):
            policy = policies.of(viewer.shape)
            hidden |= {
                f"{binding.name}.{each.api_name}"
                for binding in catalog.types.values()
                for each in binding.stored_fields
                if not policy.is_always_visible(binding, each)
            }
    never_null = {
        f"{name}.{each.api_name}"
        for name, binding in catalog.types.items()
        for each in binding.fields.values()
        if is_hideable(each) and type_text(fields_of(schema.type_map[name])[each.api_name]).endswith("!")
    }
    # Which rulebooks there are changes with every field that is added; that they hide nearly all of them does not.
    assert len(never_null - hidden) <= len(never_null) // 20, sorted(never_null - hidden)


REQUEST = Request("{ a }", None, {}, None)
TOLD = Told(b'{"a":[1,2]}', [{"message": "one"}, {"message": "two"}], 3)


@pytest.mark.parametrize(
    "other",
    [
        replace(TOLD, data=b'{"a":[1,3]}'),
        replace(TOLD, data=None),
        replace(TOLD, errors=[*reversed(TOLD.errors)]),
        replace(TOLD, errors=TOLD.errors[:1]),
        replace(TOLD, points=4),
        replace(TOLD, failed=("its statement",)),
    ],
)
def test_difference_is_noticed(other: Told) -> None:
    assert Compared(REQUEST, TOLD, TOLD).is_same
    assert not Compared(REQUEST, TOLD, other).is_same


def failed_at(*path: str | int, code: str = "INTERNAL") -> dict[str, Any]:
    return {"message": "broken", "path": [*path], "extensions": {"code": code}}


BROKEN = Told(
    b'{"a":[null,{"b":1}],"c":null}', [failed_at("a", 0, "b"), failed_at("c")], 3, is_interpreted=True
)


@pytest.mark.parametrize(
    ("errors", "is_same"),
    [
        ([failed_at("a", 0, "b"), failed_at("a", 0, "d", "e"), failed_at("c")], True),
        ([failed_at("a", 0, "d"), failed_at("c")], True),
        ([failed_at("c"), failed_at("a", 0, "b")], False),
        ([failed_at("a", 0, "b")], False),
        ([failed_at("c")], False),
        ([failed_at("a", 0, "b", code="TIMEOUT"), failed_at("c")], False),
        ([failed_at("a", 0, "b"), failed_at("a", 1, "b"), failed_at("c")], False),
        ([failed_at("a", 0, "b"), failed_at("c"), failed_at("a", "b", code="FORBIDDEN")], False),
    ],
)
def test_of_two_failures_in_one_object_graphql_core_may_tell_one(
    errors: list[dict[str, Any]], is_same: bool
) -> None:
    other = replace(BROKEN, errors=errors)
    assert Compared(REQUEST, BROKEN, other).is_same is is_same
    assert not Compared(REQUEST, BROKEN, replace(other, is_interpreted=False)).is_same
    assert not Compared(REQUEST, BROKEN, replace(other, data=b'{"a":[null,{"b":2}],"c":null}')).is_same


async def test_statement_that_fails_is_noticed_though_the_answer_hides_it(
    settings: Settings, company: Company
) -> None:
    viewer = onlookers(random.Random("viewers"), company, 1)[0]
    request = Request("{ costCodes(first: 1) { nodes { name } } }", None, {}, viewer)
    async with open_paths(settings, company) as paths:
        before = await paths.compare(request)
        async with paths.runtime.database.write.begin() as connection:
            await connection.execute(text("ALTER TABLE cost_code RENAME COLUMN name TO label"))
        after = await paths.compare(request)
    assert isinstance(before, Compared)
    assert isinstance(after, Compared)
    assert (before.is_same, before.planned.codes, before.planned.failed) == (True, [], ())
    assert (after.interpreted.codes, after.planned.codes) == (["INTERNAL"], ["INTERNAL"])
    assert len(after.planned.failed) == 1
    assert not after.is_same


def test_difference_is_shown_where_it_begins() -> None:
    shown = Compared(REQUEST, TOLD, replace(TOLD, data=b'{"a":[1,3]}')).shown()
    assert "data differs from byte 8 on" in shown
    assert 'data interpreted: …{"a":[1,2]}…' in shown
    assert 'data planned:     …{"a":[1,3]}…' in shown


class Differing(TwoPaths):
    """Two paths that differ wherever an amount is selected."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._documents = Documents(schema, limits_of(Settings()))

    async def compare(self, request: Request) -> Compared | Refused:
        prepared = self._documents.prepare(request.text, is_stranger=False)
        if isinstance(prepared, list):
            return Refused(("GRAPHQL_VALIDATION_FAILED",))
        other = replace(TOLD, data=b"null") if "amount" in request.text else TOLD
        return Compared(request, TOLD, other)


WORDY = """
query Other { __typename }
query Asked($size: Int, $with: Boolean!, $ids: [ID!]!) {
  orders(first: $size, filter: {states: [DRAFT, SETTLED]}) { totalCount nodes { ...F title @include(if: $with) } }
  nodes(ids: $ids) { id }
}
fragment F on Order { number ... on Order { lines(first: 1) { nodes { id amount @skip(if: $with) } } } ...G }
fragment G on Order { id }
"""
LEAST = """\
query Asked {
  orders {
    nodes {
      ...F
    }
  }
}
fragment F on Order {
  ... on Order {
    lines {
      nodes {
        amount
      }
    }
  }
}"""


async def test_reduced_document_holds_nothing_but_the_difference(schema: GraphQLSchema) -> None:
    paths = Differing(schema)
    request = Request(WORDY, "Asked", {"size": 1, "with": True, "ids": []}, None)
    found = await paths.compare(request)
    assert isinstance(found, Compared)
    least = await reduced(paths, found)
    assert least.request == Request(LEAST, "Asked", {}, None)


async def test_reducing_never_lets_a_command_be_carried_out(schema: GraphQLSchema) -> None:
    paths = Differing(schema)
    text = 'mutation { orderHold(input: {id: "Order:1", note: "why", dryRun: true}) { order { amount } errors { code } } }'
    found = await paths.compare(Request(text, None, {}, None))
    assert isinstance(found, Compared)
    least = await reduced(paths, found)
    assert least.request.text == (
        'mutation {\n  orderHold(input: { id: "Order:1", dryRun: true }) {\n    order {\n      amount\n    }\n  }\n}'
    )
