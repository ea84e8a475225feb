"""How does an item come to be, and how is it changed?

Costs may only be written by who is granted to: the deeds `create` and `update` on `item.cost`. What lines of BOMs reckon
with, an item's base unit and the factors of its own units, stays as it is while one does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, exists, func, or_, select

from commands.boms.vocabulary import unit_by_code, units_by_id
from commands.execution import Command, Workbench
from commands.recosting.asking import ask_for_recost
from db.bom_snapshots import item_fields
from db.bom_tables import BomLineRow, BomRevisionRow, ItemRow, ItemUnitRow
from db.events import Happening, record
from db.identifiers import new_id
from db.kept_rows import KeptRows, KeptTable
from db.snapshots import Fields, changes
from domain import values
from domain.bom import ItemKind
from domain.errors import Forbidden, InvalidInput, NotFound, VersionConflict
from domain.recost import Cause
from domain.units import Unit, checked_own_units
from domain.unset import UNSET, NotGiven

UNITS_LIMIT = 20

_ITEMS, _UNITS = KeptTable(ItemRow), KeptTable(ItemUnitRow)


@dataclass(frozen=True, kw_only=True)
class ItemUnitDraft:
    """Another unit of an item, by its code, and how many base units it is."""

    unit: str
    factor: Decimal


@dataclass(frozen=True, kw_only=True)
class ItemDraft:
    """The fields of an item that a person types in; what is not given stays as it is."""

    code: str | NotGiven = UNSET
    name: str | NotGiven = UNSET
    kind: ItemKind | NotGiven = UNSET
    unit: str | NotGiven = UNSET
    units: tuple[ItemUnitDraft, ...] | NotGiven = UNSET
    standard_cost: Decimal | NotGiven | None = UNSET
    currency: str | NotGiven = UNSET
    lead_time_days: int | NotGiven | None = UNSET


@dataclass(frozen=True, kw_only=True)
class CreateItem(Command):
    """Take an item into the company's books."""

    draft: ItemDraft
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateItem(Command):
    """Change an item. Given units replace all that it has beside its base unit."""

    item_id: UUID
    expected_version: int
    draft: ItemDraft
    note: str | None = None

    @property
    def object_id(self) -> UUID:
        """Return the item's id."""
        return self.item_id


@dataclass
class Item:
    """An item locked for change, with its units and its state as it was before."""

    row: ItemRow
    units: list[ItemUnitRow] = field(default_factory=list[ItemUnitRow])
    before: Fields = field(default_factory=dict[str, Any])
    stored_rows: KeptRows[ItemRow] = field(default_factory=lambda: KeptRows(_ITEMS))
    stored_units: KeptRows[ItemUnitRow] = field(default_factory=lambda: KeptRows(_UNITS))

    def fields(self) -> Fields:
        """Return the item's state."""
        return item_fields(self.row, self.units)


async def create_item(bench: Workbench, command: CreateItem) -> UUID:
    """Take an item in; return its id."""
    if not bench.policy.may_anywhere("item", "create"):
        raise Forbidden
    draft = command.draft
    for name in ("code", "name", "unit"):
        if getattr(draft, name) is UNSET:
            raise InvalidInput("REQUIRED", "An item has a code, a name and a unit.", (name,))
    now = bench.origin.now
    item = Item(
        ItemRow(
            id=new_id(), kind=ItemKind.MATERIAL, currency="CNY", version=0, created_at=now, updated_at=now
        )
    )
    await _apply(bench, item, draft, "create")
    await _leave(bench, item, "ItemCreated", values.note(command.note))
    return item.row.id


async def update_item(bench: Workbench, command: UpdateItem) -> UUID:
    """Change an item; return its id. A change that changes nothing leaves no event and no version."""
    item = await _locked(bench, command.item_id)
    if not bench.policy.may_anywhere("item", "update"):
        raise Forbidden
    if item.row.version != command.expected_version:
        raise VersionConflict(item.row.version)
    reckoned = _reckoned_with(item)
    await _apply(bench, item, command.draft, "update")
    if _reckoned_with(item) != reckoned and await bench.session.scalar(_IS_USED, {"item": item.row.id}):
        raise InvalidInput("IN_USE", "Lines of BOMs reckon with its unit and factors.", ("units",))
    note = values.note(command.note)
    if changes(item.before, item.fields()):
        await _leave(bench, item, "ItemUpdated", note)
    # Of a new item nothing is made yet.
    if any(item.before[name] != item.fields()[name] for name in ("standardCost", "currency")):
        await ask_for_recost(bench.session, bench.origin, Cause.PRICE, [item.row.id])
    return item.row.id


