"""Does kill -9 in the middle of a recost leave a cost wrong, or have one computed twice?

5,000 assemblies in every run of the tests; as many as RECOST_ASSEMBLIES says where it says (`make recost-crash`: 50,000).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from bench.trees import COMMON, seed_tree, tree_costs
from domain.values import nearest
from server.stores import StoreUrls
from server.verify import verify_events
from tests.e2e.personas import Personas
from tests.e2e.rows import fetched
from tests.e2e.server import demo_data, serving, stores_of

ASSEMBLIES = int(os.environ.get("RECOST_ASSEMBLIES", "5000"))
SECONDS = 30 + ASSEMBLIES / 200
PRICE = Decimal("0.4567")

_RUNS = "{ recostRuns(first: 9) { nodes { id state totalCount doneCount changedCount } } }"
_ITEM = "query ($code: String!) { item(code: $code) { id version rolledCost { total isStale } } }"
_UPDATE = "mutation ($input: ItemUpdateInput!) { itemUpdate(input: $input) { errors { code } } }"

# Any: JSON.
Json = dict[str, Any]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kill_in_the_middle_of_a_recost_leaves_no_cost_wrong_and_none_computed_twice() -> None:
    with demo_data() as data_dir, serving(data_dir) as server, stores_of(data_dir) as urls:
        personas = Personas(server.url)
        personas.sign_in("pm")
        _await_run(personas, "DONE", 12)
        # Loaded in bulk, so that nobody has asked for them: the price below asks for all that is made of it.
        asyncio.run(_seed(urls))
        item = personas.ask("pm", _ITEM, code=COMMON).data["item"]
        values = {"id": item["id"], "expectedVersion": item["version"], "standardCost": str(PRICE)}
        assert personas.ask("pm", _UPDATE, input=values).data == {"itemUpdate": {"errors": []}}
        _await_done(personas, ASSEMBLIES // 3)
        server.kill9()
        before = asyncio.run(_counts(urls))
        assert before["state"] == "RUNNING"
        assert ASSEMBLIES // 3 <= before["done"] < ASSEMBLIES
        assert before["done"] == before["steps"] == before["events"]
        server.start()
        run = _await_run(personas, "DONE", ASSEMBLIES)
        assert (run["doneCount"], run["changedCount"]) == (ASSEMBLIES, ASSEMBLIES)
        top = personas.ask("pm", _ITEM, code="TREE-A-1").data["item"]["rolledCost"]
        assert top["isStale"] is False
        personas.close()
        asyncio.run(_assert_all_right(urls))
        assert server.stop() == 0


async def _seed(urls: StoreUrls) -> None:
    engine = create_async_engine(urls.database_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await seed_tree(connection, ASSEMBLIES)
    await engine.dispose()


def _await_done(personas: Personas, count: int) -> None:
    """Wait until a run that concerns the tree has computed so many."""
    _await(personas, lambda run: bool(run["totalCount"] == ASSEMBLIES and run["doneCount"] >= count))


def _await_run(personas: Personas, state: str, total: int) -> Json:
    return _await(personas, lambda run: (run["state"], run["totalCount"]) == (state, total))


def _await(personas: Personas, is_wanted: Callable[[Json], bool]) -> Json:
    ends_at = time.monotonic() + SECONDS
    while True:
        runs: list[Json] = personas.ask("pm", _RUNS).data["recostRuns"]["nodes"]
        found = [run for run in runs if is_wanted(run)]
        if found:
            return found[0]
        assert time.monotonic() < ends_at, runs
        time.sleep(0.05)


async def _counts(urls: StoreUrls) -> dict[str, Any]:
    """Return what the database says of the run, with what it has written: as one batch after the other left it."""
    (row,) = await fetched(
        urls.database_url,
        f"""SELECT state, done_count,
                   (SELECT count(*) FROM recost_step WHERE run_id = recost_run.id AND done_at IS NOT NULL),
                   (SELECT count(*) FROM event WHERE aggregate_type = 'ItemCost'
                        AND details->>'run' = CAST(recost_run.id AS text))
              FROM recost_run WHERE total_count = {ASSEMBLIES}""",
    )
    return dict(zip(("state", "done", "steps", "events"), row, strict=True))


async def _assert_all_right(urls: StoreUrls) -> None:
    kept = await fetched(
        urls.database_url,
        """SELECT code, material, operation, total, item_cost.version FROM item_cost
             JOIN item ON item.id = item_id WHERE code LIKE 'TREE-A-%'""",
    )
    expected = tree_costs(ASSEMBLIES, PRICE)
    assert {code: tuple(rest) for code, *rest in kept} == {
        f"TREE-A-{n}": (
            *(nearest(each, 4) for each in (*expected[n], sum(expected[n], Fraction(0)))),
            # One event each: whatever was computed, was computed once.
            1,
        )
        for n in range(1, ASSEMBLIES + 1)
    }
    assert await _counts(urls) == {
        "state": "DONE",
        "done": ASSEMBLIES,
        "steps": ASSEMBLIES,
        "events": ASSEMBLIES,
    }
    verified = await verify_events(urls.database_url, lambda _: None)
    assert verified.aggregate_counts["ItemCost"] == ASSEMBLIES + 12
    # Of items and BOMs that were loaded in bulk no event tells.
    loaded = ("Item ", "BomRevision ")
    assert [each for each in verified.findings if not each.startswith(loaded)] == []
