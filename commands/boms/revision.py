"""How does a command get hold of a BOM revision, and how is what it did written down?

A revision is locked with all that belongs to it for the length of the transaction; leaving it takes one version step and
one event with the difference. Only drafts are changed: what is released is what orders were built by. Nor is a draft that an
engineering change holds in review: what was looked at is what comes into force.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import bindparam, select

from commands.execution import Command, Workbench
from commands.recosting.asking import ask_for_recost
from db.bom_snapshots import checksum, revision_fields
from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomRow,
    BomSubstituteRow,
)
from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.events import Happening, record
from db.identifiers import new_id
from db.kept_rows import KeptRows, KeptTable
from db.snapshots import Fields, changes
from db.tables import Keyed
from domain.bom import RevisionState
from domain.engineering_change import ChangeState
from domain.errors import Forbidden, InvalidInput, NotFound, VersionConflict
from domain.recost import Cause

_REVISIONS = KeptTable(BomRevisionRow)
_LINES = KeptTable(BomLineRow)
_SUBSTITUTES = KeptTable(BomSubstituteRow)
_OPERATIONS = KeptTable(BomOperationRow)
_CO_PRODUCTS = KeptTable(BomCoProductRow)

RowT = TypeVar("RowT", bound=Keyed)


@dataclass(frozen=True, kw_only=True)
class RevisionCommand(Command):
    """A command that changes one revision."""

    revision_id: UUID
    expected_version: int | None
    note: str | None = None

    @property
    def object_id(self) -> UUID:
        """Return the revision's id."""
        return self.revision_id


@dataclass
class Stored:
    """What the database holds of a revision; of a new one nothing."""

    revisions: KeptRows[BomRevisionRow] = field(default_factory=lambda: KeptRows(_REVISIONS))
    lines: KeptRows[BomLineRow] = field(default_factory=lambda: KeptRows(_LINES))
    substitutes: KeptRows[BomSubstituteRow] = field(default_factory=lambda: KeptRows(_SUBSTITUTES))
    operations: KeptRows[BomOperationRow] = field(default_factory=lambda: KeptRows(_OPERATIONS))
    co_products: KeptRows[BomCoProductRow] = field(default_factory=lambda: KeptRows(_CO_PRODUCTS))


@dataclass(frozen=True, slots=True)
class Holder:
    """The engineering change that holds a revision."""

    number: str
    state: ChangeState


@dataclass
class Revision:
    """A revision locked for change, with all that belongs to it and its state as it was before."""

    row: BomRevisionRow
    lines: list[BomLineRow] = field(default_factory=list[BomLineRow])
    substitutes: list[BomSubstituteRow] = field(default_factory=list[BomSubstituteRow])
    operations: list[BomOperationRow] = field(default_factory=list[BomOperationRow])
    co_products: list[BomCoProductRow] = field(default_factory=list[BomCoProductRow])
    before: Fields = field(default_factory=dict[str, Any])
    stored: Stored = field(default_factory=Stored)
    holder: Holder | None = None

    def fields(self) -> Fields:
        """Return the revision's state."""
        return revision_fields(self.row, self.lines, self.substitutes, self.operations, self.co_products)

    def copy(self, source: Revision) -> None:
        """Hold what another revision holds, under ids of its own."""
        lines = {line.id: new_id() for line in source.lines}
        own = {"revision_id": self.row.id}
        self.lines = [_LINES.copy(each, id=lines[each.id], **own) for each in source.lines]
        self.substitutes = [
            _SUBSTITUTES.copy(each, id=new_id(), line_id=lines[each.line_id], **own)
            for each in source.substitutes
        ]
        self.operations = [_OPERATIONS.copy(each, id=new_id(), **own) for each in source.operations]
        self.co_products = [_CO_PRODUCTS.copy(each, id=new_id(), **own) for each in source.co_products]

    def split(self, line: BomLineRow, day: date) -> BomLineRow:
        """End a line on a day; return its copy that begins on it, with substitutes of its own."""
        later = _LINES.copy(line, id=new_id(), valid_from=day)
        line.valid_to = day
        self.lines.append(later)
        self.substitutes += [
            _SUBSTITUTES.copy(each, id=new_id(), line_id=later.id)
            for each in self.substitutes
            if each.line_id == line.id
        ]
        return later

    async def write(self, bench: Workbench) -> None:
        """Write what differs from what is stored; with a line go its substitutes."""
        session, stored = bench.session, self.stored
        await stored.revisions.replace(session, [self.row])
        await stored.lines.replace(session, self.lines)
        await stored.substitutes.replace(session, self.substitutes)
        await stored.operations.replace(session, self.operations)
        await stored.co_products.replace(session, self.co_products)


