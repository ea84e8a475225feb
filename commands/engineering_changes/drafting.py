"""How does an engineering change come to be, and what is in it while it is a draft?"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from commands.engineering_changes.aggregate import Change, ChangeCommand, leave, lock_change
from commands.engineering_changes.holding import demand_few, hold, lock_candidates, name_predecessors
from commands.execution import Command, Workbench
from commands.numbers import next_number
from db.change_tables import EngineeringChangeNumberRow, EngineeringChangeRow
from db.identifiers import new_id
from db.snapshots import changes
from domain import values
from domain.engineering_change import ChangeAction, ChangeState, transition
from domain.errors import Forbidden, InvalidInput, NotFound
from domain.unset import UNSET, NotGiven


@dataclass(frozen=True, kw_only=True)
class CreateChange(Command):
    """Open an engineering change with drafts of BOM revisions."""

    title: str
    reason: str
    revision_ids: tuple[UUID, ...] = ()
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateChange(ChangeCommand):
    """Change a draft: its own fields, what it holds. What is not given stays as it is."""

    title: str | NotGiven = UNSET
    reason: str | NotGiven = UNSET
    added_ids: tuple[UUID, ...] = ()
    removed_ids: tuple[UUID, ...] = ()


async def create_change(bench: Workbench, command: CreateChange) -> UUID:
    """Open a change; return its id."""
    if not bench.policy.may_anywhere("engineering_change", "create"):
        raise Forbidden
    now = bench.origin.now
    change = Change(
        EngineeringChangeRow(
            id=new_id(),
            title=values.line(command.title, values.TITLE_LENGTH, ("title",)),
            reason=_reason(command.reason),
            state=ChangeState.DRAFT,
            edited_by_id=bench.viewer.user_id,
            version=0,
            created_at=now,
            updated_at=now,
        )
    )
    note = values.note(command.note)
    demand_few(len(command.revision_ids), "revisionIds")
    known = await lock_candidates(bench, command.revision_ids)
    await hold(bench, change, command.revision_ids, known, "revisionIds")
    await name_predecessors(bench, change)
    # Last of all, since whoever takes a number makes every other new change of the year wait until he is done.
    change.row.number = await next_number(bench, EngineeringChangeNumberRow, "EC")
    await leave(bench, change, "EngineeringChangeCreated", note)
    return change.row.id


async def update_change(bench: Workbench, command: UpdateChange) -> UUID:
    """Change a draft; return its id. A change that changes nothing leaves no event and no version."""
    change = await lock_change(bench, command.change_id, ChangeAction.UPDATE, command.expected_version)
    step = transition(change.facts(0), ChangeAction.UPDATE)
    if command.title is not UNSET:
        change.row.title = values.line(command.title, values.TITLE_LENGTH, ("title",))
    if command.reason is not UNSET:
        change.row.reason = _reason(command.reason)
    note = values.note(command.note)
    demand_few(len(command.added_ids), "addRevisionIds")
    held = [each.revision_id for each in change.revisions]
    known = await lock_candidates(bench, [*held, *command.added_ids])
    _let_go(change, command.removed_ids)
    await hold(bench, change, command.added_ids, known, "addRevisionIds")
    await name_predecessors(bench, change)
    if changes(change.before, change.fields()):
        change.row.edited_by_id = bench.viewer.user_id
        await leave(bench, change, step.event, note)
    return change.row.id


def _let_go(change: Change, ids: tuple[UUID, ...]) -> None:
    """Take revisions out of a change; raise `NotFound` with the place of one that is not in it."""
    for index, revision_id in enumerate(ids):
        kept = [each for each in change.revisions if each.revision_id != revision_id]
        if len(kept) == len(change.revisions):
            raise NotFound("revision in this change", ("removeRevisionIds", str(index)))
        change.revisions = kept


def _reason(text: str) -> str:
    found = values.paragraph(text, values.DESCRIPTION_LENGTH, ("reason",)).strip()
    if not found:
        raise InvalidInput("REQUIRED", "A change says why it is made.", ("reason",))
    return found
