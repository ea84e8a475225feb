"""How do fields of the BOM that is frozen into an order get their values that are worked out?"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry

from domain import values
from domain.bom_impact import DemandImpact
from loaders.order_boms import frozen_explosion_of, impact_of
from loaders.worked_lists import WorkedList
from resolvers.arguments import After, Before, First, Last
from resolvers.boms import Levels, levels_of
from resolvers.context import Info
from resolvers.relations import given, paging, untyped


# Any: the root of a bound type is a Record, but Strawberry would take its annotation for a type of the schema.
async def frozen_explosion(
    root: Any, info: Info, max_levels: Levels = strawberry.UNSET
) -> dict[str, Any] | None:
    """Return what an order takes, null where no BOM is frozen into it."""
    levels = levels_of(given(max_levels))
    found = await frozen_explosion_of(info.context.reads, root.key, levels)
    return found and {
        "quantity": found.bom.quantity,
        "as_of": found.bom.frozen_on,
        "max_levels": levels,
        "lines": found.explosion.lines,
        "demand": found.explosion.demand,
    }


# Any: see above; what comes back is a connection to the executor.
async def impact(
    root: Any,
    info: Info,
    first: First = strawberry.UNSET,
    after: After = strawberry.UNSET,
    last: Last = strawberry.UNSET,
    before: Before = strawberry.UNSET,
) -> Any:
    """Return what a command that froze a BOM has changed, null where it was refused."""
    arguments, reads = paging(first, after, last, before), info.context.reads
    arguments.check(reads.largest_page)
    if root.order is None:
        return None
    return WorkedList(await impact_of(reads, root.event_id) if root.event_id else (), arguments, _shown)


IMPACT = untyped(impact)


def event_of(told: str | None) -> UUID | None:
    """Return the id of the event that a command has told of."""
    return None if told is None else UUID(told)


def _shown(_place: int, each: DemandImpact) -> dict[str, Any]:
    """Return what becomes of an item's demand as the API shows it."""
    return {
        "item_id": each.item_id,
        "change": each.change,
        "quantity_before": values.nearest(each.before, values.QUANTITY_PLACES),
        "exact_quantity_before": str(each.before),
        "quantity_after": values.nearest(each.after, values.QUANTITY_PLACES),
        "exact_quantity_after": str(each.after),
    }
