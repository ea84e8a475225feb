"""What does an operation cost at most, and what did its answer cost?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, parse, validate

from planner.cost import MOST, Cost, actual_points, cost_of
from planner.tariff import COMMAND, COMPUTED, INTROSPECTION, OPERATION, ROW, SUBSCRIPTION, TOTAL
from policies.bindings import catalog
from schema.build import build_schema, graphql_schema
from server.exports import EXPLOSION_POINTS, LINES_POINTS

AROUND, CLOSED = "orders(first: 1) { nodes { project { ", " } } }"
LIMITS = Path(__file__).parent.parent.parent / "docs" / "limits.md"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())


def cost(schema: GraphQLSchema, text: str, **variables: Any) -> Cost:
    """Return the cost of a valid document's one operation."""
    document = parse(text)
    assert validate(schema, document) == []
    return unchecked_cost(schema, text, **variables)


def unchecked_cost(schema: GraphQLSchema, text: str, **variables: Any) -> Cost:
    document = parse(text)
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    return cost_of(schema, operation, fragments, variables, catalog)


@pytest.mark.parametrize(
    ("document", "points", "nodes"),
    [
        ("{ __typename }", OPERATION, 0),
        ("{ viewer { user { name } } }", OPERATION + ROW, 0),
        ('{ order(number: "x") { project { code } } }', OPERATION + 2 * ROW, 0),
        ("{ orders(first: 20) { nodes { id } } }", OPERATION + 20 * ROW, 20),
        ("{ orders(last: 20) { nodes { id } } }", OPERATION + 20 * ROW, 20),
        ("{ orders(first: 20) { edges { cursor node { id } } } }", OPERATION + 20 * ROW, 20),
        ("{ orders(first: 20) { nodes { id } edges { node { id } } } }", OPERATION + 40 * ROW, 20),
        ("{ orders(first: 20) { pageInfo { hasNextPage } } }", OPERATION + 20 * ROW, 20),
        ("{ orders(first: 20) { totalCount } }", OPERATION + 20 * ROW + TOTAL, 20),
        ("{ orders(first: 20) { all: totalCount nodes { id } } }", OPERATION + 20 * ROW + TOTAL, 20),
        (
            "{ orders(first: 20) { nodes { lines(first: 5) { nodes { id } } } } }",
            OPERATION + 20 * (ROW + 5 * ROW),
            120,
        ),
        (
            "{ projects(first: 9) { nodes { orders(first: 1) { totalCount } } } }",
            OPERATION + 9 * (ROW + ROW + TOTAL),
            18,
        ),
        (
            "{ orders(first: 2) { nodes { assignments { user { name } } } } }",
            OPERATION + 2 * (1 + 100 * 2),
            202,
        ),
        ("{ orders(first: 20) { nodes { availableActions { action } } } }", OPERATION + 20 * 2, 20),
        (
            "{ events(first: 3) { nodes { aggregate { id } changes { field } } } }",
            OPERATION + 3 * (ROW + ROW + COMPUTED),
            3,
        ),
        ('{ node(id: "x") { id } }', OPERATION + ROW, 0),
        ('{ nodes(ids: ["x", "y"]) { id } }', OPERATION + 2 * ROW, 2),
        ('{ nodes(ids: ["x", "y"]) { ... on Order { project { id } } } }', OPERATION + 4 * ROW, 2),
        ("{ orderStatistics { count amount groups { count } } }", OPERATION + TOTAL, 0),
        (
            "{ orderStatistics(groupBy: [PROJECT]) { groups { project { id } } } }",
            OPERATION + TOTAL + 100 * ROW,
            0,
        ),
        (
            "{ orderStatistics { groups { project { orders(first: 7) { nodes { id } } } } } }",
            OPERATION + TOTAL + 100 * 8 * ROW,
            700,
        ),
        (
            'mutation { orderSubmit(input: {id: "x"}) { order { id } errors { code } } }',
            OPERATION + COMMAND + ROW,
            0,
        ),
        (
            """mutation { a: orderSubmit(input: {id: "x"}) { errors { code } }
            b: orderSubmit(input: {id: "y"}) { errors { code } } }""",
            OPERATION + 2 * COMMAND,
            0,
        ),
        (
            "subscription { orderChanged { event { type } order { project { code } } } }",
            OPERATION + SUBSCRIPTION + 3 * ROW,
            0,
        ),
        ("{ __schema { types { name } } }", OPERATION + INTROSPECTION, 0),
        ('{ __type(name: "Order") { name } }', OPERATION + INTROSPECTION, 0),
    ],
)
def test_cost_is_the_sum_of_what_can_come_back(
    schema: GraphQLSchema, document: str, points: int, nodes: int
) -> None:
    assert cost(schema, document) == Cost(points, nodes)


