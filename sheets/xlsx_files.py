"""How does a table become an XLSX file, and an XLSX file a table?

A spreadsheet keeps numbers as binary floats of which it shows 15 digits: those are what somebody typed, so a number is
read as these, exactly. What has more digits is written as a text, and read as one. Reading is left to
`sheets.xlsx_reader`, in a process of its own.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from threading import BoundedSemaphore
from typing import Any

from xlsxwriter import Workbook  # pyright: ignore[reportMissingTypeStubs]

from domain.values import plain
from sheets.cells import Cell, Column, Table
from sheets.zip_parts import broken, measured

_DIGITS = 15
"""So many decimal digits survive the way into a binary float and back."""

_FIRST_DAY = date(1900, 3, 1)
"""The first day that all spreadsheets count alike: some believe that 1900 was a leap year."""

_AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_SHEET_NAME = "BOM"
_NO_CHARACTERS = str.maketrans("\ufffe\uffff", "\ufffd\ufffd")
"""What XML can't say (XML 1.0, section 2.2) and a text of the API may."""

_READER = [sys.executable, "-m", "sheets.xlsx_reader"]
_READ_SECONDS = 20
_TURNS = BoundedSemaphore(2)
"""How many files are read at a time: each takes a processor and the reader's memory."""


def read_xlsx(content: bytes) -> Table:
    """Return the cells of an XLSX file's first visible sheet; raise `InvalidInput` BROKEN_FILE, TOO_LARGE or TOO_MANY.

    It blocks until another process has read them.
    """
    archive = measured(content)
    try:
        with _TURNS:
            read = subprocess.run(
                _READER,
                input=archive,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=True,
                timeout=_READ_SECONDS,
            )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise broken() from error
    # Any: JSON.
    rows: list[list[Any]] = json.loads(read.stdout)
    return [[_cell(*each) if each else None for each in row] for row in rows]


def _cell(kind: str, text: str) -> Cell:
    match kind:
        case "number":
            return Decimal(text)
        case "truth":
            return text == "true"
        case "day":
            return date.fromisoformat(text)
        case _:
            return text


def write_xlsx(columns: Sequence[Column], rows: Table) -> bytes:
    """Return an XLSX file of these rows under the columns' names; no text of it is a formula or a link."""
    file = io.BytesIO()
    # Any: XlsxWriter has few types.
    made: Any = Workbook(file, {"in_memory": True, **_AS_TEXT})
    with made as workbook:
        sheet = workbook.add_worksheet(_SHEET_NAME)
        bold, day = workbook.add_format({"bold": True}), workbook.add_format({"num_format": "yyyy-mm-dd"})
        for index, column in enumerate(columns):
            sheet.set_column(index, index, column.width)
            sheet.write_string(0, index, column.name, bold)
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(rows, start=1):
            for index, cell in enumerate(islice(row, len(columns))):
                _write(sheet, number, index, cell, day)
    return file.getvalue()


# Any: XlsxWriter has few types.
def _write(sheet: Any, row: int, column: int, cell: Cell, day: Any) -> None:
    match cell:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, column, cell)
        case Decimal() if len(cell.normalize().as_tuple().digits) <= _DIGITS:
            sheet.write_number(row, column, float(cell))
        case Decimal():
            sheet.write_string(row, column, plain(cell))
        case date() if cell >= _FIRST_DAY:
            sheet.write_datetime(row, column, datetime.combine(cell, time()), day)
        case date():
            sheet.write_string(row, column, cell.isoformat())
        case str():
            sheet.write_string(row, column, cell.translate(_NO_CHARACTERS))
