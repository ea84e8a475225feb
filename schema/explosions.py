"""What does the API tell of what something takes and costs? Shapes of answers that are worked out, rows of no table."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from policies.bindings import catalog
from resolvers.boms import row_named, shown_demand, shown_level, shown_line, worked_list
from schema.binding import structural
from schema.node import Connection

if TYPE_CHECKING:
    from schema.boms import BomLine, BomRevision, Item

_BOMS = strawberry.lazy("schema.boms")
_QUANTITY = "How much, in base units of the item, 4 places, rounded half-up."
_EXACT = "The same exactly, in lowest terms: a whole number or a fraction such as `10/3`."


# Any: a declaration stands where Strawberry and the type checker expect the field's own type.
def _resolved(resolver: Any, description: str) -> Any:
    return strawberry.field(resolver=resolver, description=description)


@structural
@strawberry.type(description="A line on one path of an explosion.")
class ExplosionLine:
    """One line on one path."""

    place: int = strawberry.field(description="Its place in the explosion, from 0.")
    parent: int | None = strawberry.field(
        description="The place of the line above it, null below the item itself."
    )
    level: int = strawberry.field(description="How deep it is, from 1.")
    path: list[int] = strawberry.field(description="The positions of the lines from the top to it.")
    item: Annotated[Item, _BOMS] | None = _resolved(row_named("Item", "item_id"), "What is taken.")
    line: Annotated[BomLine, _BOMS] | None = _resolved(
        row_named("BomLine", "line_id"), "The line that says so."
    )
    quantity: Decimal = strawberry.field(description=_QUANTITY)
    exact_quantity: str = strawberry.field(description=_EXACT)
    phantom: bool = strawberry.field(
        description="Whether it is passed through 虚拟件: nobody needs it itself."
    )
    has_parts: bool = strawberry.field(
        description="Whether something is below it, shown or not because it is deeper than was asked for."
    )


@structural
@strawberry.type(description="What is needed of one item on all paths together.")
class ItemDemand:
    """The demand of one item."""

    item: Annotated[Item, _BOMS] | None = _resolved(row_named("Item", "item_id"), "The item.")
    quantity: Decimal = strawberry.field(description=_QUANTITY)
    exact_quantity: str = strawberry.field(description=_EXACT)
    path_count: int = strawberry.field(description="On how many paths it stands.")
    has_parts: bool = strawberry.field(
        description="Whether it is made of parts: what it takes is demanded as well, as far down as was asked for."
    )


@structural
@strawberry.type(description="What so much of an item takes, level by level 多级展开, and by item.")
class BomExplosion:
    """An explosion."""

    quantity: Decimal = strawberry.field(description="How much is to be made, in base units.")
    as_of: date = strawberry.field(description="By the lines and revisions of which day.")
    max_levels: int = strawberry.field(description="How many levels down.")
    lines: Connection[ExplosionLine] = _resolved(
        worked_list(shown_line), "Every path, each line followed by what is below it."
    )
    demand: Connection[ItemDemand] = _resolved(
        worked_list(shown_demand),
        "What is needed of each item that is no phantom, in the order in which it is met.",
    )


@structural
@strawberry.type(description="What one revision's base lot costs, and one base unit of its item.")
class CostLevel:
    """The cost of one made item."""

    item: Annotated[Item, _BOMS] | None = _resolved(row_named("Item", "item_id"), "What is made.")
    revision: Annotated[BomRevision, _BOMS] | None = _resolved(
        row_named("BomRevision", "revision_id"), "By which revision."
    )
    level: int = strawberry.field(description="How deep it stands at its deepest, 0 for the item itself.")
    base_quantity: Decimal = strawberry.field(description="How much a base lot is, in base units.")
    material: Decimal | None = strawberry.field(description="What is bought for a base lot, 4 places.")
    operation: Decimal | None = strawberry.field(
        description="The work on it and on all that is below, 4 places."
    )
    co_product_credit: Decimal | None = strawberry.field(
        description="What co-products 联产品 bear of that, 4 places."
    )
    total: Decimal | None = strawberry.field(
        description="Material and operation less the credit, for a base lot, 4 places."
    )
    unit_cost: Decimal | None = strawberry.field(description="The total of one base unit, 4 places.")
    is_partial: bool = strawberry.field(
        description="Whether something is left out because its cost is not known, or not shown to the viewer."
    )


@structural
@strawberry.type(
    description="What a revision's item costs, rolled up from its parts and the work on them 成本卷积."
)
class CostRollup:
    """A roll-up: the figures of the item itself, then of everything made below it."""

    as_of: date = strawberry.field(description="By the lines and revisions of which day.")
    currency: str = strawberry.field(description="Currency of all figures, ISO 4217: that of the item.")
    material: Decimal | None = strawberry.field(description="What is bought for a base lot, 4 places.")
    operation: Decimal | None = strawberry.field(
        description="The work on it and on all that is below, 4 places."
    )
    co_product_credit: Decimal | None = strawberry.field(
        description="What co-products 联产品 bear of that, 4 places."
    )
    total: Decimal | None = strawberry.field(
        description="Material and operation less the credit, for a base lot, 4 places."
    )
    unit_cost: Decimal | None = strawberry.field(description="The total of one base unit, 4 places.")
    is_partial: bool = strawberry.field(
        description="Whether something is left out because its cost is not known, or not shown to the viewer."
    )
    levels: Connection[CostLevel] = _resolved(
        worked_list(shown_level),
        "The item, and each item made below it, by level.",
    )


for _costed in ("CostRollup", "CostLevel"):
    catalog.guards[_costed, "material"] = "item.standard_cost"
    catalog.guards[_costed, "operation"] = "bom_operation.hourly_rate"
    for _field in ("coProductCredit", "total", "unitCost"):
        catalog.guards[_costed, _field] = "bom.cost"
