"""What do the columns of a BOM's lines mean? Their names, in English and Chinese, and which value a cell of each says.

The names are the API's. Other columns that an export has beside them are known, and left out when they come back.
Whether a value fits its field is left to the command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from domain import values
from domain.bom import ScrapRule
from domain.errors import InvalidInput, RowFault
from sheets.cells import CONTENT, Cell, Column, Table, is_empty

LINE_COLUMNS = (
    Column("position", 8),
    Column("item", 20),
    Column("itemName", 32),
    Column("quantity"),
    Column("unit", 8),
    Column("fixed", 8),
    Column("scrapPercent"),
    Column("scrapRule"),
    Column("setupQuantity"),
    Column("orderMultiple"),
    Column("validFrom"),
    Column("validTo"),
    Column("consumable"),
    Column("substitutes", 32),
)
COST_COLUMNS = (Column("standardCost"), Column("currency"))
"""What those see beside a line who may see its item's cost."""

_CHINESE = {
    "位置": "position",
    "物料编码": "item",
    "物料名称": "itemName",
    "数量": "quantity",
    "单位": "unit",
    "固定": "fixed",
    "损耗率": "scrapPercent",
    "损耗规则": "scrapRule",
    "准备量": "setupQuantity",
    "订货倍数": "orderMultiple",
    "生效日期": "validFrom",
    "失效日期": "validTo",
    "耗材": "consumable",
    "替代料": "substitutes",
    "标准成本": "standardCost",
    "币种": "currency",
}
_NAMES = {name.casefold(): name for name in _CHINESE.values()} | _CHINESE
_REQUIRED = ("item", "quantity")
_SHOWN = 40
"""How many characters of a header that is not known are repeated."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][+-]?[0-9]{1,3})?|[+-]?\.[0-9]{1,30}")
_DAY = re.compile(r"([0-9]{4})[-/年]([0-9]{1,2})[-/月]([0-9]{1,2})日?")
_TRUTHS = {
    "true": True,
    "yes": True,
    "y": True,
    "1": True,
    "是": True,
    "false": False,
    "no": False,
    "n": False,
    "0": False,
    "否": False,
}
_SUBSTITUTE = re.compile(r"(\S+) +(\S.*)")


class FileFormat(StrEnum):
    """What a table is written in."""

    CSV = "CSV"
    XLSX = "XLSX"


@dataclass(frozen=True)
class SubstituteCells:
    """What may be taken instead, as a line's cell says it."""

    factor: Decimal
    item: str


# Any: a value is of the type that its column holds.
@dataclass(frozen=True)
class LineCells:
    """A row of a file, `number` as the file counts it: values by the API's names, without those that are empty."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class ReadLines:
    """The rows of a file that say something, and what is wrong with the others."""

    rows: Sequence[LineCells]
    faults: Sequence[RowFault]


def is_known(header: str) -> bool:
    """Return whether a header names a column."""
    return _named(header) is not None


def read_lines(table: Table, limit: int) -> ReadLines:
    """Return the lines of a BOM; raise `InvalidInput` WRONG_HEADER, or TOO_MANY for more rows than `limit`."""
    names = _header(table[0] if table else ())
    filled = [
        (number, row)
        for number, row in enumerate(table[1:], start=2)
        if not all(is_empty(cell) for cell in row)
    ]
    if len(filled) > limit:
        raise InvalidInput("TOO_MANY", f"A revision has at most {limit} lines.", CONTENT)
    rows: list[LineCells] = []
    faults: list[RowFault] = []
    for number, row in filled:
        wrong = _surplus(number, row, names)
        found: dict[str, Any] = {}
        for name, cell in zip(names, row, strict=False):
            read = _READ.get(name)
            if read is None or is_empty(cell):
                continue
            try:
                found[name] = read(cell, (name,))
            except InvalidInput as error:
                wrong.append(RowFault(number, name, error.code, error.message))
        if wrong:
            faults += wrong
        else:
            rows.append(LineCells(number, found))
    return ReadLines(rows, faults)


def substitutes_text(substitutes: Sequence[SubstituteCells]) -> str | None:
    """Return substitutes as their cell says them: one a line, factor and code, first choice first."""
    return "\n".join(f"{values.plain(_short(each.factor))} {each.item}" for each in substitutes) or None


def _short(number: Decimal) -> Decimal:
    """Return a number without zeros at its end: a factor has twelve places, of which most say nothing."""
    return number.normalize()


def _header(row: Sequence[Cell]) -> list[str]:
    """Return the columns' names, empty for what is left empty."""
    names: list[str] = []
    for cell in row:
        text = "" if cell is None else _text(cell, CONTENT)
        name = _named(text) if text else ""
        if name is None:
            raise _wrong_header(f"There is no column `{text[:_SHOWN]}`")
        if name and name in names:
            raise _wrong_header(f"The column `{name}` is there twice")
        names.append(name)
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise _wrong_header(f"The first row names no column `{missing[0]}`")
    return names


