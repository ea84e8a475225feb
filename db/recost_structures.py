"""Whose costs does a change concern, and of what are some items made on a day? Each in one statement for all of them.

Up the tree it is followed by the lines of today of revisions in force today: those are what costs are reckoned by.
Substitutes stand in for others and cost nothing themselves.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    FromClause,
    Select,
    Table,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    column,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.bom_structures import holds_on, in_force, selected_work
from db.bom_tables import BomLineRow, BomRevisionRow, ItemRow
from db.events import latest_hash
from db.recost_tables import ItemCostRow, RecostRequestRow, RecostRunRow, RecostStepRow, RecostWatchRow
from domain.recost import Cause, RunState

# Any: a SELECT is typed by its columns, which its labels say better.
AnySelect = Select[*tuple[Any, ...]]

_ITEM = cast("Table", ItemRow.__table__)
_LINE = cast("Table", BomLineRow.__table__)
_REVISION = cast("Table", BomRevisionRow.__table__)
_COST = cast("Table", ItemCostRow.__table__)
_RUN = cast("Table", RecostRunRow.__table__)
_REQUEST = cast("Table", RecostRequestRow.__table__)
_STEP = cast("Table", RecostStepRow.__table__)
_WATCH = cast("Table", RecostWatchRow.__table__)

_DAY = bindparam("day", type_=Date())
_EXACT = ("material_numerator", "operation_numerator", "credit_numerator", "denominator")


def _given(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=ARRAY(Uuid()))


def _each(name: str, label: str) -> FromClause:
    """Return given ids as rows."""
    return func.unnest(_given(name)).table_valued(column("id", Uuid())).render_derived(name=label)


def _asked() -> AnySelect:
    """Return the SELECT of the items that a `run` was asked for and that are concerned: (item_id, goes_up, is_made, is_kept).

    `is_kept` is whether its cost is kept already; `goes_up` is whether the costs of what is made of it depend on what has
    changed: a price only counts while an item is not made. A release changes nothing before its first day, and being
    superseded nothing until the last: on those days they are asked for again.
    """
    named, made = _REVISION.alias("named"), _REVISION.alias("made")
    is_price = _REQUEST.c.cause == Cause.PRICE
    holds = func.coalesce(in_force(named, _DAY), false())
    is_concerned = case(
        (_REQUEST.c.cause == Cause.RELEASED, holds),
        (_REQUEST.c.cause == Cause.SUPERSEDED, not_(holds)),
        else_=true(),
    )
    asked = (
        select(_REQUEST.c.item_id, func.bool_or(not_(is_price)).label("is_structural"))
        .select_from(_REQUEST)
        .outerjoin(named, named.c.id == _REQUEST.c.revision_id)
        .where(_REQUEST.c.run_id == bindparam("run", type_=Uuid()), is_concerned)
        .group_by(_REQUEST.c.item_id)
        .subquery("asked")
    )
    return (
        select(
            asked.c.item_id,
            or_(asked.c.is_structural, made.c.id.is_(None)).label("goes_up"),
            made.c.id.is_not(None).label("is_made"),
            _COST.c.id.is_not(None).label("is_kept"),
        )
        .select_from(asked)
        .outerjoin(made, and_(made.c.item_id == asked.c.item_id, in_force(made, _DAY)))
        .outerjoin(_COST, _COST.c.item_id == asked.c.item_id)
    )


def _ancestors() -> AnySelect:
    """Return the SELECT of the `items` and everything that is made of them, as `id`."""
    start = _each("items", "start")
    reached = select(start.c.id).cte("reached", recursive=True)
    return select(
        reached.union(
            select(_REVISION.c.item_id)
            .join_from(reached, _LINE, _LINE.c.item_id == reached.c.id)
            .join(_REVISION, _REVISION.c.id == _LINE.c.revision_id)
            .where(holds_on(_LINE, _DAY), in_force(_REVISION, _DAY))
        ).c.id
    )


def _below() -> tuple[FromClause, AnySelect]:
    """Return what the `items` are made of, whole and part by part."""
    whole = _each("items", "whole")
    joined = whole.join(_REVISION, _REVISION.c.item_id == whole.c.id).join(
        _LINE, _LINE.c.revision_id == _REVISION.c.id
    )
    parts = (
        select(whole.c.id.label("whole_id"), _LINE.c.item_id.label("part_id"))
        .distinct()
        .select_from(joined)
        .where(in_force(_REVISION, _DAY), holds_on(_LINE, _DAY))
    )
    return joined, parts


def _missing() -> AnySelect:
    """Return the SELECT of parts of the `items`, not among them, that are made and whose costs nobody has computed."""
    _, parts = _below()
    part = _REVISION.alias("part")
    return parts.with_only_columns(_LINE.c.item_id.label("part_id")).where(
        not_(_LINE.c.item_id == any_(_given("items"))),
        exists().where(part.c.item_id == _LINE.c.item_id, in_force(part, _DAY)),
        ~exists().where(_COST.c.item_id == _LINE.c.item_id),
    )


ASKED, ANCESTORS = _asked(), _ancestors()
PARTS = _below()[1].where(_LINE.c.item_id == any_(_given("items")))
"""(whole_id, part_id) of those of the `items` that others of them are made of."""

MISSING = _missing()
LEFT_OVER = (
    select(_STEP.c.run_id, _STEP.c.item_id)
    .where(_STEP.c.done_at.is_(None), _STEP.c.run_id != bindparam("run", type_=Uuid()))
    .distinct()
)
"""The steps that runs before this one have left."""


def _made() -> AnySelect:
    """Return the SELECT of some `items`: what they are made by, and their costs as they are kept."""
    kept = [
        _COST.c[name].label(f"kept_{name}")
        for name in (
            "id",
            "revision_id",
            "material",
            "operation",
            "co_product_credit",
            "total",
            "currency",
            "is_partial",
            "has_mixed_currencies",
            "version",
        )
    ]
    return (
        select(
            _ITEM.c.id,
            _ITEM.c.currency,
            _ITEM.c.standard_cost,
            _REVISION.c.id.label("revision_id"),
            _REVISION.c.base_quantity,
            *kept,
            latest_hash(_COST.c.id).scalar_subquery().label("latest_hash"),
        )
        .select_from(_ITEM)
        .outerjoin(_REVISION, and_(_REVISION.c.item_id == _ITEM.c.id, in_force(_REVISION, _DAY)))
        .outerjoin(_COST, _COST.c.item_id == _ITEM.c.id)
        .where(_ITEM.c.id == any_(_given("items")))
    )


def _lines() -> AnySelect:
    """Return the SELECT of the lines of today of some `revisions`, each with what is known of its item's cost."""
    part = _REVISION.alias("part")
    is_made: ColumnElement[bool] = and_(
        _COST.c.id.is_(None), exists().where(part.c.item_id == _ITEM.c.id, in_force(part, _DAY))
    )
    return (
        select(
            *(each for each in _LINE.c if each.name not in {"unit_id", "is_consumable"}),
            _ITEM.c.currency,
            _ITEM.c.standard_cost,
            is_made.cast(Boolean).label("is_unknown"),
            *(_COST.c[name] for name in (*_EXACT, "priced_in", "is_mixed", "lacks_price")),
        )
        .join_from(_LINE, _ITEM, _ITEM.c.id == _LINE.c.item_id)
        .outerjoin(_COST, _COST.c.item_id == _LINE.c.item_id)
        .where(_LINE.c.revision_id == any_(_given("revisions")), holds_on(_LINE, _DAY))
        .order_by(_LINE.c.revision_id, _LINE.c.position, _LINE.c.id)
    )


