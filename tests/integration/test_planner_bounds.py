"""Does what plans are remembered by stay within its bounds, whatever is asked, and do answers stay right beyond them?"""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import replace
from string import ascii_uppercase
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from graphql import (
    FragmentDefinitionNode,
    OperationDefinitionNode,
    parse,
)

from domain.identifiers import OrganizationId, UserId
from planner.plans import PlanBounds, PlanCounts, Plans
from policies.compiler import Policies, Policy
from policies.readers import default_rulebook
from policies.roles import Role
from policies.viewer import Grant, Viewer
from server.settings import Settings
from tests.integration.plan_world import Both, both_paths, paths_of, plans_of, reasons
from tests.server_parts import executor_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = "0190a0b0-0000-7000-8000-000000000000"
PLANS, REUSED, MOST_TRIES = 40, 3, 400
"""How many plans outlive their outlines, how often an id has to come back, and after how many tries it should have."""

NO_DOCUMENT: Mapping[str, FragmentDefinitionNode] = {}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest.fixture
def small(both: Both, monkeypatch: pytest.MonkeyPatch) -> Plans:
    """Give the application plans of which it remembers few."""
    return with_bounds(both, monkeypatch, PlanBounds(operations=4, outlines=4, plans=5))


def with_bounds(both: Both, monkeypatch: pytest.MonkeyPatch, bounds: PlanBounds) -> Plans:
    planned = executor_of(both.planned)._planned  # pyright: ignore[reportPrivateUsage]  # nobody else needs it
    assert planned is not None
    plans = replace(planned.plans, bounds=bounds, counts=PlanCounts())
    monkeypatch.setattr(executor_of(both.planned), "_planned", replace(planned, plans=plans))
    return plans


def weight(plans: Plans) -> int:
    return plans._plans._weight  # pyright: ignore[reportPrivateUsage]  # nobody else needs it


async def test_more_documents_than_are_remembered_are_answered_right_again_and_again(
    both: Both, small: Plans
) -> None:
    documents = [
        f'{{ a{nth}: order(number: "EO-2025-{nth:06}") {{ number title }} }}' for nth in range(1, 13)
    ]
    for _ in range(2):
        for nth, document in enumerate(documents, start=1):
            answer = await both.same(document, "director")
            assert answer.data[f"a{nth}"]["number"] == f"EO-2025-{nth:06}"
            assert len(small) <= 5
    assert len(small) == 5
    assert small.counts.made == 24
    assert await both.same(documents[-1], "director") == await both.same(documents[-1], "director")
    assert small.counts.made == 24


