"""What is a table of cells, whichever file it came from or goes into?

A cell is a text, an exact number, a truth, a day, or nothing. What the columns mean is left to `sheets.bom_lines`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from domain.errors import InvalidInput

Cell = str | Decimal | bool | date | None
Table = Sequence[Sequence[Cell]]
"""Rows of cells, the header first; a row may be shorter than the header. Row 1 of the file is the first one."""

CONTENT = ("content",)
"""The path of a file in the input that brings it."""

FILE_BYTES_LIMIT = 700_000
"""How large a file that is read may be: in base64 it has room in the body of a request."""

ROWS_LIMIT = 5_000
"""At how many rows reading ends, empty ones counted."""

COLUMNS_LIMIT = 100
"""At how many columns reading ends."""


@dataclass(frozen=True)
class Column:
    """A column of a table that is written: its header, and how wide a reader needs it, in characters."""

    name: str
    width: int = 12


def too_many_rows() -> InvalidInput:
    """Return the refusal of a table that is too long."""
    return InvalidInput("TOO_MANY", f"The file has more than {ROWS_LIMIT} rows.", CONTENT)


def too_many_columns() -> InvalidInput:
    """Return the refusal of a table that is too wide."""
    return InvalidInput("TOO_MANY", f"The file has more than {COLUMNS_LIMIT} columns.", CONTENT)


def is_empty(cell: Cell) -> bool:
    """Return whether there is nothing in a cell but perhaps blanks."""
    return cell is None or (isinstance(cell, str) and not cell.strip())