def _named(header: str) -> str | None:
    return _NAMES.get(unicodedata.normalize("NFKC", header).strip().casefold())


def _wrong_header(what: str) -> InvalidInput:
    known = ", ".join(f"{name} ({chinese})" for chinese, name in _CHINESE.items())
    return InvalidInput("WRONG_HEADER", f"{what}; known are {known}.", CONTENT)


def _surplus(number: int, row: Sequence[Cell], names: Sequence[str]) -> list[RowFault]:
    """Return the fault of a row that says something outside of all columns: a comma too many moves all the rest."""
    beyond = [*row[len(names) :], *(cell for name, cell in zip(names, row, strict=False) if not name)]
    if all(is_empty(cell) for cell in beyond):
        return []
    return [RowFault(number, None, "TOO_MANY", "The row has more cells than the header.")]


def _text(cell: Cell, _path: tuple[str, ...]) -> str:
    """Return what a cell says as a text; a code of digits only may have become a number."""
    match cell:
        case Decimal():
            return values.plain(cell)
        case bool():
            return str(cell).upper()
        case date():
            return cell.isoformat()
        case _:
            return (cell or "").strip()


def _code(cell: Cell, path: tuple[str, ...]) -> str:
    return values.line(_text(cell, path), values.CODE_LENGTH, path)


def _unit(cell: Cell, path: tuple[str, ...]) -> str:
    return values.line(_text(cell, path), values.UOM_LENGTH, path)


def _number(cell: Cell, path: tuple[str, ...]) -> Decimal:
    if isinstance(cell, Decimal):
        return cell
    text = "" if isinstance(cell, bool) else _text(cell, path)
    if not _NUMBER.fullmatch(text):
        message = "A number is expected, with a decimal point and without separators, such as 1250.5."
        raise InvalidInput("MALFORMED", message, path)
    return Decimal(text)


def _whole(cell: Cell, path: tuple[str, ...]) -> int:
    number = _number(cell, path)
    # A number of a thousand digits is no position, and takes a while to write out.
    if abs(number) > values.POSITION_LIMIT:
        raise InvalidInput("OUT_OF_RANGE", "The number is too large.", path)
    if number != number.to_integral_value():
        raise InvalidInput("TOO_PRECISE", "A whole number is expected.", path)
    return int(number)


def _truth(cell: Cell, path: tuple[str, ...]) -> bool:
    found = cell if isinstance(cell, bool) else _TRUTHS.get(_text(cell, path).casefold())
    if found is None:
        raise InvalidInput("MALFORMED", "true or false is expected (是 or 否).", path)
    return found


def _day(cell: Cell, path: tuple[str, ...]) -> date:
    if isinstance(cell, date):
        return cell
    found = _DAY.fullmatch(_text(cell, path))
    try:
        if found:
            return date(*(int(part) for part in found.groups()))
    except ValueError:
        pass
    raise InvalidInput("MALFORMED", "A day is expected, such as 2026-01-31.", path)


def _rule(cell: Cell, path: tuple[str, ...]) -> ScrapRule:
    try:
        return ScrapRule(_text(cell, path).upper())
    except ValueError as error:
        raise InvalidInput("MALFORMED", f"One of {', '.join(ScrapRule)} is expected.", path) from error


def _substitutes(cell: Cell, path: tuple[str, ...]) -> tuple[SubstituteCells, ...]:
    found: list[SubstituteCells] = []
    for text in re.split(r"[\r\n]+", _text(cell, path)):
        match = _SUBSTITUTE.fullmatch(text.strip())
        if match is None:
            message = "One substitute a line is expected: its factor, a blank, its item's code."
            raise InvalidInput("MALFORMED", message, path)
        found.append(SubstituteCells(_number(match[1], path), _code(match[2], path)))
    return tuple(found)


_READ: Mapping[str, Callable[[Cell, tuple[str, ...]], Any]] = {
    "position": _whole,
    "item": _code,
    "quantity": _number,
    "unit": _unit,
    "fixed": _truth,
    "scrapPercent": _number,
    "scrapRule": _rule,
    "setupQuantity": _number,
    "orderMultiple": _number,
    "validFrom": _day,
    "validTo": _day,
    "consumable": _truth,
    "substitutes": _substitutes,
}
"""How the cell of a column is read; what is not here is for people."""
