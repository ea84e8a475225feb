"""Which BOMs does a replacement of an item touch, and in which of their revisions? Locked, so that nobody else changes them.

Of a BOM that is the newest draft; where there is none, the revision in force, of which the next draft is made. Whoever
locks many revisions takes turns with others who do, and locks in one order: revisions by id, then BOMs by id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    Table,
    Uuid,
    any_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from commands.boms.revision import Revision, demand_draft, lock_revision
from commands.execution import Workbench
from db.bom_structures import in_force
from db.bom_tables import BomLineRow, BomRevisionRow, BomRow
from domain.bom import RevisionState
from domain.errors import InvalidInput, NotFound, Refusal, VersionConflict

BOMS_LIMIT = 500
"""In how many BOMs an item is replaced at once."""

_TURN_LOCK = 0x454F4D52
"""Held by whoever replaces an item in many BOMs ("EOMR" in ASCII)."""

_BOM, _REVISION = cast("Table", BomRow.__table__), cast("Table", BomRevisionRow.__table__)
_LINE = cast("Table", BomLineRow.__table__)


@dataclass(frozen=True, slots=True)
class Target:
    """A BOM and the revision of it that counts, null where it has neither a draft nor one in force."""

    bom_id: UUID
    revision_id: UUID | None
    is_draft: bool
    uses_item: bool


@dataclass(frozen=True, slots=True)
class Locked:
    """A target that nobody else changes: its revision, or why it can't be taken; neither where there is nothing to do."""

    target: Target
    revision: Revision | None = None
    refusal: Refusal | None = None


async def locked_targets(
    bench: Workbench, item_id: UUID, day: date, bom_ids: Sequence[UUID] | None
) -> list[Locked]:
    """Return the BOMs that are named, in that order, or all that use an item on a day or later, by id.

    Raises `InvalidInput` TOO_MANY (saying how many there are), `NotFound` for a BOM that isn't there.
    """
    if bom_ids is not None and len(bom_ids) > BOMS_LIMIT:
        raise _too_many(len(bom_ids))
    await bench.session.execute(_TURN)
    targets = await _targets(bench, item_id, day, bom_ids)
    revisions = await _revisions(bench, [each for each in targets if each.uses_item])
    ids = [each.bom_id for each in targets]
    await bench.session.execute(_LOCK_BOMS, {"boms": ids})
    # Nobody else opens or releases a revision of them from here on. Who was faster than the locks is seen now.
    now = {each.bom_id: each for each in await _targets(bench, item_id, day, ids)}
    return [_locked(each, now[each.bom_id], revisions.get(each.bom_id)) for each in targets]


def _locked(target: Target, now: Target, found: Revision | Refusal | None) -> Locked:
    if now.revision_id != target.revision_id:
        return Locked(now, refusal=_overtaken())
    match found:
        case Refusal():
            return Locked(now, refusal=found)
        case Revision():
            return Locked(now, found)
        case _:
            # It was not locked since it did not use the item.
            return Locked(now, refusal=_overtaken() if now.uses_item else None)


def _overtaken() -> Refusal:
    message = "Somebody else has just opened, released or changed a revision of it; try again."
    return InvalidInput(VersionConflict.code, message, ())


async def _revisions(bench: Workbench, targets: Sequence[Target]) -> Mapping[UUID, Revision | Refusal]:
    found: dict[UUID, Revision | Refusal] = {}
    for target in sorted(targets, key=lambda each: cast("UUID", each.revision_id)):
        assert target.revision_id is not None, "what uses an item is a revision"
        try:
            revision = await lock_revision(
                bench, target.revision_id, "update" if target.is_draft else "create", None
            )
            if target.is_draft:
                demand_draft(revision)
            found[target.bom_id] = revision
        except Refusal as refusal:
            found[target.bom_id] = refusal
    return found


