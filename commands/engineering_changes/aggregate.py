"""How does a command get hold of an engineering change, and how is what it did written down?

A change is locked with its list of revisions for the length of the transaction; leaving it takes one version step and one
event with the difference. Locks are taken in one order by everybody: the change, then revisions by id, then BOMs by id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from commands.execution import Command, Workbench
from db.change_snapshots import change_fields
from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.events import Happening, record
from db.kept_rows import KeptRows, KeptTable
from db.snapshots import Fields, changes
from domain.engineering_change import ChangeAction, ChangeFacts
from domain.errors import Forbidden, NotFound, VersionConflict

_CHANGES, _HELD = KeptTable(EngineeringChangeRow), KeptTable(EngineeringChangeRevisionRow)


@dataclass(frozen=True, kw_only=True)
class ChangeCommand(Command):
    """A command that changes one engineering change."""

    change_id: UUID
    expected_version: int | None = None
    note: str | None = None

    @property
    def object_id(self) -> UUID:
        """Return the change's id."""
        return self.change_id


@dataclass
class Change:
    """An engineering change locked for change, with the revisions in it and its state as it was before."""

    row: EngineeringChangeRow
    revisions: list[EngineeringChangeRevisionRow] = field(default_factory=list[EngineeringChangeRevisionRow])
    before: Fields = field(default_factory=dict[str, Any])
    stored_rows: KeptRows[EngineeringChangeRow] = field(default_factory=lambda: KeptRows(_CHANGES))
    stored_revisions: KeptRows[EngineeringChangeRevisionRow] = field(default_factory=lambda: KeptRows(_HELD))

    def fields(self) -> Fields:
        """Return the change's state."""
        return change_fields(self.row, self.revisions)

    def facts(self, draft_count: int) -> ChangeFacts:
        """Return what the domain's rules need to know; so many of its revisions are drafts."""
        return ChangeFacts(
            state=self.row.state,
            revision_count=len(self.revisions),
            draft_count=draft_count,
            submitted_by=self.row.submitted_by_id,
            edited_by=self.row.edited_by_id,
        )


async def lock_change(
    bench: Workbench, change_id: UUID, deed: ChangeAction, expected_version: int | None
) -> Change:
    """Return an engineering change, locked until the transaction ends.

    Raises `NotFound` (absent or not readable), `Forbidden` (readable, deed not granted) or `VersionConflict`.
    """
    table = _CHANGES.table
    statement = (
        select(table)
        .where(table.c.id == change_id, bench.policy.rows("engineering_change", EngineeringChangeRow))
        .with_for_update(of=table, key_share=True)
    )
    rows = _CHANGES.read(await bench.session.execute(statement, bench.viewer.parameters))
    row = next(iter(rows.objects()), None)
    if row is None:
        raise NotFound("engineering change")
    if not bench.policy.may_anywhere("engineering_change", deed.value):
        raise Forbidden
    if expected_version is not None and row.version != expected_version:
        raise VersionConflict(row.version)
    held = _HELD.table
    revisions = _HELD.read(
        await bench.session.execute(select(held).where(held.c.change_id == change_id).order_by(held.c.id))
    )
    change = Change(row, revisions.objects(), stored_rows=rows, stored_revisions=revisions)
    change.before = change.fields()
    return change


async def leave(bench: Workbench, change: Change, event: str, note: str | None) -> None:
    """Write the change with its next version and the event that says what is different; nothing where nothing is."""
    news = changes(change.before, change.fields())
    if not news:
        return
    change.row.version += 1
    change.row.updated_at = bench.origin.now
    await change.stored_rows.replace(bench.session, [change.row])
    await change.stored_revisions.replace(bench.session, change.revisions)
    happening = Happening(
        aggregate_type="EngineeringChange",
        aggregate_id=change.row.id,
        version=change.row.version,
        type=event,
        project_id=None,
        changes=news,
        note=note,
    )
    await record(bench.session, bench.origin, happening)
