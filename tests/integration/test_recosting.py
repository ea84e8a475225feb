"""Are the costs of what is made kept right, by computing what a change concerns and nothing else?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import count

import pytest
import pytest_asyncio

from commands.recosting.runs import Progress, Recosting
from commands.recosting.watching import watch_days, watch_missing
from server.settings import Settings
from tests.api import Api
from tests.integration.bom_world import bom, item, line, made, not_made, released
from tests.integration.lamp import lamp
from tests.integration.recost_world import (
    ITEM,
    RUNS,
    all_right,
    assembly,
    chain,
    cost,
    latest_run,
    priced,
    recosting,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company_costs(company: Api, company_settings: Settings) -> AsyncGenerator[Recosting]:
    """Return what keeps the company's costs right, with the demo company's own computed already."""
    assert company_settings.database_url is not None
    async with recosting(company_settings.database_url) as costs:
        await watch_days(costs)
        assert await watch_missing(costs) == 12
        await costs.finish()
        yield costs


@pytest.fixture
def costs(company_costs: Recosting) -> Recosting:
    return company_costs


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"R{next(_NUMBERS)}-"


async def test_lamp_costs_what_its_source_says_by_the_lines_of_today(
    company: Api, costs: Recosting, prefix: str
) -> None:
    await lamp(company, prefix, {})
    await costs.finish()
    # Since 2001-04-08 it takes 12 of 2210 for 0.40 instead of 12 of 2200 for 0.35.
    assert await cost(company, prefix + "LA01") == {
        "item": {"code": prefix + "LA01"},
        "revision": {"number": 1},
        "material": "29.6500",
        "operation": "0.0000",
        "coProductCredit": "0.0000",
        "total": "29.6500",
        "currency": "CNY",
        "isPartial": False,
        "hasMixedCurrencies": False,
        "isStale": False,
        "version": 1,
        "hiddenFields": [],
    }
    await all_right(costs)


async def test_changed_price_is_stale_at_once_and_computes_ancestors_only(
    company: Api, costs: Recosting, prefix: str
) -> None:
    leaf = await chain(company, prefix, 4)
    await chain(company, prefix + "OTHER-", 2)
    await costs.finish()
    await priced(company, leaf, "3")
    assert (await cost(company, prefix + "4"))["isStale"] is True
    assert (await cost(company, prefix + "4"))["total"] == "32.0000"
    assert await costs.advance() is Progress.MORE
    assert (await latest_run(company))["state"] == "COLLECTING"
    assert (await cost(company, prefix + "4"))["isStale"] is True
    await costs.advance()
    # From now on it is known whom it concerns.
    assert (await latest_run(company))["state"] == "RUNNING"
    assert (await cost(company, prefix + "4"))["isStale"] is True
    assert (await cost(company, prefix + "OTHER-2"))["isStale"] is False
    await costs.finish()
    assert await latest_run(company) == {
        "state": "DONE",
        "requestCount": 1,
        "totalCount": 4,
        "doneCount": 4,
        "changedCount": 4,
        "fault": None,
        "requests": {
            "nodes": [
                {
                    "cause": "PRICE",
                    "item": {"code": leaf},
                    "revision": None,
                    "requestedBy": {"username": "pm"},
                }
            ]
        },
    }
    top = await cost(company, prefix + "4")
    assert (top["total"], top["isStale"], top["version"]) == ("48.0000", False, 2)
    await all_right(costs)


async def test_many_changes_are_one_run_that_computes_each_item_once(
    company: Api, costs: Recosting, prefix: str
) -> None:
    leaf = await chain(company, prefix, 3)
    await costs.finish()
    for amount in ("5", "6", "7"):
        await priced(company, leaf, amount)
    await costs.finish()
    run = await latest_run(company)
    assert (run["requestCount"], run["totalCount"], run["doneCount"]) == (3, 3, 3)
    assert (await cost(company, prefix + "3"))["total"] == "56.0000"


async def test_change_during_a_run_is_for_the_next_one_and_stale_until_then(
    company: Api, costs: Recosting, prefix: str
) -> None:
    leaf = await chain(company, prefix, 3)
    await costs.finish()
    await priced(company, leaf, "5")
    await costs.advance()
    await costs.advance()
    await priced(company, leaf, "9")
    await costs.advance()
    assert (await cost(company, prefix + "3"))["isStale"] is True
    await costs.finish()
    assert (await cost(company, prefix + "3"))["total"] == "72.0000"
    await all_right(costs)


async def test_cost_that_comes_out_the_same_leaves_no_event(
    company: Api, costs: Recosting, prefix: str
) -> None:
    leaf = await chain(company, prefix, 2)
    await costs.finish()
    await priced(company, leaf, "5")
    await priced(company, leaf, "2")
    await costs.finish()
    run = await latest_run(company)
    assert (run["doneCount"], run["changedCount"]) == (2, 0)
    assert (await cost(company, prefix + "2"))["version"] == 1


async def test_price_of_what_is_made_concerns_nothing_that_is_made_of_it(
    company: Api, costs: Recosting, prefix: str
) -> None:
    await chain(company, prefix, 3)
    await costs.finish()
    await priced(company, prefix + "1", "1000")
    await costs.finish()
    run = await latest_run(company)
    assert (run["totalCount"], run["changedCount"]) == (1, 0)
    await all_right(costs)


async def test_costs_of_what_is_not_kept_ask_for_nothing(company: Api, costs: Recosting, prefix: str) -> None:
    leaf = await chain(company, prefix, 2)
    await costs.finish()
    found = (await company.ask(ITEM, "pm", code=leaf)).data["item"]
    tables = ("recost_request", "recost_run", "item_cost", "pgqueuer")
    before = [await company.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    values = {"id": found["id"], "expectedVersion": found["version"]}
    preview = await made(company, "pm", "itemUpdate", **values, standardCost="77", dryRun=True)
    assert preview["standardCost"] == "77.0000"
    await not_made(company, "pm", "itemUpdate", **values, standardCost="-1")
    # Nor does what moves no cost.
    await made(company, "pm", "itemUpdate", **values, name="Renamed")
    assert [await company.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables] == before


async def test_unknown_price_makes_what_is_above_partial(company: Api, costs: Recosting, prefix: str) -> None:
    leaf = await chain(company, prefix, 2)
    await priced(company, leaf, None)
    await costs.finish()
    top = await cost(company, prefix + "2")
    assert (top["total"], top["isPartial"], top["hasMixedCurrencies"]) == ("0.0000", True, False)
    await all_right(costs)


async def test_two_currencies_below_one_item_give_no_figures(
    company: Api, costs: Recosting, prefix: str
) -> None:
    leaf = await chain(company, prefix, 2)
    await item(company, prefix + "BOLT", "pm", standardCost="1", currency="USD")
    await assembly(company, prefix + "TOP", line(prefix + "2", "1"), line(prefix + "BOLT", "1"))
    await costs.finish()
    top = await cost(company, prefix + "TOP")
    assert (top["material"], top["total"], top["isPartial"], top["hasMixedCurrencies"]) == (
        None,
        None,
        True,
        True,
    )
    assert (await cost(company, prefix + "2"))["total"] == "8.0000"
    await priced(company, leaf, "2", currency="USD")
    await costs.finish()
    # Now all below is in dollars, and what is made of it is said to be in yuan.
    assert (await cost(company, prefix + "2"))["hasMixedCurrencies"] is True
    await priced(company, prefix + "TOP", None, currency="USD")
    await costs.finish()
    assert (await latest_run(company))["totalCount"] == 1
    top = await cost(company, prefix + "TOP")
    assert (top["total"], top["currency"], top["hasMixedCurrencies"]) == ("9.0000", "USD", False)
    await all_right(costs)


async def test_work_and_co_products_are_in_the_cost_and_each_part_is_told_to_whom_it_is_shown(
    company: Api, costs: Recosting, prefix: str
) -> None:
    await item(company, prefix + "LOG", "pm", standardCost="90")
    await item(company, prefix + "DUST")
    await assembly(
        company,
        prefix + "BOARD",
        line(prefix + "LOG", "2"),
        baseQuantity="3",
        operations=[{"name": "Saw", "minutes": "30", "hourlyRate": "40"}],
        coProducts=[{"item": {"code": prefix + "DUST"}, "quantity": "1", "costSharePercent": "25"}],
    )
    await costs.finish()
    names = ("material", "operation", "coProductCredit", "total")
    for who in ("pm", "director", "finance", "auditor"):
        found = await cost(company, prefix + "BOARD", who)
        assert [found[name] for name in names] == ["60.0000", "6.6667", "16.6667", "50.0000"]
        assert found["hiddenFields"] == []
    code = {"code": prefix + "BOARD"}
    answer = await company.ask(ITEM, "buyer", **code)
    found = answer.partial["item"]["rolledCost"]
    assert [found[name] for name in names] == ["60.0000", None, None, None]
    assert found["hiddenFields"] == ["operation", "coProductCredit", "total"]
    assert answer.codes == ["FORBIDDEN"] * 3
    for who in ("engineer", "foreman"):
        answer = await company.ask(ITEM, who, **code)
        found = answer.partial["item"]["rolledCost"]
        assert [found[name] for name in names] == [None] * 4
        assert (found["isStale"], found["hiddenFields"]) == (False, list(names))
        assert answer.codes == ["FORBIDDEN"] * 4
    for who in ("worker", "contractor", "customer"):
        answer = await company.ask("query ($code: String!) { item(code: $code) { code } }", who, **code)
        assert answer.partial == {"item": None}


@pytest.mark.parametrize("who", ["engineer", "buyer", "foreman", "worker", "contractor", "customer"])
async def test_runs_are_there_for_those_only_who_read_all_costs(
    company: Api, costs: Recosting, who: str
) -> None:
    assert costs.engine is not None
    answer = await company.ask("{ recostRuns(first: 5) { totalCount nodes { id state } } }", who)
    assert answer.data == {"recostRuns": {"totalCount": 0, "nodes": []}}
    assert (await company.ask(RUNS, "auditor")).data["recostRuns"]["nodes"][0]["state"] == "DONE"


async def test_draft_moves_no_cost_and_its_release_does(company: Api, costs: Recosting, prefix: str) -> None:
    await chain(company, prefix, 2)
    await item(company, prefix + "NUT", "pm", standardCost="0.5")
    await costs.finish()
    first = (await cost(company, prefix + "1"))["revision"]
    document = """query ($code: String) { item(code: $code) { bomRevisions(first: 1) { nodes { id } } } }"""
    found = (await company.ask(document, "pm", code=prefix + "1")).data["item"]["bomRevisions"]["nodes"]
    draft = await made(company, "pm", "bomRevisionCreate", sourceId=found[0]["id"])
    draft = await made(company, "pm", "bomLineAdd", id=draft["id"], line=line(prefix + "NUT", "4"))
    assert (await cost(company, prefix + "2"))["isStale"] is False
    await released(company, draft, "pm")
    assert (await cost(company, prefix + "2"))["isStale"] is True
    await costs.finish()
    run = await latest_run(company)
    assert (run["requestCount"], run["totalCount"]) == (2, 2)
    causes = {each["cause"]: each["revision"]["number"] for each in run["requests"]["nodes"]}
    assert causes == {"SUPERSEDED": 1, "RELEASED": 2}
    assert first == {"number": 1}
    assert (await cost(company, prefix + "1"))["revision"] == {"number": 2}
    assert (await cost(company, prefix + "2"))["total"] == "12.0000"
    await all_right(costs)


async def test_substitute_costs_nothing(company: Api, costs: Recosting, prefix: str) -> None:
    leaf = await chain(company, prefix, 1)
    await item(company, prefix + "OTHER", "pm", standardCost="1")
    await item(company, prefix + "TOP", kind="ASSEMBLY")
    taken = line(leaf, "1", substitutes=[{"item": {"code": prefix + "OTHER"}, "factor": "2"}])
    await released(company, await bom(company, prefix + "TOP", taken))
    await costs.finish()
    await priced(company, prefix + "OTHER", "100")
    await costs.finish()
    assert (await latest_run(company))["totalCount"] == 0
    assert (await cost(company, prefix + "TOP"))["total"] == "2.0000"
