"""Which revisions does an engineering change hold, and may it hold this one?

Whoever takes a revision into a change, or out of one, has its row locked: writers of the revision ask who holds it with the
same row locked, so that nobody edits what goes into review at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Select, Uuid, and_, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from commands.engineering_changes.aggregate import Change
from commands.execution import Workbench
from db.bom_tables import BomRevisionRow
from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.identifiers import new_id
from domain.bom import RevisionState
from domain.errors import InvalidInput, NotFound

REVISIONS_LIMIT = 100
"""How many revisions an engineering change holds at most."""

_REVISION = BomRevisionRow.__table__
_CHANGE = EngineeringChangeRow.__table__
_HELD = EngineeringChangeRevisionRow.__table__


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision whose row is locked."""

    id: UUID
    bom_id: UUID
    state: RevisionState


def demand_few(count: int, path: str) -> None:
    """Raise `InvalidInput` TOO_MANY where a change can't hold so many revisions, before any of them is locked."""
    if count > REVISIONS_LIMIT:
        raise InvalidInput("TOO_MANY", f"A change holds at most {REVISIONS_LIMIT} revisions.", (path,))


async def lock_candidates(bench: Workbench, ids: Iterable[UUID]) -> Mapping[UUID, Candidate]:
    """Return those of the revisions that there are for the viewer, locked by id until the transaction ends."""
    parameters = {**bench.viewer.parameters, "ids": list(set(ids))}
    return {row.id: Candidate(*row) for row in await bench.session.execute(_locking(bench), parameters)}


async def hold(
    bench: Workbench, change: Change, ids: Sequence[UUID], known: Mapping[UUID, Candidate], path: str
) -> None:
    """Take drafts into a change, each of another BOM; `known` are they and those that it holds already.

    Raises `NotFound`, or `InvalidInput` DUPLICATE, NOT_A_DRAFT or IN_CHANGE with the place in the list at `path`, or TOO_MANY.
    """
    demand_few(len(change.revisions) + len(ids), path)
    holders = {
        row.revision_id: row.number for row in await bench.session.execute(_HOLDERS, {"ids": list(ids)})
    }
    boms = {known[each.revision_id].bom_id for each in change.revisions}
    for index, revision_id in enumerate(ids):
        place, found = (path, str(index)), known.get(revision_id)
        if found is None:
            raise NotFound("BOM revision", place)
        if found.bom_id in boms:
            raise InvalidInput("DUPLICATE", "The change holds a revision of this BOM already.", place)
        if found.state is not RevisionState.DRAFT:
            raise InvalidInput("NOT_A_DRAFT", f"The revision is {found.state.value}.", place)
        if revision_id in holders:
            raise InvalidInput("IN_CHANGE", f"{holders[revision_id]} holds it.", place)
        boms.add(found.bom_id)
        change.revisions.append(
            EngineeringChangeRevisionRow(
                id=new_id(), change_id=change.row.id, revision_id=revision_id, is_held=True
            )
        )


async def name_predecessors(bench: Workbench, change: Change) -> None:
    """Note for each revision of a change which one it is to replace: the newest in force of its BOM, as things stand."""
    ids = [each.revision_id for each in change.revisions]
    # Of several the last one counts.
    found = {row.id: row.older for row in await bench.session.execute(_PREDECESSORS, {"ids": ids})}
    for each in change.revisions:
        each.supersedes_id = found.get(each.revision_id)


# Any: a SELECT is typed by its columns, which are read by name.
def _locking(bench: Workbench) -> Select[*tuple[Any, ...]]:
    return (
        select(_REVISION.c.id, _REVISION.c.bom_id, _REVISION.c.state)
        .where(_REVISION.c.id == any_(_IDS), bench.policy.rows("bom_revision", BomRevisionRow))
        .order_by(_REVISION.c.id)
        .with_for_update(of=_REVISION, key_share=True)
    )


_IDS: BindParameter[Any] = bindparam("ids", type_=ARRAY(Uuid()))
_HOLDERS = (
    select(_HELD.c.revision_id, _CHANGE.c.number)
    .join_from(_HELD, _CHANGE, _CHANGE.c.id == _HELD.c.change_id)
    .where(_HELD.c.revision_id == any_(_IDS), _HELD.c.is_held)
)
_OLDER = _REVISION.alias()
_PREDECESSORS = (
    select(_REVISION.c.id, _OLDER.c.id.label("older"))
    .join_from(
        _REVISION,
        _OLDER,
        and_(_OLDER.c.bom_id == _REVISION.c.bom_id, _OLDER.c.state == RevisionState.RELEASED),
    )
    .where(_REVISION.c.id == any_(_IDS))
    .order_by(_OLDER.c.number)
)
