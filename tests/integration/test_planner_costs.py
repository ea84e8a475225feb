"""Does an answer cost the same whichever way it was made? Points are counted by the statement here, over the data there."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from server.settings import Settings
from tests.integration.order_world import project, user
from tests.integration.plan_world import Both, both_paths, points

pytestmark = pytest.mark.asyncio(loop_scope="module")

WHO = ("director", "pm", "worker", "customer")
KEY = "0190a0b0-0000-7000-8000-000000000000"
NUMBER = "EO-2025-000001"
DOCUMENTS = (
    "{ viewer { user { username organization { name } } organization { code } roles { role project { code } } } }",
    "{ a: viewer { roles { role } } b: viewer { user { hiddenFields } } }",
    f'{{ node(id: "{project("P-001")}") {{ id ... on Project {{ code manager {{ name }} }} ... on Order {{ number }} }} }}',
    f'{{ node(id: "Order:{KEY}") {{ id ... on Order {{ project {{ code }} lines(first: 3) {{ totalCount }} }} }} }}',
    f'{{ nodes(ids: ["{project("P-001")}", "Order:{KEY}", "{user("pm")}", "Nothing:{KEY}"]) {{ id ... on User {{ organization {{ id }} }} }} }}',
    "{ nodes(ids: []) { id } viewer { user { id } } }",
    "{ projects(first: 0) { nodes { code } totalCount } }",
    "{ projects(first: 100) { edges { cursor node { code manager { organization { id } } } } totalCount pageInfo { endCursor } } }",
    '{ project(code: "P-001") { code wbsNodes(first: 5) { nodes { code parent { code project { code } } } totalCount } } }',
    '{ project(code: "none") { code manager { name } } viewer { user { id } } }',
    "{ projects(first: 3) { nodes { orders(first: 2) { nodes { number customer { name } contractor { name } } } } } }",
    '{ organizations(first: 5, search: "a") { nodes { code bankName hiddenFields } edges { node { name } } totalCount } }',
    '{ users(last: 4, search: "no such person") { edges { node { username } } pageInfo { hasPreviousPage } totalCount } }',
    "{ costCodes(first: 7) { nodes { code costType } pageInfo { hasNextPage startCursor } } }",
    "{ orders(first: 20) { nodes { number amount hiddenFields } } }",
    "{ orders(last: 5) { totalCount edges { cursor node { number project { code } wbsNode { code } costCode { code } } } } }",
    "{ orders(first: 4) { nodes { lines(first: 2) { totalCount nodes { id } pageInfo { hasNextPage } } assignments { task user { name } } } } }",
    "{ orders(first: 3) { nodes { availableActions { action allowed reasons { code } } events(last: 2) { nodes { type actor { name } } } } } }",
    '{ orders(first: 9, filter: {search: "no such order"}) { nodes { number availableActions { action } project { code } } totalCount } }',
    "{ a: orders(first: 2) { totalCount } b: orders(first: 2) { a: totalCount b: totalCount pageInfo { hasNextPage } } }",
    f'{{ order(number: "{NUMBER}") {{ id events(first: 3) {{ nodes {{ changes {{ field before }} aggregate {{ id }} }} }} }} }}',
    f'{{ order(number: "{NUMBER}") {{ availableActions {{ action }} x: availableActions {{ allowed }} }} none: order(number: "x") {{ id }} }}',
    "{ orderStatistics { count amount currency isPartial } }",
    "{ orderStatistics(groupBy: [PROJECT, STATE]) { amount groups { state count project { code manager { name } } } } }",
    '{ orderStatistics(filter: {search: "no such order"}, groupBy: [CUSTOMER, MONTH]) { count groups { customer { name } month } } }',
    "{ events(first: 6) { nodes { type actor { name organization { id } } aggregate { id ... on Order { project { code } } } changes { after } } } }",
    '{ events(first: 6, filter: {types: ["NoSuchThing"]}) { edges { cursor node { type } } totalCount } }',
    """{ ...A ...B }
    fragment A on Query { orders(first: 2) { nodes { ...C } } }
    fragment B on Query { orders(first: 2) { nodes { title ...C } } }
    fragment C on Order { number project { code } customer { name } }""",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest.mark.parametrize("document", DOCUMENTS, ids=range(len(DOCUMENTS)))
async def test_answer_costs_the_same_planned_and_interpreted(both: Both, document: str) -> None:
    for who in WHO:
        await both.same(document, who)


async def test_costs_that_are_compared_are_those_of_what_came_back(both: Both) -> None:
    empty = await both.same(
        '{ orders(first: 9, filter: {search: "no such order"}) { nodes { id } } }', "director"
    )
    some = await both.same(
        '{ orders(first: 9, filter: {search: "EO-2025-00001"}) { nodes { id } } }', "director"
    )
    full = await both.same("{ orders(first: 9) { nodes { id project { id } } } }", "director")
    assert [points(each) for each in (empty, some, full)] == [1, 10, 19]