async def test_texts_of_all_statements_together_stay_within_their_bound(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = with_bounds(both, monkeypatch, PlanBounds(weight=20_000))
    for nth in range(12):
        await both.same(f"{{ a{nth}: projects(first: 1) {{ nodes {{ code name }} }} }}", "director")
        assert weight(plans) <= 20_000
    lengths = weight(plans) // len(plans)
    assert len(plans) == 20_000 // lengths


async def test_statement_longer_than_all_together_may_be_is_used_and_not_remembered(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = with_bounds(both, monkeypatch, PlanBounds(weight=500))
    for _ in range(2):
        await both.same("{ orders(first: 1) { nodes { id title lines(first: 1) { nodes { uom } } } } }", "pm")
    assert (len(plans), weight(plans), plans.counts.made) == (0, 0, 2)


async def test_trees_of_long_documents_stay_within_their_bound(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = with_bounds(both, monkeypatch, PlanBounds(weight=500_000))
    for nth in range(10):
        types = ", ".join(f'"Nothing{nth}of{each}"' for each in range(200))
        document = f"{{ events(first: 1, filter: {{types: [{types}]}}) {{ nodes {{ id }} }} }}"
        assert 3_000 < len(document) < 5_000
        await both.pair(document, "director")
        # A tree of 40 bytes a character: two or three of these.
        assert nth < 3 or len(plans._outlines) in (2, 3)  # pyright: ignore[reportPrivateUsage]  # nobody else needs it
        assert len(plans._deciding) == len(plans._outlines)  # pyright: ignore[reportPrivateUsage]


async def test_shapes_of_arguments_of_one_document_stay_within_the_bound(both: Both, small: Plans) -> None:
    document = """query ($filter: OrderFilter, $sort: [OrderOrder!]) {
      orders(first: 2, filter: $filter, orderBy: $sort) { totalCount nodes { number } }
    }"""
    given: dict[str, Any] = {
        "search": "EO",
        "states": ["DRAFT", "SETTLED"],
        "amountAtLeast": "1",
        "dueBefore": "2030-01-01",
    }
    for subset in range(2 ** len(given)):
        some = {name: given[name] for nth, name in enumerate(given) if subset >> nth & 1}
        for direction in ("ASC", "DESC"):
            await both.same(document, "pm", filter=some, sort=[{"field": "NUMBER", "direction": direction}])
    assert (len(small), small.counts.made) == (5, 2 * 2 ** len(given))


async def test_values_of_the_same_shape_share_a_plan(both: Both) -> None:
    plans = plans_of(both.planned)
    document = """query ($first: Int!, $after: String, $search: String, $id: ID!) {
      orders(first: $first, after: $after, filter: {search: $search}) {
        nodes { number lines(first: $first) { nodes { uom } } } pageInfo { endCursor }
      }
      node(id: $id) { id }
    }"""
    given: dict[str, Any] = {"id": f"Order:{KEY}"}
    found = await both.same(document, "pm", first=2, after=None, search="E", **given)
    made, after = len(plans), found.data["orders"]["pageInfo"]["endCursor"]
    for first in (1, 3, 40, 100, 0):
        await both.same(document, "pm", first=first, search=f"E{first}", id=f"Order:{KEY[:-1]}{first % 10}")
    assert len(plans) == made
    for first in (1, 2, 3):
        found = await both.same(document, "pm", first=first, after=after, search="O", **given)
        after = found.data["orders"]["pageInfo"]["endCursor"]
    assert len(plans) == made + 1


async def test_what_directives_decide_is_a_plan_of_its_own(both: Both) -> None:
    plans = plans_of(both.planned)
    before = len(plans)
    document = """query ($with: Boolean!, $without: Boolean = true) {
      order(number: "EO-2025-000001") { number title @include(if: $with) state @skip(if: $without) }
    }"""
    for is_with in (True, False):
        for given in ({}, {"without": True}, {"without": False}):
            found = (await both.same(document, "pm", **given, **{"with": is_with})).data["order"]
            assert ("title" in found, "state" in found) == (is_with, given.get("without") is False)
    assert len(plans) == before + 4


async def test_types_that_are_none_add_no_plans(both: Both) -> None:
    plans = plans_of(both.planned)
    document = "query ($id: ID!, $ids: [ID!]!) { node(id: $id) { id } nodes(ids: $ids) { id } viewer { user { id } } }"
    await both.same(document, "pm", id=f"Nothing:{KEY}", ids=[f"Nowhere:{KEY}"])
    before = len(plans)
    for nth, letter in enumerate(ascii_uppercase[:20]):
        letters = ascii_uppercase[:nth]
        found = await both.same(
            document, "pm", id=f"Type{letter}:{KEY}", ids=[f"Type{each}:{KEY}" for each in letters]
        )
        assert (found.data["node"], found.data["nodes"]) == (None, [None] * nth)
    assert len(plans) == before


async def test_what_only_names_types_that_are_none_is_found_to_have_no_plan_once(both: Both) -> None:
    plans = plans_of(both.planned)
    before = len(plans)
    for letter in ascii_uppercase[:5]:
        answer, _ = await both.pair(
            "query ($id: ID!) { node(id: $id) { id } }", "pm", id=f"Type{letter}:{KEY}"
        )
        assert answer.data == {"node": None}
    assert len(plans) == before + 1
    assert "interpreted: nothing to read" in reasons(both.planned)


async def test_request_that_cannot_be_answered_adds_no_plan(both: Both) -> None:
    plans = plans_of(both.planned)
    document = "query ($sort: [OrderOrder!]) { orders(first: 1, orderBy: $sort) { nodes { id } } }"
    before, planned = plans.counts.made, paths_of(both.planned)["planned"]
    for count in (8, 9, 400):
        sort = [{"field": "NUMBER", "direction": "ASC"}] * count
        answer, _ = await both.pair(document, "pm", sort=sort)
        assert answer.codes == ["TOO_MANY_SORT_FIELDS"]
    assert (plans.counts.made, paths_of(both.planned)["planned"]) == (before, planned)


async def test_viewers_of_another_shape_have_other_plans_and_those_of_the_same_the_same(both: Both) -> None:
    plans = plans_of(both.planned)
    document = "{ orders(first: 3) { nodes { number amount customer { name } hiddenFields } } }"
    before = len(plans)
    for who in ("director", "pm", "engineer", "foreman", "customer", "contractor"):
        await both.same(document, who)
    made = len(plans) - before
    assert made == 6
    for who in ("pm", "engineer", "director"):
        await both.same(document, who)
    assert len(plans) - before == made


@pytest.mark.usefixtures("frozen_garbage")
async def test_dropped_document_gives_no_other_its_plan(both: Both) -> None:
    """Nodes that were thrown away leave their ids to others, which must not find what was made for the first."""
    known = plans_of(both.planned)
    policies, viewer = Policies(default_rulebook()), somebody()
    policy = policies.of(viewer.shape)
    plans = Plans(
        known.schema,
        known.catalog,
        known.questions,
        100,
        bounds=PlanBounds(operations=2, outlines=2, plans=PLANS),
    )
    ids, tries = set[int](), 0
    while tries < max(len(ids) + REUSED, 2 * PLANS):
        assert tries < MOST_TRIES, "ids are not used again here, so that this shows nothing"
        document = parse(f"{{ a{tries}: projects(first: 1) {{ nodes {{ code }} }} }}")
        (operation,) = document.definitions
        assert isinstance(operation, OperationDefinitionNode)
        ids.add(id(operation))
        assert f'"a{tries}"' in sql_of(plans, operation, viewer, policy)
        tries += 1
        del operation, document
        gc.collect()
    assert len(plans) == PLANS


@pytest.mark.usefixtures("frozen_garbage")
async def test_dropped_policy_gives_no_other_its_plan(both: Both) -> None:
    known = plans_of(both.planned)
    plans = Plans(
        known.schema,
        known.catalog,
        known.questions,
        100,
        bounds=PlanBounds(operations=1, outlines=1, plans=3),
    )
    (operation,) = parse("{ orders(first: 1) { nodes { amount } } }").definitions
    assert isinstance(operation, OperationDefinitionNode)
    shown, hidden, ids = somebody(Role.DIRECTOR), somebody(Role.ENGINEER), set[int]()
    (other,) = parse("{ projects(first: 1) { nodes { code } } }").definitions
    assert isinstance(other, OperationDefinitionNode)
    tries = 0
    while tries < len(ids) + REUSED:
        assert tries < MOST_TRIES, "ids are not used again here, so that this shows nothing"
        viewer = (shown, hidden)[tries % 2]
        policy = Policies(default_rulebook()).of(viewer.shape)
        ids.add(id(policy))
        assert ("engineering_order.amount" in sql_of(plans, operation, viewer, policy)) is (viewer is shown)
        sql_of(plans, other, viewer, Policies(default_rulebook()).of(viewer.shape))
        tries += 1
        del policy
        gc.collect()


@pytest.fixture
def frozen_garbage() -> Generator[None]:
    """Let collections look at what is new only: they are many."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def sql_of(plans: Plans, operation: OperationDefinitionNode, viewer: Viewer, policy: Policy) -> str:
    return plans.ready(plans.sought(operation, NO_DOCUMENT, {}, policy), viewer).plan.statement.sql


def somebody(role: Role = Role.DIRECTOR) -> Viewer:
    return Viewer(UserId(UUID(KEY)), OrganizationId(UUID(KEY)), None, frozenset({Grant(role, None)}))