def test_same_selection_costs_the_same_through_fragments(schema: GraphQLSchema) -> None:
    plain = cost(schema, "{ orders(first: 20) { totalCount nodes { id project { code } } } }")
    inline = cost(
        schema, "{ ... { orders(first: 20) { totalCount ... { nodes { id project { code } } } } } }"
    )
    named = cost(
        schema,
        "{ orders(first: 20) { ...Page } } fragment Page on OrderConnection { totalCount nodes { ...Card } }"
        " fragment Card on Order { id project { code } }",
    )
    assert plain == inline == named == Cost(OPERATION + TOTAL + 20 * 2, 20)


def test_selection_that_is_skipped_costs_nothing(schema: GraphQLSchema) -> None:
    document = """query ($with: Boolean!, $without: Boolean! = false) {
      orders(first: 20) @include(if: $with) { nodes { id } }
      projects(first: 5) @skip(if: $without) { nodes { id } }
      ... @skip(if: $with) { users(first: 9) { nodes { id } } }
      ...Codes @include(if: $without)
    }
    fragment Codes on Query { costCodes(first: 50) { nodes { id } } }"""
    chosen = {"with": True}
    assert cost(schema, document, **chosen) == Cost(1 + 20 + 5, 25)
    assert cost(schema, document, **{"with": False}) == Cost(1 + 5 + 9, 14)
    assert cost(schema, document, **chosen, without=True) == Cost(1 + 20 + 50, 70)


def test_page_size_of_a_variable_counts(schema: GraphQLSchema) -> None:
    document = "query ($size: Int = 7) { orders(first: $size) { nodes { id } } }"
    assert cost(schema, document) == Cost(8, 7)
    assert cost(schema, document, size=30) == Cost(31, 30)
    assert cost(schema, document, size=None) == Cost(1, 0)


def test_page_size_below_nothing_makes_nothing_cheaper(schema: GraphQLSchema) -> None:
    document = "{ orders(first: -1000) { nodes { id } } projects(first: 5) { nodes { id } } }"
    assert cost(schema, document) == Cost(6, 5)


def test_operation_whose_variables_do_not_fit_costs_its_start(schema: GraphQLSchema) -> None:
    document = "query ($size: Int!) { orders(first: $size) { nodes { id } } }"
    for variables in ({}, {"size": "many"}, {"size": None}):
        assert cost(schema, document, **variables) == Cost(OPERATION, 0)


def test_nested_pages_stop_counting_at_a_bound(schema: GraphQLSchema) -> None:
    document = (
        "{ projects(first: 1000) { nodes { "
        + AROUND.replace("1", "1000") * 20
        + "id"
        + CLOSED * 20
        + " } } }"
    )
    assert cost(schema, document) == Cost(MOST, MOST)


def test_document_nested_more_deeply_than_can_be_counted_costs_as_much_as_can_be(
    schema: GraphQLSchema,
) -> None:
    chain = " ".join(
        f"fragment F{n} on Project {{ {AROUND * 10} ...F{n + 1} {CLOSED * 10} }}" for n in range(99)
    )
    document = f"{{ projects(first: 1) {{ nodes {{ ...F0 }} }} }} {chain} fragment F99 on Project {{ id }}"
    # Other limits keep such a document out; whoever sets them wider gets a refusal, not a failure.
    assert unchecked_cost(schema, document) == Cost(MOST, MOST)


def test_fragments_that_double_each_other_are_counted_once_each(schema: GraphQLSchema) -> None:
    doubling = " ".join(f"fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    document = f"{{ viewer {{ ...F0 }} }} {doubling} fragment F60 on Viewer {{ user {{ name }} }}"
    assert cost(schema, document) == Cost(OPERATION + ROW, 0)
    answer = {"viewer": {"user": {"name": "x"}}}
    assert actual_points(cost(schema, document), answer) == OPERATION + ROW


def test_long_chain_of_fragments_costs_what_its_fields_do(schema: GraphQLSchema) -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ... {{ ...F{n + 1} }} }}" for n in range(5_000))
    document = f"{{ ...F0 }} {chain} fragment F5000 on Query {{ viewer {{ user {{ id }} }} }}"
    assert unchecked_cost(schema, document) == Cost(OPERATION + ROW, 0)


