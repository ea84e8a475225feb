"""How does an engineering change go into review, and out of it: released with all that it holds, or rejected?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from commands.boms.releasing import release
from commands.boms.revision import Revision, lock_bom, locked_revision
from commands.engineering_changes.aggregate import Change, ChangeCommand, leave, lock_change
from commands.engineering_changes.holding import lock_candidates, name_predecessors
from commands.execution import Workbench
from db.bom_tables import BomRevisionRow, ItemRow
from domain import values
from domain.bom import RevisionState
from domain.engineering_change import ChangeAction, children_first, take_step
from domain.errors import InvalidInput
from domain.identifiers import global_id

_REVISION, _ITEM = BomRevisionRow.__table__, ItemRow.__table__


@dataclass(frozen=True, kw_only=True)
class StepChange(ChangeCommand):
    """Take one step: submit, release, reject."""

    action: ChangeAction


async def step_change(bench: Workbench, command: StepChange) -> UUID:
    """Take the step; return the change's id.

    Raises what `lock_change` and `take_step` raise, and for a release what keeps one of the revisions from coming into force:
    `InvalidInput` with the code of `commands.boms.releasing.release` and that revision's id in its path.
    """
    change = await lock_change(bench, command.change_id, command.action, command.expected_version)
    note = values.note(command.note)
    held = [each.revision_id for each in change.revisions]
    replaced = await _in_force(bench, held) if command.action is ChangeAction.RELEASE else []
    known = await lock_candidates(bench, [*held, *replaced])
    draft_count = sum(known[each].state is RevisionState.DRAFT for each in held)
    step = take_step(change.facts(draft_count), command.action, bench.viewer.user_id, note)
    change.row.state = step.target
    match command.action:
        case ChangeAction.SUBMIT:
            change.row.submitted_by_id = bench.viewer.user_id
            await name_predecessors(bench, change)
        case ChangeAction.RELEASE:
            change.row.released_by_id = bench.viewer.user_id
            await _release_all(bench, change, sorted({known[each].bom_id for each in held}))
        case _:
            # What a rejected change held is free for another one.
            for each in change.revisions:
                each.is_held = False
    await leave(bench, change, step.event, note)
    return change.row.id


async def _in_force(bench: Workbench, ids: Sequence[UUID]) -> list[UUID]:
    """Return the revisions that are in force of the same BOMs, which release may end."""
    return [row.id for row in await bench.session.execute(_IN_FORCE, {"ids": list(ids)})]


async def _release_all(bench: Workbench, change: Change, boms: Sequence[UUID]) -> None:
    """Release all that a change holds, what is taken before what takes it; note what each has replaced."""
    for bom_id in boms:
        await lock_bom(bench, bom_id)
    revisions = {
        each.revision_id: await locked_revision(bench, each.revision_id) for each in change.revisions
    }
    places = {each.revision_id: each for each in change.revisions}
    for revision_id in _in_order(revisions):
        revision = revisions[revision_id]
        try:
            places[revision_id].supersedes_id = await release(bench, revision, change.row.number)
        except InvalidInput as refusal:
            place = () if refusal.path == ("id",) else refusal.path
            code = await bench.session.scalar(_CODE, {"item": revision.row.item_id})
            raise InvalidInput(
                refusal.code,
                f"{code} revision {revision.row.number}: {refusal.message}",
                ("revisions", global_id("BomRevision", revision_id), *place),
            ) from refusal


def _in_order(revisions: Mapping[UUID, Revision]) -> list[UUID]:
    return children_first(
        {key: each.row.item_id for key, each in revisions.items()},
        {key: [line.item_id for line in each.lines] for key, each in revisions.items()},
    )


_SAME_BOM = _REVISION.alias()
_IN_FORCE = (
    select(_REVISION.c.id)
    .join_from(_REVISION, _SAME_BOM, _SAME_BOM.c.bom_id == _REVISION.c.bom_id)
    .where(
        _SAME_BOM.c.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
        _REVISION.c.state == RevisionState.RELEASED,
    )
)
_CODE = select(_ITEM.c.code).where(_ITEM.c.id == bindparam("item"))