async def _targets(
    bench: Workbench, item_id: UUID, day: date, bom_ids: Sequence[UUID] | None
) -> list[Target]:
    readable = bench.policy.rows("bom", BomRow)
    values = {**bench.viewer.parameters, "item": item_id, "day": day}
    if bom_ids is None:
        found = (await bench.session.execute(_USING.where(readable), values)).all()
        if found and found[0].using_count > BOMS_LIMIT:
            raise _too_many(found[0].using_count)
        return [_target(row) for row in found]
    rows = await bench.session.execute(_NAMED.where(readable), {**values, "boms": list(bom_ids)})
    named = {row.bom_id: row for row in rows}
    for place, bom_id in enumerate(bom_ids):
        if bom_id not in named:
            raise NotFound("BOM", ("bomIds", str(place)))
    return [_target(named[bom_id]) for bom_id in dict.fromkeys(bom_ids)]


def _too_many(count: int) -> InvalidInput:
    return InvalidInput(
        "TOO_MANY",
        f"It would be replaced in {count} BOMs, and at once it is in at most {BOMS_LIMIT}.",
        ("bomIds",),
    )


# Any: a row is typed by the statement's columns.
def _target(row: Any) -> Target:
    is_draft = row.draft_id is not None
    uses = row.draft_uses if is_draft else row.current_uses
    return Target(row.bom_id, row.draft_id if is_draft else row.current_id, is_draft, bool(uses))


_AnySelect = Select[*tuple[Any, ...]]


def _statements() -> tuple[_AnySelect, _AnySelect]:
    day = bindparam("day", type_=Date())
    item = bindparam("item", type_=Uuid())

    def takes(line: Any) -> ColumnElement[bool]:
        return (line.c.item_id == item) & or_(line.c.valid_to.is_(None), line.c.valid_to > day)

    def newest(name: str, is_meant: Any) -> Any:
        revision, line = _REVISION.alias(f"{name}_revision"), _LINE.alias(f"{name}_line")
        uses = exists().where(line.c.revision_id == revision.c.id, takes(line))
        return (
            select(revision.c.id, uses.label("uses"))
            .where(revision.c.bom_id == _BOM.c.id, is_meant(revision))
            .order_by(revision.c.number.desc())
            .limit(1)
            .lateral(name)
        )

    def is_draft(revision: Any) -> ColumnElement[bool]:
        return revision.c.state == RevisionState.DRAFT

    def is_current(revision: Any) -> ColumnElement[bool]:
        return in_force(revision, day)

    draft, current = newest("draft", is_draft), newest("current", is_current)
    each = (
        select(
            _BOM.c.id.label("bom_id"),
            draft.c.id.label("draft_id"),
            draft.c.uses.label("draft_uses"),
            current.c.id.label("current_id"),
            current.c.uses.label("current_uses"),
        )
        .select_from(_BOM.outerjoin(draft, true()).outerjoin(current, true()))
        .order_by(_BOM.c.id)
    )
    using = (
        select(_REVISION.c.bom_id)
        .join_from(_LINE, _REVISION, _REVISION.c.id == _LINE.c.revision_id)
        .where(takes(_LINE), or_(is_draft(_REVISION), is_current(_REVISION)))
    )
    all_using = (
        each.add_columns(func.count().over().label("using_count"))
        .where(_BOM.c.id.in_(using), or_(draft.c.uses, current.c.uses))
        .limit(BOMS_LIMIT + 1)
    )
    return all_using, each.where(_BOM.c.id == any_(bindparam("boms", type_=ARRAY(Uuid()))))


_USING, _NAMED = _statements()
"""The BOMs whose newest draft or revision in force takes an item; and those that are named."""

_TURN = select(func.pg_advisory_xact_lock(literal(_TURN_LOCK)))
_LOCK_BOMS = (
    select(_BOM.c.id)
    .where(_BOM.c.id == any_(bindparam("boms", type_=ARRAY(Uuid()))))
    .order_by(_BOM.c.id)
    .with_for_update()
)
