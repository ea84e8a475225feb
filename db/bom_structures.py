"""Of what is something made on a day? All revisions that are in force below some, with their lines, in one statement.

What is made of what is the company's, and the same for everybody who may know it at all: who may is asked by whoever
reads here. How much of everything that is, is left to `domain.explosion`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    RowMapping,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from db.bom_tables import BomCoProductRow, BomLineRow, BomOperationRow, BomRevisionRow, ItemRow
from domain.bom import Consumption, ItemKind, Line, Operation, RevisionState, Structure, Window
from domain.errors import InvalidInput

LINES_LIMIT = 100_000
"""How many different lines are read at the most: a tree of them has at least as many."""

_REVISION = cast("Table", BomRevisionRow.__table__)
_LINE = cast("Table", BomLineRow.__table__)
_ITEM = cast("Table", ItemRow.__table__)
_OPERATION = cast("Table", BomOperationRow.__table__)
_CO_PRODUCT = cast("Table", BomCoProductRow.__table__)


@dataclass(frozen=True)
class Library:
    """What is made of what on a day, as far as it was asked for."""

    roots: Mapping[UUID, Structure]
    """What was asked for, by revision, in whatever state it is."""

    in_force: Mapping[UUID, Structure]
    """What is below that, by item."""

    phantoms: frozenset[UUID]
    """The items among them that are passed through."""

    def below(self, revision_id: UUID) -> Mapping[UUID, Structure]:
        """Return the structures by item, with this revision as the one of its own item."""
        root = self.roots[revision_id]
        return {**self.in_force, root.item_id: root}


def holds_on(table: FromClause, day: ColumnElement[date]) -> ColumnElement[bool]:
    """Return whether a day is between a row's first one and the first one on which it holds no longer."""
    since, until = table.c.valid_from, table.c.valid_to
    return and_(or_(since.is_(None), since <= day), or_(until.is_(None), until > day))


def in_force(revision: FromClause, day: ColumnElement[date]) -> ColumnElement[bool]:
    """Return whether a revision is what its item is made by on a day; superseded ones were until they were."""
    states = (RevisionState.RELEASED, RevisionState.SUPERSEDED)
    return and_(or_(*(revision.c.state == state for state in states)), holds_on(revision, day))


def parameters(revision_ids: Iterable[UUID], day: date) -> dict[str, object]:
    """Return the values of the parameters of the two statements."""
    return {"revisions": list(revision_ids), "day": day}


def library(lines: Iterable[RowMapping], work: Iterable[RowMapping] = ()) -> Library:
    """Return what rows of `LINES`, and perhaps of `WORK`, say; raise `InvalidInput` TOO_LARGE for more than can be read."""
    held: dict[UUID, list[Line]] = {}
    revisions: dict[UUID, RowMapping] = {}
    phantoms: set[UUID] = set()
    for count, row in enumerate(lines):
        if count == LINES_LIMIT:
            raise InvalidInput("TOO_LARGE", f"It has more than {LINES_LIMIT} different lines.", ("quantity",))
        revisions[row["revision_id"]] = row
        own = held.setdefault(row["revision_id"], [])
        if row["id"] is not None:
            own.append(line_of(row))
        if row["kind"] is ItemKind.PHANTOM:
            phantoms.add(row["item_id"])
    worked = {row["revision_id"]: row for row in work}
    structures = {
        key: Structure(key, row["made_id"], row["base_quantity"], tuple(held[key]), *work_of(worked.get(key)))
        for key, row in revisions.items()
    }
    return Library(
        {key: structures[key] for key, row in revisions.items() if row["is_root"]},
        {row["made_id"]: structures[key] for key, row in revisions.items() if row["is_below"]},
        frozenset(phantoms),
    )


def line_of(row: RowMapping) -> Line:
    """Return the line that a row of `bom_line` is."""
    return Line(
        row["id"],
        row["position"],
        row["item_id"],
        Consumption(
            row["quantity"],
            row["is_fixed"],
            row["scrap_percent"],
            row["scrap_rule"],
            row["setup_quantity"],
            row["order_multiple"],
        ),
        Fraction(int(row["factor_numerator"]), int(row["factor_denominator"])),
        Window(row["valid_from"], row["valid_to"]),
    )


