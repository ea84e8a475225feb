"""How does a draft come into force? With all that it is made of, and in place of the revision before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, exists, or_, select

from commands.boms.revision import (
    Revision,
    RevisionCommand,
    demand_free,
    demand_unreleased,
    leave,
    lock_bom,
    lock_revision,
    locked_revision,
)
from commands.execution import Workbench
from db.bom_tables import BomLineRow, BomRevisionRow, ItemRow
from domain import values
from domain.bom import ItemKind, RevisionState, Window
from domain.errors import InvalidInput

_NAMED = 10
"""How many items without a released BOM are named."""

_ITEM, _LINE = cast("Table", ItemRow.__table__), cast("Table", BomLineRow.__table__)
_REVISION = cast("Table", BomRevisionRow.__table__)


@dataclass(frozen=True, kw_only=True)
class ReleaseRevision(RevisionCommand):
    """Bring a draft into force."""


async def release_revision(bench: Workbench, command: ReleaseRevision) -> UUID:
    """Release a draft from its first day on, today where it has none; return its id.

    Raises what `release` raises, and `InvalidInput` IN_REVIEW or IN_CHANGE where an engineering change holds it.
    """
    revision = await lock_revision(bench, command.revision_id, "release", command.expected_version)
    demand_free(revision)
    await release(bench, revision, values.note(command.note))
    return revision.row.id


async def release(bench: Workbench, revision: Revision, note: str | None) -> UUID | None:
    """Release a draft; return the id of the revision in force until then, which is superseded from its first day on.

    Whether somebody may do that, and whether an engineering change holds it, is left to the caller. Raises `InvalidInput`
    NOT_A_DRAFT, REQUIRED (no lines), MISSING_CHILD_REVISION (naming the items) and OVERLAPPING_EFFECTIVITY.
    """
    demand_unreleased(revision)
    if not revision.lines:
        raise InvalidInput("REQUIRED", "A revision without lines makes nothing of nothing.", ("id",))
    missing = [row.code for row in await bench.session.execute(_MISSING, {"revision": revision.row.id})]
    if missing:
        named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
        raise InvalidInput("MISSING_CHILD_REVISION", f"Without a released BOM: {named}.", ("id",))
    await lock_bom(bench, revision.row.bom_id)
    superseded = await _supersede(bench, revision)
    revision.row.state = RevisionState.RELEASED
    revision.row.released_at = bench.origin.now
    await leave(bench, revision, "BomRevisionReleased", note)
    return superseded


async def _supersede(bench: Workbench, revision: Revision) -> UUID | None:
    """End what is in force on the first day of a revision, and return its id; raise where more than that overlaps.

    What was superseded holds until it is, which may be a day to come.
    """
    superseded: UUID | None = None
    rows = (await bench.session.execute(_HELD, {"bom": revision.row.bom_id})).all()
    if revision.row.valid_from is None and any(row.state is RevisionState.RELEASED for row in rows):
        revision.row.valid_from = bench.today
    window = Window(revision.row.valid_from, revision.row.valid_to)
    values.window(window.since, window.until, ("validTo",))
    for row in rows:
        if not window.overlaps(Window(row.valid_from, row.valid_to)):
            continue
        older = await locked_revision(bench, row.id)
        held = Window(older.row.valid_from, older.row.valid_to)
        since = window.since
        begins_before = since is not None and (held.since is None or held.since <= since)
        goes_on = window.until is not None and (held.until is None or window.until < held.until)
        if not begins_before or goes_on:
            message = (
                f"Revision {older.row.number} is in force on some of these days, and not only before them."
            )
            raise InvalidInput("OVERLAPPING_EFFECTIVITY", message, ("validFrom",))
        older.row.valid_to = since
        older.row.state = RevisionState.SUPERSEDED
        await leave(bench, older, "BomRevisionSuperseded")
        superseded = older.row.id
    return superseded


# Of those that hold on some day: one that was replaced on its first day never does.
_HELD = (
    select(_REVISION.c.id, _REVISION.c.state, _REVISION.c.valid_from, _REVISION.c.valid_to)
    .where(
        _REVISION.c.bom_id == bindparam("bom"),
        or_(_REVISION.c.state == RevisionState.RELEASED, _REVISION.c.state == RevisionState.SUPERSEDED),
        or_(
            _REVISION.c.valid_from.is_(None),
            _REVISION.c.valid_to.is_(None),
            _REVISION.c.valid_from < _REVISION.c.valid_to,
        ),
    )
    .order_by(_REVISION.c.number)
)
_RELEASED = exists().where(_REVISION.c.item_id == _ITEM.c.id, _REVISION.c.state == RevisionState.RELEASED)
_MISSING = (
    select(_ITEM.c.code)
    .distinct()
    .join_from(_LINE, _ITEM, _LINE.c.item_id == _ITEM.c.id)
    .where(
        _LINE.c.revision_id == bindparam("revision"),
        or_(_ITEM.c.kind == ItemKind.ASSEMBLY, _ITEM.c.kind == ItemKind.PHANTOM),
        ~_RELEASED,
    )
    .order_by(_ITEM.c.code)
)
