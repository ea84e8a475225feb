"""Does an answer, planned or interpreted, ever show half of what somebody changes in one transaction?"""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import text

from server.execution import PLANNER_OFF
from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.order_world import new_draft
from tests.integration.plan_world import paths_of

STATES = 12
"""How many different ones have to be seen: an answer that is read in pieces shows two at once within a few."""

READERS = 2
WAIT_SECONDS = 30
DOCUMENT = """query ($id: ID!, $number: String!, $search: String!) {
  node(id: $id) { ... on Order { title amount lines(first: 9) { nodes { description unitPrice } } } }
  order(number: $number) { title lines(first: 9) { nodes { description } } }
  orders(first: 3, filter: {search: $search}) { nodes { title lines(last: 9) { nodes { description } } } totalCount }
  orderStatistics(filter: {search: $search}) { count amount }
}"""

_CHANGES = (
    "UPDATE engineering_order SET title = CAST(:state AS text) WHERE id = :key",
    "UPDATE order_line SET description = CAST(:state AS text) WHERE order_id = :key",
    "UPDATE order_line SET unit_price = CAST(CAST(:state AS text) AS numeric) WHERE order_id = :key",
    "UPDATE engineering_order SET amount = CAST(CAST(:state AS text) AS numeric) WHERE id = :key",
)


async def change(api: Api, order: dict[str, Any], state: int) -> None:
    """Write a number into an order and its lines, piece by piece in one transaction."""
    async with api.database.write.begin() as connection:
        for statement in _CHANGES:
            given = {"key": order["id"].partition(":")[2], "state": str(state)}
            await connection.execute(text(statement), given)


async def keep_changing(api: Api, order: dict[str, Any]) -> None:
    state = 1
    while True:
        state += 1
        await change(api, order, state)


async def read(api: Api, order: dict[str, Any]) -> set[Decimal]:
    """Return all states that one answer shows."""
    given = {"id": order["id"], "number": order["number"], "search": order["number"]}
    data = (await api.ask(DOCUMENT, "director", **given)).data
    shown = [data["node"], data["order"], *data["orders"]["nodes"]]
    lines = [line for each in shown for line in each["lines"]["nodes"]]
    assert (len(shown), len(lines)) == (3, 6)
    texts = [each["title"] for each in shown] + [line["description"] for line in lines]
    texts += [data["node"]["amount"], data["orderStatistics"]["amount"]]
    texts += [line["unitPrice"] for line in data["node"]["lines"]["nodes"]]
    return {Decimal(each) for each in texts}


async def read_until_enough_was_seen(api: Api, order: dict[str, Any]) -> int:
    """Return how many answers were read; fail at one that shows two states at once."""
    answers, states = 0, set[Decimal]()
    while len(states) < STATES:
        seen = await read(api, order)
        assert len(seen) == 1, f"one answer shows {seen}"
        states |= seen
        answers += 1
    return answers


@pytest.mark.parametrize(("is_planner", "path"), [(True, "planned"), (False, f"interpreted: {PLANNER_OFF}")])
async def test_answer_is_of_one_moment(demo_settings: Settings, path: str, *, is_planner: bool) -> None:
    async with running_api(demo_settings.model_copy(update={"planner": is_planner})) as api:
        order = await new_draft(api)
        await change(api, order, 1)
        before = paths_of(api)
        changing = asyncio.create_task(keep_changing(api, order))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                answers = await asyncio.gather(
                    *(read_until_enough_was_seen(api, order) for _ in range(READERS))
                )
        finally:
            changing.cancel()
            await asyncio.gather(changing, return_exceptions=True)
        assert paths_of(api) == before | {path: before.get(path, 0) + sum(answers)}