def work_of(row: RowMapping | None) -> tuple[tuple[Operation, ...], Decimal]:
    """Return the operations of a revision and how much of the cost its co-products bear, as `selected_work` reads them."""
    if row is None:
        return (), Decimal(0)
    operations = zip(row["minutes"] or (), row["rates"] or (), strict=True)
    return tuple(Operation(*each) for each in operations), row["co_product_percent"] or Decimal(0)


# Any: a SELECT is typed by its columns, which its labels say better.
_AnySelect = Select[*tuple[Any, ...]]


def _statements() -> tuple[_AnySelect, _AnySelect, _AnySelect]:
    day = bindparam("day", type_=Date())
    asked = _REVISION.c.id == any_(bindparam("revisions", type_=ARRAY(Uuid())))
    root = select(_REVISION.c.id.label("id"), false().label("is_below")).where(asked)
    reached = root.cte("reached", recursive=True)
    line, part = _LINE.alias("above"), _REVISION.alias("part")
    # UNION, not UNION ALL: what is on many paths is followed once.
    reached = reached.union(
        select(part.c.id, true())
        .join_from(reached, line, line.c.revision_id == reached.c.id)
        .join(part, part.c.item_id == line.c.item_id)
        .where(holds_on(line, day), in_force(part, day))
    )
    each = (
        select(
            reached.c.id,
            func.bool_or(reached.c.is_below).label("is_below"),
            func.bool_or(not_(reached.c.is_below)).label("is_root"),
        )
        .group_by(reached.c.id)
        .subquery("each")
    )
    given = select(_REVISION.c.id, false().label("is_below"), true().label("is_root")).where(asked)
    return (
        _selected_lines(each, holds_on(_LINE, day)),
        selected_work(each),
        _selected_lines(given.subquery("given"), true()),
    )


def _selected_lines(each: FromClause, holds: ColumnElement[bool]) -> _AnySelect:
    return (
        select(
            each.c.id.label("revision_id"),
            each.c.is_below,
            each.c.is_root,
            _REVISION.c.item_id.label("made_id"),
            _REVISION.c.base_quantity,
            *(column for column in _LINE.c if column.name not in {"revision_id", "unit_id", "is_consumable"}),
            _ITEM.c.kind,
        )
        .join_from(each, _REVISION, _REVISION.c.id == each.c.id)
        .outerjoin(_LINE, and_(_LINE.c.revision_id == each.c.id, holds))
        .outerjoin(_ITEM, _ITEM.c.id == _LINE.c.item_id)
        .order_by(each.c.id, _LINE.c.position, _LINE.c.id)
        .limit(LINES_LIMIT + 1)
    )


def selected_work(revision: FromClause) -> _AnySelect:
    """Return the SELECT of the work on each of some revisions (`id`): minutes and rates by position, co-products' share."""

    def ordered(column: ColumnElement[Decimal]) -> ColumnElement[Any]:
        return (
            select(func.array_agg(aggregate_order_by(column, _OPERATION.c.position)))
            .where(_OPERATION.c.revision_id == revision.c.id)
            .scalar_subquery()
        )

    share = (
        select(func.sum(_CO_PRODUCT.c.cost_share_percent))
        .where(_CO_PRODUCT.c.revision_id == revision.c.id)
        .scalar_subquery()
    )
    return select(
        revision.c.id.label("revision_id"),
        ordered(_OPERATION.c.minutes).label("minutes"),
        ordered(_OPERATION.c.hourly_rate).label("rates"),
        share.label("co_product_percent"),
    )


LINES, WORK, PINNED = _statements()
"""The lines of all revisions in force on a `day` below some `revisions`, theirs included; and the work on them.

The third: the lines of exactly these `revisions`, whatever the day; see `db.order_boms`.
"""
