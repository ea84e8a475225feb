"""Does a planned walk over a list meet every row once, and does a page deep in a long list cost what the first one costs?"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from db.statements import Statements
from loaders.orders import OrderSortField
from server.settings import Settings
from tests.api import Api
from tests.integration.plan_world import Both, both_paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Any: JSON.
Json = dict[str, Any]

SORTS = [(field.name, direction) for field in OrderSortField for direction in ("ASC", "DESC")]
MANY = 4_000
SIZE = 90
DOCUMENT = """query ($first: Int, $after: String, $last: Int, $before: String, $sort: [OrderOrder!]) {
  orders(first: $first, after: $after, last: $last, before: $before, orderBy: $sort) {
    edges { cursor node { id title } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def many(both: Both) -> Both:
    """The company with some thousand orders more, so that reading all of them is not the cheapest way."""
    columns = await both.planned.rows(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = 'engineering_order'::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attname NOT IN ('id', 'number', 'updated_at')"
    )
    await both.planned.rows(
        f"""INSERT INTO engineering_order (id, number, updated_at, {columns[0][0]})
        SELECT gen_random_uuid(), 'EO-2024-' || lpad((n * 1000 + k)::text, 6, '0'),
               updated_at - n * interval '1 hour' - k * interval '1 second', {columns[0][0]}
        FROM generate_series(1, {MANY} / 100) AS n,
             (SELECT *, row_number() OVER (ORDER BY number) AS k FROM engineering_order LIMIT 100) AS sample"""
    )
    async with both.planned.database.write.connect() as connection:
        await connection.execute(text("ANALYZE engineering_order"))
        await connection.commit()
    return both


async def page(both: Both, who: str, **arguments: Any) -> Json:
    return (await both.same(DOCUMENT, who, **arguments)).data["orders"]


async def walked(both: Both, who: str, sort: Sequence[Json], *, is_backward: bool) -> list[str]:
    """Return the ids of all pages in the list's order."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        given = {"last": SIZE, "before": cursor} if is_backward else {"first": SIZE, "after": cursor}
        read = await page(both, who, sort=sort, **given)
        ids = [edge["node"]["id"] for edge in read["edges"]]
        found = ids + found if is_backward else found + ids
        info = read["pageInfo"]
        assert (info["startCursor"], info["endCursor"]) == (
            read["edges"][0]["cursor"],
            read["edges"][-1]["cursor"],
        )
        cursor = info["startCursor" if is_backward else "endCursor"]
        if not info["hasPreviousPage" if is_backward else "hasNextPage"]:
            return found


@pytest.mark.parametrize(("field", "direction"), SORTS)
async def test_walk_meets_every_order_once_both_ways(both: Both, field: str, direction: str) -> None:
    sort = [{"field": field, "direction": direction}]
    known = {f"Order:{key}" for (key,) in await both.planned.rows("SELECT id FROM engineering_order")}
    forward = await walked(both, "director", sort, is_backward=False)
    assert len(forward) == len(known)
    assert set(forward) == known
    assert await walked(both, "director", sort, is_backward=True) == forward


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_walk_over_amounts_that_are_hidden_in_places_meets_every_order_once(
    both: Both, direction: str
) -> None:
    sort = [{"field": "AMOUNT", "direction": direction}, {"field": "STATE", "direction": "DESC"}]
    (total,) = (await both.same("{ orders(first: 0) { totalCount } }", "pm")).data["orders"].values()
    forward = await walked(both, "pm", sort, is_backward=False)
    assert (len(forward), len(set(forward))) == (total, total)
    assert await walked(both, "pm", sort, is_backward=True) == forward


async def test_page_between_two_cursors_has_what_stands_between(both: Both) -> None:
    sort = [{"field": "PRIORITY", "direction": "DESC"}]
    edges = (await page(both, "pm", sort=sort, first=30))["edges"]
    given = {"after": edges[4]["cursor"], "before": edges[20]["cursor"], "sort": sort}
    expected = [edge["node"]["id"] for edge in edges[5:20]]
    for size in ({"first": 50}, {"last": 50}):
        found = await page(both, "pm", **given, **size)
        assert [edge["node"]["id"] for edge in found["edges"]] == expected


async def explained(api: Api, **arguments: Any) -> tuple[Json, Json]:
    """Return how the database runs the statement of a page, and the page."""
    sent: list[tuple[str, Sequence[Any]]] = []
    send = Statements.row

    async def row(self: Statements, sql: str, given: Sequence[Any]) -> Any:
        sent.append((sql, given))
        return await send(self, sql, given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Statements, "row", row)
        answer = await api.ask(DOCUMENT, "director", **arguments)
    ((sql, given),) = sent
    async with api.database.read.connect() as connection:
        # As on the connections that run it: without a plan for these very values.
        await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        found = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", tuple(given))
        content: Any = found.scalar_one()
        return (json.loads(content) if isinstance(content, str) else content)[0]["Plan"], answer.data[
            "orders"
        ]


def steps(plan: Json) -> list[Json]:
    return [plan, *(step for each in plan.get("Plans", ()) for step in steps(each))]


INDEXED = {"newest first": [], "changed last": ["UPDATED_AT", "ASC"], "changed first": ["UPDATED_AT", "DESC"]}


@pytest.mark.parametrize("sort", INDEXED.values(), ids=INDEXED)
@pytest.mark.parametrize("is_backward", [False, True], ids=["forward", "backward"])
async def test_deep_page_enters_an_index_where_it_begins(
    many: Both, sort: list[str], is_backward: bool
) -> None:
    given: Json = {"sort": [{"field": sort[0], "direction": sort[1]}] if sort else None}
    size, side = ("last", "before") if is_backward else ("first", "after")
    cursor: str | None = None
    for _ in range(20):
        found = (await many.planned.ask(DOCUMENT, "director", **given, **{size: 100, side: cursor})).data[
            "orders"
        ]
        cursor = found["pageInfo"]["startCursor" if is_backward else "endCursor"]
    plan, found = await explained(many.planned, **given, **{size: 20, side: cursor})
    assert len(found["edges"]) == 20
    (reading,) = (step for step in steps(plan) if step.get("Relation Name") == "engineering_order")
    assert (reading["Node Type"], "Index Cond" in reading) == ("Index Scan", True)
    # The page and the row that tells whether there is more; the filter drops those that share the cursor's first value.
    assert (reading["Actual Rows"], reading.get("Rows Removed by Filter", 0) <= 1) == (21, True)
    # A page is put into order once it has been read; what it is chosen from must not be.
    chosen = [inner for step in steps(plan) if step["Node Type"] == "Limit" for inner in steps(step)]
    assert reading in chosen
    assert [inner for inner in chosen if "Sort" in inner["Node Type"]] == []
