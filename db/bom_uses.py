"""Where are items used on a day? All lines that take them, directly or on all levels upwards, in one statement.

It goes up from the items by index and never reads a table of lines as a whole. As many rows come back as are asked for:
PostgreSQL makes them one after the other and stops there, so that a screw that is used everywhere is told so in time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    RowMapping,
    Select,
    Table,
    Text,
    Uuid,
    any_,
    bindparam,
    func,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.bom_structures import holds_on
from db.bom_tables import BomLineRow, BomRevisionRow, BomSubstituteRow, ItemRow
from domain.bom import RevisionState
from domain.errors import InvalidInput
from domain.where_used import MOST_USES, Use

_REVISION = cast("Table", BomRevisionRow.__table__)
_LINE = cast("Table", BomLineRow.__table__)
_SUBSTITUTE = cast("Table", BomSubstituteRow.__table__)
_ITEM = cast("Table", ItemRow.__table__)


def parameters(item_ids: Iterable[UUID], day: date, states: Sequence[RevisionState]) -> dict[str, object]:
    """Return the values of the parameters of the two statements."""
    return {"items": list(item_ids), "day": day, "states": [each.value for each in states]}


def uses(rows: Sequence[RowMapping]) -> list[Use]:
    """Return what rows of `DIRECT_USES` or `ALL_USES` say; raise `InvalidInput` TOO_LARGE for more than can be told."""
    if len(rows) > MOST_USES:
        raise InvalidInput("TOO_LARGE", f"There are more than {MOST_USES} uses of it.", ("direct",))
    return [Use(**row) for row in rows]


# Any: a SELECT is typed by its columns, which its labels say better.
_AnySelect = Select[*tuple[Any, ...]]


def _of(item_id: ColumnElement[UUID], name: str) -> Any:
    """Return the uses of one item that count, by index: LATERAL beside what names the item."""
    day = bindparam("day", type_=Date())
    states = bindparam("states", type_=ARRAY(Text()))
    line, revision = _LINE.alias(f"{name}_line"), _REVISION.alias(f"{name}_revision")
    own = (
        select(
            line.c.item_id.label("component_id"),
            revision.c.item_id.label("made_id"),
            line.c.revision_id,
            line.c.id.label("line_id"),
            line.c.position,
            null().cast(Integer).label("priority"),
        )
        .join_from(line, revision, revision.c.id == line.c.revision_id)
        .where(line.c.item_id == item_id)
    )
    other, instead = _LINE.alias(f"{name}_other"), _SUBSTITUTE.alias(f"{name}_instead")
    made_by = _REVISION.alias(f"{name}_made_by")
    substituted = (
        select(
            instead.c.item_id,
            made_by.c.item_id,
            other.c.revision_id,
            other.c.id,
            other.c.position,
            instead.c.priority.cast(Integer),
        )
        .join_from(instead, other, other.c.id == instead.c.line_id)
        .join(made_by, made_by.c.id == other.c.revision_id)
        .where(instead.c.item_id == item_id)
    )
    counted = [
        each.where(holds_on(taken, day), holds_on(making, day), making.c.state.cast(Text()) == any_(states))
        for each, taken, making in ((own, line, revision), (substituted, other, made_by))
    ]
    return union_all(*counted).lateral(name)


def _statements() -> tuple[_AnySelect, _AnySelect]:
    asked = select(
        func.unnest(bindparam("items", type_=ARRAY(Uuid())), type_=Uuid()).label("item_id")
    ).subquery("asked")
    first = _of(asked.c.item_id, "first")
    direct = select(*first.c).select_from(asked.join(first, true()))
    above = direct.cte("above", recursive=True)
    # Each item that is reached is looked up once a level, by however many lines it was reached.
    reached = select(above.c.made_id).distinct().subquery("reached")
    more = _of(reached.c.made_id, "more")
    # UNION, not UNION ALL: a use on many paths is followed once.
    above = above.union(select(*more.c).select_from(reached.join(more, true())))
    return _told(direct.subquery("above")), _told(above)


def _told(found: Any) -> _AnySelect:
    limited = select(found).limit(MOST_USES + 1).subquery("told")
    return (
        select(*limited.c, _ITEM.c.code.label("made_code"), _REVISION.c.number.label("revision_number"))
        .join_from(limited, _ITEM, _ITEM.c.id == limited.c.made_id)
        .join(_REVISION, _REVISION.c.id == limited.c.revision_id)
    )


DIRECT_USES, ALL_USES = _statements()
"""The uses of some `items` on a `day` by revisions of some `states`; and those with all that are above them."""
