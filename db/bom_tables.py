"""What is stored of items and their bills of materials?

Written and read as `db.tables` says. Quantities are in the unit that their column names; what a line takes of its item is
its quantity × `factor_numerator` ÷ `factor_denominator` base units of the item, so that a third stays a third.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Numeric,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Keyed, Rate
from domain.bom import ItemKind, RevisionState, ScrapRule

Factor = Numeric(30, 12)
Whole = Numeric()
"""A whole number of any length: factors of twelve places, multiplied and divided, need many digits to stay exact."""

Percent = Numeric(5, 2)
_KIND = Enum(ItemKind, native_enum=False, length=20)
_SCRAP_RULE = Enum(ScrapRule, native_enum=False, length=20)
_STATE = Enum(RevisionState, native_enum=False, length=20)


class UnitRow(Keyed):
    """A unit of measure 计量单位: one of it is `factor` of its dimension's own unit."""

    __tablename__ = "unit"
    __table_args__ = (CheckConstraint("factor > 0", name="factor"),)

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    dimension: Mapped[str]
    factor: Mapped[Decimal] = mapped_column(Factor)


class ItemRow(Keyed):
    """An item 物料: what is bought, made or done. `standard_cost` is of one base unit, null where it is not known."""

    __tablename__ = "item"
    __table_args__ = (
        CheckConstraint("standard_cost >= 0", name="standard_cost"),
        CheckConstraint("lead_time_days >= 0", name="lead_time_days"),
    )

    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[ItemKind] = mapped_column(_KIND)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("unit.id"))
    standard_cost: Mapped[Decimal | None] = mapped_column(Rate)
    currency: Mapped[str] = mapped_column(String(3))
    lead_time_days: Mapped[int | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ItemUnitRow(Keyed):
    """Another unit in which one item is measured: one of it is `factor` of the item's base unit."""

    __tablename__ = "item_unit"
    __table_args__ = (UniqueConstraint("item_id", "unit_id"), CheckConstraint("factor > 0", name="factor"))

    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("unit.id"))
    factor: Mapped[Decimal] = mapped_column(Factor)


class BomRow(Keyed):
    """The bill of materials 物料清单 of an item: all its revisions."""

    __tablename__ = "bom"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), unique=True)
    created_at: Mapped[datetime]


class BomRevisionRow(Keyed):
    """One revision 版本 of a BOM: what `base_quantity` of its item takes, in the item's base unit."""

    __tablename__ = "bom_revision"
    __table_args__ = (
        UniqueConstraint("bom_id", "number"),
        CheckConstraint("base_quantity > 0", name="base_quantity"),
        # One that is replaced on its first day never holds.
        CheckConstraint("valid_to >= valid_from", name="validity"),
        Index("ix_bom_revision_item_id", "item_id", "number"),
    )

    bom_id: Mapped[UUID] = mapped_column(ForeignKey("bom.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    state: Mapped[RevisionState] = mapped_column(_STATE)
    base_quantity: Mapped[Decimal] = mapped_column(Rate)
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    note: Mapped[str | None]
    checksum: Mapped[str]
    released_at: Mapped[datetime | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BomLineRow(Keyed):
    """A line of a revision. Lines of one position replace each other: no day is in the windows of two."""

    __tablename__ = "bom_line"
    __table_args__ = (
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("scrap_percent >= 0 AND scrap_percent < 100", name="scrap_percent"),
        CheckConstraint("setup_quantity >= 0", name="setup_quantity"),
        CheckConstraint("order_multiple > 0", name="order_multiple"),
        CheckConstraint("valid_to > valid_from", name="validity"),
        CheckConstraint("factor_numerator > 0 AND factor_denominator > 0", name="factor"),
        Index("ix_bom_line_revision_id_position", "revision_id", "position"),
        Index("ix_bom_line_item_id", "item_id", "revision_id"),
        # On the first day of some lines, and on the last of others, costs change: those are looked for every day.
        Index("ix_bom_line_valid_from", "valid_from", postgresql_where=text("valid_from IS NOT NULL")),
        Index("ix_bom_line_valid_to", "valid_to", postgresql_where=text("valid_to IS NOT NULL")),
    )

    revision_id: Mapped[UUID] = mapped_column(ForeignKey("bom_revision.id"))
    position: Mapped[int]
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    quantity: Mapped[Decimal] = mapped_column(Rate)
    unit_id: Mapped[UUID] = mapped_column(ForeignKey("unit.id"))
    factor_numerator: Mapped[Decimal] = mapped_column(Whole)
    factor_denominator: Mapped[Decimal] = mapped_column(Whole)
    is_fixed: Mapped[bool]
    scrap_percent: Mapped[Decimal] = mapped_column(Percent)
    scrap_rule: Mapped[ScrapRule] = mapped_column(_SCRAP_RULE)
    setup_quantity: Mapped[Decimal] = mapped_column(Rate)
    order_multiple: Mapped[Decimal | None] = mapped_column(Rate)
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]
    is_consumable: Mapped[bool]


class BomSubstituteRow(Keyed):
    """What may stand in for a line's item 替代料: `factor` base units of it for one of the item's; least priority first."""

    __tablename__ = "bom_substitute"
    __table_args__ = (UniqueConstraint("line_id", "priority"), CheckConstraint("factor > 0", name="factor"))

    revision_id: Mapped[UUID] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    line_id: Mapped[UUID] = mapped_column(ForeignKey("bom_line.id", ondelete="CASCADE"))
    priority: Mapped[int] = mapped_column(SmallInteger)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    factor: Mapped[Decimal] = mapped_column(Factor)


class BomOperationRow(Keyed):
    """Work on one base lot of a revision 工序."""

    __tablename__ = "bom_operation"
    __table_args__ = (
        UniqueConstraint("revision_id", "position"),
        CheckConstraint("minutes >= 0", name="minutes"),
        CheckConstraint("hourly_rate >= 0", name="hourly_rate"),
    )

    revision_id: Mapped[UUID] = mapped_column(ForeignKey("bom_revision.id"))
    position: Mapped[int]
    name: Mapped[str]
    minutes: Mapped[Decimal] = mapped_column(Rate)
    hourly_rate: Mapped[Decimal] = mapped_column(Rate)


class BomCoProductRow(Keyed):
    """What comes out of a base lot beside its item 联产品, and its share of the cost."""

    __tablename__ = "bom_co_product"
    __table_args__ = (
        UniqueConstraint("revision_id", "item_id"),
        CheckConstraint("quantity > 0", name="quantity"),
        CheckConstraint("cost_share_percent BETWEEN 0 AND 100", name="cost_share_percent"),
    )

    revision_id: Mapped[UUID] = mapped_column(ForeignKey("bom_revision.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), index=True)
    quantity: Mapped[Decimal] = mapped_column(Rate)
    cost_share_percent: Mapped[Decimal] = mapped_column(Percent)


class OrderBomPartRow(Keyed):
    """By which revision an item is made for an order: all that is below the order's own, pinned when that was frozen.

    Pinned is also whether the item is passed through, since what it is to the company may change.
    """

    __tablename__ = "order_bom_part"
    __table_args__ = (UniqueConstraint("order_id", "item_id"),)

    order_id: Mapped[UUID] = mapped_column(ForeignKey("engineering_order.id"))
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    revision_id: Mapped[UUID] = mapped_column(ForeignKey("bom_revision.id"), index=True)
    is_phantom: Mapped[bool]
