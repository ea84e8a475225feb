"""Is an order built for ever by the BOM that was frozen into it, until somebody who may do so freezes another one?"""

from __future__ import annotations

from itertools import count

import pytest

from domain.order import OrderAction, OrderState
from server.settings import Settings
from server.verify import verify_events
from tests.api import Api
from tests.integration.bom_world import bom, item, line, made, released
from tests.integration.lamp import REPLACED_ON, lamp
from tests.integration.order_bom_world import (
    built,
    demand_of,
    frozen,
    impact_of,
    next_revision,
    not_frozen,
    order_in_with,
    sent,
    two_levels,
)
from tests.integration.order_world import new_draft, take, unchanged

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_S = OrderState


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"F{next(_NUMBERS)}-"


async def test_frozen_bom_is_told_with_its_lines_and_what_it_takes(company: Api, prefix: str) -> None:
    order, revision_id = await new_draft(company), await lamp(company, prefix, {"2100": "20", "2200": "10"})
    payload = await frozen(company, order, revision_id, "50", asOf="2001-04-07", note="按图冻结")
    told = payload["order"]
    assert (told["bomRevision"], told["bomQuantity"], told["bomFrozenOn"]) == (
        {"id": revision_id},
        "50.0000",
        "2001-04-07",
    )
    assert [each["item"]["code"] for each in told["bomLines"]["nodes"]] == [
        prefix + code for code in ("B100", "S100", "A100")
    ]
    demand = demand_of(told)
    assert [demand[prefix + code] for code in ("2100", "2200", "1400")] == [
        "1560.0000",
        "660.0000",
        "300.0000",
    ]
    assert impact_of(payload) == {code: ("ADDED", "0.0000", quantity) for code, quantity in demand.items()}
    (event,) = told["events"]["nodes"]
    assert (event["type"], event["note"]) == ("OrderBomFrozen", "按图冻结")
    assert event["changes"] == [
        {"field": "bomFrozenOn", "before": None, "after": "2001-04-07"},
        {"field": "bomQuantity", "before": None, "after": "50.0000"},
        {"field": "bomRevision", "before": None, "after": revision_id.partition(":")[2]},
    ]
    assert told["version"] == order["version"] + 1


async def test_lines_of_an_order_are_those_of_its_day(company: Api, prefix: str) -> None:
    await lamp(company, prefix, {})
    answer = await company.ask(
        "query ($code: String!) { item(code: $code) { bomRevisions(first: 1) { nodes { id } } } }",
        "engineer",
        code=prefix + "1700",
    )
    (revision,) = answer.data["item"]["bomRevisions"]["nodes"]
    for day, code in (("2001-04-07", "2200"), (REPLACED_ON, "2210")):
        order = await new_draft(company)
        told = (await frozen(company, order, revision["id"], asOf=day))["order"]
        assert told["bomLines"] == {
            "totalCount": 2,
            "nodes": [
                {"position": 10, "item": {"code": prefix + code}},
                {"position": 20, "item": {"code": prefix + "2300"}},
            ],
        }
        assert demand_of(told) == {prefix + code: "12.0000", prefix + "2300": "1.0000"}


async def test_nothing_that_comes_later_changes_what_an_order_is_built_by(company: Api, prefix: str) -> None:
    top, part = await two_levels(company, prefix)
    order = await new_draft(company)
    before = (await frozen(company, order, top["id"], "5"))["order"]
    assert demand_of(before) == {prefix + "PART": "10.0000", prefix + "LEAF": "30.0000"}
    # In force on the order's day, too: it has begun long ago, and so the one before has ended long ago.
    await next_revision(company, part, prefix + "OTHER", "7", validFrom="2001-01-01")
    await next_revision(company, top, prefix + "OTHER", "9", validFrom="2001-01-01")
    after = await built(company, order)
    assert after == {name: before[name] for name in after}
    fresh = await new_draft(company)
    answer = (await frozen(company, fresh, top["id"], "5"))["order"]
    assert (answer["bomFrozenOn"], demand_of(answer)) == ("2000-12-31", demand_of(before))


