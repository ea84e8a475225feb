"""Does a real answer ever cost more than was counted before it?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from graphql import FragmentDefinitionNode, GraphQLSchema, OperationDefinitionNode, parse

from domain.identifiers import global_id
from planner.cost import Cost, actual_points, cost_of
from policies.bindings import catalog
from schema.build import build_schema, graphql_schema
from tests.api import Api
from tests.fuzz.documents import Author, Knowledge
from tests.fuzz.plain_scopes import TABLES, read_world

QUERIES = 40
COMMANDS = 10
PEOPLE = ("director", "engineer", "contractor")


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return graphql_schema(build_schema())


async def knowledge(api: Api) -> Knowledge:
    """Return the ids, amounts and numbers of everything there is."""
    rows = (await read_world(api.database.write)).rows
    return Knowledge(
        {name: [global_id(name, row["id"]) for row in rows[name]] for name in TABLES},
        [f"{row['amount']:f}" for row in rows["Order"] if row["amount"] is not None],
        [row["number"] for row in rows["Order"]],
    )


def cost(schema: GraphQLSchema, text: str) -> Cost:
    document = parse(text)
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    return cost_of(schema, operation, fragments, {}, catalog)


def objects(value: Any) -> int:
    """Return how many JSON objects there are in a value."""
    if isinstance(value, dict):
        return 1 + sum(map(objects, value.values()))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, list):
        return sum(map(objects, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return 0


async def compared(api: Api, schema: GraphQLSchema, who: str, document: str) -> tuple[int, int, int]:
    """Return points asked for, points used without any cap, and objects in the answer."""
    answer = await api.ask(document, who)
    content = answer.content
    if content.get("data") is None:
        return 0, 0, 0
    found = cost(schema, document)
    assert found.spending is not None
    used = found.spending.points(content["data"])
    assert used <= found.points, document
    told = content["extensions"]["cost"]
    assert (told["requested"], told["actual"]) == (found.points, actual_points(found, content["data"]))
    return found.points, used, objects(content["data"])


@pytest.mark.parametrize("who", PEOPLE)
async def test_random_answers_never_cost_more_than_was_counted(
    api: Api, schema: GraphQLSchema, who: str
) -> None:
    author = Author(schema, await knowledge(api), random.Random(f"spending {who}"))
    documents: Sequence[str] = [
        *(author.query() for _ in range(QUERIES)),
        *(author.command() for _ in range(COMMANDS)),
    ]
    counted = [await compared(api, schema, who, document) for document in documents]
    answered = [each for each in counted if each != (0, 0, 0)]
    # Enough of them are answered, and with enough in them, for the comparison to mean something.
    assert len(answered) >= len(documents) * 3 // 4
    assert sum(found for _, _, found in answered) >= 300
    assert sum(used for _, used, _ in answered) >= 150


async def test_full_page_costs_exactly_what_was_counted(api: Api, schema: GraphQLSchema) -> None:
    document = """{ orders(first: 50) { totalCount
      nodes { number project { code } availableActions { action } } edges { cursor node { id } } } }"""
    assert (await compared(api, schema, "director", document))[:2] == (1 + 10 + 50 * 4, 1 + 10 + 50 * 4)


async def test_what_is_hidden_costs_nothing(api: Api, schema: GraphQLSchema) -> None:
    document = "{ orders(first: 50) { nodes { contractor { code } } } }"
    orders = (await api.ask(document, "customer")).partial["orders"]["nodes"]
    assert len(orders) > 5
    # A customer may not know who does the work.
    assert orders == [{"contractor": None}] * len(orders)
    asked, used, _ = await compared(api, schema, "customer", document)
    assert (asked, used) == (1 + 50 * 2, 1 + len(orders))
