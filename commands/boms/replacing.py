"""How is an item replaced by another one in many BOMs 批量替换? In drafts only, each BOM for itself, all in one transaction.

What can be refused is refused before anything of that BOM is written, so that it leaves no trace while the others are
done. What has become of each BOM is remembered with the idempotency key: the same answer is given again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from uuid import UUID

import orjson

from commands.boms.cycles import edges_below, told_way, way_back
from commands.boms.drafting import next_draft
from commands.boms.lines import LINES_LIMIT, demand_distinct
from commands.boms.replace_targets import Locked, locked_targets
from commands.boms.revision import Revision, leave
from commands.boms.vocabulary import ItemName, conversion_of, item_named, units_by_id
from commands.execution import Command, Workbench
from db.bom_tables import BomLineRow
from db.tables import Answer
from domain import values
from domain.bom import Window
from domain.bom_replacement import Amounts, ReplacementOutcome, carried_over, parts_of, substitute_factor
from domain.errors import Forbidden, InvalidInput, Refusal

_RESULTS = "results"
"""Under which name it is told what became of each BOM, as JSON."""


@dataclass(frozen=True, kw_only=True)
class ReplaceItem(Command):
    """Replace an item in the BOMs that are named, or in all; `factor` base units of the new one stand in for one of the old.

    With `valid_from` lines of the old item end on that day and lines of the new one begin; without it lines are replaced.
    """

    item: ItemName
    replacement: ItemName
    factor: Decimal = Decimal(1)
    valid_from: date | None = None
    bom_ids: tuple[UUID, ...] | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ReplacedIn:
    """What became of one BOM; of a refused one with the code and the sentence of the refusal."""

    bom_id: UUID
    revision_id: UUID | None
    outcome: ReplacementOutcome
    code: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class _Replacement:
    """What takes the place of what, and what below the new item contains what."""

    bench: Workbench
    old_id: UUID
    new_id: UUID
    factor: Fraction
    since: date | None
    note: str | None
    edges: Mapping[UUID, Sequence[UUID]]
    conversions: dict[UUID, Fraction | None] = field(default_factory=dict[UUID, Fraction | None])
    """How many base units of the new item one of a unit is, null where it can't be converted, as far as was asked."""

    @cached_property
    def below(self) -> frozenset[UUID]:
        """Return the new item and all that is below it."""
        return frozenset({self.new_id}.union(*self.edges.values()))

    @property
    def day(self) -> date:
        """Return the day from which on lines count."""
        return self.since or self.bench.today


async def replace_item(bench: Workbench, command: ReplaceItem) -> UUID:
    """Replace an item; return its id, and tell what became of each BOM as `replaced_in` reads it.

    Raises `Forbidden`, `NotFound`, `InvalidInput` DUPLICATE (an item by itself), TOO_MANY, or what is wrong with a value.
    """
    for deed in ("create", "update"):
        if not bench.policy.may_anywhere("bom", deed):
            raise Forbidden
    factor = Fraction(values.factor(command.factor, ("factor",)))
    note = values.note(command.note)
    old_id = await item_named(bench, command.item, ("item",))
    new_id = await item_named(bench, command.replacement, ("replacement",))
    if old_id == new_id:
        raise InvalidInput("DUPLICATE", "It would be replaced by itself.", ("replacement",))
    targets = await locked_targets(bench, old_id, command.valid_from or bench.today, command.bom_ids)
    edges = await edges_below(bench, new_id)
    replacement = _Replacement(bench, old_id, new_id, factor, command.valid_from, note, edges)
    found = [await _tried(replacement, each) for each in targets]
    bench.told[_RESULTS] = orjson.dumps([asdict(each) for each in found], default=str).decode()
    return old_id


def replaced_in(told: Answer) -> list[ReplacedIn]:
    """Return what became of each BOM, as the command told it; nothing where it was refused."""
    return [
        ReplacedIn(
            UUID(each["bom_id"]),
            each["revision_id"] and UUID(each["revision_id"]),
            ReplacementOutcome(each["outcome"]),
            each["code"],
            each["message"],
        )
        for each in orjson.loads(told.get(_RESULTS) or "[]")
    ]


