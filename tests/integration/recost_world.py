"""How do tests of kept costs know what is right? By a whole roll-up of everything, from nothing but prices and structures."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from commands.recosting.runs import Recosting
from commands.recosting.watching import watch_missing
from db.bom_structures import LINES, WORK, in_force, library, parameters
from db.bom_tables import BomRevisionRow, ItemRow
from domain.cost_rollup import Price, rolled_up
from domain.errors import InvalidInput
from domain.values import nearest
from tests.api import Api
from tests.integration.bom_world import Json, bom, item, line, made, released

_REVISION, _ITEM = cast("Any", BomRevisionRow.__table__), cast("Any", ItemRow.__table__)
_KEPT = text("""
    SELECT item_id, material, operation, co_product_credit, total, is_partial, has_mixed_currencies
      FROM item_cost WHERE revision_id IS NOT NULL
""")
_STALE = text("""
    SELECT (SELECT count(*) FROM recost_request WHERE is_pending) +
           (SELECT count(*) FROM recost_step WHERE done_at IS NULL)
""")

ITEM = """query ($code: String!) { item(code: $code) { id version rolledCost {
  item { code } revision { number } material operation coProductCredit total currency
  isPartial hasMixedCurrencies isStale version hiddenFields
} } }"""
RUNS = """{ recostRuns(first: 1) { nodes {
  state requestCount totalCount doneCount changedCount fault
  requests(first: 9) { nodes { cause item { code } revision { number } requestedBy { username } } }
} } }"""

Shown = tuple[Any, ...]
"""Material, operation, credit and total, whether something is left out, and whether currencies are mixed."""


@asynccontextmanager
async def recosting(database_url: str) -> AsyncGenerator[Recosting]:
    """Give what keeps the costs of a test's company right, when the test says so."""
    engine = create_async_engine(database_url, poolclass=NullPool)
    try:
        yield Recosting(engine, ZoneInfo("Asia/Shanghai"))
    finally:
        await engine.dispose()


async def all_computed(engine: AsyncEngine) -> None:
    """Have all costs of a company kept, of which nobody has asked for one."""
    costs = Recosting(engine, ZoneInfo("Asia/Shanghai"))
    await watch_missing(costs)
    await costs.finish()


async def kept(engine: AsyncEngine) -> dict[UUID, Shown]:
    """Return the costs that are kept of what is made today."""
    async with engine.connect() as connection:
        return {row[0]: tuple(row[1:]) for row in await connection.execute(_KEPT)}


async def stale(engine: AsyncEngine) -> int:
    """Return how much is left to be done."""
    async with engine.connect() as connection:
        return await connection.scalar(_STALE) or 0


async def fresh(engine: AsyncEngine, day: date) -> dict[UUID, Shown]:
    """Return the costs of everything that is made on a day, each rolled up from its leaves."""
    async with engine.connect() as connection:
        return await _fresh(connection, day)


async def _fresh(connection: AsyncConnection, day: date) -> dict[UUID, Shown]:
    made = {
        row.item_id: row.id
        for row in await connection.execute(
            select(_REVISION.c.item_id, _REVISION.c.id).where(in_force(_REVISION, cast("Any", day)))
        )
    }
    wanted = parameters(made.values(), day)
    lines = (await connection.execute(LINES, wanted)).mappings().all()
    work = (await connection.execute(WORK, wanted)).mappings().all()
    known = library(lines, work)
    prices: Mapping[UUID, Price] = {
        row.id: Price(row.standard_cost, row.currency)
        for row in await connection.execute(select(_ITEM.c.id, _ITEM.c.standard_cost, _ITEM.c.currency))
    }
    found: dict[UUID, Shown] = {}
    for item_id, revision_id in made.items():
        try:
            cost = rolled_up(item_id, known.below(revision_id), prices, day)[0].unit
        except InvalidInput:
            found[item_id] = (None, None, None, None, True, True)
            continue
        figures = (cost.material, cost.operation, cost.co_product_credit, cost.total)
        found[item_id] = (*(nearest(each, 4) for each in figures), cost.is_partial, False)
    return found


async def cost(api: Api, code: str, who: str = "pm") -> Json:
    found: Json = (await api.ask(ITEM, who, code=code)).data["item"]["rolledCost"]
    return found


async def latest_run(api: Api) -> Json:
    found: Json = (await api.ask(RUNS, "pm")).data["recostRuns"]["nodes"][0]
    return found


async def assembly(api: Api, code: str, *lines: Json, **values: Any) -> Json:
    """Make an item that is made of others, and return its released revision."""
    await item(api, code, kind="ASSEMBLY")
    return await released(api, await bom(api, code, *lines, who="pm", **values), who="pm")


async def priced(api: Api, code: str, amount: str | None, **more: Any) -> None:
    """Change what an item costs."""
    found = (await api.ask(ITEM, "pm", code=code)).data["item"]
    values = {"id": found["id"], "expectedVersion": found["version"], "standardCost": amount, **more}
    await made(api, "pm", "itemUpdate", **values)


async def all_right(costs: Recosting) -> None:
    """Prove that nothing is stale, and that every kept cost is that of a whole roll-up."""
    assert await stale(costs.engine) == 0
    assert await kept(costs.engine) == await fresh(costs.engine, costs.today())


async def chain(api: Api, prefix: str, depth: int) -> str:
    """Make a leaf for 2.00, and above it assemblies 1 to `depth`, each of two of the one below; return the leaf."""
    leaf = f"{prefix}LEAF"
    await item(api, leaf, "pm", standardCost="2")
    for nth in range(1, depth + 1):
        await assembly(api, f"{prefix}{nth}", line(leaf if nth == 1 else f"{prefix}{nth - 1}", "2"))
    return leaf
