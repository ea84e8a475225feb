"""Which unit, which item is meant by a command? By code or by id, `NotFound` with the path where there is none.

Who has many lines at once looks up all their words by `words_of` first, instead of some statements for each line.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import cast
from uuid import UUID

from sqlalchemy import Select, Table, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from commands.execution import Workbench
from db.bom_tables import ItemRow, ItemUnitRow, UnitRow
from domain import values
from domain.errors import InvalidInput, NotFound
from domain.units import Unit, conversion

_UNIT, _ITEM = cast("Table", UnitRow.__table__), cast("Table", ItemRow.__table__)
_SELECTED_UNIT = select(_UNIT.c.id, _UNIT.c.code, _UNIT.c.dimension, _UNIT.c.factor)


@dataclass(frozen=True, slots=True)
class ItemName:
    """An item by exactly one of id and code."""

    id: UUID | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """All that is meant by some codes: items and units by their codes, and how each of the items is measured.

    A code that is not here is nobody's.
    """

    items: Mapping[str, UUID]
    units: Mapping[str, Unit]
    measures: Mapping[UUID, tuple[Unit, Mapping[Unit, Decimal]]]
    """An item's base unit, and how many of it its own units are."""


async def words_of(bench: Workbench, items: Iterable[str], units: Iterable[str]) -> Words:
    """Return what these codes of items and of units mean to the viewer."""
    codes = {**bench.viewer.parameters, "codes": sorted(set(items))}
    found = (await bench.session.execute(_items_by_code(bench), codes)).all()
    codes = {**bench.viewer.parameters, "codes": sorted(set(units))}
    meant = [Unit(*row) for row in await bench.session.execute(_units_by_code(bench), codes)]
    own: defaultdict[UUID, dict[UUID, Decimal]] = defaultdict(dict)
    for row in await bench.session.execute(_OWN_UNITS, {"items": [row.id for row in found]}):
        own[row.item_id][row.unit_id] = row.factor
    known = await units_by_id(bench, {row.unit_id for row in found}.union(*own.values()))
    return Words(
        {row.code: row.id for row in found},
        {unit.code: unit for unit in meant},
        {
            row.id: (known[row.unit_id], {known[each]: factor for each, factor in own[row.id].items()})
            for row in found
        },
    )


async def unit_by_code(
    bench: Workbench, code: str, path: tuple[str, ...], words: Words | None = None
) -> Unit:
    """Return the unit of this code, whose case counts: Mg is not mg."""
    wanted = values.line(code, values.UOM_LENGTH, path)
    if words is not None:
        if wanted not in words.units:
            raise NotFound("unit", path)
        return words.units[wanted]
    statement = _SELECTED_UNIT.where(_UNIT.c.code == bindparam("wanted"), bench.policy.rows("unit", UnitRow))
    found = (
        await bench.session.execute(statement, {**bench.viewer.parameters, "wanted": wanted})
    ).one_or_none()
    if found is None:
        raise NotFound("unit", path)
    return Unit(*found)


async def units_by_id(bench: Workbench, ids: Iterable[UUID]) -> Mapping[UUID, Unit]:
    """Return units by their ids, all of which exist."""
    found = await bench.session.execute(_SELECTED_UNIT.where(_UNIT.c.id.in_(set(ids))))
    return {row.id: Unit(*row) for row in found}


async def item_named(
    bench: Workbench, name: ItemName, path: tuple[str, ...], words: Words | None = None
) -> UUID:
    """Return the id of the item that is named; raise `InvalidInput` unless it is named once, `NotFound`."""
    if (name.id is None) == (name.code is None):
        raise InvalidInput("REQUIRED", "Give exactly one of id and code.", path)
    if words is not None and name.code is not None:
        if name.code not in words.items:
            raise NotFound("item", path)
        return words.items[name.code]
    is_meant = _ITEM.c.id == name.id if name.code is None else _ITEM.c.code == name.code
    statement = select(_ITEM.c.id).where(is_meant, bench.policy.rows("item", ItemRow))
    found: UUID | None = await bench.session.scalar(statement, bench.viewer.parameters)
    if found is None:
        raise NotFound("item", path)
    return found


async def conversion_of(
    bench: Workbench, item_id: UUID, unit: Unit | None, path: tuple[str, ...], words: Words | None = None
) -> tuple[Unit, Fraction]:
    """Return a unit, the item's base unit where none is given, and how many base units one of it is; raise `InvalidInput`."""
    if words is not None and item_id in words.measures:
        base, own = words.measures[item_id]
        return unit or base, conversion(unit or base, base, own, path)
    base_id = await bench.session.scalar(select(_ITEM.c.unit_id).where(_ITEM.c.id == item_id))
    assert base_id is not None, "the item was found before"
    rows = await bench.session.execute(
        select(ItemUnitRow.unit_id, ItemUnitRow.factor).where(ItemUnitRow.item_id == item_id)
    )
    factors = {row.unit_id: row.factor for row in rows}
    known = await units_by_id(bench, [base_id, *factors])
    base = known[base_id]
    own = {known[unit_id]: factor for unit_id, factor in factors.items()}
    return unit or base, conversion(unit or base, base, own, path)


def _items_by_code(bench: Workbench) -> Select[UUID, str, UUID]:
    is_meant = _ITEM.c.code == func.any(_CODES)
    return select(_ITEM.c.id, _ITEM.c.code, _ITEM.c.unit_id).where(
        is_meant, bench.policy.rows("item", ItemRow)
    )


def _units_by_code(bench: Workbench) -> Select[UUID, str, str, Decimal]:
    return _SELECTED_UNIT.where(_UNIT.c.code == func.any(_CODES), bench.policy.rows("unit", UnitRow))


_CODES = bindparam("codes", type_=ARRAY(Text()))
_OWN_UNITS = select(ItemUnitRow.item_id, ItemUnitRow.unit_id, ItemUnitRow.factor).where(
    ItemUnitRow.item_id == func.any(bindparam("items", type_=ARRAY(Uuid())))
)
