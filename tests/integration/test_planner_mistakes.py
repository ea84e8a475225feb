"""What does a client notice of a planner that fails for a reason that nobody foresaw? Nothing: the answer is interpreted."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from structlog.testing import capture_logs

from domain.order import OrderState
from planner.plan import Plan
from planner.plans import Payloads, Plans
from tests.api import Api
from tests.integration.order_world import order_in
from tests.integration.plan_world import paths_of

DOCUMENT = '{ order(number: "EO-2025-000001") { number availableActions { action } } }'
CANCEL = """
mutation ($input: OrderActionInput!) { orderCancel(input: $input) { order { number state } errors { code } } }
"""


class Unforeseen(Exception):
    pass


# Any: whatever the function takes.
def fails(*_: Any, **__: Any) -> NoReturn:
    raise Unforeseen("secret value")


@pytest.mark.parametrize(("owner", "name"), [(Plans, "ready"), (Plan, "answer")], ids=["made", "finished"])
async def test_query_is_answered_by_the_interpreter_and_the_mistake_logged(
    planning_api: Api, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    monkeypatch.setattr(owner, name, fails)
    with capture_logs() as logs:
        answer = await planning_api.ask(DOCUMENT, "director")
    assert answer.data["order"]["number"] == "EO-2025-000001"
    (logged,) = [each for each in logs if each["log_level"] == "error"]
    assert (logged["event"], logged["exc_info"]) == ("planner_failed", True)
    assert paths_of(planning_api) == {"planned": 0, "interpreted: the planner failed": 1}


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Plans, "payloads"), (Payloads, "ready"), (Plan, "answer")],
    ids=["asked", "made", "finished"],
)
async def test_command_is_done_and_its_object_read_by_loaders(
    planning_api: Api, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    order = await order_in(planning_api, OrderState.DRAFT)
    monkeypatch.setattr(owner, name, fails)
    given = {"id": order["id"], "note": "n", "idempotencyKey": "once"}
    with capture_logs() as logs:
        answer = await planning_api.ask(CANCEL, "pm", input=given)
    assert answer.data == {
        "orderCancel": {"order": {"number": order["number"], "state": "CANCELLED"}, "errors": []}
    }
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["planner_failed"]
    kept = await planning_api.rows(
        "SELECT state::text FROM engineering_order WHERE number = :it", it=order["number"]
    )
    assert kept == [("CANCELLED",)]
