"""What are items and bills of materials to a client? Items 物料, units, BOMs 物料清单 with their revisions and lines."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomRow,
    BomSubstituteRow,
    ItemRow,
    ItemUnitRow,
    UnitRow,
)
from db.change_tables import HOLDING_CHANGE
from db.recost_tables import ItemCostRow
from resolvers.boms import cost_rollup, explosion
from resolvers.where_used import where_used
from schema.binding import bound_type, column, hidden_fields, key, short_list, to_many, to_one, worked
from schema.enums import BomRevisionState, ItemKind, ScrapRule
from schema.explosions import BomExplosion, CostRollup
from schema.node import Connection, Node
from schema.where_used import ItemUse

if TYPE_CHECKING:
    from schema.costs import ItemCost
    from schema.engineering_changes import EngineeringChange

_HERE = strawberry.lazy("schema.boms")
_COSTS = strawberry.lazy("schema.costs")


@bound_type(UnitRow, thing="unit", description="A unit of measure 计量单位.")
class Unit(Node):
    """A unit."""

    id: strawberry.ID = key(UnitRow.id)
    code: str = column(UnitRow.code, "Code, unique, such as `kg`.")
    name: str = column(UnitRow.name, "Name.")
    dimension: str = column(
        UnitRow.dimension, "What it measures; units of one dimension convert for every item."
    )
    factor: Decimal = column(UnitRow.factor, "How many of its dimension's own unit it is, 12 places.")


@bound_type(
    ItemUnitRow,
    thing="item_unit",
    description="Another unit in which one item is measured.",
    aggregate="Item",
    event_prefix="units.",
)
class ItemUnit(Node):
    """A unit of one item."""

    id: strawberry.ID = key(ItemUnitRow.id)
    unit: Unit = to_one(ItemUnitRow.unit_id, "Unit", "The unit.")
    factor: Decimal = column(ItemUnitRow.factor, "How many of the item's base unit it is, 12 places.")


@bound_type(
    ItemRow, thing="item", description="An item 物料: what is bought, made or done.", aggregate="Item"
)
class Item(Node):
    """An item."""

    id: strawberry.ID = key(ItemRow.id)
    code: str = column(ItemRow.code, "Code, unique.")
    name: str = column(ItemRow.name, "Name.")
    kind: ItemKind = column(ItemRow.kind, "What it is to the company.")
    unit: Unit = to_one(ItemRow.unit_id, "Unit", "Its base unit.")
    units: list[ItemUnit] = short_list(
        "ItemUnit", ItemUnitRow.item_id, ItemUnitRow.id, "Other units in which it is measured."
    )
    standard_cost: Decimal | None = column(
        ItemRow.standard_cost,
        "Standard cost 标准成本 of one base unit, 4 places; of what is made, it counts where it has no released BOM.",
    )
    currency: str = column(ItemRow.currency, "Currency of its cost, ISO 4217.")
    rolled_cost: Annotated[ItemCost, _COSTS] | None = to_one(
        ItemRow.id,
        "ItemCost",
        "What it costs as it is made, kept by a job in the background; null where it never was made, or not yet computed.",
        by=ItemCostRow.item_id,
    )
    lead_time_days: int | None = column(ItemRow.lead_time_days, "How many days it takes to have it 提前期.")
    version: int = column(ItemRow.version, "Goes up by one with every event; send it as `expectedVersion`.")
    created_at: datetime = column(ItemRow.created_at, "When it was created.")
    updated_at: datetime = column(ItemRow.updated_at, "When it was last changed.")
    bom_revisions: Connection[Annotated[BomRevision, _HERE]] = to_many(
        "BomRevision",
        BomRevisionRow.item_id,
        BomRevisionRow.number,
        "The revisions of its BOM, oldest first.",
    )
    where_used: Connection[ItemUse] | None = worked(
        where_used,
        "Where it is used 反查, by level and code: at most 100,000 uses, and at most 50 levels up.",
    )
    hidden_fields: list[str] = hidden_fields()


@bound_type(BomRow, thing="bom", description="The bill of materials 物料清单 of an item.")
class Bom(Node):
    """A BOM."""

    id: strawberry.ID = key(BomRow.id)
    item: Item | None = to_one(BomRow.item_id, "Item", "What is made by it.")
    created_at: datetime = column(BomRow.created_at, "When it was created.")
    revisions: Connection[Annotated[BomRevision, _HERE]] = to_many(
        "BomRevision", BomRevisionRow.bom_id, BomRevisionRow.number, "Its revisions, oldest first."
    )


@bound_type(
    BomSubstituteRow,
    thing="bom_substitute",
    description="What may stand in for the item of a line 替代料.",
    aggregate="BomRevision",
    event_prefix="substitutes.",
)
class BomSubstitute(Node):
    """A substitute."""

    id: strawberry.ID = key(BomSubstituteRow.id)
    priority: int = column(BomSubstituteRow.priority, "Which one is taken first: the least.")
    item: Item | None = to_one(BomSubstituteRow.item_id, "Item", "What is taken instead.")
    factor: Decimal = column(
        BomSubstituteRow.factor, "How many of its base units stand in for one of the line's item, 12 places."
    )


@bound_type(
    BomLineRow,
    thing="bom_line",
    description="A line of a BOM revision.",
    aggregate="BomRevision",
    event_prefix="lines.",
)
class BomLine(Node):
    """A line."""

    id: strawberry.ID = key(BomLineRow.id)
    position: int = column(
        BomLineRow.position, "Its number in the revision; lines of one number replace each other."
    )
    item: Item | None = to_one(BomLineRow.item_id, "Item", "What is taken.")
    quantity: Decimal = column(BomLineRow.quantity, "How much for one base lot, in its unit, 4 places.")
    unit: Unit = to_one(BomLineRow.unit_id, "Unit", "Its unit.")
    fixed: bool = column(BomLineRow.is_fixed, "Whether the quantity is taken once, whatever is made.")
    scrap_percent: Decimal = column(BomLineRow.scrap_percent, "Scrap 损耗率 in percent, 2 places.")
    scrap_rule: ScrapRule = column(BomLineRow.scrap_rule, "How scrap counts.")
    setup_quantity: Decimal = column(
        BomLineRow.setup_quantity, "What setting up takes in addition, 4 places."
    )
    order_multiple: Decimal | None = column(
        BomLineRow.order_multiple, "The quantity is raised to the next multiple of this, 4 places."
    )
    valid_from: date | None = column(BomLineRow.valid_from, "First day on which it holds, null for always.")
    valid_to: date | None = column(
        BomLineRow.valid_to, "First day on which it holds no longer, null for never."
    )
    consumable: bool = column(
        BomLineRow.is_consumable, "Whether it is used up without being part of the product 耗材."
    )
    revision: Annotated[BomRevision, _HERE] | None = to_one(
        BomLineRow.revision_id, "BomRevision", "The revision it belongs to."
    )
    substitutes: list[BomSubstitute] = short_list(
        "BomSubstitute", BomSubstituteRow.line_id, BomSubstituteRow.priority, "What may be taken instead."
    )


@bound_type(
    BomOperationRow,
    thing="bom_operation",
    description="Work on one base lot 工序.",
    aggregate="BomRevision",
    event_prefix="operations.",
)
class BomOperation(Node):
    """An operation."""

    id: strawberry.ID = key(BomOperationRow.id)
    position: int = column(BomOperationRow.position, "Its number in the revision.")
    name: str = column(BomOperationRow.name, "What is done.")
    minutes: Decimal = column(BomOperationRow.minutes, "How long one base lot takes, in minutes, 4 places.")
    hourly_rate: Decimal | None = column(
        BomOperationRow.hourly_rate, "What an hour costs, 4 places, in the item's currency."
    )
    hidden_fields: list[str] = hidden_fields()


@bound_type(
    BomCoProductRow,
    thing="bom_co_product",
    description="What comes out of a base lot beside its item 联产品.",
    aggregate="BomRevision",
    event_prefix="coProducts.",
)
class BomCoProduct(Node):
    """A co-product."""

    id: strawberry.ID = key(BomCoProductRow.id)
    item: Item | None = to_one(BomCoProductRow.item_id, "Item", "What comes out.")
    quantity: Decimal = column(BomCoProductRow.quantity, "How much of it, in its base unit, 4 places.")
    cost_share_percent: Decimal = column(
        BomCoProductRow.cost_share_percent, "How much of the cost it bears, in percent, 2 places."
    )


@bound_type(
    BomRevisionRow,
    thing="bom_revision",
    description="A revision 版本 of a BOM: what its base quantity takes.",
    aggregate="BomRevision",
)
class BomRevision(Node):
    """A revision."""

    id: strawberry.ID = key(BomRevisionRow.id)
    bom: Bom | None = to_one(BomRevisionRow.bom_id, "Bom", "The BOM it belongs to.")
    item: Item | None = to_one(BomRevisionRow.item_id, "Item", "What is made by it.")
    number: int = column(BomRevisionRow.number, "Which revision it is, from 1.")
    state: BomRevisionState = column(BomRevisionRow.state, "Where it stands.")
    base_quantity: Decimal = column(
        BomRevisionRow.base_quantity,
        "For how much its lines and operations are given, in base units, 4 places.",
    )
    valid_from: date | None = column(
        BomRevisionRow.valid_from, "First day on which it holds, null for always."
    )
    valid_to: date | None = column(
        BomRevisionRow.valid_to, "First day on which it holds no longer, null for never."
    )
    note: str | None = column(BomRevisionRow.note, "Why there is this revision.")
    checksum: str = column(
        BomRevisionRow.checksum, "SHA-256 of all that counts in it, but of no rate: equal for equal content."
    )
    released_at: datetime | None = column(BomRevisionRow.released_at, "When it was released.")
    version: int = column(
        BomRevisionRow.version, "Goes up by one with every event; send it as `expectedVersion`."
    )
    created_at: datetime = column(BomRevisionRow.created_at, "When it was created.")
    updated_at: datetime = column(BomRevisionRow.updated_at, "When it was last changed.")
    lines: Connection[BomLine] = to_many(
        "BomLine", BomLineRow.revision_id, BomLineRow.position, "Its lines, by position."
    )
    operations: list[BomOperation] = short_list(
        "BomOperation", BomOperationRow.revision_id, BomOperationRow.position, "The work on a base lot."
    )
    co_products: list[BomCoProduct] = short_list(
        "BomCoProduct", BomCoProductRow.revision_id, BomCoProductRow.id, "What else comes out."
    )
    explosion: BomExplosion | None = worked(
        explosion,
        "What so much of its item takes, by this revision and by those of its parts that are in force.",
    )
    cost_rollup: CostRollup | None = worked(
        cost_rollup, "What its item costs by it, and by those of its parts that are in force."
    )
    engineering_change: Annotated[EngineeringChange, strawberry.lazy("schema.engineering_changes")] | None = (
        to_one(
            HOLDING_CHANGE,
            "EngineeringChange",
            "The engineering change that holds it, or that has released it.",
        )
    )
