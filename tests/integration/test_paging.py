"""Does a walk over a list's pages meet every row exactly once, whichever way and whatever happens meanwhile?"""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from domain.order import OrderPriority, OrderState
from loaders.orders import OrderSortField
from tests.api import Api
from tests.integration.order_world import Json, new_draft

pytestmark = pytest.mark.asyncio(loop_scope="module")

SORTS = [
    {"field": field.name, "direction": direction}
    for field, direction in product(OrderSortField, ("ASC", "DESC"))
]
KEYS = {
    "NUMBER": "number",
    "CREATED_AT": "createdAt",
    "UPDATED_AT": "updatedAt",
    "DUE_ON": "dueOn",
    "PRIORITY": "priority",
    "AMOUNT": "amount",
    "STATE": "state",
}

_WALK = """
  query ($first: Int, $after: String, $last: Int, $before: String, $sort: [OrderOrder!], $filter: OrderFilter) {
    orders(first: $first, after: $after, last: $last, before: $before, orderBy: $sort, filter: $filter) {
      edges { cursor node { id number createdAt updatedAt dueOn priority amount state } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    }
  }
"""


async def page(company: Api, who: str, **arguments: Any) -> Json:
    return (await company.ask(_WALK, who, **arguments)).partial["orders"]


async def forward(company: Api, who: str, size: int, **arguments: Any) -> list[Json]:
    """Return the nodes of all pages from the first to the last."""
    nodes: list[Json] = []
    after: str | None = None
    while True:
        found = await page(company, who, first=size, after=after, **arguments)
        nodes += [edge["node"] for edge in found["edges"]]
        assert found["pageInfo"]["hasPreviousPage"] is (after is not None)
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            return nodes


async def backward(company: Api, who: str, size: int, **arguments: Any) -> list[Json]:
    """Return the nodes of all pages from the last to the first, in the list's order."""
    nodes: list[Json] = []
    before: str | None = None
    while True:
        found = await page(company, who, last=size, before=before, **arguments)
        nodes = [edge["node"] for edge in found["edges"]] + nodes
        assert found["pageInfo"]["hasNextPage"] is (before is not None)
        before = found["pageInfo"]["startCursor"]
        if not found["pageInfo"]["hasPreviousPage"]:
            return nodes


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: f"{sort['field']} {sort['direction']}")
async def test_walks_both_ways_meet_every_order_once_in_the_same_order(company: Api, sort: Json) -> None:
    whole = await forward(company, "director", 100, sort=[sort])
    numbers = {number for (number,) in await company.rows("SELECT number FROM engineering_order")}
    assert len(whole) == len(numbers)
    assert {node["number"] for node in whole} == numbers
    assert await forward(company, "director", 37, sort=[sort]) == whole
    assert await backward(company, "director", 41, sort=[sort]) == whole


@pytest.mark.parametrize("sort", SORTS, ids=lambda sort: f"{sort['field']} {sort['direction']}")
async def test_list_is_in_the_order_that_was_asked_for_with_nulls_last(company: Api, sort: Json) -> None:
    nodes = await forward(company, "director", 100, sort=[sort])
    values = [node[KEYS[sort["field"]]] for node in nodes]
    known = [value for value in values if value is not None]
    assert values == known + [None] * (len(values) - len(known))
    ranks = {
        "PRIORITY": [priority.value for priority in OrderPriority].index,
        "STATE": [state.value for state in OrderState].index,
        "AMOUNT": Decimal,
    }
    rank = ranks.get(sort["field"], str)
    assert known == sorted(known, key=rank, reverse=sort["direction"] == "DESC")
    if sort["field"] == "AMOUNT":
        assert 0 < len(known) < len(values)


async def test_ties_are_broken_by_id_in_the_direction_of_the_last_key(company: Api) -> None:
    for direction in ("ASC", "DESC"):
        nodes = await forward(company, "director", 100, sort=[{"field": "PRIORITY", "direction": direction}])
        low = [node["id"] for node in nodes if node["priority"] == "LOW"]
        assert low == sorted(low, reverse=direction == "DESC")


