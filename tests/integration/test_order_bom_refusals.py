"""Is a BOM refused, without a trace, that can't be frozen into an order, or not by whoever tries?"""

from __future__ import annotations

from itertools import count

import pytest

from domain.order import OrderState
from tests.api import Api
from tests.integration.bom_world import bom, item, line, made, released
from tests.integration.order_bom_world import (
    frozen,
    next_revision,
    not_frozen,
    order_in_with,
    sent,
    two_levels,
)
from tests.integration.order_world import Json, new_draft, order_in, unchanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_S = OrderState
NOWHERE = "0198c5f2-7a10-7000-8000-0123456789ab"


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"R{next(_NUMBERS)}-"


@pytest.mark.parametrize("state", [_S.SUBMITTED, _S.REJECTED, _S.COMPLETED, _S.CANCELLED])
async def test_order_under_review_or_done_is_not_built_by_another_bom(
    company: Api, prefix: str, state: OrderState
) -> None:
    top, _ = await two_levels(company, prefix)
    order = await order_in_with(company, state, top["id"], "5")
    error = await not_frozen(company, order, top["id"], "6")
    assert (error["__typename"], error["code"], error["state"]) == (
        "InvalidTransition",
        "INVALID_TRANSITION",
        state.value,
    )


@pytest.mark.parametrize("state", [_S.APPROVED, _S.RELEASED, _S.IN_PROGRESS, _S.ON_HOLD])
async def test_approved_order_gets_no_first_bom(company: Api, prefix: str, state: OrderState) -> None:
    top, _ = await two_levels(company, prefix)
    error = await not_frozen(company, await order_in(company, state), top["id"])
    assert (error["code"], error["blockers"]) == ("ACTION_BLOCKED", [{"code": "NO_BOM"}])


async def test_only_what_was_released_is_frozen_and_only_on_its_days(company: Api, prefix: str) -> None:
    _, part = await two_levels(company, prefix)
    order = await new_draft(company)
    draft = await made(company, "engineer", "bomRevisionCreate", sourceId=part["id"], validFrom="2030-01-01")
    error = await not_frozen(company, order, draft["id"])
    assert (error["code"], error["path"]) == ("NOT_RELEASED", ["bomRevisionId"])
    await released(company, draft)
    for revision, day in ((part, "2030-01-01"), (draft, "2029-12-31")):
        error = await not_frozen(company, order, revision["id"], asOf=day)
        assert (error["code"], error["path"]) == ("NOT_IN_FORCE", ["asOf"])
    assert (await frozen(company, order, draft["id"]))["order"]["bomFrozenOn"] == "2030-01-01"
    never = await next_revision(company, draft, prefix + "OTHER", "1", validFrom="2030-01-01")
    error = await not_frozen(company, order, draft["id"])
    assert (error["code"], error["path"]) == ("NOT_IN_FORCE", ["bomRevisionId"])
    assert (await frozen(company, order, never["id"]))["order"]["bomFrozenOn"] == "2030-01-01"


async def test_bom_with_a_part_that_nothing_makes_on_the_day_is_refused(company: Api, prefix: str) -> None:
    await item(company, prefix + "LEAF")
    for code in ("TOP", "PART"):
        await item(company, prefix + code, kind="ASSEMBLY")
    part = await bom(company, prefix + "PART", line(prefix + "LEAF"), validTo="2001-01-01")
    await released(company, part)
    top = await released(company, await bom(company, prefix + "TOP", line(prefix + "PART")))
    order = await new_draft(company)
    error = await not_frozen(company, order, top["id"], asOf="2001-01-01")
    assert (error["code"], error["path"]) == ("MISSING_CHILD_REVISION", ["bomRevisionId"])
    assert error["message"] == f"Without a BOM in force: {prefix}PART."
    await frozen(company, order, top["id"], asOf="2000-12-31")


async def tower(api: Api, prefix: str, levels: int, lines: int) -> Json:
    """Release assemblies that stand on each other, each with so many lines of the one below; return the top's revision."""
    await item(api, f"{prefix}0")
    revision: Json = {}
    for level in range(1, levels + 1):
        await item(api, f"{prefix}{level}", kind="ASSEMBLY")
        below = [line(f"{prefix}{level - 1}")] * lines
        revision = await released(api, await bom(api, f"{prefix}{level}", *below))
    return revision


@pytest.mark.parametrize(("levels", "lines", "code"), [(51, 1, "TOO_DEEP"), (17, 2, "TOO_LARGE")])
async def test_bom_too_deep_or_too_large_is_refused(
    company: Api, prefix: str, levels: int, lines: int, code: str
) -> None:
    top = await tower(company, prefix, levels, lines)
    error = await not_frozen(company, await new_draft(company), top["id"])
    assert (error["code"], error["path"]) == (code, ["bomRevisionId"])


@pytest.mark.parametrize(
    ("quantity", "code"), [("0", "OUT_OF_RANGE"), ("-1", "OUT_OF_RANGE"), ("0.00001", "TOO_PRECISE")]
)
async def test_impossible_quantity_is_refused(company: Api, prefix: str, quantity: str, code: str) -> None:
    top, _ = await two_levels(company, prefix)
    error = await not_frozen(company, await new_draft(company), top["id"], quantity)
    assert (error["code"], error["path"]) == (code, ["quantity"])


async def test_unknown_revision_and_stale_version_are_refused(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await new_draft(company)
    error = await not_frozen(company, order, f"BomRevision:{NOWHERE}")
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["bomRevisionId"])
    error = await not_frozen(company, {"id": f"Order:{NOWHERE}"}, top["id"])
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["id"])
    await frozen(company, order, top["id"])
    error = await not_frozen(company, order, top["id"], "2", expectedVersion=order["version"])
    assert (error["code"], error["currentVersion"]) == ("VERSION_CONFLICT", order["version"] + 1)


@pytest.mark.parametrize("who", ["buyer", "finance", "auditor", "director", "contractor"])
@pytest.mark.parametrize("state", [_S.DRAFT, _S.RELEASED])
async def test_reader_without_the_deed_freezes_nothing(
    company: Api, prefix: str, who: str, state: OrderState
) -> None:
    top, _ = await two_levels(company, prefix)
    order = await order_in_with(company, state, top["id"], "5")
    async with unchanged(company, who):
        answer = await sent(company, who, order, top["id"], "6")
    assert (answer.content["data"], answer.codes) == (None, ["FORBIDDEN"])


@pytest.mark.parametrize("who", ["foreman", "contractor2", "customer", "engineer2"])
async def test_who_does_not_see_an_order_freezes_nothing_into_it(company: Api, prefix: str, who: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await new_draft(company)
    assert (await not_frozen(company, order, top["id"], who=who))["code"] == "NOT_FOUND"