BOARD = """query Board($names: Boolean! = true) {
  orders(first: 20) {
    totalCount
    nodes { number first: project { code } availableActions { action reasons { code } } ...Names @include(if: $names) }
    edges { cursor node { contractor { name } } }
  }
  orderStatistics { count groups { project { code } } }
}
fragment Names on Order { first: project { name } assignments { user { name } } }"""


def test_answer_costs_what_came_back_in_it(schema: GraphQLSchema) -> None:
    order: dict[str, Any] = {
        "number": "EO-1",
        "first": {"code": "P-1", "name": "x"},
        "availableActions": [{"action": "a", "reasons": [{"code": "c"}]}, {"action": "b", "reasons": []}],
        "assignments": [{"user": {"name": "y"}}, {"user": None}],
    }
    other: dict[str, Any] = order | {"first": None, "assignments": []}
    data: dict[str, Any] = {
        "orders": {
            "totalCount": 2,
            "nodes": [order, other],
            "edges": [{"cursor": "c", "node": {"contractor": None}}, {"cursor": "d", "node": None}],
        },
        "orderStatistics": {"count": 2, "groups": [{"project": {"code": "P-1"}}, {"project": None}]},
    }
    orders = (ROW + ROW + COMPUTED + 2 * ROW + ROW) + (ROW + COMPUTED)
    assert actual_points(cost(schema, BOARD), data) == OPERATION + TOTAL + orders + ROW + TOTAL + ROW


def test_answer_without_objects_costs_the_operation_and_its_totals(schema: GraphQLSchema) -> None:
    empty: dict[str, Any] = {
        "orders": {"totalCount": 0, "nodes": [], "edges": []},
        "orderStatistics": {"count": 0, "groups": []},
    }
    assert actual_points(cost(schema, BOARD), empty) == OPERATION + 2 * TOTAL
    nothing = actual_points(cost(schema, BOARD), {"orders": None, "orderStatistics": None})
    assert nothing == OPERATION + TOTAL


def test_answer_without_data_costs_all_that_was_asked_for(schema: GraphQLSchema) -> None:
    asked = cost(schema, BOARD)
    assert (
        actual_points(asked, None) == asked.points == 1 + 10 + 20 * (1 + 1 + 1 + 1 + 200) + 20 * 2 + 10 + 100
    )


def test_commands_cost_the_same_whatever_came_of_them(schema: GraphQLSchema) -> None:
    asked = cost(
        schema,
        'mutation { a: orderSubmit(input: {id: "x"}) { order { id } errors { code } } '
        'b: orderSubmit(input: {id: "y"}) { order { id } errors { code } } }',
    )
    data: dict[str, Any] = {
        "a": {"order": {"id": "x"}, "errors": []},
        "b": {"order": None, "errors": [{"code": "NOT_FOUND"}]},
    }
    assert actual_points(asked, data) == OPERATION + 2 * COMMAND + ROW
    assert asked.points == OPERATION + 2 * COMMAND + 2 * ROW


def test_answer_costs_no_more_than_was_counted_when_a_short_list_is_long(schema: GraphQLSchema) -> None:
    asked = cost(schema, '{ order(number: "x") { assignments { id } } }')
    data: dict[str, Any] = {"order": {"assignments": [{"id": str(nth)} for nth in range(150)]}}
    assert (asked.points, actual_points(asked, data)) == (102, 102)


def test_worked_example_in_the_docs_is_what_the_code_counts(schema: GraphQLSchema) -> None:
    text = LIMITS.read_text("utf-8")
    found = re.search(r"<!-- board -->\n```graphql\n(.*?)```.*?<!-- /board -->", text, re.DOTALL)
    assert found is not None
    told = re.search(r"\*\*(\d+) points\*\* and (\d+) nodes", found.group(0))
    assert told is not None
    assert cost(schema, found.group(1)) == Cost(int(told.group(1)), int(told.group(2)))


def test_weights_in_the_docs_are_those_of_the_code() -> None:
    text = LIMITS.read_text("utf-8")
    weights = dict(re.findall(r"^\| ([A-Z][^|]*?) +\| (\d+) ", text, re.MULTILINE))
    assert list(map(int, weights.values())) == [
        OPERATION,
        ROW,
        COMPUTED,
        TOTAL,
        COMMAND,
        SUBSCRIPTION,
        INTROSPECTION,
        LINES_POINTS,
        EXPLOSION_POINTS,
    ]
