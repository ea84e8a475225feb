"""Which orders does an engineering change touch: those that are still built by what it replaces, and nobody else's?"""

from __future__ import annotations

from itertools import count

import pytest

from domain.order import OrderState
from tests.api import Api
from tests.integration.bom_world import Json, made
from tests.integration.change_world import done, in_review
from tests.integration.order_bom_world import frozen, order_in_with, two_levels
from tests.integration.order_world import new_draft

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_TOUCHED = """query ($id: ID!) { engineeringChange(id: $id) {
  touchedOrders(first: 10) { totalCount nodes { id } } } }"""


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"TO{next(_NUMBERS)}-"


async def touched(api: Api, change: Json, who: str = "engineer") -> list[str]:
    """Return the ids of the orders that a change touches, as somebody sees it."""
    found = (await api.ask(_TOUCHED, who, id=change["id"])).data["engineeringChange"]["touchedOrders"]
    assert found["totalCount"] == len(found["nodes"])
    return [each["id"] for each in found["nodes"]]


async def next_draft(api: Api, revision: Json) -> Json:
    return await made(api, "engineer", "bomRevisionCreate", sourceId=revision["id"])


async def test_open_orders_that_are_built_by_what_is_replaced_are_listed(company: Api, prefix: str) -> None:
    top, part = await two_levels(company, prefix)
    by_top, by_part = await new_draft(company), await new_draft(company)
    await frozen(company, by_top, top["id"])
    await frozen(company, by_part, part["id"])
    await new_draft(company)
    of_part = await in_review(company, await next_draft(company, part))
    # The part is below the top, by whose revision the other order is built.
    assert await touched(company, of_part) == [by_top["id"], by_part["id"]]
    of_top = await in_review(company, await next_draft(company, top))
    assert await touched(company, of_top) == [by_top["id"]]
    await done(company, "pm", "engineeringChangeRelease", id=of_part["id"])
    assert await touched(company, of_part) == [by_top["id"], by_part["id"]]
    await done(company, "pm", "engineeringChangeReject", id=of_top["id"], note="No")
    assert await touched(company, of_top) == []


async def test_order_that_is_complete_or_cancelled_is_not_touched(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    held = await order_in_with(company, OrderState.ON_HOLD, top["id"], "1")
    for state in (OrderState.COMPLETED, OrderState.CANCELLED):
        await order_in_with(company, state, top["id"], "1")
    change = await in_review(company, await next_draft(company, top))
    assert await touched(company, change) == [held["id"]]


async def test_orders_are_listed_to_whom_they_are_shown(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await new_draft(company)
    await frozen(company, order, top["id"])
    change = await in_review(company, await next_draft(company, top))
    for who, seen in (("director", [order["id"]]), ("pm", [order["id"]]), ("pm2", []), ("foreman", [])):
        assert (who, await touched(company, change, who)) == (who, seen)
