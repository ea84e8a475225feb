"""How do fields of BOMs get their values that are worked out: explosions and costs?"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any

import strawberry

from domain import values
from domain.cost_rollup import Cost, CostedItem
from domain.errors import InvalidInput, MalformedRequest
from domain.explosion import MOST_LEVELS, Demand, Needed, Question
from loaders.explosions import CostSight, cost_sight, costs_of, explosion_of
from loaders.records import Record
from loaders.rows import row_by_key
from loaders.worked_lists import WorkedList
from resolvers.arguments import After, Before, First, Last
from resolvers.context import Info
from resolvers.relations import given, paging, untyped

_COST_PLACES = 4

_Quantity = Annotated[
    Decimal, strawberry.argument(description="How much is to be made, in base units of the item, 4 places.")
]
_AsOf = Annotated[
    date | None, strawberry.argument(description="By the lines and revisions of this day; today by default.")
]
Levels = Annotated[
    int | None, strawberry.argument(description="How many levels down, from 1 to 50, which is the default.")
]


# Any: the root of a bound type is a Record, but Strawberry would take its annotation for a type of the schema.
async def explosion(
    root: Any,
    info: Info,
    quantity: _Quantity,
    as_of: _AsOf = strawberry.UNSET,
    max_levels: Levels = strawberry.UNSET,
) -> dict[str, Any]:
    """Return what so much of a revision's item takes."""
    question = explosion_question(quantity, given(as_of) or info.context.today, given(max_levels))
    found = await explosion_of(info.context.reads, root.key, question)
    return {
        "quantity": quantity,
        "as_of": question.as_of,
        "max_levels": question.max_levels,
        "lines": found.lines,
        "demand": found.demand,
    }


def explosion_question(quantity: Decimal, day: date, max_levels: int | None) -> Question:
    """Return what is asked of an explosion; raise `MalformedRequest` where that can't be asked."""
    levels = levels_of(max_levels)
    try:
        return Question(Fraction(values.quantity(quantity, ("quantity",))), day, levels)
    except InvalidInput as error:
        raise MalformedRequest(error.code, f"quantity: {error.message}") from error


# Any: see above.
async def cost_rollup(root: Any, info: Info, as_of: _AsOf = strawberry.UNSET) -> dict[str, Any]:
    """Return what a revision's item costs."""
    day = given(as_of) or info.context.today
    reads = info.context.reads
    found = await costs_of(reads, root.key, day)
    sight = cost_sight(reads.policy)
    own = _level(found.items[0], sight)
    levels = [(each, sight) for each in found.items]
    return {**own, "as_of": day, "currency": found.currency, "levels": levels}


def worked_list(show: Any) -> Any:
    """Return the resolver of a connection whose entries stand in the root under the field's own name."""

    def resolve(
        root: Any,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> WorkedList[Any]:
        arguments = paging(first, after, last, before)
        arguments.check(info.context.reads.largest_page)
        return WorkedList(root[info.python_name], arguments, show)

    return untyped(resolve)


def row_named(type_name: str, key: str) -> Any:
    """Return the resolver of the row whose id stands in the root under `key`, null where there is none or it may not be read."""

    def resolve(root: Any, info: Info) -> Awaitable[Record | None] | None:
        found = root[key]
        return None if found is None else row_by_key(info.context.reads, type_name, found)

    return untyped(resolve)


def shown_line(place: int, needed: Needed) -> dict[str, Any]:
    """Return a line of an explosion as the API shows it."""
    return {
        "place": place,
        "parent": needed.parent,
        "level": needed.level,
        "path": list(needed.path),
        "item_id": needed.line.item_id,
        "line_id": needed.line.id,
        "phantom": needed.is_phantom,
        "has_parts": needed.has_parts,
        **_quantities(needed.quantity),
    }


def shown_demand(_place: int, demand: Demand) -> dict[str, Any]:
    """Return the demand of one item as the API shows it."""
    return {
        "item_id": demand.item_id,
        "path_count": demand.path_count,
        "has_parts": demand.has_parts,
        **_quantities(demand.quantity),
    }


def shown_level(_place: int, level: tuple[CostedItem, CostSight]) -> dict[str, Any]:
    """Return the cost of something made as the API shows it to a viewer."""
    return _level(*level)


def levels_of(max_levels: int | None) -> int:
    """Return how many levels down is asked for; raise `MalformedRequest` OUT_OF_RANGE."""
    levels = MOST_LEVELS if max_levels is None else max_levels
    if not 1 <= levels <= MOST_LEVELS:
        raise MalformedRequest("OUT_OF_RANGE", f"maxLevels is from 1 to {MOST_LEVELS}.")
    return levels


def _quantities(exact: Fraction) -> dict[str, Any]:
    return {"quantity": values.nearest(exact, values.QUANTITY_PLACES), "exact_quantity": str(exact)}


def _level(costed: CostedItem, sight: CostSight) -> dict[str, Any]:
    structure = costed.structure
    return {
        "item_id": structure.item_id,
        "revision_id": structure.revision_id,
        "level": costed.level,
        "base_quantity": structure.base_quantity,
        "is_partial": costed.unit.is_partial,
        **_amounts(costed.lot, sight),
        "unit_cost": _amount(costed.unit.total, may_read=sight.total),
    }


def _amounts(cost: Cost, sight: CostSight) -> dict[str, Decimal | None]:
    return {
        "material": _amount(cost.material, may_read=sight.material),
        "operation": _amount(cost.operation, may_read=sight.operation),
        "co_product_credit": _amount(cost.co_product_credit, may_read=sight.total),
        "total": _amount(cost.total, may_read=sight.total),
    }


def _amount(exact: Fraction, *, may_read: bool) -> Decimal | None:
    return values.nearest(exact, _COST_PLACES) if may_read else None
