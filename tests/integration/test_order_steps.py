"""Which steps may be taken in each state, and what is an order told that may not take one?"""

from __future__ import annotations

import pytest

from domain.order import TRANSITIONS, OrderAction, OrderState, possible_actions
from resolvers.orders import mutation_name
from server.settings import Settings
from server.verify import verify_events
from tests.api import Answer, Api, without_cost
from tests.integration.order_world import (
    Json,
    actor,
    denied,
    done,
    give,
    line,
    needs,
    new_draft,
    order_in,
    refused,
    send,
    take,
    unchanged,
    user,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

_A, _S = OrderAction, OrderState
NOWHERE = "0198c5f2-7a10-7000-8000-0123456789ab"


def nothing(_line: str) -> None:
    """Verification says what it does; no test wants to hear."""


@pytest.mark.parametrize("state", list(OrderState))
async def test_state_takes_exactly_the_actions_that_the_table_knows(company: Api, state: OrderState) -> None:
    order = await order_in(company, state)
    possible = [mutation_name(action) for action in possible_actions(state)]
    async with unchanged(company, *map(actor, OrderAction)):
        for action in OrderAction:
            values = {"id": order["id"], "dryRun": True, **needs(action, order)}
            payload = await give(company, actor(action), mutation_name(action), "state", **values)
            told = [(each["__typename"], each["code"]) for each in payload.errors]
            if (state, action) not in TRANSITIONS:
                assert told == [("InvalidTransition", "INVALID_TRANSITION")]
                assert (payload.errors[0]["state"], payload.errors[0]["possibleActions"]) == (state, possible)
            elif action is _A.COMPLETE or (action is _A.FREEZE_BOM and state is not _S.DRAFT):
                assert told == [("ActionBlocked", "ACTION_BLOCKED")]
            else:
                assert told == []
                assert payload.order == {"state": TRANSITIONS[state, action].target.value}


async def test_every_transition_leaves_one_version_and_its_event(company: Api) -> None:
    for (state, action), step in TRANSITIONS.items():
        is_rebase = action is _A.FREEZE_BOM and state is not _S.DRAFT
        order = await order_in(company, state, made_by={} if is_rebase else None)
        if action is _A.COMPLETE:
            order = await take(company, order, _A.REPORT_PROGRESS)
        after = await take(company, order, action, **({"quantity": "3"} if is_rebase else {}))
        assert after["state"] == step.target.value
        assert after["version"] == order["version"] + 1
        (event,) = after["events"]["nodes"]
        assert (event["type"], event["version"]) == (step.event, after["version"])
        assert event["actor"] == {"username": actor(action)}


async def test_walk_of_every_state_and_command_leaves_a_log_that_proves_itself(
    company: Api, company_settings: Settings
) -> None:
    for state in OrderState:
        await order_in(company, state)
    order = await order_in(company, _S.REJECTED)
    for action in (_A.REVISE, _A.UPDATE, _A.ASSIGN, _A.SUBMIT, _A.APPROVE, _A.RELEASE, _A.START, _A.HOLD):
        order = await take(company, order, action)
    for action in (_A.RESUME, _A.REPORT_PROGRESS, _A.COMPLETE, _A.ACCEPT, _A.SETTLE):
        order = await take(company, order, action)
    assert (order["state"], order["revision"], order["version"]) == ("SETTLED", 2, 16)
    result = await verify_events(company_settings.database_url or "", nothing)
    assert result.findings == ()


async def test_history_tells_who_did_what_and_what_it_changed(company: Api) -> None:
    order = await order_in(company, _S.SUBMITTED)
    rejected = await take(company, order, _A.REJECT, note="单价高于最近一次询价。")
    (event,) = rejected["events"]["nodes"]
    assert event["note"] == "单价高于最近一次询价。"
    assert event["changes"] == [{"field": "state", "before": "SUBMITTED", "after": "REJECTED"}]


async def test_start_and_completion_set_the_actual_days(company: Api) -> None:
    released = await order_in(company, _S.RELEASED)
    assert (released["actualStart"], released["actualEnd"]) == (None, None)
    started = await take(company, released, _A.START)
    completed = await take(company, await take(company, started, _A.REPORT_PROGRESS), _A.COMPLETE)
    today = (await company.rows("SELECT CAST(now() AT TIME ZONE 'Asia/Shanghai' AS date)"))[0][0].isoformat()
    assert (started["actualStart"], started["actualEnd"]) == (today, None)
    assert (completed["actualStart"], completed["actualEnd"]) == (today, today)


async def test_draft_without_lines_or_prices_is_not_submitted(company: Api) -> None:
    empty = await new_draft(company, lines=[])
    error = await refused(company, "buyer", "orderSubmit", id=empty["id"])
    assert (error["__typename"], error["code"]) == ("ActionBlocked", "ACTION_BLOCKED")
    assert error["blockers"] == [{"code": "NO_LINES", "message": "The order has no lines."}]
    unpriced = await new_draft(company, lines=[line(), line(price=None), line(price=None)])
    error = await refused(company, "buyer", "orderSubmit", id=unpriced["id"])
    assert error["blockers"] == [{"code": "LINE_WITHOUT_PRICE", "message": "2 lines have no unit price."}]


async def test_order_that_nobody_performs_is_not_released(company: Api) -> None:
    order = await order_in(company, _S.APPROVED, contractorId=None)
    error = await refused(company, "pm", "orderRelease", id=order["id"])
    assert [each["code"] for each in error["blockers"]] == ["NOBODY_TO_PERFORM"]
    await take(company, order, _A.ASSIGN)
    assert (await take(company, order, _A.RELEASE))["state"] == "RELEASED"


async def test_order_is_not_completed_while_a_line_is_short(company: Api) -> None:
    order = await order_in(company, _S.IN_PROGRESS)
    first, second = (each["id"] for each in order["lines"]["nodes"])
    done_lines = [
        {"lineId": first, "doneQuantity": "999"},
        {"lineId": second, "doneQuantity": "4.9999"},
    ]
    reported = await done(company, "pm", "orderReportProgress", id=order["id"], lines=done_lines)
    assert reported["percentComplete"] == "99.99"
    error = await refused(company, "pm", "orderComplete", id=order["id"])
    assert error["blockers"] == [{"code": "NOT_FULFILLED", "message": "1 lines are not done in full."}]


@pytest.mark.parametrize("note", [None, "", " \n"])
async def test_rejecting_holding_and_cancelling_need_a_reason(company: Api, note: str | None) -> None:
    for state, mutation in (
        (_S.SUBMITTED, "orderReject"),
        (_S.IN_PROGRESS, "orderHold"),
        (_S.RELEASED, "orderCancel"),
    ):
        order = await order_in(company, state)
        error = await refused(company, "pm", mutation, id=order["id"], note=note)
        assert [each["code"] for each in error["blockers"]] == ["NOTE_REQUIRED"]


async def test_nobody_approves_what_he_submitted_or_last_edited(company: Api) -> None:
    submitted = await new_draft(company)
    await take(company, submitted, _A.SUBMIT, who="pm")
    edited = await take(company, await new_draft(company), _A.UPDATE, who="pm")
    await take(company, edited, _A.SUBMIT)
    for order in (submitted, edited):
        error = await refused(company, "pm", "orderApprove", id=order["id"])
        assert [each["code"] for each in error["blockers"]] == ["OWN_DOCUMENT"]


async def test_manager_approves_up_to_the_limit_and_only_the_director_above(company: Api) -> None:
    at_limit = await order_in(company, _S.SUBMITTED, lines=[line("1", "500000.00")])
    above = await order_in(company, _S.SUBMITTED, lines=[line("1", "500000.01")])
    assert (await take(company, at_limit, _A.APPROVE, who="pm"))["state"] == "APPROVED"
    error = await refused(company, "pm", "orderApprove", id=above["id"])
    assert [each["code"] for each in error["blockers"]] == ["OVER_APPROVAL_LIMIT"]
    assert (await take(company, above, _A.APPROVE, who="director"))["state"] == "APPROVED"


async def test_stale_version_is_refused_with_the_current_one(company: Api) -> None:
    order = await order_in(company, _S.SUBMITTED)
    for mutation in ("orderApprove", "orderAssign"):
        values = {"id": order["id"], "expectedVersion": 1}
        values |= {"assignments": []} if mutation == "orderAssign" else {}
        error = await refused(company, "pm", mutation, **values)
        assert (error["__typename"], error["code"]) == ("VersionConflict", "VERSION_CONFLICT")
        assert (error["currentVersion"], error["path"]) == (2, ["expectedVersion"])


async def test_step_with_the_version_that_was_read_is_taken(company: Api) -> None:
    order = await order_in(company, _S.SUBMITTED)
    assert (await take(company, order, _A.APPROVE, expectedVersion=2))["version"] == 3


async def test_absent_and_unreadable_orders_get_the_same_bytes(company: Api) -> None:
    foreign = (
        await company.rows(
            "SELECT o.id FROM engineering_order o JOIN project p ON p.id = o.project_id WHERE p.code = 'P-003'"
        )
    )[0][0]
    async with unchanged(company, "pm"):
        for action in OrderAction:
            mutation, values = mutation_name(action), needs(action, {"version": 1})
            unreadable = await send(company, "pm", mutation, id=f"Order:{foreign}", **values)
            absent = await send(company, "pm", mutation, id=f"Order:{NOWHERE}", **values)
            assert without_cost(unreadable) == without_cost(absent)
            assert absent.data[mutation] == {
                "order": None,
                "errors": [
                    {
                        "__typename": "NotFound",
                        "code": "NOT_FOUND",
                        "message": "No such order.",
                        "path": ["id"],
                    }
                ],
            }


@pytest.mark.parametrize("state", [_S.DRAFT, _S.IN_PROGRESS])
async def test_reader_without_the_deed_is_forbidden_every_action(company: Api, state: OrderState) -> None:
    order = await order_in(company, state)
    async with unchanged(company, "auditor"):
        for action in OrderAction:
            values = {"id": order["id"], **needs(action, order)}
            answer = await send(company, "auditor", mutation_name(action), "id", **values)
            assert (answer.content["data"], answer.codes) == (None, ["FORBIDDEN"])


async def test_deed_is_asked_for_before_state_version_and_note(company: Api) -> None:
    order = await order_in(company, _S.SETTLED)
    code = await denied(company, "auditor", "orderCancel", id=order["id"], expectedVersion=1)
    assert code == "FORBIDDEN"


async def test_performer_of_the_contractor_works_on_his_own_orders_only(company: Api) -> None:
    order = await order_in(company, _S.RELEASED)
    error = await refused(company, "contractor2", "orderStart", id=order["id"])
    assert error["code"] == "NOT_FOUND"
    assert (await take(company, order, _A.START, who="contractor"))["state"] == "IN_PROGRESS"
    assert await denied(company, "contractor", "orderHold", id=order["id"], note="rain") == "FORBIDDEN"


async def test_foreman_works_on_orders_he_is_assigned_to(company: Api) -> None:
    order = await order_in(company, _S.RELEASED)
    assert (await refused(company, "foreman", "orderStart", id=order["id"]))["code"] == "NOT_FOUND"
    await take(company, order, _A.ASSIGN, assignments=[{"userId": user("foreman")}])
    started = await take(company, order, _A.START, who="foreman", fields="state")
    assert started == {"state": "IN_PROGRESS"}


async def test_nobody_signed_in_takes_no_step(company: Api) -> None:
    order = await new_draft(company)
    assert await denied(company, None, "orderSubmit", id=order["id"]) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "malformed", ["", "1", "Order:1", "Project:0198c5f2-7a10-7000-8000-0123456789ab", "Order:\x00"]
)
async def test_malformed_id_is_told_from_an_unknown_one(company: Api, malformed: str) -> None:
    assert await denied(company, "pm", "orderSubmit", id=malformed) == "MALFORMED_ID"


@pytest.mark.parametrize("state", list(OrderState))
async def test_available_actions_foretell_what_commands_answer(company: Api, state: OrderState) -> None:
    order = await order_in(company, state)
    field = "availableActions { action allowed reasons { code message } }"
    asked = await company.ask(f"query ($id: ID!) {{ order(id: $id) {{ {field} }} }}", "pm", id=order["id"])
    for told, action in zip(asked.data["order"]["availableActions"], OrderAction, strict=True):
        values = {"id": order["id"], "dryRun": True, **needs(action, order)}
        answer = await send(company, "pm", told["action"], "id", **values)
        assert told["action"] == mutation_name(action)
        assert told["reasons"] == _reasons(answer, told["action"])
        assert told["allowed"] is (told["reasons"] == [])


def _reasons(answer: Answer, mutation: str) -> list[Json]:
    """Return why a command was not carried out, as `availableActions` says it."""
    if answer.errors:
        return [{"code": each["extensions"]["code"], "message": each["message"]} for each in answer.errors]
    errors: list[Json] = answer.data[mutation]["errors"]
    return [
        reason
        for each in errors
        for reason in each.get("blockers", [{"code": each["code"], "message": each["message"]}])
    ]
