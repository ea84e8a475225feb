"""Is a command's object read by one statement, and as the interpreter reads it?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from domain.order import OrderState
from server.settings import Settings
from tests.api import Answer
from tests.integration.order_world import draft, new_draft, order_in, unchanged
from tests.integration.plan_world import (
    Both,
    asked,
    both_paths,
    paths_of,
    plans_of,
    points,
    sent_statements,
    written,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON_OBJECT = "row_to_json"
"""What only the statements of plans have."""

TABLES = ("engineering_order", "order_line", "assignment", "project", "app_user", "organization")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


async def tried(both: Both, who: str, document: str, **variables: Any) -> Answer:
    """Return what both answer to a command that is only tried; fail where planner or nothing changed."""
    before = paths_of(both.planned)["planned"]
    async with unchanged(both.planned, who):
        answer, _ = await both.pair(document, who, **variables)
    assert paths_of(both.planned)["planned"] == before + 1
    return answer


def cancel(selected: str) -> str:
    return f"mutation ($input: OrderActionInput!) {{ orderCancel(input: $input) {{ {selected} }} }}"


def trying(order: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"id": order["id"], "note": "Why 理由", "dryRun": True, **given}


async def test_object_is_read_by_one_statement_whatever_is_asked_of_it(both: Both) -> None:
    order = await order_in(both.planned, OrderState.IN_PROGRESS)
    document = cancel("""order {
      number state version amount hiddenFields project { code manager { name } } customer { name }
      lines(first: 5) { totalCount nodes { quantity unitPrice } pageInfo { endCursor } }
      assignments { task user { username } }
      events(last: 2) { nodes { type note actor { name } changes { field after } } }
      availableActions { action allowed reasons { code } }
    } errors { code }""")
    with sent_statements() as sent:
        answer = await asked(both.planned, document, "pm", input=trying(order))
    of_plans = [sql for sql in sent.all if JSON_OBJECT in sql]
    assert len(of_plans) == 1
    later = sent.all[sent.all.index(of_plans[0]) + 1 :]
    # The relay and the hub may read events meanwhile.
    domain = [sql for sql in later if any(table in sql for table in TABLES) and "event_feed" not in sql]
    assert domain == []
    found = answer.data["orderCancel"]["order"]
    assert (found["state"], found["version"]) == ("CANCELLED", order["version"] + 1)
    assert found["events"]["nodes"][-1]["note"] == "Why 理由"
    assert {each["action"]: each["allowed"] for each in found["availableActions"]}["orderCancel"] is False
    assert await both.interpreted.rows(
        "SELECT state FROM engineering_order WHERE number = :it", it=order["number"]
    ) == [("IN_PROGRESS",)]


async def test_payload_of_what_is_only_tried_is_the_interpreters(both: Both) -> None:
    order = await new_draft(both.planned)
    selected = """order { id number state version updatedAt: createdAt amount hiddenFields availableActions { action } }
      errors { code } __typename"""
    for who in ("pm", "director"):
        found = (await tried(both, who, cancel(selected), input=trying(order))).data["orderCancel"]
        assert (found["order"]["state"], found["__typename"]) == ("CANCELLED", "OrderPayload")


async def test_object_under_several_names_has_under_each_what_was_asked_there(both: Both) -> None:
    order = await new_draft(both.planned)
    document = cancel("""a: order { number lines(first: 1) { nodes { uom } } }
      b: order { state lines(first: 2) { totalCount } } order { order: id } errors { code }""")
    answer = await tried(both, "pm", document, input=trying(order))
    assert answer.data == {
        "orderCancel": {
            "a": {"number": order["number"], "lines": {"nodes": [{"uom": "m³"}]}},
            "b": {"state": "CANCELLED", "lines": {"totalCount": 2}},
            "order": {"order": order["id"]},
            "errors": [],
        }
    }


async def test_fragments_and_directives_on_the_payload_are_followed(both: Both) -> None:
    order = await new_draft(both.planned)
    document = """mutation ($input: OrderActionInput!, $with: Boolean!) {
      orderCancel(input: $input) { ...P ... on OrderPayload { order { state } x: order @include(if: $with) { id } } }
    }
    fragment P on OrderPayload { order { number @skip(if: $with) ...O } errors { code } }
    fragment O on Order { title }"""
    for is_with in (True, False):
        answer = await tried(both, "pm", document, input=trying(order), **{"with": is_with})
        number, extra = ({}, {"x": {"id": order["id"]}}) if is_with else ({"number": order["number"]}, {})
        expected = {**number, "title": order["title"], "state": "CANCELLED"}
        assert answer.data == {"orderCancel": {"order": expected, "errors": [], **extra}}


async def test_second_root_field_reads_what_the_first_has_settled(both: Both) -> None:
    document = """mutation ($first: OrderActionInput!, $second: OrderActionInput!) {
      one: orderSubmit(input: $first) { order { state version } errors { code } }
      two: orderCancel(input: $second) { order { state version } errors { code } }
    }"""
    told: list[str] = []
    for api in (both.planned, both.interpreted):
        order = await new_draft(api)
        before = paths_of(both.planned)["planned"]
        given = {"id": order["id"], "note": "n"}
        answer = await asked(api, document, "pm", first=given, second=given)
        version = order["version"]
        assert answer.data == {
            "one": {"order": {"state": "SUBMITTED", "version": version + 1}, "errors": []},
            "two": {"order": {"state": "CANCELLED", "version": version + 2}, "errors": []},
        }
        assert paths_of(both.planned)["planned"] == before + (api is both.planned)
        told.append(f"{written(answer)} {points(answer)}")
    assert told[0] == told[1]


async def test_refused_command_has_no_object_and_reads_none(both: Both) -> None:
    order = await order_in(both.planned, OrderState.CANCELLED)
    document = cancel("order { number project { code } } errors { __typename code message path }")
    async with unchanged(both.planned, "pm"):
        with sent_statements() as sent:
            answer, _ = await both.pair(document, "pm", input=trying(order, dryRun=False))
    (error,) = answer.data["orderCancel"]["errors"]
    assert (answer.data["orderCancel"]["order"], error["code"]) == (None, "INVALID_TRANSITION")
    assert [sql for sql in sent.all if JSON_OBJECT in sql] == []


async def test_denied_command_is_told_the_same_way(both: Both) -> None:
    order = await new_draft(both.planned)
    document, given = cancel("order { number } errors { code }"), trying(order, dryRun=False)
    async with unchanged(both.planned, "worker", "auditor"):
        unseen, _ = await both.pair(document, "worker", input=given)
        forbidden, _ = await both.pair(document, "auditor", input=given)
    assert unseen.data == {"orderCancel": {"order": None, "errors": [{"code": "NOT_FOUND"}]}}
    assert (forbidden.codes, forbidden.partial) == (["FORBIDDEN"], None)


async def test_what_the_viewer_may_not_see_of_the_object_is_hidden_and_told(both: Both) -> None:
    document = """mutation ($input: OrderCreateInput!) {
      orderCreate(input: $input) { order { amount hiddenFields lines(first: 1) { nodes { unitPrice uom } } } errors { code } }
    }"""
    given = draft(dryRun=True)
    for each in given["lines"]:
        del each["unitPrice"]
    answer = await tried(both, "engineer", document, input=given)
    found = answer.partial["orderCreate"]["order"]
    assert (found["amount"], found["hiddenFields"]) == (None, ["amount"])
    assert answer.codes == ["FORBIDDEN"] * 2


async def test_payloads_of_the_same_shape_share_a_plan(both: Both) -> None:
    plans = plans_of(both.planned)
    document = cancel("order { number revision } errors { code }")
    orders = [await new_draft(both.planned) for _ in range(3)]
    before = len(plans)
    for order in orders:
        answer = await tried(both, "pm", document, input=trying(order))
        assert answer.data["orderCancel"]["order"]["number"] == order["number"]
    assert len(plans) == before + 1


async def test_object_of_which_nothing_is_read_is_there_without_a_plan(both: Both) -> None:
    order = await new_draft(both.planned)
    answer, _ = await both.pair(cancel("order { __typename } errors { code }"), "pm", input=trying(order))
    assert answer.data == {"orderCancel": {"order": {"__typename": "Order"}, "errors": []}}