async def test_several_keys_sort_in_turn(company: Api) -> None:
    sort = [{"field": "STATE", "direction": "ASC"}, {"field": "NUMBER", "direction": "DESC"}]
    nodes = await forward(company, "director", 50, sort=sort)
    drafts = [node["number"] for node in nodes if node["state"] == "DRAFT"]
    assert [node["number"] for node in nodes[: len(drafts)]] == sorted(drafts, reverse=True)
    assert await backward(company, "director", 50, sort=sort) == nodes


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_amounts_hidden_in_one_project_stand_last_like_nulls(company: Api, direction: str) -> None:
    sort = [{"field": "AMOUNT", "direction": direction}]
    nodes = await forward(company, "pm", 30, sort=sort)
    assert nodes == await backward(company, "pm", 30, sort=sort)
    amounts = [node["amount"] for node in nodes]
    hidden = await company.rows(
        "SELECT count(*) FROM engineering_order o JOIN project p ON p.id = o.project_id"
        " WHERE p.code = 'P-002' OR p.code = 'P-001' AND o.amount IS NULL"
    )
    assert amounts[-hidden[0][0] :] == [None] * hidden[0][0]
    assert None not in amounts[: -hidden[0][0]]
    assert len({node["id"] for node in nodes}) == len(nodes)


async def test_pages_stay_right_while_orders_are_added_and_moved(company: Api) -> None:
    sort = [{"field": "NUMBER", "direction": "DESC"}]
    before = [node["number"] for node in await forward(company, "director", 100, sort=sort)]
    seen: list[str] = []
    after: str | None = None
    while True:
        found = await page(company, "director", first=60, after=after, sort=sort)
        seen += [edge["node"]["number"] for edge in found["edges"]]
        # New ones stand before the first page; they must neither appear nor push anything off.
        await new_draft(company)
        after = found["pageInfo"]["endCursor"]
        if not found["pageInfo"]["hasNextPage"]:
            break
    assert seen == before


async def test_pages_grow_behind_the_reader_when_the_newest_come_last(company: Api) -> None:
    sort = [{"field": "CREATED_AT", "direction": "ASC"}]
    found = await page(company, "director", last=1, sort=sort)
    cursor = found["edges"][0]["cursor"]
    added = [(await new_draft(company))["number"] for _ in range(3)]
    later = await page(company, "director", first=2, after=cursor, sort=sort)
    assert [edge["node"]["number"] for edge in later["edges"]] == added[:2]
    assert later["pageInfo"]["hasNextPage"] is True


async def test_after_and_before_together_cut_out_what_stands_between(company: Api) -> None:
    found = await page(company, "director", first=10)
    cursors = [edge["cursor"] for edge in found["edges"]]
    between = await page(company, "director", first=100, after=cursors[1], before=cursors[5])
    assert [edge["cursor"] for edge in between["edges"]] == cursors[2:5]


async def test_page_of_nothing_says_whether_there_is_more(company: Api) -> None:
    some = await page(company, "director", first=0)
    none = await page(company, "director", first=0, filter={"states": []})
    assert (some["edges"], some["pageInfo"]["hasNextPage"], some["pageInfo"]["endCursor"]) == ([], True, None)
    assert none["pageInfo"]["hasNextPage"] is False


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({}, "PAGE_SIZE_REQUIRED"),
        ({"first": 1, "last": 1}, "PAGE_SIZE_REQUIRED"),
        ({"first": None}, "PAGE_SIZE_REQUIRED"),
        ({"first": 101}, "TOO_MANY_NODES"),
        ({"last": 101}, "TOO_MANY_NODES"),
        ({"first": -1}, "PAGE_SIZE_NEGATIVE"),
        ({"last": -1}, "PAGE_SIZE_NEGATIVE"),
        ({"first": 2**31}, "BAD_USER_INPUT"),
    ],
)
async def test_page_sizes_out_of_bounds_are_refused(company: Api, arguments: Json, code: str) -> None:
    assert (await company.ask(_WALK, "director", **arguments)).codes == [code]