async def _locked(bench: Workbench, item_id: UUID) -> Item:
    """Return an item, locked until the transaction ends; raise `NotFound`."""
    table = _ITEMS.table
    statement = (
        select(table)
        .where(table.c.id == item_id, bench.policy.rows("item", ItemRow))
        .with_for_update(of=table, key_share=True)
    )
    rows = _ITEMS.read(await bench.session.execute(statement, bench.viewer.parameters))
    found = rows.objects()
    if not found:
        raise NotFound("item")
    units = _UNITS.read(
        await bench.session.execute(select(_UNITS.table).where(_UNITS.table.c.item_id == item_id))
    )
    item = Item(found[0], units.objects(), stored_rows=rows, stored_units=units)
    item.before = item.fields()
    return item


async def _apply(bench: Workbench, item: Item, draft: ItemDraft, deed: str) -> None:
    """Put the given fields into the item; raise `InvalidInput`, `NotFound` or `Forbidden` before anything is kept."""
    row = item.row
    if draft.code is not UNSET:
        row.code = values.line(draft.code, values.CODE_LENGTH, ("code",))
        # Of two who take the same code, the second one waits for the first.
        await bench.session.execute(_LOCK_CODE, {"code": row.code})
        if await bench.session.scalar(_IS_TAKEN, {"item": row.id, "code": row.code}):
            raise InvalidInput("DUPLICATE", "Another item has this code.", ("code",))
    if draft.name is not UNSET:
        row.name = values.line(draft.name, values.TITLE_LENGTH, ("name",))
    if draft.kind is not UNSET:
        row.kind = draft.kind
    if draft.unit is not UNSET:
        row.unit_id = (await unit_by_code(bench, draft.unit, ("unit",))).id
    if draft.standard_cost is not UNSET or draft.currency is not UNSET:
        if not bench.policy.may_anywhere("item.cost", deed):
            raise Forbidden("You may not write costs.")
        _apply_cost(row, draft)
    if draft.lead_time_days is not UNSET:
        row.lead_time_days = draft.lead_time_days and values.days(draft.lead_time_days, ("leadTimeDays",))
    if draft.units is not UNSET:
        item.units = await _units(bench, item, draft.units)
    known = await units_by_id(bench, [row.unit_id, *(each.unit_id for each in item.units)])
    own = {known[each.unit_id]: each.factor for each in item.units}
    checked_own_units(known[row.unit_id], own, ("units",))


def _apply_cost(row: ItemRow, draft: ItemDraft) -> None:
    if draft.standard_cost is not UNSET:
        row.standard_cost = (
            None if draft.standard_cost is None else values.unit_price(draft.standard_cost, ("standardCost",))
        )
    if draft.currency is not UNSET:
        row.currency = values.currency(draft.currency, ("currency",))


async def _units(bench: Workbench, item: Item, drafts: Sequence[ItemUnitDraft]) -> list[ItemUnitRow]:
    """Return the item's own units as they shall be; one that it has already keeps its row."""
    if len(drafts) > UNITS_LIMIT:
        raise InvalidInput("TOO_MANY", f"An item has at most {UNITS_LIMIT} other units.", ("units",))
    known: Mapping[UUID, ItemUnitRow] = {each.unit_id: each for each in item.units}
    result: list[ItemUnitRow] = []
    for index, draft in enumerate(drafts):
        path = ("units", str(index))
        unit: Unit = await unit_by_code(bench, draft.unit, (*path, "unit"))
        row = known.get(unit.id) or ItemUnitRow(id=new_id(), item_id=item.row.id, unit_id=unit.id)
        row.factor = values.factor(draft.factor, (*path, "factor"))
        result.append(row)
    return result


def _reckoned_with(item: Item) -> tuple[UUID, dict[UUID, Decimal]]:
    return item.row.unit_id, {each.unit_id: each.factor for each in item.units}


async def _leave(bench: Workbench, item: Item, event: str, note: str | None) -> None:
    """Write the item with its next version and the event that says what changed."""
    item.row.version += 1
    item.row.updated_at = bench.origin.now
    await item.stored_rows.replace(bench.session, [item.row])
    await item.stored_units.replace(bench.session, item.units)
    happening = Happening(
        aggregate_type="Item",
        aggregate_id=item.row.id,
        version=item.row.version,
        type=event,
        project_id=None,
        changes=changes(item.before, item.fields()),
        note=note,
    )
    await record(bench.session, bench.origin, happening)


_CODE_LOCKS = 0x4954
"""The space of locks on codes of items ("IT" in ASCII)."""

_LOCK_CODE = select(func.pg_advisory_xact_lock(_CODE_LOCKS, func.hashtext(bindparam("code", type_=Text()))))
_IS_TAKEN = select(
    exists().where(_ITEMS.table.c.code == bindparam("code"), _ITEMS.table.c.id != bindparam("item"))
)
_IS_USED = select(
    or_(
        exists().where(BomLineRow.item_id == bindparam("item")),
        exists().where(BomRevisionRow.item_id == bindparam("item")),
    )
)
