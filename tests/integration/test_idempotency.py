"""Is a command carried out once, however often it is sent, and kept not at all when it is only tried?"""

from __future__ import annotations

from asyncio import gather

import pytest

from domain.order import OrderAction, OrderState
from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.order_world import (
    ORDER,
    Json,
    denied,
    done,
    draft,
    give,
    line,
    new_draft,
    order_in,
    refused,
    take,
    unchanged,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

MISMATCH = {
    "__typename": "IdempotencyMismatch",
    "code": "IDEMPOTENCY_MISMATCH",
    "message": "This idempotency key was used with another input.",
    "path": ["idempotencyKey"],
}


async def last_number(company: Api) -> int:
    return (await company.rows("SELECT last FROM order_number ORDER BY year DESC LIMIT 1"))[0][0]


async def test_same_key_and_input_gives_the_same_answer_and_one_event(company: Api) -> None:
    values = draft(idempotencyKey="create-1")
    first = await done(company, "buyer", "orderCreate", **values)
    async with unchanged(company, "buyer"):
        for key in ("create-1", " create-1 "):
            assert await done(company, "buyer", "orderCreate", **{**values, "idempotencyKey": key}) == first


async def test_every_sort_of_command_is_carried_out_once(company: Api) -> None:
    order = await order_in(company, OrderState.IN_PROGRESS)
    commands: list[tuple[str, Json]] = [
        ("orderReportProgress", {"percent": "10"}),
        ("orderAssign", {"assignments": []}),
        ("orderHold", {"note": "rain"}),
    ]
    for mutation, values in commands:
        command: Json = {"id": order["id"], "idempotencyKey": f"once-{mutation}", **values}
        first = await done(company, "pm", mutation, **command)
        async with unchanged(company, "pm"):
            assert await done(company, "pm", mutation, **command) == first


async def test_stale_version_does_not_matter_to_what_was_done_already(company: Api) -> None:
    order = await new_draft(company)
    values: Json = {"id": order["id"], "expectedVersion": 1, "title": "New", "idempotencyKey": "stale"}
    first = await done(company, "buyer", "orderUpdate", **values)
    async with unchanged(company, "buyer"):
        assert await done(company, "buyer", "orderUpdate", **values) == first


async def test_repeated_command_shows_the_order_as_it_is_by_now(company: Api) -> None:
    order = await order_in(company, OrderState.SUBMITTED)
    values: Json = {"id": order["id"], "idempotencyKey": "approve-early"}
    await done(company, "director", "orderApprove", **values)
    released = await take(company, order, OrderAction.RELEASE)
    again = await done(company, "director", "orderApprove", "state version", **values)
    assert again == {"state": "RELEASED", "version": released["version"]}


@pytest.mark.parametrize(
    ("fields", "other"),
    [
        ({}, {"title": "Another"}),
        ({}, {"description": "unset"}),
        ({}, {"description": None}),
        ({}, {"contractorId": None}),
        ({}, {"note": "why"}),
        ({}, {"lines": []}),
        ({"lines": [line(price=None)]}, {"lines": [{**line(price=None), "unitPrice": None}]}),
        ({"lines": [line(price="1")]}, {"lines": [line(price="2")]}),
    ],
    ids=["title", "text of the mark", "null", "null reference", "note", "no lines", "null price", "price"],
)
async def test_same_key_with_another_input_is_a_mismatch(company: Api, fields: Json, other: Json) -> None:
    key = f"other-{fields}-{other}"[:100]
    await done(company, "buyer", "orderCreate", **draft(**fields, idempotencyKey=key))
    error = await refused(company, "buyer", "orderCreate", **draft(**{**fields, **other}, idempotencyKey=key))
    assert error == MISMATCH


async def test_same_key_with_another_command_is_a_mismatch(company: Api) -> None:
    order = await order_in(company, OrderState.SUBMITTED)
    values: Json = {"id": order["id"], "note": "no", "idempotencyKey": "reject-or-cancel"}
    await done(company, "pm", "orderReject", **values)
    assert await refused(company, "pm", "orderCancel", **values) == MISMATCH


async def test_key_of_another_person_is_another_key(company: Api) -> None:
    values = draft(lines=[line(price=None)], idempotencyKey="yours-and-mine")
    mine = await done(company, "buyer", "orderCreate", "number", **values)
    yours = await done(company, "engineer", "orderCreate", "number", **values)
    assert mine != yours
    assert await done(company, "engineer", "orderCreate", "number", **values) == yours


async def test_refused_command_leaves_its_key_free(company: Api) -> None:
    order = await new_draft(company, lines=[])
    values: Json = {"id": order["id"], "idempotencyKey": "submit-later"}
    error = await refused(company, "buyer", "orderSubmit", **values)
    assert error["code"] == "ACTION_BLOCKED"
    await take(company, order, OrderAction.UPDATE, lines=[line()])
    assert (await done(company, "buyer", "orderSubmit", **values))["state"] == "SUBMITTED"


async def test_forbidden_command_leaves_its_key_free(company: Api) -> None:
    order = await order_in(company, OrderState.SUBMITTED)
    values: Json = {"id": order["id"], "idempotencyKey": "not-mine"}
    assert await denied(company, "engineer", "orderApprove", **values) == "FORBIDDEN"
    created = await done(
        company, "engineer", "orderCreate", "version", **draft(lines=[], idempotencyKey="not-mine")
    )
    assert created == {"version": 1}


async def test_command_that_changes_nothing_is_remembered_too(company: Api) -> None:
    order = await new_draft(company)
    values: Json = {"id": order["id"], "expectedVersion": 1, "idempotencyKey": "nothing"}
    assert await done(company, "buyer", "orderUpdate", **values) == order
    other: Json = {**values, "title": "Something"}
    assert await refused(company, "buyer", "orderUpdate", **other) == MISMATCH


async def test_dry_run_shows_the_whole_answer_and_keeps_nothing(company: Api) -> None:
    number = await last_number(company) + 1
    fields = (
        ORDER + "availableActions { action allowed } project { code orders(last: 1) { nodes { number } } }"
    )
    async with unchanged(company, "buyer"):
        tried = await done(company, "buyer", "orderCreate", fields, **draft(dryRun=True))
    assert tried["number"].endswith(f"-{number:06d}")
    assert (tried["amount"], tried["version"]) == ("1100.00", 1)
    assert [each["amount"] for each in tried["lines"]["nodes"]] == ["1000.00", "100.00"]
    assert [each["type"] for each in tried["events"]["nodes"]] == ["OrderCreated"]
    assert [each["action"] for each in tried["availableActions"] if each["allowed"]] == [
        "orderUpdate",
        "orderSubmit",
    ]
    kept = await done(company, "buyer", "orderCreate", fields, **draft())
    assert kept["number"] == tried["number"]
    gone = await company.ask("query ($id: ID!) { node(id: $id) { id } }", "buyer", id=tried["id"])
    assert gone.data == {"node": None}


async def test_dry_run_of_a_step_is_refused_as_the_step_would_be(company: Api) -> None:
    order = await new_draft(company, lines=[])
    tried = await give(company, "buyer", "orderSubmit", id=order["id"], dryRun=True)
    deed = await give(company, "buyer", "orderSubmit", id=order["id"])
    assert tried == deed
    assert [each["code"] for each in tried.errors] == ["ACTION_BLOCKED"]


async def test_dry_run_leaves_its_key_free(company: Api) -> None:
    values = draft(idempotencyKey="tried-first")
    dry: Json = {**values, "dryRun": True}
    async with unchanged(company, "buyer"):
        await done(company, "buyer", "orderCreate", **dry)
    first = await done(company, "buyer", "orderCreate", **values)
    assert await done(company, "buyer", "orderCreate", **values) == first


async def test_commands_of_one_document_are_settled_one_after_the_other(company: Api) -> None:
    document = """
      mutation ($tried: OrderCreateInput!, $kept: OrderCreateInput!, $bad: OrderCreateInput!) {
        a: orderCreate(input: $tried) { order { number lines(first: 1) { totalCount } } }
        b: orderCreate(input: $kept) { order { number lines(first: 1) { totalCount } } }
        c: orderCreate(input: $bad) { order { number } errors { code } }
        d: orderCreate(input: $kept) { order { number } }
      }
    """
    number = await last_number(company)
    answer = await company.ask(document, "buyer", tried=draft(dryRun=True), kept=draft(), bad=draft(title=""))
    a, b, c, d = (answer.data[each] for each in "abcd")
    assert a == b
    assert a["order"]["lines"] == {"totalCount": 2}
    assert c == {"order": None, "errors": [{"code": "REQUIRED"}]}
    assert d["order"]["number"][-6:] == f"{number + 2:06d}"
    assert await last_number(company) == number + 2


async def test_two_servers_racing_the_same_key_make_one_event(
    company: Api, company_settings: Settings
) -> None:
    values = draft(idempotencyKey="race")
    number = await last_number(company)
    async with running_api(company_settings) as other:
        servers = (company, other) * 8
        orders = await gather(*(done(each, "buyer", "orderCreate", **values) for each in servers))
    assert all(order == orders[0] for order in orders)
    assert await last_number(company) == number + 1
    events = await company.rows(
        "SELECT count(*) FROM event WHERE aggregate_id = :id", id=orders[0]["id"].partition(":")[2]
    )
    assert events == [(1,)]


async def test_two_inputs_racing_for_one_key_leave_one_done_and_mismatches(
    company: Api, company_settings: Settings
) -> None:
    async with running_api(company_settings) as other:
        payloads = await gather(
            *(
                give(server, "buyer", "orderCreate", **draft(title=f"Title {index}", idempotencyKey="one-of"))
                for index, server in enumerate((company, other) * 5)
            )
        )
    (winner,) = [each.order for each in payloads if each.order is not None]
    assert [each.errors for each in payloads if each.order is None] == [[MISMATCH]] * 9
    count = await company.rows("SELECT count(*) FROM engineering_order WHERE title LIKE 'Title %'")
    assert (count, winner["version"]) == ([(1,)], 1)
