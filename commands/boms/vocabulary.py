"""Which unit, which item is meant by a command? By code or by id, `NotFound` with the path where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, select

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


async def unit_by_code(bench: Workbench, code: str, path: tuple[str, ...]) -> Unit:
    """Return the unit of this code, whose case counts: Mg is not mg."""
    wanted = values.line(code, values.UOM_LENGTH, path)
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


async def item_named(bench: Workbench, name: ItemName, path: tuple[str, ...]) -> UUID:
    """Return the id of the item that is named; raise `InvalidInput` unless it is named once, `NotFound`."""
    if (name.id is None) == (name.code is None):
        raise InvalidInput("REQUIRED", "Give exactly one of id and code.", path)
    is_meant = _ITEM.c.id == name.id if name.code is None else _ITEM.c.code == name.code
    statement = select(_ITEM.c.id).where(is_meant, bench.policy.rows("item", ItemRow))
    found: UUID | None = await bench.session.scalar(statement, bench.viewer.parameters)
    if found is None:
        raise NotFound("item", path)
    return found


async def conversion_of(
    bench: Workbench, item_id: UUID, unit: Unit | None, path: tuple[str, ...]
) -> tuple[Unit, Fraction]:
    """Return a unit, the item's base unit where none is given, and how many base units one of it is; raise `InvalidInput`."""
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