MADE, LINES = _made(), _lines()
WORK = selected_work(_each("revisions", "worked"))
"""The work on some `revisions`."""


def is_stale(cost: FromClause) -> ColumnElement[bool]:
    """Return whether a kept cost may be another one by now: a request waits, or a run has not come to it yet."""
    return or_(
        exists().where(_REQUEST.c.is_pending),
        exists().where(_STEP.c.item_id == cost.c.item_id, _STEP.c.done_at.is_(None)),
    )


def _due() -> AnySelect:
    """Return the SELECT of the made items of which lines or revisions begin or end on a day after `since`, up to `day`."""
    since = bindparam("since", type_=Date())

    def turns(table: Table) -> ColumnElement[bool]:
        return or_(*(and_(bound > since, bound <= _DAY) for bound in (table.c.valid_from, table.c.valid_to)))

    states = or_(*(_REVISION.c.state == state for state in ("RELEASED", "SUPERSEDED")))
    by_lines = (
        select(_REVISION.c.item_id)
        .join_from(_LINE, _REVISION, _REVISION.c.id == _LINE.c.revision_id)
        .where(turns(_LINE), in_force(_REVISION, _DAY))
    )
    return select(
        by_lines.union(select(_REVISION.c.item_id).where(turns(_REVISION), states)).subquery().c.item_id
    )


DUE = _due()
NEVER_COMPUTED = (
    select(_REVISION.c.item_id)
    .distinct()
    .where(in_force(_REVISION, _DAY), ~exists().where(_COST.c.item_id == _REVISION.c.item_id))
)
"""The made items whose costs nobody has computed."""

GIVEN_UP = (
    select(_STEP.c.item_id)
    .join_from(_STEP, _RUN, _RUN.c.id == _STEP.c.run_id)
    .where(_STEP.c.done_at.is_(None), _RUN.c.state == RunState.FAILED)
    .limit(1)
)
"""One of the items that a run has left which was given up: whichever run comes next takes them all over."""

WATCHED = select(_WATCH.c.day).with_for_update()
ACTIVE = (RunState.COLLECTING, RunState.RUNNING)
