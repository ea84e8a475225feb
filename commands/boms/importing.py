"""How does a BOM get its lines from a file? All of them at once: every row can be taken, or none is.

Where the file came from and how it was read is not known here. An item without a BOM gets one; the newest draft gets these
lines in place of its own; where there is no draft, the next one is opened from the newest revision. A line that the draft has
already, at the same position from the same day on, keeps its row, so that the event tells what changed; where the
content stays what it was, nothing is written.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import select

from commands.boms.cycles import ways_back
from commands.boms.drafting import new_revision, next_draft, open_bom
from commands.boms.lines import LINES_LIMIT, LineDraft, put_lines
from commands.boms.revision import Revision, leave, lock_bom, lock_revision
from commands.boms.vocabulary import ItemName, Words, item_named, words_of
from commands.execution import Command, Workbench
from db.bom_snapshots import checksum
from db.bom_tables import BomLineRow, BomRevisionRow, BomSubstituteRow
from domain import values
from domain.bom import RevisionState
from domain.errors import Forbidden, ImportRefused, InvalidInput, NotFound, RowFault, VersionConflict
from domain.unset import UNSET, NotGiven

_CONTENT = ("content",)


@dataclass(frozen=True, kw_only=True)
class ImportedLine:
    """A line, and the number of its row in the file."""

    row: int
    draft: LineDraft


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """Why a file could not be read at all."""

    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class ImportBom(Command):
    """Let the BOM of an item have the lines of a file; `faults` are those of its rows that say no line."""

    item: ItemName
    lines: tuple[ImportedLine, ...]
    faults: tuple[RowFault, ...] = ()
    unreadable: Unreadable | None = None
    base_quantity: Decimal | NotGiven = UNSET
    expected_version: int | None = None
    note: str | None = None


class _Filled:
    """The lines that were taken so far: each new one is compared with those that are near it, not with thousands."""

    def __init__(self) -> None:
        self.lines: list[BomLineRow] = []
        self.substitutes: list[BomSubstituteRow] = []
        self._by_position: defaultdict[int, list[BomLineRow]] = defaultdict(list)
        self._last: BomLineRow | None = None

    def near(self, position: int | NotGiven) -> list[BomLineRow]:
        """Return the lines of a position, and the last one, behind which a line without a position goes."""
        beside = [] if position is UNSET else self._by_position[position]
        return [*beside, *([] if self._last is None else [self._last])]

    def take(self, line: BomLineRow, substitutes: Sequence[BomSubstituteRow]) -> None:
        """Take in a line with its substitutes."""
        self.lines.append(line)
        self.substitutes += substitutes
        self._by_position[line.position].append(line)
        if self._last is None or line.position > self._last.position:
            self._last = line


class _Newest(NamedTuple):
    bom_id: UUID
    revision_id: UUID
    is_draft: bool


async def import_bom(bench: Workbench, command: ImportBom) -> UUID:
    """Replace the lines of an item's newest draft, which is made where there is none; return the revision's id.

    Raises `ImportRefused` with every row that can't be taken, `InvalidInput` where it isn't a row that is wrong.
    """
    if not bench.policy.may_anywhere("bom", "create"):
        raise Forbidden
    item_id = await item_named(bench, command.item, ("item",))
    if command.unreadable is not None:
        raise InvalidInput(command.unreadable.code, command.unreadable.message, _CONTENT)
    if len(command.lines) > LINES_LIMIT:
        raise InvalidInput("TOO_MANY", f"A revision has at most {LINES_LIMIT} lines.", _CONTENT)
    revision, source = await _draft(bench, item_id, command.expected_version)
    before = source and checksum(source.fields())
    if command.base_quantity is not UNSET:
        revision.row.base_quantity = values.quantity(command.base_quantity, ("baseQuantity",))
    await _replace_lines(bench, revision, command)
    is_new = not revision.before
    if is_new and source is not None and checksum(revision.fields()) == before:
        return source.row.id
    note = values.note(command.note)
    if is_new:
        revision.row.note = note
    await leave(bench, revision, "BomRevisionCreated" if is_new else "BomLinesImported", note)
    await _refuse_cycles(bench, revision, command.lines)
    return revision.row.id


async def _draft(
    bench: Workbench, item_id: UUID, expected_version: int | None
) -> tuple[Revision, Revision | None]:
    """Return the draft that gets the lines, and the revision that was the newest before: itself, its source, or none."""
    newest = await _newest(bench, item_id)
    if newest is None:
        if expected_version is not None:
            raise VersionConflict(0)
        bom_id = await open_bom(bench, item_id)
        return new_revision(bench, bom_id, item_id, 1), None
    found = await _locked(bench, newest, expected_version)
    await lock_bom(bench, newest.bom_id)
    now_newest = await _newest(bench, item_id)
    assert now_newest is not None, "revisions stay"
    if now_newest != newest:
        # Somebody made or released one while this waited; from here on nobody can.
        found = await _locked(bench, now_newest, expected_version)
    if now_newest.is_draft:
        return found, found
    return await next_draft(bench, found), found


async def _newest(bench: Workbench, item_id: UUID) -> _Newest | None:
    """Return the newest draft of an item's BOM, without one its newest revision, null where it has no BOM."""
    is_draft = BomRevisionRow.state == RevisionState.DRAFT
    statement = (
        select(BomRevisionRow.bom_id, BomRevisionRow.id, is_draft)
        .where(BomRevisionRow.item_id == item_id)
        .order_by(is_draft.desc(), BomRevisionRow.number.desc())
        .limit(1)
    )
    found = (await bench.session.execute(statement)).one_or_none()
    return None if found is None else _Newest(*found)


