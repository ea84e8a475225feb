"""How does a table become a CSV file, and a CSV file a table?

Written is UTF-8 with a byte order mark, by which Excel knows it, with commas and CRLF (RFC 4180). Read is also what others
write: UTF-8 without the mark, UTF-16 with one, GB18030 as Excel in China saves it; commas, semicolons, tabs.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from itertools import zip_longest

from domain.errors import InvalidInput
from domain.values import plain
from sheets.cells import (
    COLUMNS_LIMIT,
    CONTENT,
    ROWS_LIMIT,
    Cell,
    Column,
    Table,
    too_many_columns,
    too_many_rows,
)

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WITHOUT_MARK = ("utf-8", "gb18030")
_DELIMITERS = ",;\t"

_FORMULA_STARTS = tuple("=+-@＝＋－＠")
"""With what a spreadsheet begins a formula, full-width forms too (OWASP, CSV Injection)."""

_CONTROL_STARTS = tuple("'\t\r\n")
"""What else is kept from being a cell's first character: a spreadsheet may drop it and take what follows for a formula."""


def read_csv(content: bytes, knows: Callable[[str], bool]) -> Table:
    """Return the cells of a CSV file, all of them texts; the delimiter is the one that yields most headers that `knows`.

    Raises `InvalidInput` UNDECODABLE, BROKEN_FILE or TOO_MANY.
    """
    text = _decoded(content)
    header = text.partition("\n")[0]
    delimiter = max(
        _DELIMITERS, key=lambda each: sum(knows(name.strip(' "\r')) for name in header.split(each))
    )
    rows: list[Sequence[Cell]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True):
            if len(rows) == ROWS_LIMIT:
                raise too_many_rows()
            if len(row) > COLUMNS_LIMIT:
                raise too_many_columns()
            rows.append([bared(cell) for cell in row])
    except csv.Error as error:
        raise InvalidInput("BROKEN_FILE", f"Row {len(rows) + 1} is no CSV: {error}.", CONTENT) from error
    return rows


def write_csv(columns: Sequence[Column], rows: Table) -> bytes:
    """Return a CSV file of these rows under the columns' names."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_written(cell) for cell, _ in zip_longest(row, columns)])
    return file.getvalue().encode("utf-8-sig")


def guarded(text: str) -> str:
    """Return a text as no spreadsheet takes it for a formula: behind an apostrophe where it looks like one."""
    return f"'{text}" if _is_risky(text) else text


def bared(text: str) -> str:
    """Return the text that `guarded` was given."""
    return text[1:] if text[:1] == "'" and _is_risky(text[1:]) else text


def _is_risky(text: str) -> bool:
    return text.startswith(_CONTROL_STARTS) or text.lstrip().startswith(_FORMULA_STARTS)


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case Decimal():
            return plain(cell)
        case date():
            return cell.isoformat()
        case str():
            return guarded(cell)


def _decoded(content: bytes) -> str:
    """Return the text of a file; raise `InvalidInput` where no encoding fits."""
    marked = [encoding for mark, encoding in _MARKS if content.startswith(mark)]
    for encoding in marked or _WITHOUT_MARK:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        # UTF-16 without a mark passes for UTF-8 with a NUL in every second place.
        if "\x00" not in text:
            return text
    raise InvalidInput(
        "UNDECODABLE", "A CSV file is in UTF-8, in UTF-16 with a byte order mark, or in GB18030.", CONTENT
    )