async def test_part_that_was_passed_through_stays_so_whatever_it_becomes(company: Api, prefix: str) -> None:
    kit, bolt, top = (prefix + code for code in ("KIT", "BOLT", "TOP"))
    await item(company, bolt)
    phantom = await item(company, kit, kind="PHANTOM")
    await item(company, top, kind="ASSEMBLY")
    await released(company, await bom(company, kit, line(bolt, "4")))
    revision = await released(company, await bom(company, top, line(kit, "2")))
    order = await new_draft(company)
    await frozen(company, order, revision["id"], "3")
    await made(company, "engineer", "itemUpdate", id=phantom["id"], kind="ASSEMBLY", expectedVersion=1)
    assert demand_of(await built(company, order)) == {bolt: "24.0000"}
    payload = await frozen(company, order, revision["id"], "3")
    assert impact_of(payload) == {kit: ("ADDED", "0.0000", "6.0000")}


async def test_rebase_is_shown_before_it_is_done(company: Api, prefix: str) -> None:
    top, part = await two_levels(company, prefix)
    order = await order_in_with(company, _S.RELEASED, top["id"], "5")
    newer = await next_revision(company, part, prefix + "OTHER", "0.3333")
    assert newer["state"] == "RELEASED"
    expected = {
        prefix + "LEAF": ("REMOVED", "30.0000", "0.0000"),
        prefix + "OTHER": ("ADDED", "0.0000", "3.9996"),
        prefix + "PART": ("CHANGED", "10.0000", "12.0000"),
    }
    async with unchanged(company, "pm"):
        tried = (await sent(company, "pm", order, top["id"], "6", dryRun=True)).data["orderFreezeBom"]
    assert tried["errors"] == []
    assert impact_of(tried) == expected
    assert demand_of(await built(company, order)) == {prefix + "PART": "10.0000", prefix + "LEAF": "30.0000"}
    done = (await sent(company, "pm", order, top["id"], "6")).data["orderFreezeBom"]
    assert impact_of(done) == expected
    exact = {each["item"]["code"]: each["exactQuantityAfter"] for each in done["impact"]["nodes"]}
    assert exact[prefix + "OTHER"] == "9999/2500"
    assert done["order"]["events"]["nodes"][0]["type"] == "OrderBomRebased"
    assert done["order"]["version"] == order["version"] + 1
    assert demand_of(await built(company, order)) == {prefix + "PART": "12.0000", prefix + "OTHER": "3.9996"}


