"""What is stored of the costs of what is made, and of the work of keeping them right?

An item's cost is kept exactly, as fractions over one denominator, beside the figures that are shown. Whether it is stale
is not kept but asked: it is while somebody's request waits or a step of a run is not done.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import CheckConstraint, Enum, ForeignKey, Index, Numeric, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.bom_tables import Whole
from db.tables import Keyed, Row
from domain.recost import Cause, RunState

Figure = Numeric()
"""Money to four places, of any size: what is made of much may cost more than a column of a price can hold."""

_CAUSE = Enum(Cause, native_enum=False, length=20)
_STATE = Enum(RunState, native_enum=False, length=20)


class ItemCostRow(Keyed):
    """What one base unit of an item costs that is made, or was once; its id is `db.identifiers.cost_id` of the item's."""

    __tablename__ = "item_cost"

    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), unique=True)
    revision_id: Mapped[UUID | None] = mapped_column(ForeignKey("bom_revision.id"))
    material: Mapped[Decimal | None] = mapped_column(Figure)
    operation: Mapped[Decimal | None] = mapped_column(Figure)
    co_product_credit: Mapped[Decimal | None] = mapped_column(Figure)
    total: Mapped[Decimal | None] = mapped_column(Figure)
    currency: Mapped[str] = mapped_column(String(3))
    is_partial: Mapped[bool]
    has_mixed_currencies: Mapped[bool]
    material_numerator: Mapped[Decimal] = mapped_column(Whole)
    operation_numerator: Mapped[Decimal] = mapped_column(Whole)
    credit_numerator: Mapped[Decimal] = mapped_column(Whole)
    denominator: Mapped[Decimal] = mapped_column(Whole)
    priced_in: Mapped[str | None] = mapped_column(String(3))
    is_mixed: Mapped[bool]
    lacks_price: Mapped[bool]
    computed_at: Mapped[datetime]
    run_id: Mapped[UUID] = mapped_column(ForeignKey("recost_run.id"))
    version: Mapped[int]


class RecostRunRow(Keyed):
    """One run 成本重算: all items whose costs some requests may have moved, each computed once."""

    __tablename__ = "recost_run"
    __table_args__ = (
        CheckConstraint("done_count <= total_count AND changed_count <= done_count", name="counts"),
        # Of all runs only the last one can be under way.
        Index(
            "uq_recost_run_active",
            text("(true)"),
            unique=True,
            postgresql_where=text("state IN ('COLLECTING', 'RUNNING')"),
        ),
    )

    state: Mapped[RunState] = mapped_column(_STATE)
    day: Mapped[date]
    request_count: Mapped[int]
    total_count: Mapped[int]
    done_count: Mapped[int]
    changed_count: Mapped[int]
    attempts: Mapped[int]
    fault: Mapped[str | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class RecostRequestRow(Keyed):
    """That an item's price or structure has changed; it waits until a run has found out what that concerns."""

    __tablename__ = "recost_request"
    __table_args__ = (
        Index("ix_recost_request_pending", "id", postgresql_where=text("is_pending")),
        Index("ix_recost_request_run_id", "run_id"),
    )

    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"))
    cause: Mapped[Cause] = mapped_column(_CAUSE)
    revision_id: Mapped[UUID | None] = mapped_column(ForeignKey("bom_revision.id"))
    requested_at: Mapped[datetime]
    actor_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("recost_run.id"))
    is_pending: Mapped[bool]


class RecostStepRow(Row):
    """One item of a run: leaves first, by level."""

    __tablename__ = "recost_step"
    __table_args__ = (
        Index("ix_recost_step_next", "run_id", "level", "item_id", postgresql_where=text("done_at IS NULL")),
        Index("ix_recost_step_item_id", "item_id", postgresql_where=text("done_at IS NULL")),
    )

    run_id: Mapped[UUID] = mapped_column(ForeignKey("recost_run.id"), primary_key=True)
    item_id: Mapped[UUID] = mapped_column(ForeignKey("item.id"), primary_key=True)
    level: Mapped[int]
    done_at: Mapped[datetime | None]


class RecostWatchRow(Row):
    """Up to which day it was looked which lines and revisions begin or end: one row."""

    __tablename__ = "recost_watch"
    __table_args__ = (CheckConstraint("id = 1", name="one"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    day: Mapped[date]
