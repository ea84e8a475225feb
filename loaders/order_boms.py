"""What does an order take by the BOM that was frozen into it, and what did freezing another one change in that?

Who may read what is made of what at all is asked as for all BOMs (`loaders.explosions`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID

from db.bom_structures import PINNED, Library, library
from db.bom_tables import BomLineRow
from db.order_boms import (
    FREEZING,
    FROZEN,
    FROZEN_ORDER,
    IS_FROZEN,
    FrozenBom,
    frozen_by_events,
    frozen_in_row,
)
from domain.bom_impact import DemandImpact, demand_impact
from domain.explosion import MOST_LEVELS, Explosion, Question, exploded
from loaders.batching import Batcher
from loaders.explosions import as_asked, demand_whole
from loaders.reads import Reads
from policies.bindings import Through, ToMany

FROZEN_LINES = ToMany(
    "BomLine", FROZEN_ORDER.c.id, BomLineRow.__table__.c.position, Through(FROZEN_ORDER, IS_FROZEN)
)
"""The lines of the revision that is frozen into an order, as they are on the order's day."""


@dataclass(frozen=True, slots=True)
class FrozenExplosion:
    """What an order takes, and by what that was reckoned."""

    bom: FrozenBom
    explosion: Explosion


async def frozen_explosion_of(reads: Reads, order_id: UUID, max_levels: int) -> FrozenExplosion | None:
    """Return what a readable order takes, null where no BOM is frozen into it.

    Raises `Forbidden`, or `MalformedRequest` TOO_LARGE for orders that take more lines together than can be read.
    """
    demand_whole(reads)
    with as_asked():
        bom, pinned = await _pinned(reads, order_id)
        if bom is None:
            return None
        return FrozenExplosion(bom, await _exploded(bom, pinned, max_levels))


async def impact_of(reads: Reads, event_id: UUID) -> Sequence[DemandImpact]:
    """Return what an event that froze a BOM into an order changed in what the order takes; raise `Forbidden`."""
    demand_whole(reads)
    rows = await reads.fetch(FREEZING, {"event": event_id})
    chain = [row["changes"] for row in rows]
    boms = [frozen_by_events(chain[:-1]), frozen_by_events(chain)]
    pinned = await _library(reads, [bom for bom in boms if bom is not None])
    before, after = [
        () if bom is None else (await _exploded(bom, pinned, MOST_LEVELS)).demand for bom in boms
    ]
    return demand_impact(before, after)


def _pinned(reads: Reads, order_id: UUID) -> Awaitable[tuple[FrozenBom | None, Library]]:
    """Return what is frozen into an order, with the library of all orders that are asked for together."""

    async def batch(orders: Sequence[UUID]) -> Sequence[tuple[FrozenBom | None, Library]]:
        rows = await reads.fetch(FROZEN, {"orders": list(orders)})
        boms = {row["id"]: frozen_in_row(row) for row in rows}
        known = await _library(reads, list(boms.values()))
        return [(boms.get(each), known) for each in orders]

    return reads.loader(("frozen",), lambda: Batcher(batch)).load(order_id)


async def _library(reads: Reads, boms: Sequence[FrozenBom]) -> Library:
    wanted = {key for bom in boms for key in bom.revision_ids}
    rows = await reads.fetch(PINNED, {"revisions": sorted(wanted)})
    return await asyncio.to_thread(library, rows)


async def _exploded(bom: FrozenBom, pinned: Library, max_levels: int) -> Explosion:
    item_id = pinned.roots[bom.revision_id].item_id
    question = Question(Fraction(bom.quantity), bom.frozen_on, max_levels)
    return await asyncio.to_thread(exploded, item_id, bom.structures(pinned), bom.phantoms, question)