def forged(*content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


KEY = "0198c5f2-7a10-7000-8000-0123456789ab"
FORGERIES: list[tuple[str, str]] = [
    ("NUMBER", ""),
    ("NUMBER", "x"),
    ("NUMBER", "%%%"),
    ("NUMBER", "é"),
    ("NUMBER", "A" * 2_001),
    ("NUMBER", forged()),
    ("NUMBER", forged("number,id")),
    ("NUMBER", forged("number,id", "EO-2026-000001")),
    ("NUMBER", forged("number,id", "EO-2026-000001", KEY, KEY)),
    ("NUMBER", forged("-number,-id", "EO-2026-000001", KEY)),
    ("NUMBER", forged("number,id", "EO-2026-000001", "no key")),
    ("NUMBER", forged("number,id", 1, KEY)),
    ("NUMBER", forged("number,id", "a\x00", KEY)),
    ("NUMBER", forged("number,id", "a\ud800", KEY)),
    ("NUMBER", forged(["number,id"], "a", KEY)),
    ("NUMBER", base64.b64encode(b"{}").decode()),
    ("NUMBER", base64.b64encode(b"[" * 1_000).decode()),
    ("NUMBER", base64.b64encode(b"\xff\xfe").decode()),
    ("AMOUNT", forged("amount,id", "NaN", KEY)),
    ("AMOUNT", forged("amount,id", "Infinity", KEY)),
    ("AMOUNT", forged("amount,id", "1E+999999", KEY)),
    ("AMOUNT", forged("amount,id", "1E-999999", KEY)),
    ("AMOUNT", forged("amount,id", "9" * 1_000, KEY)),
    ("AMOUNT", forged("amount,id", "one", KEY)),
    ("CREATED_AT", forged("created_at,id", "2026-03-31", KEY)),
    ("CREATED_AT", forged("created_at,id", "2026-03-31T08:00:00", KEY)),
    ("CREATED_AT", forged("created_at,id", "0001-01-01T00:00:00+23:59", KEY)),
    ("CREATED_AT", forged("created_at,id", "9999-12-31T23:59:59-23:59", KEY)),
    ("DUE_ON", forged("due_on,id", "2026-02-30", KEY)),
    ("DUE_ON", forged("due_on,id", "2026-03-31T08:00:00Z", KEY)),
    ("STATE", forged("state,id", "BURNT", KEY)),
    ("STATE", forged("state,id", "", KEY)),
    ("PRIORITY", forged("priority,id", "high", KEY)),
]


@pytest.mark.parametrize(("field", "cursor"), FORGERIES)
async def test_cursor_that_we_did_not_make_is_malformed(company: Api, field: str, cursor: str) -> None:
    sort = [{"field": field, "direction": "ASC"}]
    for argument in ("after", "before"):
        answer = await company.ask(_WALK, "director", first=1, sort=sort, **{argument: cursor})
        assert answer.codes == ["MALFORMED_CURSOR"]


async def test_cursor_of_another_list_or_order_is_malformed(company: Api) -> None:
    cursor = (await page(company, "director", first=1, sort=[SORTS[0]]))["edges"][0]["cursor"]
    for sort in SORTS[1:]:
        assert (await company.ask(_WALK, "director", first=1, after=cursor, sort=[sort])).codes == [
            "MALFORMED_CURSOR"
        ]
    for field in ("projects", "events", "users", "organizations", "costCodes"):
        document = f"query ($after: String) {{ {field}(first: 1, after: $after) {{ nodes {{ id }} }} }}"
        assert (await company.ask(document, "director", after=cursor)).codes == ["MALFORMED_CURSOR"]


async def test_cursor_of_a_row_that_is_gone_still_says_where_it_stood(company: Api) -> None:
    cursor = forged("number,id", "EO-2025-000002x", KEY)
    found = await page(company, "director", first=1, after=cursor, sort=[SORTS[0]])
    assert found["edges"][0]["node"]["number"] == "EO-2025-000003"


async def test_lines_of_an_order_are_walked_in_their_own_pages(company: Api) -> None:
    lines = [{"description": f"Line {nth}", "quantity": "1", "uom": "pc"} for nth in range(1, 8)]
    order = await new_draft(company, lines=lines)
    document = """
      query ($id: ID!, $after: String) {
        order(id: $id) {
          lines(first: 3, after: $after) { totalCount nodes { position } pageInfo { hasNextPage endCursor } }
        }
      }
    """
    positions: list[list[int]] = []
    after: str | None = None
    for _ in range(3):
        found = (await company.ask(document, "buyer", id=order["id"], after=after)).data["order"]["lines"]
        positions.append([node["position"] for node in found["nodes"]])
        assert found["totalCount"] == 7
        after = found["pageInfo"]["endCursor"]
    assert positions == [[1, 2, 3], [4, 5, 6], [7]]
