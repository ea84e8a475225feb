"""Who can be assigned to an order, and what does a list of assignments change?"""

from __future__ import annotations

import pytest

from domain.order import OrderState
from tests.api import Api
from tests.integration.order_world import (
    Json,
    denied,
    done,
    new_draft,
    order_in,
    refused,
    unchanged,
    user,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "0198c5f2-7a10-7000-8000-0123456789ab"


def assigned(order: Json) -> dict[str, str | None]:
    return {each["user"]["username"]: each["task"] for each in order["assignments"]}


def people(*named: str, task: str | None = None) -> list[Json]:
    return [{"userId": user(name), "task": task} for name in named]


async def assign(company: Api, order: Json, assignments: list[Json]) -> Json:
    return await done(company, "pm", "orderAssign", id=order["id"], assignments=assignments)


async def test_list_is_given_whole_and_who_is_missing_is_taken_off(company: Api) -> None:
    order = await new_draft(company)
    first = await assign(company, order, people("foreman", "worker", task="Fitter"))
    assert assigned(first) == {"foreman": "Fitter", "worker": "Fitter"}
    second = await assign(company, order, [*people("worker"), *people("engineer", task="设计 Design")])
    assert assigned(second) == {"worker": None, "engineer": "设计 Design"}
    (event,) = second["events"]["nodes"]
    changed = {each["field"].split(".", 1)[1]: each["after"] for each in event["changes"]}
    foreman, worker, engineer = (user(name).partition(":")[2] for name in ("foreman", "worker", "engineer"))
    assert set(changed) == {
        f"{foreman}.task",
        f"{foreman}.assignedAt",
        f"{worker}.task",
        f"{engineer}.task",
        f"{engineer}.assignedAt",
    }
    assert (changed[f"{foreman}.task"], changed[f"{engineer}.task"]) == (None, "设计 Design")
    assert assigned(await assign(company, order, [])) == {}


async def test_same_list_again_leaves_no_event_and_no_version(company: Api) -> None:
    order = await assign(company, await new_draft(company), people("foreman", "worker"))
    async with unchanged(company, "pm"):
        assert await assign(company, order, people("worker", "foreman")) == order


async def test_assigning_keeps_the_state(company: Api) -> None:
    for state in (OrderState.SUBMITTED, OrderState.RELEASED, OrderState.ON_HOLD):
        order = await order_in(company, state)
        assert (await assign(company, order, people("worker")))["state"] == state.value


async def test_every_refused_list_says_which_person_and_why(company: Api) -> None:
    order = await new_draft(company)
    refusals: list[tuple[list[Json], str, list[str]]] = [
        (people("worker", "worker"), "DUPLICATE", ["assignments", "1", "userId"]),
        ([{"userId": f"User:{NOWHERE}"}], "NOT_FOUND", ["assignments", "0", "userId"]),
        (people("worker", task="x" * 201), "TOO_LONG", ["assignments", "0", "task"]),
        (people("worker", task=" "), "REQUIRED", ["assignments", "0", "task"]),
        (people("worker", task="a\nb"), "CONTROL_CHARACTER", ["assignments", "0", "task"]),
        (people("worker", task="a\x00b"), "CONTROL_CHARACTER", ["assignments", "0", "task"]),
        (people("worker") * 101, "TOO_MANY", ["assignments"]),
    ]
    for assignments, code, path in refusals:
        error = await refused(company, "pm", "orderAssign", id=order["id"], assignments=assignments)
        assert (error["code"], error["path"]) == (code, path)


async def test_disabled_person_is_not_found_but_stays_where_he_is_assigned(company: Api) -> None:
    order = await assign(company, await new_draft(company), people("worker2"))
    await company.rows("UPDATE app_user SET disabled_at = now() WHERE username = 'worker2'")
    try:
        other = await new_draft(company)
        error = await refused(company, "pm", "orderAssign", id=other["id"], assignments=people("worker2"))
        assert (error["code"], error["path"]) == ("NOT_FOUND", ["assignments", "0", "userId"])
        kept = await assign(company, order, people("worker2", "worker"))
        assert assigned(kept) == {"worker2": None, "worker": None}
    finally:
        await company.rows("UPDATE app_user SET disabled_at = NULL WHERE username = 'worker2'")


async def test_id_of_another_type_is_malformed(company: Api) -> None:
    order = await new_draft(company)
    code = await denied(company, "pm", "orderAssign", id=order["id"], assignments=[{"userId": order["id"]}])
    assert code == "MALFORMED_ID"


async def test_who_is_assigned_reads_the_order_and_who_is_taken_off_does_not(company: Api) -> None:
    order = await new_draft(company)
    document = "query ($id: ID!) { order(id: $id) { number } }"
    seen: list[object] = []
    for assignments in ([], people("worker"), []):
        await assign(company, order, assignments)
        seen.append((await company.ask(document, "worker", id=order["id"])).data["order"])
    assert seen == [None, {"number": order["number"]}, None]