async def test_what_changes_nothing_leaves_no_event(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await new_draft(company)
    first = await frozen(company, order, top["id"], "5")
    async with unchanged(company, "engineer"):
        for more in ({}, {"asOf": "2001-01-01"}):
            again = await frozen(company, order, top["id"], "5", **more)
            assert again["impact"] == {"totalCount": 0, "nodes": []}
            assert again["order"] == first["order"]


async def test_same_key_tells_the_same_impact_whatever_came_since(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await new_draft(company)
    first = await frozen(company, order, top["id"], "5", idempotencyKey=prefix)
    await frozen(company, order, top["id"], "6")
    async with unchanged(company, "engineer"):
        again = await frozen(company, order, top["id"], "5", idempotencyKey=prefix)
    assert again["impact"] == first["impact"]
    assert impact_of(again)[prefix + "LEAF"] == ("ADDED", "0.0000", "30.0000")
    error = await not_frozen(company, order, top["id"], "7", idempotencyKey=prefix)
    assert error["code"] == "IDEMPOTENCY_MISMATCH"


async def test_impact_is_paged_and_costs_nothing_where_it_is_not_asked_for(company: Api, prefix: str) -> None:
    revision_id, order = await lamp(company, prefix, {}), await new_draft(company)
    document = """
    mutation ($input: OrderFreezeBomInput!) { orderFreezeBom(input: $input) {
      impact(first: 2) { totalCount pageInfo { hasNextPage endCursor } nodes { change } }
    } }
    """
    given = {"id": order["id"], "bomRevisionId": revision_id, "quantity": "1", "dryRun": True}
    impact = (await company.ask(document, "engineer", input=given)).data["orderFreezeBom"]["impact"]
    assert (impact["totalCount"], len(impact["nodes"]), impact["pageInfo"]["hasNextPage"]) == (13, 2, True)
    following = document.replace("first: 2", f'first: 20, after: "{impact["pageInfo"]["endCursor"]}"')
    impact = (await company.ask(following, "engineer", input=given)).data["orderFreezeBom"]["impact"]
    assert (len(impact["nodes"]), impact["pageInfo"]["hasNextPage"]) == (11, False)


async def test_freezing_is_an_edit_that_nobody_approves_himself(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await new_draft(company)
    assert (await sent(company, "pm", order, top["id"])).data["orderFreezeBom"]["errors"] == []
    await take(company, order, OrderAction.SUBMIT)
    document = "mutation ($input: OrderActionInput!) { orderApprove(input: $input) { errors { ... on ActionBlocked { blockers { code } } } } }"
    answer = await company.ask(document, "pm", input={"id": order["id"]})
    (error,) = answer.data["orderApprove"]["errors"]
    assert error["blockers"] == [{"code": "OWN_DOCUMENT"}]


async def test_contractor_sees_his_order_without_what_it_is_made_of(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await order_in_with(company, _S.RELEASED, top["id"], "5")
    document = """query ($id: ID!) { order(id: $id) {
      number bomRevision { id } bomLines(first: 10) { totalCount nodes { item { code } } }
    } }"""
    seen = (await company.ask(document, "contractor", id=order["id"])).data["order"]
    assert (seen["bomRevision"], seen["bomLines"]) == (None, {"totalCount": 0, "nodes": []})
    document = "query ($id: ID!) { order(id: $id) { bomExplosion { quantity } } }"
    answer = await company.ask(document, "contractor", id=order["id"])
    assert (answer.partial, answer.codes) == ({"order": {"bomExplosion": None}}, ["FORBIDDEN"])


async def test_order_without_a_bom_has_no_lines_and_takes_nothing(company: Api) -> None:
    assert await built(company, await new_draft(company)) == {
        "version": 1,
        "bomQuantity": None,
        "bomFrozenOn": None,
        "bomRevision": None,
        "bomLines": {"totalCount": 0, "nodes": []},
        "bomExplosion": None,
    }


async def test_explosion_of_an_order_can_be_cut_at_a_level(company: Api, prefix: str) -> None:
    top, _ = await two_levels(company, prefix)
    order = await order_in_with(company, _S.DRAFT, top["id"], "5")
    document = """query ($id: ID!, $levels: Int) { order(id: $id) { bomExplosion(maxLevels: $levels) {
      maxLevels lines(first: 10) { nodes { level hasParts item { code } } }
    } } }"""
    answer = await company.ask(document, "engineer", id=order["id"], levels=1)
    assert answer.data["order"]["bomExplosion"] == {
        "maxLevels": 1,
        "lines": {"nodes": [{"level": 1, "hasParts": True, "item": {"code": prefix + "PART"}}]},
    }
    for levels in (0, 51):
        answer = await company.ask(document, "engineer", id=order["id"], levels=levels)
        assert answer.codes == ["OUT_OF_RANGE"]


async def test_events_of_frozen_and_rebased_orders_fold_back_to_their_rows(
    company: Api, company_settings: Settings, prefix: str
) -> None:
    top, part = await two_levels(company, prefix)
    order = await order_in_with(company, _S.IN_PROGRESS, top["id"], "5")
    await next_revision(company, part, prefix + "OTHER", "7")
    await frozen(company, order, part["id"], "5")
    await frozen(company, order, top["id"], "5")
    result = await verify_events(company_settings.database_url or "", lambda _line: None)
    assert result.findings == ()


async def test_orders_of_the_demo_are_built_as_freezing_would_have_it(company: Api) -> None:
    rows = await company.rows("""
        SELECT engineering_order.id, engineering_order.version, bom_revision_id, bom_quantity, bom_frozen_on::text, code
        FROM engineering_order JOIN bom_revision ON bom_revision.id = bom_revision_id
        JOIN item ON item.id = bom_revision.item_id
        WHERE engineering_order.state IN ('DRAFT', 'APPROVED', 'RELEASED', 'IN_PROGRESS', 'ON_HOLD')
        AND code IN ('PS-100', 'SB-100') AND project_id IN
            (SELECT project_id FROM membership JOIN app_user ON app_user.id = user_id WHERE username = 'pm')
        AND engineering_order.created_at < '2026-10-01'
    """)
    assert {code for *_, code in rows} == {"PS-100", "SB-100"}
    for order_id, version, revision_id, quantity, day, _code in rows:
        order = {"id": f"Order:{order_id}"}
        given = (order, f"BomRevision:{revision_id}", str(quantity))
        payload = (await sent(company, "pm", *given, asOf=day)).data["orderFreezeBom"]
        assert (payload["errors"], payload["impact"]["totalCount"]) == ([], 0)
        assert (payload["order"]["version"], payload["order"]["bomFrozenOn"]) == (version, day)
