"""What does a document cost that was made to be expensive?"""

from __future__ import annotations

import asyncio

import pytest
from graphql import get_introspection_query

from tests.api import Api


async def test_fragments_that_spread_each_other_twice_are_answered_at_once(api: Api) -> None:
    # Walked naively this is 2^60 selections; it would freeze the whole process.
    last = 60
    spreads = "\n".join(f"fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(last))
    document = f"{{ viewer {{ ...F0 }} }}\n{spreads}\nfragment F{last} on Viewer {{ user {{ username }} }}"
    async with asyncio.timeout(10):
        assert (await api.ask(document, "pm")).data == {"viewer": {"user": {"username": "pm"}}}


@pytest.mark.parametrize("who", [None, "pm"])
async def test_one_field_too_often_in_one_place_is_refused_before_validation(
    api: Api, who: str | None
) -> None:
    fine = await api.ask("{ viewer { " + "user { id } " * 20 + "} }", who)
    assert fine.errors == []
    for crowd in ("user { id } " * 21, "... on Viewer { user { id } } " * 21, "...F " * 21):
        document = f"{{ viewer {{ {crowd} }} }} fragment F on Viewer {{ user {{ id }} }}"
        assert (await api.ask(document, who)).codes == ["TOO_MANY_REPETITIONS"]


async def test_lists_without_pages_and_lists_of_ids_count_too(api: Api) -> None:
    orders = "nodes { orders(first: 100) { nodes { lines(first: 5) { nodes { id } } } } }"
    assert (await api.ask(f"{{ projects(first: 100) {{ {orders} }} }}", "pm")).codes == ["TOO_MANY_NODES"]
    by_ids = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Project { orders(first: 100) { nodes { lines(first: 5) { nodes { id } } } } } } }"
    [(project_id,)] = await api.rows("SELECT id FROM project WHERE code = 'P-001'")
    ids = [f"Project:{project_id}"] * 100
    assert (await api.ask(by_ids, "pm", ids=ids)).codes == ["TOO_MANY_NODES"]
    assert (await api.ask(by_ids, "pm", ids=ids[:1])).errors == []
    assigned = (
        "{ orders(first: 100) { nodes { assignments { order { lines(first: 5) { nodes { id } } } } } } }"
    )
    assert (await api.ask(assigned, "pm")).codes == ["TOO_MANY_NODES"]


@pytest.mark.parametrize("who", ["contractor", "customer", None])
async def test_outsiders_may_not_look_at_the_schema(api: Api, who: str | None) -> None:
    assert set((await api.ask("{ __schema { types { name } } }", who)).codes) == {"GRAPHQL_VALIDATION_FAILED"}
    (error,) = (await api.ask("{ order { numbe } }", who)).errors
    assert "Did you mean" not in error["message"]


@pytest.mark.parametrize("who", ["worker", "admin"])
async def test_staff_may_look_at_the_schema(api: Api, who: str) -> None:
    assert (await api.ask(get_introspection_query(), who)).errors == []