async def _locked(bench: Workbench, newest: _Newest, expected_version: int | None) -> Revision:
    deed = "update" if newest.is_draft else "create"
    return await lock_revision(bench, newest.revision_id, deed, expected_version)


async def _replace_lines(bench: Workbench, revision: Revision, command: ImportBom) -> None:
    """Put the lines of a file in place of a draft's own; raise `ImportRefused` with all that is wrong with them."""
    known = {(line.position, line.valid_from): line.id for line in revision.lines}
    substitutes = {(each.line_id, each.priority): each.id for each in revision.substitutes}
    words = await _words(bench, command.lines)
    faults, filled = list(command.faults), _Filled()
    for line in command.lines:
        revision.lines, revision.substitutes = filled.near(line.draft.position), []
        try:
            await put_lines(bench, revision, [line.draft], (), words)
            filled.take(revision.lines[-1], revision.substitutes)
        except (InvalidInput, NotFound) as refusal:
            column = refusal.path[0] if refusal.path else None
            faults.append(RowFault(line.row, column, refusal.code, refusal.message))
        # Thousands of lines take a while, in which others have their turns.
        await asyncio.sleep(0)
    revision.lines, revision.substitutes = filled.lines, filled.substitutes
    if faults:
        raise ImportRefused(faults)
    _keep_ids(revision, known, substitutes)


def _keep_ids(
    revision: Revision,
    lines: Mapping[tuple[int, date | None], UUID],
    substitutes: Mapping[tuple[UUID, int], UUID],
) -> None:
    """Give lines the ids of those that were in their places; in one position two never begin on the same day."""
    own: dict[UUID, list[BomSubstituteRow]] = {line.id: [] for line in revision.lines}
    for each in revision.substitutes:
        own[each.line_id].append(each)
    for line in revision.lines:
        parts = own[line.id]
        line.id = lines.get((line.position, line.valid_from), line.id)
        for each in parts:
            each.line_id = line.id
            each.id = substitutes.get((line.id, each.priority), each.id)


async def _refuse_cycles(bench: Workbench, revision: Revision, lines: Sequence[ImportedLine]) -> None:
    """Raise `ImportRefused` naming each row whose item, or a substitute of it, contains what is made."""
    ways = await ways_back(bench, revision.row.item_id)
    if not ways:
        return
    own: defaultdict[UUID, list[tuple[str, UUID]]] = defaultdict(list)
    for row in revision.lines:
        own[row.id].append(("item", row.item_id))
    for each in revision.substitutes:
        own[each.line_id].append(("substitutes", each.item_id))
    faults = [
        RowFault(line.row, column, "CYCLE", ways[item_id])
        for line, row in zip(lines, revision.lines, strict=True)
        for column, item_id in own[row.id]
        if item_id in ways
    ]
    if not faults:
        # By another revision of the same item, which this one follows.
        raise InvalidInput("CYCLE", next(iter(ways.values())), ("item",))
    raise ImportRefused(faults)


async def _words(bench: Workbench, lines: Sequence[ImportedLine]) -> Words:
    """Return what the codes in a file mean."""
    items: list[ItemName] = []
    units: list[str] = []
    for line in lines:
        draft = line.draft
        if draft.item is not UNSET:
            items.append(draft.item)
        if draft.unit is not UNSET:
            units.append(draft.unit)
        if draft.substitutes is not UNSET:
            items += [each.item for each in draft.substitutes]
    return await words_of(bench, [each.code for each in items if each.code is not None], units)
