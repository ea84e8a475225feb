"""Does a server keep costs right by itself: within seconds, whatever connection is lost, whichever process ends?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from bench.trees import seed_tree
from server import recost_worker
from server.recost_worker import RecostWorker
from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.follower import following
from tests.integration.live_stores import eventually
from tests.integration.recost_world import chain, cost, latest_run, priced

_CHANGES = """subscription ($itemIds: [ID!], $after: String) { itemCostChanged(itemIds: $itemIds, after: $after) {
  cursor resyncRequired itemId event { type changes { field before after } } item { code rolledCost { total isStale } }
} }"""


@pytest.fixture
def worker_settings(demo_settings: Settings) -> Settings:
    """Settings of a server that keeps costs right, as servers do where nothing else is said."""
    return demo_settings.model_copy(update={"recost_worker": True})


@pytest_asyncio.fixture
async def served(worker_settings: Settings) -> AsyncGenerator[Api]:
    async with running_api(worker_settings) as api:
        yield api


@asynccontextmanager
async def workers(settings: Settings, count: int) -> AsyncGenerator[list[RecostWorker]]:
    """Give so many workers of one database, as many servers have them."""
    assert settings.database_url is not None
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(RecostWorker(settings.database_url, ZoneInfo("Asia/Shanghai")))
            for _ in range(count)
        ]


async def total(api: Api, code: str) -> tuple[str, bool]:
    """Return what something costs, and whether it is stale."""
    found = await cost(api, code)
    return (found["total"], found["isStale"]) if found else ("-", True)


async def becomes(api: Api, code: str, amount: str) -> None:
    """Wait until a cost is this, and not stale."""
    assert await eventually(lambda: total(api, code), lambda found: not found[1]) == (amount, False)


async def computed(api: Api, count: int) -> None:
    """Wait until the latest run has ended, which concerns so many items."""
    statement = "SELECT state, total_count, done_count FROM recost_run ORDER BY id DESC LIMIT 1"
    await eventually(lambda: api.rows(statement), lambda rows: rows == [("DONE", count, count)], seconds=60)


async def test_demo_company_has_its_costs_soon_after_its_first_start(served: Api) -> None:
    live = '{ item(code: "PS-100") { bomRevisions(last: 1) { nodes { costRollup { unitCost } } } } }'
    (revision,) = (await served.ask(live, "pm")).data["item"]["bomRevisions"]["nodes"]
    await becomes(served, "PS-100", revision["costRollup"]["unitCost"])
    run = await latest_run(served)
    assert (run["totalCount"], {each["cause"] for each in run["requests"]["nodes"]}) == (12, {"MISSING"})


async def test_changed_price_is_in_every_cost_soon(served: Api) -> None:
    leaf = await chain(served, "", 3)
    await becomes(served, "3", "16.0000")
    await priced(served, leaf, "3")
    await becomes(served, "3", "24.0000")
    # A job that is done is gone.
    assert await eventually(lambda: served.rows("SELECT count(*) FROM pgqueuer"), lambda rows: rows == [(0,)])


async def test_change_of_a_cost_is_told_to_whom_it_is_shown(served: Api) -> None:
    leaf = await chain(served, "", 3)
    await becomes(served, "3", "16.0000")
    item_id = (await cost_id_of(served, "3"))["id"]
    # Everything before has its place in the feed: what is heard behind it is new.
    await eventually(lambda: served.rows("SELECT count(*) FROM event_outbox"), lambda rows: rows == [(0,)])
    after = (await served.ask("{ feedCursor }", "pm")).data["feedCursor"]
    async with (
        following(served, "pm", _CHANGES, itemIds=[item_id], after=after) as manager,
        following(served, "buyer", _CHANGES, itemIds=[item_id], after=after) as buyer,
        following(served, "engineer", _CHANGES, after=after) as engineer,
        following(served, "director", _CHANGES, after=after) as director,
    ):
        await priced(served, leaf, "3")
        (news,) = await manager.count(1)
        assert (news["resyncRequired"], news["itemId"], news["item"]["code"]) == (False, item_id, "3")
        assert news["item"]["rolledCost"]["total"] == "24.0000"
        assert news["event"]["type"] == "ItemCostChanged"
        assert {each["field"]: (each["before"], each["after"]) for each in news["event"]["changes"]} == {
            "material": ("16.0000", "24.0000"),
            "total": ("16.0000", "24.0000"),
        }
        (shown,) = await buyer.count(1)
        assert (shown["item"]["code"], shown["item"]["rolledCost"]["total"]) == ("3", None)
        assert {each["item"]["code"] for each in await director.count(3)} == {"1", "2", "3"}
        await asyncio.sleep(0.3)
        assert (len(manager.news), len(buyer.news), len(director.news), engineer.news) == (1, 1, 3, [])


async def cost_id_of(api: Api, code: str) -> dict[str, Any]:
    document = "query ($code: String!) { item(code: $code) { id } }"
    found: dict[str, Any] = (await api.ask(document, "pm", code=code)).data["item"]
    return found


async def test_worker_whose_connections_are_cut_goes_on(served: Api) -> None:
    leaf = await chain(served, "", 2)
    await becomes(served, "2", "8.0000")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'eoms-recost'"
    for amount in ("3", "4"):
        assert await served.rows(cut) != []
        await priced(served, leaf, amount)
        await becomes(served, "2", f"{int(amount) * 4}.0000")


async def test_worker_that_is_stopped_leaves_the_rest_to_another_one(
    api: Api, worker_settings: Settings
) -> None:
    async with api.database.write.connect() as connection:
        await seed_tree(connection, 4000)
        await connection.commit()
    async with workers(worker_settings, 1):
        await eventually(lambda: latest_done(api), lambda count: count >= 500, seconds=60)
    done = await latest_done(api)
    assert 500 <= done < 4012
    assert await api.rows("SELECT status::text FROM pgqueuer") == [("queued",)]
    assert (await latest_run(api))["state"] == "RUNNING"
    async with workers(worker_settings, 2):
        await computed(api, 4012)
    assert await api.rows("SELECT DISTINCT version FROM item_cost") == [(1,)]


async def latest_done(api: Api) -> int:
    runs = await api.rows("SELECT done_count FROM recost_run ORDER BY id DESC LIMIT 1")
    return runs[0][0] if runs else 0


async def test_worker_that_says_nothing_any_more_is_replaced_and_may_come_back(
    api: Api, worker_settings: Settings
) -> None:
    async with workers(worker_settings, 1):
        await computed(api, 12)
    leaf = await chain(api, "", 2)
    # What somebody has taken who died with it: its heart beat last as long ago as the queue waits.
    await api.rows(
        "UPDATE pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),"
        f" heartbeat = now() - interval '{recost_worker.HEARTBEAT_TIMEOUT.total_seconds() - 1} seconds', slot = CASE WHEN id ="
        " (SELECT min(id) FROM pgqueuer) THEN 0 END"
    )
    async with workers(worker_settings, 3):
        await becomes(api, "2", "8.0000")
        await priced(api, leaf, "5")
        await becomes(api, "2", "20.0000")


async def test_server_that_was_told_not_to_computes_nothing(api: Api) -> None:
    await chain(api, "", 1)
    await asyncio.sleep(1)
    assert await api.rows("SELECT count(*) FROM recost_run") == [(0,)]
    assert await api.rows("SELECT count(*) FROM recost_request WHERE is_pending") == [(1,)]
