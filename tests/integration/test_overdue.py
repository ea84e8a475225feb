"""Is each order that becomes overdue noted once for its date, and are those told who can complete it?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text

from commands.orders.overdue import note_overdue
from db.events import Origin
from domain.order import OrderState
from policies.readers import default_rulebook
from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.order_world import Json, done, order_in, unchanged, user

pytestmark = pytest.mark.asyncio(loop_scope="module")

TODAY = date(2026, 6, 1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(company_settings: Settings) -> AsyncGenerator[Api]:
    async with running_api(company_settings) as api:
        yield api


async def noted(api: Api, today: date = TODAY) -> int:
    """Look once, in an otherwise quiet company."""
    origin = Origin(None, None, None, datetime.now(UTC))
    return await note_overdue(api.database.write, default_rulebook(), origin, today)


async def order_due(api: Api, state: OrderState, due_on: date) -> Json:
    """Return an order that is the only one to be looked at."""
    order = await order_in(api, state)
    await api.rows("UPDATE engineering_order SET due_on = NULL")
    await api.rows(
        "UPDATE engineering_order SET due_on = :due WHERE 'Order:' || id = :id", due=due_on, id=order["id"]
    )
    return order


async def events(api: Api, order: Json) -> list[tuple[str, int, str | None]]:
    """Return type, version and due date of the events of being overdue."""
    rows = await api.rows(
        "SELECT type, version, details->>'dueOn' FROM event"
        " WHERE 'Order:' || aggregate_id = :id AND type = 'OrderOverdue' ORDER BY version",
        id=order["id"],
    )
    return [(str(kind), int(version), due) for kind, version, due in rows]


async def test_overdue_order_is_noted_once_with_an_event_and_those_who_complete_are_told(api: Api) -> None:
    order = await order_due(api, OrderState.IN_PROGRESS, TODAY - timedelta(days=1))
    order = await done(api, "pm", "orderAssign", id=order["id"], assignments=[{"userId": user("foreman")}])
    assert [await noted(api), await noted(api)] == [1, 0]
    assert await events(api, order) == [("OrderOverdue", order["version"] + 1, "2026-05-31")]
    told = await api.rows(
        "SELECT username FROM notification JOIN app_user ON app_user.id = user_id"
        " WHERE kind = 'OVERDUE' AND 'Order:' || order_id = :id ORDER BY 1",
        id=order["id"],
    )
    assert [name for (name,) in told] == ["contractor", "foreman", "pm"]
    found = await api.ask(
        "query ($id: ID!) { order(id: $id) { version events(last: 1) { nodes { type version actor { id } } } } }",
        "pm",
        id=order["id"],
    )
    assert found.data["order"] == {
        "version": order["version"] + 1,
        "events": {"nodes": [{"type": "OrderOverdue", "version": order["version"] + 1, "actor": None}]},
    }


async def test_another_due_date_that_passes_is_noted_again(api: Api) -> None:
    order = await order_due(api, OrderState.RELEASED, TODAY - timedelta(days=1))
    assert await noted(api) == 1
    await api.rows(
        "UPDATE engineering_order SET due_on = :due WHERE 'Order:' || id = :id", due=TODAY, id=order["id"]
    )
    assert await noted(api) == 0
    assert await noted(api, TODAY + timedelta(days=1)) == 1
    assert [due for _, _, due in await events(api, order)] == ["2026-05-31", "2026-06-01"]


@pytest.mark.parametrize(
    ("state", "due_on"),
    [
        (OrderState.IN_PROGRESS, TODAY),
        (OrderState.DRAFT, TODAY - timedelta(days=1)),
        (OrderState.SUBMITTED, TODAY - timedelta(days=1)),
        (OrderState.COMPLETED, TODAY - timedelta(days=1)),
        (OrderState.CANCELLED, TODAY - timedelta(days=1)),
    ],
)
async def test_what_is_due_today_not_agreed_on_or_done_is_left_alone(
    api: Api, state: OrderState, due_on: date
) -> None:
    await order_due(api, state, due_on)
    async with unchanged(api):
        assert await noted(api) == 0


async def test_processes_that_look_together_note_it_once(api: Api) -> None:
    order = await order_due(api, OrderState.ON_HOLD, TODAY - timedelta(days=3))
    for _ in range(5):
        counts = await asyncio.gather(*(noted(api) for _ in range(6)))
        assert sum(counts) in {0, 1}
    assert len(await events(api, order)) == 1


async def test_order_that_somebody_changes_is_left_for_the_next_time(api: Api) -> None:
    order = await order_due(api, OrderState.IN_PROGRESS, TODAY - timedelta(days=1))
    async with api.database.write.connect() as connection:
        await connection.execute(
            text("SELECT id FROM engineering_order WHERE 'Order:' || id = :id FOR UPDATE"),
            {"id": order["id"]},
        )
        assert await noted(api) == 0
    assert await noted(api) == 1
