"""What stands in an exported file of a BOM? Columns and cells, of what the viewer may see.

A column that he can see on no row is left out; in the others a cell that is hidden is empty, like one without a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from domain import values
from domain.explosion import Needed
from loaders.exported_boms import ExportedLine, NamedItem
from loaders.records import Record
from policies.bindings import catalog
from policies.compiler import Policy
from sheets.bom_lines import COST_COLUMNS, LINE_COLUMNS, SubstituteCells, substitutes_text
from sheets.cells import Cell, Column

RowT = TypeVar("RowT")


@dataclass(frozen=True)
class _Told(Generic[RowT]):
    """What a column tells of a row, and by which field of which type the policy says who sees it; null for everybody."""

    cell: Callable[[RowT], Cell]
    guard: tuple[str, str] | None = None


@dataclass(frozen=True)
class Sheet:
    """A table ready to be written."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def lines_sheet(policy: Policy, lines: Sequence[ExportedLine]) -> Sheet:
    """Return the lines of a revision as `bomImport` reads them, with what people want to see beside them."""
    return _sheet(policy, (*LINE_COLUMNS, *COST_COLUMNS), _LINES, lines)


def explosion_sheet(policy: Policy, lines: Sequence[tuple[Needed, NamedItem]]) -> Sheet:
    """Return every line on every path of an explosion, each followed by what is below it."""
    return _sheet(policy, (*_EXPLOSION_COLUMNS, *COST_COLUMNS), _EXPLOSION, lines)


def _sheet(
    policy: Policy, columns: Sequence[Column], told: Mapping[str, _Told[RowT]], rows: Sequence[RowT]
) -> Sheet:
    seen = [column for column in columns if not _is_hidden(policy, told[column.name].guard)]
    cells = [told[column.name].cell for column in seen]
    return Sheet(seen, [[cell(row) for cell in cells] for row in rows])


def _is_hidden(policy: Policy, guard: tuple[str, str] | None) -> bool:
    if guard is None:
        return False
    type_name, field = guard
    return policy.is_never_visible(catalog.types[type_name].fields[field].thing)


# Any: a field's value is of its column's type, which is one that a cell holds.
def _value(record: Record | None, field: str) -> Any:
    found = None if record is None else record[field]
    # Cells know one kind of numbers; truths are no numbers.
    return Decimal(found) if isinstance(found, int) and not isinstance(found, bool) else found


def _own(field: str) -> _Told[ExportedLine]:
    return _Told(lambda row: _value(row.line, field), ("BomLine", field))


def _substitutes(row: ExportedLine) -> Cell:
    return substitutes_text(
        [
            SubstituteCells(each["factor"], item["code"])
            for each, item in row.substitutes
            if item is not None and each["factor"] is not None and item["code"] is not None
        ]
    )


_LINES: Mapping[str, _Told[ExportedLine]] = {
    "position": _own("position"),
    "item": _Told(lambda row: _value(row.item, "code"), ("Item", "code")),
    "itemName": _Told(lambda row: _value(row.item, "name"), ("Item", "name")),
    "quantity": _own("quantity"),
    "unit": _Told(lambda row: _value(row.unit, "code"), ("Unit", "code")),
    "fixed": _own("fixed"),
    "scrapPercent": _own("scrap_percent"),
    "scrapRule": _own("scrap_rule"),
    "setupQuantity": _own("setup_quantity"),
    "orderMultiple": _own("order_multiple"),
    "validFrom": _own("valid_from"),
    "validTo": _own("valid_to"),
    "consumable": _own("consumable"),
    "substitutes": _Told(_substitutes, ("BomLine", "substitutes")),
    "standardCost": _Told(lambda row: _value(row.item, "standard_cost"), ("Item", "standard_cost")),
    # Money without its currency says nothing, and a currency without money neither.
    "currency": _Told(lambda row: _value(row.item, "currency"), ("Item", "standard_cost")),
}

_EXPLOSION_COLUMNS = (
    Column("level", 8),
    Column("path", 24),
    Column("item", 20),
    Column("itemName", 32),
    Column("quantity"),
    Column("exactQuantity"),
    Column("unit", 8),
    Column("phantom", 8),
    Column("hasParts", 8),
)

_EXPLOSION: Mapping[str, _Told[tuple[Needed, NamedItem]]] = {
    "level": _Told(lambda row: Decimal(row[0].level)),
    # No sign between them of which a spreadsheet would make a date.
    "path": _Told(lambda row: " > ".join(map(str, row[0].path))),
    "item": _Told(lambda row: _value(row[1].item, "code"), ("Item", "code")),
    "itemName": _Told(lambda row: _value(row[1].item, "name"), ("Item", "name")),
    "quantity": _Told(lambda row: values.nearest(row[0].quantity, values.QUANTITY_PLACES)),
    "exactQuantity": _Told(lambda row: str(row[0].quantity)),
    "unit": _Told(lambda row: _value(row[1].unit, "code"), ("Unit", "code")),
    "phantom": _Told(lambda row: row[0].is_phantom),
    "hasParts": _Told(lambda row: row[0].has_parts),
    "standardCost": _Told(lambda row: _value(row[1].item, "standard_cost"), ("Item", "standard_cost")),
    "currency": _Told(lambda row: _value(row[1].item, "currency"), ("Item", "standard_cost")),
}
