"""How are the lines of a BOM read from a file that came in base64, and a table written to one that goes out?"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from domain.errors import InvalidInput
from sheets.bom_lines import FileFormat, ReadLines, is_known, read_lines
from sheets.cells import CONTENT, FILE_BYTES_LIMIT, Column, Table
from sheets.csv_files import read_csv, write_csv
from sheets.xlsx_files import read_xlsx, write_xlsx

MEDIA_TYPES = {
    FileFormat.CSV: "text/csv; charset=utf-8",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def lines_of(file_format: FileFormat, content: str, limit: int) -> ReadLines:
    """Return the lines of a BOM in a file, at most `limit`, and what is wrong with the others.

    It may block for seconds. Raises `InvalidInput` where the file as a whole can't be taken: MALFORMED (no base64),
    TOO_LARGE, TOO_MANY, UNDECODABLE, BROKEN_FILE, WRONG_HEADER.
    """
    if len(content) > 4 * (FILE_BYTES_LIMIT // 3 + 1):
        raise _too_large()
    try:
        file = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("MALFORMED", "The file is given in base64.", CONTENT) from error
    if len(file) > FILE_BYTES_LIMIT:
        raise _too_large()
    table = read_xlsx(file) if file_format is FileFormat.XLSX else read_csv(file, is_known)
    return read_lines(table, limit)


def file_of(file_format: FileFormat, columns: Sequence[Column], rows: Table) -> bytes:
    """Return a table as a file."""
    return (write_xlsx if file_format is FileFormat.XLSX else write_csv)(columns, rows)


def _too_large() -> InvalidInput:
    return InvalidInput("TOO_LARGE", f"A file has at most {FILE_BYTES_LIMIT} bytes.", CONTENT)
