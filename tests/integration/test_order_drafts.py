"""Which drafts are taken, which are refused, and who may write what in them?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api import Api
from tests.integration.order_world import (
    Json,
    cost_code,
    denied,
    done,
    draft,
    give,
    line,
    new_draft,
    organization,
    project,
    refused,
    send,
    unchanged,
    wbs_node,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "0198c5f2-7a10-7000-8000-0123456789ab"

REFUSED_FIELDS: list[tuple[str, Json, str, list[str]]] = [
    ("title of blanks", {"title": " "}, "REQUIRED", ["title"]),
    ("no title", {"title": None}, "REQUIRED", ["title"]),
    ("title too long", {"title": "桩" * 201}, "TOO_LONG", ["title"]),
    ("title of two lines", {"title": "a\nb"}, "CONTROL_CHARACTER", ["title"]),
    ("title with NUL", {"title": "a\x00b"}, "CONTROL_CHARACTER", ["title"]),
    ("title turned round", {"title": "a\u202eb"}, "CONTROL_CHARACTER", ["title"]),
    ("description too long", {"description": "x" * 10_001}, "TOO_LONG", ["description"]),
    ("description with NUL", {"description": "\x00"}, "CONTROL_CHARACTER", ["description"]),
    ("note too long", {"note": "x" * 2_001}, "TOO_LONG", ["note"]),
    ("note with escape", {"note": "\x1b[31m"}, "CONTROL_CHARACTER", ["note"]),
    (
        "dates turned round",
        {"plannedStart": "2026-04-01", "plannedEnd": "2026-03-31"},
        "DATES_OUT_OF_ORDER",
        ["plannedEnd"],
    ),
    ("supplier as contractor", {"contractorId": organization("V-001")}, "NOT_FOUND", ["contractorId"]),
    ("customer as contractor", {"contractorId": organization("C-001")}, "NOT_FOUND", ["contractorId"]),
    ("contractor as customer", {"customerId": organization("K-001")}, "NOT_FOUND", ["customerId"]),
    ("absent customer", {"customerId": f"Organization:{NOWHERE}"}, "NOT_FOUND", ["customerId"]),
    ("node of another project", {"wbsNodeId": wbs_node("P-002", "1.1")}, "NOT_FOUND", ["wbsNodeId"]),
    ("absent node", {"wbsNodeId": f"WbsNode:{NOWHERE}"}, "NOT_FOUND", ["wbsNodeId"]),
    ("absent cost code", {"costCodeId": f"CostCode:{NOWHERE}"}, "NOT_FOUND", ["costCodeId"]),
    ("too many lines", {"lines": [line()] * 501}, "TOO_MANY", ["lines"]),
    ("blank key", {"idempotencyKey": " "}, "REQUIRED", ["idempotencyKey"]),
    ("long key", {"idempotencyKey": "k" * 101}, "TOO_LONG", ["idempotencyKey"]),
    ("key with NUL", {"idempotencyKey": "k\x00"}, "CONTROL_CHARACTER", ["idempotencyKey"]),
]

REFUSED_LINES: list[tuple[Json, str, list[str]]] = [
    (line(description=" "), "REQUIRED", ["lines", "1", "description"]),
    (line(description="x" * 201), "TOO_LONG", ["lines", "1", "description"]),
    (line(item="x" * 41), "TOO_LONG", ["lines", "1", "item"]),
    (line(item="\x00"), "CONTROL_CHARACTER", ["lines", "1", "item"]),
    (line(uom=""), "REQUIRED", ["lines", "1", "uom"]),
    (line(uom="x" * 21), "TOO_LONG", ["lines", "1", "uom"]),
    (line("0"), "OUT_OF_RANGE", ["lines", "1", "quantity"]),
    (line("-1"), "OUT_OF_RANGE", ["lines", "1", "quantity"]),
    (line("0.00001"), "TOO_PRECISE", ["lines", "1", "quantity"]),
    (line("1000000000000"), "OUT_OF_RANGE", ["lines", "1", "quantity"]),
    (line(price="-0.01"), "OUT_OF_RANGE", ["lines", "1", "unitPrice"]),
    (line(price="0.00001"), "TOO_PRECISE", ["lines", "1", "unitPrice"]),
    (line(price="1000000000000"), "OUT_OF_RANGE", ["lines", "1", "unitPrice"]),
    (line("999999999999", "999999999999"), "OUT_OF_RANGE", ["lines", "1"]),
    (line("1000000000", "1000000"), "OUT_OF_RANGE", ["lines", "1"]),
    (line(id=f"OrderLine:{NOWHERE}"), "NOT_FOUND", ["lines", "1", "id"]),
]

MALFORMED_VALUES: list[Json] = [
    {"plannedStart": "2026-02-30"},
    {"plannedStart": "31.03.2026"},
    {"lines": [line("NaN")]},
    {"lines": [line("Infinity")]},
    {"lines": [line("1e50")]},
    {"lines": [line("１２ ")]},
    {"lines": [line("")]},
    {"lines": [{**line(), "quantity": 1.5}]},
    {"lines": [{**line(), "quantity": None}]},
    {"kind": "DEMOLITION"},
    {"state": "APPROVED"},
    {"amount": "1.00"},
]


async def test_every_refused_field_says_which_and_why(company: Api) -> None:
    async with unchanged(company, "buyer"):
        for name, fields, code, path in REFUSED_FIELDS:
            payload = await give(company, "buyer", "orderCreate", **draft(**fields))
            assert payload.order is None, name
            assert [(each["code"], each["path"]) for each in payload.errors] == [(code, path)], name


async def test_every_refused_line_says_which_and_why(company: Api) -> None:
    async with unchanged(company, "buyer"):
        for bad, code, path in REFUSED_LINES:
            payload = await give(company, "buyer", "orderCreate", **draft(lines=[line(), bad]))
            assert [(each["code"], each["path"]) for each in payload.errors] == [(code, path)], bad


async def test_refusals_on_update_leave_the_draft_as_it_was(company: Api) -> None:
    order = await new_draft(company, plannedStart="2026-03-01")
    target = {"id": order["id"], "expectedVersion": 1}
    async with unchanged(company, "buyer"):
        for fields, code in (
            ({"title": ""}, "REQUIRED"),
            ({"plannedEnd": "2026-02-28"}, "DATES_OUT_OF_ORDER"),
            ({"lines": [line("-1")]}, "OUT_OF_RANGE"),
            ({"wbsNodeId": wbs_node("P-003", "1")}, "NOT_FOUND"),
            ({"expectedVersion": 2}, "VERSION_CONFLICT"),
            ({"expectedVersion": 0, "title": "Mine"}, "VERSION_CONFLICT"),
        ):
            values: Json = {**target, **fields}
            payload = await give(company, "buyer", "orderUpdate", **values)
            assert [each["code"] for each in payload.errors] == [code], fields


async def test_values_that_are_none_of_their_type_are_bad_user_input(company: Api) -> None:
    async with unchanged(company, "buyer"):
        for fields in MALFORMED_VALUES:
            answer = await send(company, "buyer", "orderCreate", **draft(**fields))
            assert (answer.content.get("data"), answer.codes) == (None, ["BAD_USER_INPUT"]), fields


async def test_lone_surrogate_is_no_text_in_json_or_document(company: Api) -> None:
    headers = {"Authorization": f"Bearer {await company.token('buyer')}", "Content-Type": "application/json"}
    document = "mutation ($input: OrderCreateInput!) { orderCreate(input: $input) { order { id } } }"
    escaped = json.dumps({"query": document, "variables": {"input": draft(title="half \ud800")}})
    literal = json.dumps(
        {"query": 'mutation { orderCreate(input: {projectId: "", title: "\\uD800"}) { order { id } } }'}
    )
    async with unchanged(company, "buyer"):
        for body, code in ((escaped, "MALFORMED_JSON"), (literal, "GRAPHQL_PARSE_FAILED")):
            response = await company.client.post("/graphql", content=body, headers=headers)
            assert [each["extensions"]["code"] for each in response.json()["errors"]] == [code]


@pytest.mark.parametrize("field", ["customerId", "contractorId", "wbsNodeId", "costCodeId", "projectId"])
async def test_reference_of_another_type_is_a_malformed_id(company: Api, field: str) -> None:
    values = draft(**{field: f"User:{NOWHERE}"})
    assert await denied(company, "buyer", "orderCreate", **values) == "MALFORMED_ID"


async def test_total_past_the_largest_amount_is_refused_though_each_line_is_not(company: Api) -> None:
    lines = [line("100000000", "9999999")] * 2
    error = await refused(company, "buyer", "orderCreate", **draft(lines=lines))
    assert (error["code"], error["path"]) == ("OUT_OF_RANGE", ["lines"])


async def test_largest_amount_is_exact(company: Api) -> None:
    order = await new_draft(company, lines=[line("99999999999", "9999.9999"), line("0.0001", "50")])
    assert [each["amount"] for each in order["lines"]["nodes"]] == ["999999989990000.00", "0.01"]
    assert order["amount"] == "999999989990000.01"


async def test_draft_adds_up_and_is_numbered_in_its_year(company: Api) -> None:
    last, year = (
        await company.rows(
            "SELECT last, year FROM order_number"
            " WHERE year = extract(year FROM now() AT TIME ZONE 'Asia/Shanghai')"
        )
    )[0]
    order = await new_draft(company)
    assert order["number"] == f"EO-{year}-{last + 1:06d}"
    assert (order["amount"], order["percentComplete"], order["version"]) == ("1100.00", "0.00", 1)
    assert [(each["position"], each["amount"]) for each in order["lines"]["nodes"]] == [
        (1, "1000.00"),
        (2, "100.00"),
    ]


async def test_text_is_kept_as_written_but_for_blanks_around_a_line(company: Api) -> None:
    order = await done(
        company,
        "buyer",
        "orderCreate",
        "title description",
        **draft(title="  泵房 🏗️ ", description=" a\n\tb "),
    )
    assert order == {"title": "泵房 🏗️", "description": " a\n\tb "}


async def test_negative_zero_is_zero_in_row_and_event(company: Api) -> None:
    order = await new_draft(company, lines=[line(price="-0")])
    assert order["lines"]["nodes"][0]["unitPrice"] == "0.0000"
    (event,) = order["events"]["nodes"]
    after = {each["field"]: each["after"] for each in event["changes"]}
    assert (after["lines.1.unitPrice"], after["lines.1.amount"], after["amount"]) == (
        "0.0000",
        "0.00",
        "0.00",
    )


async def test_update_changes_only_what_is_given(company: Api) -> None:
    created = await new_draft(company, description="As drawn", customerId=organization("C-001"))
    updated = await done(
        company,
        "buyer",
        "orderUpdate",
        "title description priority customer { code } contractor { code } version amount",
        id=created["id"],
        expectedVersion=1,
        priority="RUSH",
        customerId=None,
    )
    assert updated == {
        "title": "Base slab 底板",
        "description": "As drawn",
        "priority": "RUSH",
        "customer": None,
        "contractor": {"code": "K-001"},
        "version": 2,
        "amount": "1100.00",
    }


async def test_update_that_changes_nothing_leaves_no_event_and_no_version(company: Api) -> None:
    order = await new_draft(company)
    async with unchanged(company, "buyer"):
        same = await done(
            company, "buyer", "orderUpdate", id=order["id"], expectedVersion=1, title=order["title"]
        )
    assert same == order


async def test_given_lines_replace_all_and_keep_those_with_an_id(company: Api) -> None:
    order = await new_draft(company)
    first, second = order["lines"]["nodes"]
    lines: list[Json] = [
        line("1", "7", description="New"),
        {**line("20", None, description="Kept"), "id": second["id"]},
    ]
    updated = await done(company, "buyer", "orderUpdate", id=order["id"], expectedVersion=1, lines=lines)
    kept, new = updated["lines"]["nodes"]
    assert (kept["id"], kept["position"], kept["unitPrice"], kept["amount"]) == (
        second["id"],
        2,
        "20.0000",
        "400.00",
    )
    assert (new["position"], new["description"], new["amount"]) == (3, "New", "7.00")
    assert first["id"] not in {kept["id"], new["id"]}
    assert updated["amount"] == "407.00"


async def test_line_of_another_order_or_given_twice_is_not_found(company: Api) -> None:
    order, other = await new_draft(company), await new_draft(company)
    mine, foreign = (each["lines"]["nodes"][0]["id"] for each in (order, other))
    for lines in ([line(id=foreign)], [line(id=mine), line(id=mine)]):
        error = await refused(company, "buyer", "orderUpdate", id=order["id"], expectedVersion=1, lines=lines)
        assert (error["code"], error["path"]) == ("NOT_FOUND", ["lines", str(len(lines) - 1), "id"])


async def test_engineer_writes_drafts_but_no_price(company: Api) -> None:
    fields = "version hiddenFields lines(first: 2) { nodes { id quantity } }"
    unpriced = draft(lines=[line(price=None)])
    order = await done(company, "engineer", "orderCreate", fields, **unpriced)
    assert (order["version"], order["hiddenFields"]) == (1, ["amount"])
    priced: list[Any] = [line(), {**line(price=None), "unitPrice": None}]
    for each in priced:
        assert await denied(company, "engineer", "orderCreate", **draft(lines=[each])) == "FORBIDDEN"


async def test_engineer_changes_quantities_and_prices_stay(company: Api) -> None:
    order = await new_draft(company)
    kept = [
        {**line("30", None), "id": order["lines"]["nodes"][0]["id"]},
        {**line("5", None), "id": order["lines"]["nodes"][1]["id"]},
    ]
    target = {"id": order["id"], "expectedVersion": 1}
    assert (
        await denied(company, "engineer", "orderUpdate", **target, lines=[{**kept[0], "unitPrice": "1"}])
        == "FORBIDDEN"
    )
    await done(company, "engineer", "orderUpdate", "version", **target, lines=kept)
    seen = await company.ask(
        "query ($id: ID!) { order(id: $id) { amount version } }", "buyer", id=order["id"]
    )
    assert seen.data == {"order": {"amount": "3100.00", "version": 2}}


async def test_unreadable_project_is_not_found_and_a_readable_one_may_be_forbidden(company: Api) -> None:
    for code in (project("P-003"), f"Project:{NOWHERE}"):
        error = await refused(company, "buyer", "orderCreate", **draft(projectId=code))
        assert (error["code"], error["message"]) == ("NOT_FOUND", "No such project.")
        assert error["path"] == ["projectId"]
    assert await denied(company, "director", "orderCreate", **draft()) == "FORBIDDEN"


async def test_manager_who_is_engineer_elsewhere_writes_prices_in_his_project_only(company: Api) -> None:
    await new_draft(company, "pm")
    elsewhere = draft(projectId=project("P-002"))
    assert await denied(company, "pm", "orderCreate", **elsewhere) == "FORBIDDEN"
    order = await done(
        company, "pm", "orderCreate", "hiddenFields", **{**elsewhere, "lines": [line(price=None)]}
    )
    assert order["hiddenFields"] == ["amount"]


async def test_own_company_may_stand_for_customer_and_contractor(company: Api) -> None:
    own = organization("HC")
    fields = "customer { code } contractor { code } wbsNode { code } costCode { code }"
    values = draft(
        customerId=own, contractorId=own, wbsNodeId=wbs_node("P-001", "1.2"), costCodeId=cost_code("5101")
    )
    assert await done(company, "buyer", "orderCreate", fields, **values) == {
        "customer": {"code": "HC"},
        "contractor": {"code": "HC"},
        "wbsNode": {"code": "1.2"},
        "costCode": {"code": "5101"},
    }


async def test_500_lines_are_taken(company: Api) -> None:
    order = await done(company, "buyer", "orderCreate", "amount", **draft(lines=[line("1", "1")] * 500))
    assert order == {"amount": "500.00"}


@pytest.mark.parametrize("change", ["SET title = title", "SET title = 'Another'"])
async def test_proof_that_nothing_changed_sees_a_row_that_was_written_again(
    company: Api, change: str
) -> None:
    order = await new_draft(company)
    before = await company.order_state()
    assert await company.order_state() == before
    await company.rows(f"UPDATE engineering_order {change} WHERE number = '{order['number']}'")
    assert await company.order_state() != before
