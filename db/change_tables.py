"""What is stored of engineering changes? Written and read as `db.tables` says."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Enum, ForeignKey, Index, ScalarSelect, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, mapped_column

from db.bom_tables import BomRevisionRow
from db.tables import Keyed, Row
from domain.engineering_change import ChangeState

_STATE = Enum(ChangeState, native_enum=False, length=20)


class EngineeringChangeRow(Keyed):
    """An engineering change 工程变更: drafts of BOM revisions that come into force together."""

    __tablename__ = "engineering_change"

    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    reason: Mapped[str]
    state: Mapped[ChangeState] = mapped_column(_STATE)
    submitted_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    released_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    edited_by_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    version: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class EngineeringChangeRevisionRow(Keyed):
    """A revision in an engineering change, with the one that it replaces, null where it is the first of its BOM.

    `is_held` ends when the change is rejected: the revision is free for another one then. While it holds a revision no
    other change may, whatever commands forget to look at.
    """

    __tablename__ = "engineering_change_revision"
    __table_args__ = (
        UniqueConstraint("change_id", "revision_id"),
        Index(
            "uq_engineering_change_revision_held",
            "revision_id",
            unique=True,
            postgresql_where=text("is_held"),
        ),
    )

    change_id: Mapped[UUID] = mapped_column(ForeignKey("engineering_change.id"))
    revision_id: Mapped[UUID] = mapped_column(ForeignKey("bom_revision.id"))
    supersedes_id: Mapped[UUID | None] = mapped_column(ForeignKey("bom_revision.id"))
    is_held: Mapped[bool]


class EngineeringChangeNumberRow(Row):
    """The last number of an engineering change given out in a year, as `db.tables.OrderNumberRow` is for orders."""

    __tablename__ = "engineering_change_number"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]


def _holder() -> ScalarSelect[UUID]:
    held, revision = EngineeringChangeRevisionRow.__table__, BomRevisionRow.__table__
    return (
        select(held.c.change_id)
        .where(held.c.revision_id == revision.c.id, held.c.is_held)
        .correlate(revision)
        .scalar_subquery()
    )


HOLDING_CHANGE = _holder()
"""The id of the change that holds a row of `bom_revision`, open or released; null where none does."""