async def _tried(replacement: _Replacement, locked: Locked) -> ReplacedIn:
    """Replace the item in one BOM, or leave no trace of having tried."""
    target = locked.target
    try:
        if locked.refusal is not None:
            raise locked.refusal
        revision_id = None if locked.revision is None else await _replaced(replacement, locked)
    except Refusal as refusal:
        return ReplacedIn(
            target.bom_id, target.revision_id, ReplacementOutcome.REFUSED, refusal.code, refusal.message
        )
    if revision_id is None:
        return ReplacedIn(target.bom_id, target.revision_id, ReplacementOutcome.UNCHANGED)
    return ReplacedIn(target.bom_id, revision_id, ReplacementOutcome.REPLACED)


async def _replaced(replacement: _Replacement, locked: Locked) -> UUID | None:
    """Return the draft in which the item is replaced now, null where nothing was to be replaced; raise `Refusal`."""
    bench, found = replacement.bench, locked.revision
    assert found is not None, "what has nothing to be replaced was not locked"
    if not any(_goes_over(replacement, line) for line in found.lines):
        return None
    await _refuse_cycle(replacement, found.row.item_id)
    is_draft = locked.target.is_draft
    revision = found if is_draft else await next_draft(bench, found)
    for line in [*revision.lines]:
        if _goes_over(replacement, line):
            await _replace_line(replacement, revision, line)
    if len(revision.lines) > LINES_LIMIT:
        raise InvalidInput("TOO_MANY", f"A revision has at most {LINES_LIMIT} lines.", ())
    if not is_draft:
        revision.row.note = replacement.note
    event = "BomItemReplaced" if is_draft else "BomRevisionCreated"
    await leave(bench, revision, event, replacement.note)
    return revision.row.id


def _goes_over(replacement: _Replacement, line: BomLineRow) -> bool:
    window = Window(line.valid_from, line.valid_to)
    is_meant = line.item_id == replacement.old_id
    return is_meant and parts_of(window, replacement.day, replacement.since)[1] is not None


async def _refuse_cycle(replacement: _Replacement, made_id: UUID) -> None:
    """Raise where what takes the new item is below it: what is below doesn't change by replacing, so it was read once."""
    if made_id in replacement.below:
        way = way_back(made_id, {**replacement.edges, made_id: [replacement.new_id]})
        raise InvalidInput("CYCLE", await told_way(replacement.bench, way), ("replacement",))


async def _replace_line(replacement: _Replacement, revision: Revision, line: BomLineRow) -> None:
    stays, _ = parts_of(Window(line.valid_from, line.valid_to), replacement.day, replacement.since)
    if stays is not None:
        assert stays.until is not None, "what stays before a day ends on it"
        line = revision.split(line, stays.until)
    line.item_id = replacement.new_id
    await _carry_over(replacement, line)
    for each in revision.substitutes:
        if each.line_id == line.id:
            each.factor = substitute_factor(each.factor, replacement.factor, ("factor",))
    demand_distinct(revision, line, ())


async def _carry_over(replacement: _Replacement, line: BomLineRow) -> None:
    """Put the line's amounts into the same unit where it converts and they are exact in it, else into the base unit."""
    old = Fraction(int(line.factor_numerator), int(line.factor_denominator))
    base, _ = await conversion_of(replacement.bench, line.item_id, None, ())
    options = [(base.id, Fraction(1))]
    same = await _conversion(replacement, line.unit_id)
    if same is not None:
        options.insert(0, (line.unit_id, same))
    amounts = Amounts(line.quantity, line.setup_quantity, line.order_multiple)
    ratios = [old * replacement.factor / each for _, each in options]
    place, found = carried_over(amounts, ratios, ("factor",))
    line.unit_id, factor = options[place]
    line.factor_numerator, line.factor_denominator = Decimal(factor.numerator), Decimal(factor.denominator)
    line.quantity, line.setup_quantity = found.quantity, found.setup_quantity
    line.order_multiple = found.order_multiple


async def _conversion(replacement: _Replacement, unit_id: UUID) -> Fraction | None:
    known = replacement.conversions
    if unit_id not in known:
        unit = (await units_by_id(replacement.bench, [unit_id]))[unit_id]
        try:
            _, known[unit_id] = await conversion_of(replacement.bench, replacement.new_id, unit, ())
        except InvalidInput:
            known[unit_id] = None
    return known[unit_id]
