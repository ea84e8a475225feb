"""How is a line of a draft added, changed, removed?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from commands.boms.cycles import refuse_cycles
from commands.boms.revision import Revision, RevisionCommand, demand_draft, leave, lock_revision
from commands.boms.vocabulary import (
    ItemName,
    Words,
    conversion_of,
    item_named,
    unit_by_code,
    units_by_id,
)
from commands.execution import Workbench
from db.bom_tables import BomLineRow, BomSubstituteRow
from db.identifiers import new_id
from domain import values
from domain.bom import ScrapRule, Window
from domain.errors import InvalidInput, NotFound
from domain.unset import UNSET, NotGiven

LINES_LIMIT = 2_000
SUBSTITUTES_LIMIT = 20
POSITION_STEP = 10


@dataclass(frozen=True, kw_only=True)
class SubstituteDraft:
    """What may be taken instead; the first of several is taken first."""

    item: ItemName
    factor: Decimal = Decimal(1)


@dataclass(frozen=True, kw_only=True)
class LineDraft:
    """The fields of a line that a person types in; what is not given stays as it is."""

    position: int | NotGiven = UNSET
    item: ItemName | NotGiven = UNSET
    quantity: Decimal | NotGiven = UNSET
    unit: str | NotGiven = UNSET
    fixed: bool | NotGiven = UNSET
    scrap_percent: Decimal | NotGiven = UNSET
    scrap_rule: ScrapRule | NotGiven = UNSET
    setup_quantity: Decimal | NotGiven = UNSET
    order_multiple: Decimal | NotGiven | None = UNSET
    valid_from: date | NotGiven | None = UNSET
    valid_to: date | NotGiven | None = UNSET
    consumable: bool | NotGiven = UNSET
    substitutes: tuple[SubstituteDraft, ...] | NotGiven = UNSET


@dataclass(frozen=True, kw_only=True)
class AddLine(RevisionCommand):
    """Add a line to a draft, behind the others where its position is not given."""

    draft: LineDraft


@dataclass(frozen=True, kw_only=True)
class UpdateLine(RevisionCommand):
    """Change a line of a draft. Given substitutes replace all that it has."""

    line_id: UUID
    draft: LineDraft


@dataclass(frozen=True, kw_only=True)
class RemoveLine(RevisionCommand):
    """Remove a line from a draft."""

    line_id: UUID


async def add_line(bench: Workbench, command: AddLine) -> UUID:
    """Add a line; return the revision's id."""
    revision = await _draft(bench, command)
    await put_lines(bench, revision, [command.draft], path=())
    await leave(bench, revision, "BomLineAdded", values.note(command.note))
    await refuse_cycles(bench, revision.row.item_id)
    return revision.row.id


async def update_line(bench: Workbench, command: UpdateLine) -> UUID:
    """Change a line; return the revision's id."""
    revision = await _draft(bench, command)
    line = _line(revision, command.line_id)
    await _fill(bench, revision, line, command.draft, ())
    demand_distinct(revision, line, ())
    await leave(bench, revision, "BomLineUpdated", values.note(command.note))
    await refuse_cycles(bench, revision.row.item_id)
    return revision.row.id


async def remove_line(bench: Workbench, command: RemoveLine) -> UUID:
    """Remove a line with its substitutes; return the revision's id."""
    revision = await _draft(bench, command)
    line = _line(revision, command.line_id)
    revision.lines.remove(line)
    revision.substitutes = [each for each in revision.substitutes if each.line_id != line.id]
    await leave(bench, revision, "BomLineRemoved", values.note(command.note))
    return revision.row.id


