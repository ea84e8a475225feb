"""Do runs end right, whatever comes between: days, failures, rows that nobody told of, and people who go on changing things?"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
import pytest_asyncio

from bench.trees import COMMON, OWN_COST, seed_tree, tree_costs
from commands.recosting.runs import ATTEMPTS_LIMIT, Progress, Recosting
from commands.recosting.watching import forget_old, renew_job, watch_days, watch_missing
from domain.errors import InvalidInput
from domain.values import nearest
from server.settings import Settings
from server.verify import verify_events
from tests.api import Api
from tests.integration.bom_world import answered, item, line, made, released
from tests.integration.recost_world import (
    ITEM,
    all_right,
    assembly,
    chain,
    cost,
    fresh,
    kept,
    latest_run,
    priced,
    recosting,
    stale,
)


@pytest_asyncio.fixture
async def costs(api: Api, demo_settings: Settings) -> AsyncGenerator[Recosting]:
    assert demo_settings.database_url is not None
    async with recosting(demo_settings.database_url) as costs:
        await watch_days(costs)
        await watch_missing(costs)
        await costs.finish()
        yield costs


def in_days(costs: Recosting, days: int) -> Recosting:
    """Return the same some days later."""
    return replace(costs, now=lambda: datetime.now(UTC) + timedelta(days=days))


async def test_next_revision_moves_costs_from_its_first_day_on(api: Api, costs: Recosting) -> None:
    await chain(api, "", 3)
    await costs.finish()
    first_day = costs.today() + timedelta(days=10)
    document = """query ($code: String) { item(code: $code) { bomRevisions(first: 1) { nodes { id } } } }"""
    source = (await api.ask(document, "pm", code="1")).data["item"]["bomRevisions"]["nodes"][0]["id"]
    draft = await made(api, "pm", "bomRevisionCreate", sourceId=source, validFrom=first_day.isoformat())
    (only,) = draft["lines"]["nodes"]
    draft = await made(api, "pm", "bomLineUpdate", id=draft["id"], lineId=only["id"], line={"quantity": "5"})
    await released(api, draft, "pm")
    await costs.finish()
    run = await latest_run(api)
    assert (run["requestCount"], run["totalCount"]) == (2, 0)
    assert (await cost(api, "3"))["total"] == "16.0000"
    assert await watch_days(in_days(costs, 9)) == 0
    later = in_days(costs, 10)
    assert await watch_days(later) == 1
    assert (await cost(api, "3"))["isStale"] is True
    await later.finish()
    run = await latest_run(api)
    assert (run["totalCount"], [each["cause"] for each in run["requests"]["nodes"]]) == (3, ["DAY"])
    assert ((await cost(api, "3"))["total"], (await cost(api, "1"))["revision"]) == ("40.0000", {"number": 2})
    assert await watch_days(later) == 0
    await all_right(later)


async def test_line_counts_from_its_first_day_to_the_day_before_its_last(api: Api, costs: Recosting) -> None:
    await item(api, "OLD", "pm", standardCost="1")
    await item(api, "NEW", "pm", standardCost="3")
    turn, end = (costs.today() + timedelta(days=days) for days in (1, 5))
    await assembly(
        api,
        "TOP",
        line("OLD", "1", position=10, validTo=turn.isoformat()),
        line("NEW", "1", position=10, validFrom=turn.isoformat(), validTo=end.isoformat()),
    )
    await costs.finish()
    totals = [(await cost(api, "TOP"))["total"]]
    for days in (1, 4, 5):
        later = in_days(costs, days)
        await watch_days(later)
        await later.finish()
        totals.append((await cost(api, "TOP"))["total"])
        await all_right(later)
    assert totals == ["1.0000", "3.0000", "3.0000", "0.0000"]


async def test_item_whose_last_revision_has_ended_costs_what_is_paid_for_it(
    api: Api, costs: Recosting
) -> None:
    await item(api, "LEAF", "pm", standardCost="1")
    end = costs.today() + timedelta(days=3)
    await assembly(api, "KIT", line("LEAF", "2"), validTo=end.isoformat())
    await assembly(api, "TOP", line("KIT", "2"))
    await priced(api, "KIT", "9")
    await costs.finish()
    assert (await cost(api, "TOP"))["total"] == "4.0000"
    later = in_days(costs, 3)
    assert await watch_days(later) == 1
    await later.finish()
    kit, top = await cost(api, "KIT"), await cost(api, "TOP")
    assert (kit["revision"], kit["total"], top["total"]) == (None, "9.0000", "18.0000")
    await priced(api, "KIT", "10")
    await later.finish()
    assert (await latest_run(api))["totalCount"] == 2
    assert (await cost(api, "TOP"))["total"] == "20.0000"
    await all_right(later)


async def test_run_that_fails_again_and_again_is_given_up_and_taken_over(api: Api, costs: Recosting) -> None:
    leaf = await chain(api, "", 3)
    await costs.finish()
    # What no command lets anybody do: the lowest assembly takes the highest one.
    make = """
        UPDATE bom_line SET item_id = (SELECT id FROM item WHERE code = '{}') WHERE revision_id =
            (SELECT bom_revision.id FROM bom_revision JOIN item ON item.id = item_id WHERE code = '1')
    """
    await api.rows(make.format("3"))
    await priced(api, "3", "1", currency="USD")
    await api.rows("UPDATE recost_request SET cause = 'MISSING' WHERE is_pending")
    await costs.advance()
    for _ in range(ATTEMPTS_LIMIT):
        assert (await latest_run(api))["state"] == "COLLECTING"
        with pytest.raises(InvalidInput):
            await costs.advance()
    run = await latest_run(api)
    assert (run["state"], run["fault"], run["doneCount"]) == ("FAILED", "InvalidInput", 0)
    assert (await cost(api, "3"))["isStale"] is True
    await api.rows(make.format(leaf))
    await costs.finish()
    assert ((await latest_run(api))["state"], (await latest_run(api))["totalCount"]) == ("DONE", 1)
    await all_right(costs)


async def test_what_a_given_up_run_has_left_is_done_by_the_next_one(api: Api, costs: Recosting) -> None:
    leaf = await chain(api, "", 3)
    await costs.finish()
    await priced(api, leaf, "7")
    await costs.advance()
    await costs.advance()
    # A batch of it can't be kept.
    await api.rows("ALTER TABLE item_cost ADD CONSTRAINT held CHECK (total <> 14)")
    for _ in range(ATTEMPTS_LIMIT):
        with pytest.raises(Exception, match="held"):
            await costs.advance()
    assert (await latest_run(api))["state"] == "FAILED"
    assert (await cost(api, "3"))["isStale"] is True
    assert await costs.advance() is Progress.NOTHING
    await api.rows("ALTER TABLE item_cost DROP CONSTRAINT held")
    await item(api, "OTHER", "pm", standardCost="1")
    await assembly(api, "O", line("OTHER", "1"))
    await costs.finish()
    run = await latest_run(api)
    assert (run["state"], run["totalCount"]) == ("DONE", 4)
    await all_right(costs)


async def test_what_a_given_up_run_has_left_is_tried_again_without_anybody_asking(
    api: Api, costs: Recosting
) -> None:
    leaf = await chain(api, "", 3)
    await costs.finish()
    await priced(api, leaf, "7")
    await costs.advance()
    await costs.advance()
    await api.rows("ALTER TABLE item_cost ADD CONSTRAINT held CHECK (total <> 14)")
    for _ in range(ATTEMPTS_LIMIT):
        with pytest.raises(Exception, match="held"):
            await costs.advance()
    await api.rows("ALTER TABLE item_cost DROP CONSTRAINT held")
    assert await watch_missing(costs) == 1
    # It is asked for once.
    assert await watch_missing(costs) == 0
    await costs.finish()
    assert (await latest_run(api))["state"] == "DONE"
    await all_right(costs)
    assert await watch_missing(costs) == 0


async def test_rows_that_nobody_told_of_are_computed_with_what_is_made_of_them(
    api: Api, costs: Recosting
) -> None:
    async with costs.engine.begin() as connection:
        await seed_tree(connection, 40)
    await assembly(api, "TOP", line("TREE-A-1", "2"))
    # Only TOP was asked for; nobody knows yet what its part costs.
    await costs.finish()
    assert (await latest_run(api))["totalCount"] == 41
    material, operation = tree_costs(40)[1]
    top = await cost(api, "TOP")
    assert (top["material"], top["operation"]) == (
        str(nearest(2 * material, 4)),
        str(nearest(2 * operation, 4)),
    )
    assert await watch_missing(costs) == 0
    await all_right(costs)


async def test_one_leaf_of_a_large_tree_concerns_its_ancestors_and_nobody_else(
    api: Api, costs: Recosting
) -> None:
    async with costs.engine.begin() as connection:
        await seed_tree(connection, 3000)
    assert await watch_missing(costs) == 3000
    await costs.finish()
    assert (await latest_run(api))["changedCount"] == 3000
    await priced(api, "TREE-M-3000", "2")
    await costs.finish()
    run = await latest_run(api)
    # 3000, 1500, 750, 375, 187, 93, 46, 23, 11, 5, 2 and 1.
    assert (run["totalCount"], run["doneCount"], run["changedCount"]) == (12, 12, 12)
    await priced(api, COMMON, "0.5")
    await costs.finish()
    run = await latest_run(api)
    assert (run["totalCount"], run["doneCount"], run["changedCount"]) == (3000, 3000, 3000)
    versions = await api.rows("SELECT count(*) FROM item_cost WHERE version = 3")
    assert versions == [(12,)]
    expected = tree_costs(3000, Decimal("0.5"))
    dearer = 3 * (Fraction(2) - Fraction(OWN_COST))
    raised = {3000 >> shift for shift in range(12)}
    assert await tree_kept(api) == {
        f"TREE-A-{n}": (
            nearest(expected[n][0] + (dearer if n in raised else 0), 4),
            nearest(expected[n][1], 4),
        )
        for n in range(1, 3001)
    }


async def test_job_that_is_lost_is_put_into_the_queue_again(api: Api, costs: Recosting) -> None:
    leaf = await chain(api, "", 1)
    await costs.finish()
    await api.rows("DELETE FROM pgqueuer")
    assert await renew_job(costs) is False
    await priced(api, leaf, "3")
    assert await api.rows("SELECT entrypoint, status::text FROM pgqueuer") == [("recost", "queued")]
    assert await renew_job(costs) is False
    await api.rows("DELETE FROM pgqueuer")
    assert await renew_job(costs) is True
    assert await api.rows("SELECT entrypoint, status::text FROM pgqueuer") == [("recost", "queued")]


async def test_steps_of_old_runs_are_forgotten_and_what_is_not_done_is_not(
    api: Api, costs: Recosting
) -> None:
    leaf = await chain(api, "", 2)
    await costs.finish()
    await priced(api, leaf, "3")
    await costs.advance()
    await costs.advance()
    assert await stale(costs.engine) == 2
    await forget_old(in_days(costs, 6))
    done = await api.rows("SELECT count(*) FROM recost_step WHERE done_at IS NOT NULL")
    assert done == [(14,)]
    await forget_old(in_days(costs, 8))
    assert await api.rows("SELECT count(*), count(done_at) FROM recost_step") == [(2, 0)]
    assert await api.rows("SELECT count(*) FROM pgqueuer_log") == [(0,)]


async def test_two_that_believe_they_are_at_work_share_it(api: Api, costs: Recosting) -> None:
    async with costs.engine.begin() as connection:
        await seed_tree(connection, 2500)
    await watch_missing(costs)
    await asyncio.gather(*(costs.finish() for _ in range(3)))
    run = await latest_run(api)
    assert (run["totalCount"], run["doneCount"], run["changedCount"]) == (2500, 2500, 2500)
    expected = tree_costs(2500)
    assert await tree_kept(api) == {
        f"TREE-A-{n}": tuple(nearest(each, 4) for each in expected[n]) for n in range(1, 2501)
    }
    assert await api.rows("SELECT DISTINCT version FROM item_cost") == [(1,)]
    assert await stale(costs.engine) == 0


async def tree_kept(api: Api) -> dict[str, tuple[Any, Any]]:
    """Return material and operation of each assembly of a tree."""
    statement = """SELECT code, material, operation FROM item_cost JOIN item ON item.id = item_id
                   WHERE code LIKE 'TREE-A-%'"""
    return {code: (material, operation) for code, material, operation in await api.rows(statement)}


async def test_whoever_changes_things_during_runs_finds_all_costs_right_in_the_end(
    api: Api, costs: Recosting, demo_settings: Settings
) -> None:
    chance = random.Random(20261130)
    leaves, wholes = [f"L{nth}" for nth in range(6)], [f"A{nth}" for nth in range(12)]
    for code in leaves:
        await item(api, code, "pm", standardCost=str(chance.randint(1, 99)))
    # Each takes some of those before it only, so that none contains itself whatever is changed.
    for nth, code in enumerate(wholes):
        await assembly(api, code, *parts(chance, leaves + wholes[:nth]))
    is_over = asyncio.Event()

    async def keep_right() -> None:
        while not is_over.is_set():
            await costs.advance()
            await asyncio.sleep(0)
        await costs.finish()

    async def write(seed: int) -> None:
        own = random.Random(seed)
        for _ in range(12):
            if own.random() < 0.5:
                await reprice(api, own.choice(leaves), str(own.randint(0, 99)))
            else:
                nth = own.randrange(len(wholes))
                await rework(api, wholes[nth], parts(own, leaves + wholes[:nth]))

    async def all_written() -> None:
        await asyncio.gather(*(write(seed) for seed in range(4)))
        is_over.set()

    await asyncio.gather(keep_right(), keep_right(), all_written())
    assert await stale(costs.engine) == 0
    assert await kept(costs.engine) == await fresh(costs.engine, costs.today())
    assert demo_settings.database_url is not None
    result = await verify_events(demo_settings.database_url, lambda _: None)
    assert result.findings == ()
    assert result.aggregate_counts["ItemCost"] == 24


def parts(chance: random.Random, codes: list[str]) -> list[dict[str, Any]]:
    return [line(code, str(chance.randint(1, 9))) for code in chance.sample(codes, min(3, len(codes)))]


async def reprice(api: Api, code: str, amount: str) -> None:
    """Change a price; another one may have changed it in between, and then has its way."""
    found = (await api.ask(ITEM, "pm", code=code)).data["item"]
    values = {"id": found["id"], "expectedVersion": found["version"], "standardCost": amount}
    payload = (await answered(api, "pm", "itemUpdate", **values)).data["itemUpdate"]
    assert {each["code"] for each in payload["errors"]} <= {"VERSION_CONFLICT"}


async def rework(api: Api, code: str, lines: list[dict[str, Any]]) -> None:
    """Release another revision, with other lines."""
    document = """query ($code: String) { item(code: $code) { bomRevisions(last: 1) { nodes { id } } } }"""
    source = (await api.ask(document, "pm", code=code)).data["item"]["bomRevisions"]["nodes"][0]["id"]
    draft = await made(api, "pm", "bomRevisionCreate", sourceId=source)
    for each in lines:
        draft = await made(api, "pm", "bomLineAdd", id=draft["id"], line=each)
    (first, *_) = draft["lines"]["nodes"]
    draft = await made(api, "pm", "bomLineRemove", id=draft["id"], lineId=first["id"])
    await answered(api, "pm", "bomRevisionRelease", id=draft["id"])