async def lock_revision(
    bench: Workbench, revision_id: UUID, deed: str, expected_version: int | None
) -> Revision:
    """Return a revision, locked until the transaction ends.

    Raises `NotFound` (absent or not readable), `Forbidden` (readable, deed not granted), `VersionConflict`, or for the deed
    `update` `InvalidInput` IN_REVIEW: whoever writes a revision needn't think of that.
    """
    revision = await locked_revision(bench, revision_id)
    if not bench.policy.may_anywhere("bom", deed):
        raise Forbidden
    if expected_version is not None and revision.row.version != expected_version:
        raise VersionConflict(revision.row.version)
    if deed == "update":
        _demand_unreviewed(revision)
    return revision


async def locked_revision(bench: Workbench, revision_id: UUID) -> Revision:
    """Return a readable revision, locked until the transaction ends, for whoever may do what is done; raise `NotFound`."""
    table = _REVISIONS.table
    statement = (
        select(table)
        .where(table.c.id == revision_id, bench.policy.rows("bom_revision", BomRevisionRow))
        .with_for_update(of=table, key_share=True)
    )
    rows = _REVISIONS.read(await bench.session.execute(statement, bench.viewer.parameters))
    row = next(iter(rows.objects()), None)
    if row is None:
        raise NotFound("BOM revision")
    # Asked once the row is ours: a change takes and leaves revisions with their rows locked.
    holder = (await bench.session.execute(_HOLDER, {"revision": revision_id})).one_or_none()
    lines = await _belonging(bench, _LINES, revision_id)
    substitutes = await _belonging(bench, _SUBSTITUTES, revision_id)
    operations = await _belonging(bench, _OPERATIONS, revision_id)
    co_products = await _belonging(bench, _CO_PRODUCTS, revision_id)
    revision = Revision(
        row,
        lines.objects(),
        substitutes.objects(),
        operations.objects(),
        co_products.objects(),
        stored=Stored(rows, lines, substitutes, operations, co_products),
        holder=None if holder is None else Holder(*holder),
    )
    revision.before = revision.fields()
    return revision


async def lock_bom(bench: Workbench, bom_id: UUID) -> None:
    """Let nobody else number or release revisions of a BOM until the transaction ends."""
    await bench.session.execute(select(BomRow.id).where(BomRow.id == bom_id).with_for_update())


def demand_draft(revision: Revision) -> None:
    """Raise unless the revision may still be changed."""
    demand_unreleased(revision)
    _demand_unreviewed(revision)


def _demand_unreviewed(revision: Revision) -> None:
    holder = revision.holder
    if holder is not None and holder.state is ChangeState.REVIEW:
        raise InvalidInput("IN_REVIEW", f"{holder.number} has it in review.", ("id",))


def demand_unreleased(revision: Revision) -> None:
    """Raise unless the revision is a draft, whoever holds it."""
    if revision.row.state is not RevisionState.DRAFT:
        raise InvalidInput(
            "NOT_A_DRAFT", f"The revision is {revision.row.state.value}; make the next one.", ("id",)
        )


def demand_free(revision: Revision) -> None:
    """Raise unless the revision may be released by itself."""
    demand_draft(revision)
    if revision.holder is not None:
        raise InvalidInput("IN_CHANGE", f"{revision.holder.number} releases it with others.", ("id",))


async def leave(bench: Workbench, revision: Revision, event: str, note: str | None = None) -> None:
    """Write the revision with its next version and the event that says what changed; nothing where nothing did."""
    revision.row.checksum = checksum(revision.fields())
    if not changes(revision.before, revision.fields()):
        return
    revision.row.version += 1
    revision.row.updated_at = bench.origin.now
    await revision.write(bench)
    happening = Happening(
        aggregate_type="BomRevision",
        aggregate_id=revision.row.id,
        version=revision.row.version,
        type=event,
        project_id=None,
        changes=changes(revision.before, revision.fields()),
        note=note,
    )
    await record(bench.session, bench.origin, happening)
    if revision.row.state is not RevisionState.DRAFT:
        # Whatever comes into force or ends moves costs; drafts don't count.
        cause = Cause.RELEASED if revision.row.state is RevisionState.RELEASED else Cause.SUPERSEDED
        item_id, revision_id = revision.row.item_id, revision.row.id
        await ask_for_recost(bench.session, bench.origin, cause, [item_id], revision_id)


async def _belonging(bench: Workbench, kept: KeptTable[RowT], revision_id: UUID) -> KeptRows[RowT]:
    table = kept.table
    statement = select(table).where(table.c.revision_id == revision_id).order_by(table.c.id)
    return kept.read(await bench.session.execute(statement))


_HELD = EngineeringChangeRevisionRow.__table__
_CHANGE = EngineeringChangeRow.__table__
_HOLDER = (
    select(_CHANGE.c.number, _CHANGE.c.state)
    .join_from(_HELD, _CHANGE, _CHANGE.c.id == _HELD.c.change_id)
    .where(_HELD.c.revision_id == bindparam("revision"), _HELD.c.is_held)
)