async def put_lines(
    bench: Workbench,
    revision: Revision,
    drafts: Sequence[LineDraft],
    path: tuple[str, ...],
    words: Words | None = None,
) -> None:
    """Add lines to a draft, which is not written yet; `path` is where they stand in the input, empty for a single one.

    With `words`, those are all that there are.
    """
    if len(revision.lines) + len(drafts) > LINES_LIMIT:
        raise InvalidInput("TOO_MANY", f"A revision has at most {LINES_LIMIT} lines.", path)
    for index, draft in enumerate(drafts):
        place = (*path, str(index)) if path else ()
        for name in ("item", "quantity"):
            if getattr(draft, name) is UNSET:
                raise InvalidInput("REQUIRED", "A line has an item and a quantity.", (*place, name))
        last = max((line.position for line in revision.lines), default=0)
        line = BomLineRow(
            id=new_id(),
            revision_id=revision.row.id,
            position=(last // POSITION_STEP + 1) * POSITION_STEP,
            is_fixed=False,
            scrap_percent=Decimal("0.00"),
            scrap_rule=ScrapRule.ADD,
            setup_quantity=Decimal("0.0000"),
            is_consumable=False,
        )
        await _fill(bench, revision, line, draft, place, words)
        demand_distinct(revision, line, place)
        revision.lines.append(line)


async def _draft(bench: Workbench, command: RevisionCommand) -> Revision:
    revision = await lock_revision(bench, command.revision_id, "update", command.expected_version)
    demand_draft(revision)
    return revision


def _line(revision: Revision, line_id: UUID) -> BomLineRow:
    for line in revision.lines:
        if line.id == line_id:
            return line
    raise NotFound("line of this revision", ("lineId",))


async def _fill(
    bench: Workbench,
    revision: Revision,
    line: BomLineRow,
    draft: LineDraft,
    path: tuple[str, ...],
    words: Words | None = None,
) -> None:
    """Put the given fields into a line; raise `InvalidInput` or `NotFound`."""
    for name, (column, api_name, checked) in _FIELDS.items():
        value = getattr(draft, name)
        if value is not UNSET:
            setattr(line, column, checked(value, (*path, api_name)))
    values.window(line.valid_from, line.valid_to, (*path, "validTo"))
    if draft.item is not UNSET:
        line.item_id = await item_named(bench, draft.item, (*path, "item"), words)
    if draft.item is not UNSET or draft.unit is not UNSET:
        await _convert(bench, line, draft, path, words)
    if draft.substitutes is not UNSET:
        await _substitute(bench, revision, line, draft.substitutes, path, words)


async def _convert(
    bench: Workbench, line: BomLineRow, draft: LineDraft, path: tuple[str, ...], words: Words | None
) -> None:
    """Fix how the line's unit converts to its item's: the base unit where none is given for another item."""
    if draft.unit is not UNSET:
        wanted = await unit_by_code(bench, draft.unit, (*path, "unit"), words)
    else:
        # A new line has none yet.
        known: UUID | None = vars(line).get("unit_id")
        wanted = None if known is None else (await units_by_id(bench, [known]))[known]
    unit, factor = await conversion_of(bench, line.item_id, wanted, (*path, "unit"), words)
    line.unit_id = unit.id
    line.factor_numerator, line.factor_denominator = Decimal(factor.numerator), Decimal(factor.denominator)


async def _substitute(
    bench: Workbench,
    revision: Revision,
    line: BomLineRow,
    drafts: Sequence[SubstituteDraft],
    path: tuple[str, ...],
    words: Words | None,
) -> None:
    if len(drafts) > SUBSTITUTES_LIMIT:
        raise InvalidInput(
            "TOO_MANY", f"A line has at most {SUBSTITUTES_LIMIT} substitutes.", (*path, "substitutes")
        )
    seen: set[UUID] = set()
    revision.substitutes = [each for each in revision.substitutes if each.line_id != line.id]
    for priority, draft in enumerate(drafts, start=1):
        place = (*path, "substitutes", str(priority - 1))
        item_id = await item_named(bench, draft.item, (*place, "item"), words)
        if item_id in seen:
            raise InvalidInput("DUPLICATE", "This item is named twice.", (*place, "item"))
        seen.add(item_id)
        factor = values.factor(draft.factor, (*place, "factor"))
        revision.substitutes.append(
            BomSubstituteRow(
                id=new_id(),
                revision_id=revision.row.id,
                line_id=line.id,
                priority=priority,
                item_id=item_id,
                factor=factor,
            )
        )


def demand_distinct(revision: Revision, line: BomLineRow, path: tuple[str, ...]) -> None:
    """Raise `InvalidInput` where another line of the position holds on one of this line's days, or its item is its own substitute."""
    if any(each.line_id == line.id and each.item_id == line.item_id for each in revision.substitutes):
        raise InvalidInput("DUPLICATE", "Its item is one of its substitutes.", (*path, "item"))
    window = Window(line.valid_from, line.valid_to)
    for other in revision.lines:
        if other.id == line.id or other.position != line.position:
            continue
        if window.overlaps(Window(other.valid_from, other.valid_to)):
            message = f"Another line holds position {line.position} on some of these days."
            raise InvalidInput("OVERLAPPING_EFFECTIVITY", message, (*path, "position"))


# Any: a value is whatever its field holds.
def _as_given(value: Any, _path: tuple[str, ...]) -> Any:
    return value


def _multiple(value: Decimal | None, path: tuple[str, ...]) -> Decimal | None:
    return None if value is None else values.quantity(value, path)


_FIELDS: Mapping[str, tuple[str, str, Callable[[Any, tuple[str, ...]], Any]]] = {
    "position": ("position", "position", values.position),
    "quantity": ("quantity", "quantity", values.quantity),
    "fixed": ("is_fixed", "fixed", _as_given),
    "scrap_percent": ("scrap_percent", "scrapPercent", values.scrap_percent),
    "scrap_rule": ("scrap_rule", "scrapRule", _as_given),
    "setup_quantity": ("setup_quantity", "setupQuantity", values.done_quantity),
    "order_multiple": ("order_multiple", "orderMultiple", _multiple),
    "valid_from": ("valid_from", "validFrom", _as_given),
    "valid_to": ("valid_to", "validTo", _as_given),
    "consumable": ("is_consumable", "consumable", _as_given),
}
"""The fields of a draft that need nothing but themselves: their column, their name in the API, their check."""
