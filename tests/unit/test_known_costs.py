"""Does an operation that comes again cost what it costs, and is what is known of it bounded?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, parse, validate

import planner.known_costs as module
from planner.cost import Cost, cost_of
from planner.known_costs import CHARACTERS, COSTS_PER_OPERATION, OPERATIONS, KnownCosts
from policies.bindings import catalog
from schema.build import build_schema, graphql_schema

SIZED = (
    "query ($n: Int = 7, $search: String) { orders(first: $n, filter: {search: $search}) { nodes { id } } }"
)


class Operation:
    """One operation of a document, prepared once as the server does."""

    def __init__(self, text: str) -> None:
        document = parse(text)
        self.nodes = {
            node.name.value if node.name else None: node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode)
        }
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.document = document

    def asked(self, known: KnownCosts, name: str | None = None, **variables: Any) -> Cost:
        return known.cost_of(self.nodes[name], self.fragments, variables)


class Counts:
    """How often a cost was counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.value = 0
        monkeypatch.setattr(module, "cost_of", self._counted)

    # Any: whatever is counted from.
    def _counted(self, *arguments: Any) -> Cost:
        self.value += 1
        return cost_of(*arguments)


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())


@pytest.fixture
def known(schema: GraphQLSchema) -> KnownCosts:
    return KnownCosts(schema, catalog)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    return Counts(monkeypatch)


def test_operation_that_comes_again_is_not_counted_again(known: KnownCosts, counts: Counts) -> None:
    operation = Operation(SIZED)
    first = operation.asked(known, n=5, search="a")
    assert first == Cost(6, 5)
    assert operation.asked(known, n=5, search="b") is first
    assert operation.asked(known, n=5) is first
    assert counts.value == 1
    assert operation.asked(known, n=6) == Cost(7, 6)
    assert counts.value == 2


# Any: variables are whatever JSON holds.
CASES: list[tuple[str, list[dict[str, Any]]]] = [
    (
        SIZED,
        [{}, {"n": 3}, {"n": None}, {"n": 1.0}, {"n": True}, {"n": 1}, {"n": "1"}, {"n": [1]}, {"n": {}}],
    ),
    (
        "query ($n: Int!) { orders(first: 2) { nodes { lines(last: $n) { nodes { id } } } } }",
        [{"n": 1}, {"n": 2}, {}],
    ),
    (
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        [{"ids": []}, {"ids": "a"}, {"ids": ["a", "b"]}, {"ids": ["c", "d"]}, {"ids": {}}, {"ids": 5}],
    ),
    (
        "query ($a: ID!, $b: ID!) { nodes(ids: [$a, $b]) { id } }",
        [{"a": "x", "b": "y"}, {"a": "x"}, {"a": 5, "b": "y"}],
    ),
    (
        """query ($with: Boolean!, $without: Boolean = false) {
              ...Orders @include(if: $with)
              ... @skip(if: $without) { projects(first: 5) { nodes { id } } }
            }
            fragment Orders on Query { orders(first: 20) { nodes { id project @skip(if: $without) { id } } } }""",
        [
            {"with": True},
            {"with": False},
            {"with": True, "without": True},
            {"with": 1},
            {},
        ],
    ),
]


@pytest.mark.parametrize(("document", "values"), CASES)
def test_known_cost_is_the_cost_that_is_counted(
    schema: GraphQLSchema, known: KnownCosts, document: str, values: list[Mapping[str, Any]]
) -> None:
    operation = Operation(document)
    assert validate(schema, operation.document) == []
    for variables in [*values, *reversed(values)]:
        counted = cost_of(schema, operation.nodes[None], operation.fragments, variables, catalog)
        assert operation.asked(known, **variables) == counted, variables


def test_null_in_a_directive_that_has_a_default_leaves_nothing_out(known: KnownCosts) -> None:
    operation = Operation(
        "query ($without: Boolean = false) { orders(first: 5) @skip(if: $without) { nodes { id } } }"
    )
    for _ in range(2):
        assert operation.asked(known) == Cost(6, 5)
        assert operation.asked(known, without=None) == Cost(6, 5)


def test_operations_of_one_document_are_known_apart(known: KnownCosts) -> None:
    operation = Operation(
        "query A { orders(first: 1) { nodes { id } } } query B { orders(first: 2) { nodes { id } } }"
    )
    for _ in range(2):
        assert [operation.asked(known, name) for name in "AB"] == [Cost(2, 1), Cost(3, 2)]


def test_variables_that_do_not_fit_are_never_known(known: KnownCosts, counts: Counts) -> None:
    operation = Operation(SIZED)
    for _ in range(2):
        assert operation.asked(known, n="many") == Cost(1, 0)
        assert operation.asked(known, n=5, search={}) == Cost(1, 0)
    assert counts.value == 4


def test_costs_of_large_variables_are_counted_each_time(known: KnownCosts, counts: Counts) -> None:
    operation = Operation(SIZED)
    for _ in range(2):
        assert operation.asked(known, n=5, search="x" * 500) == Cost(6, 5)
    assert counts.value == 2
    assert operation.asked(known, n=5, search="x") == Cost(6, 5)
    assert operation.asked(known, n=5, search="x" * 500) == Cost(6, 5)
    assert counts.value == 3


def test_costs_of_one_operation_are_bounded(known: KnownCosts, counts: Counts) -> None:
    operation = Operation(SIZED)
    for size in range(COSTS_PER_OPERATION + 1):
        operation.asked(known, n=size)
    operation.asked(known, n=COSTS_PER_OPERATION)
    assert counts.value == COSTS_PER_OPERATION + 1
    operation.asked(known, n=0)
    assert counts.value == COSTS_PER_OPERATION + 2


def test_operations_are_bounded_and_the_longest_unused_is_forgotten(
    known: KnownCosts, counts: Counts
) -> None:
    operations = [Operation("{ __typename }") for _ in range(OPERATIONS + 1)]
    for operation in operations[:OPERATIONS]:
        operation.asked(known)
    operations[0].asked(known)
    assert counts.value == OPERATIONS
    operations[-1].asked(known)
    operations[0].asked(known)
    assert counts.value == OPERATIONS + 1
    operations[1].asked(known)
    assert counts.value == OPERATIONS + 2


def test_long_documents_are_known_only_as_far_as_their_characters_go(
    known: KnownCosts, counts: Counts
) -> None:
    long = [Operation("{ __typename }" + "#" * (CHARACTERS // 2)) for _ in range(2)]
    for operation in [*long, *long]:
        operation.asked(known)
    # Two are too long together: each time the other one had to go.
    assert counts.value == 4
