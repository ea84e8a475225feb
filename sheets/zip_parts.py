"""Is an XLSX file as small inside as it is outside? Its parts, each measured before anything reads it.

The reader of XLSX files lays a sheet out as one rectangle of cells, so that one cell in the last corner of an empty sheet
would take all the memory there is. So a file is unpacked here within bounds, each cell's place is looked at, and what was
measured is packed anew: the reader never sees an archive that it might understand otherwise.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from xml.parsers import expat

from domain.errors import InvalidInput
from sheets.cells import COLUMNS_LIMIT, CONTENT, ROWS_LIMIT, too_many_columns, too_many_rows

UNPACKED_BYTES_LIMIT = 16 * 1024 * 1024
"""How large all parts of a file together may be once they are unpacked."""

PARTS_LIMIT = 1_000

_SHEETS = "xl/worksheets/"
_NEEDED = {
    "[Content_Types].xml",
    "_rels/.rels",
    "xl/_rels/workbook.xml.rels",
    "xl/sharedStrings.xml",
    "xl/styles.xml",
    "xl/workbook.xml",
}
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_PACKED_BY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_IS_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    expat.ExpatError,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What the archive's reader raises when an archive contradicts itself."""


def measured(content: bytes) -> bytes:
    """Return an XLSX file's cells and styles as a new archive; raise `InvalidInput` BROKEN_FILE, TOO_LARGE or TOO_MANY."""
    packed = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(packed, "w") as target:
            for name, part in _parts(source).items():
                if name.startswith(_SHEETS):
                    _measure(part)
                target.writestr(name, part)
    except _BROKEN as error:
        raise broken() from error
    return packed.getvalue()


def broken() -> InvalidInput:
    """Return the refusal of what is no XLSX file."""
    return InvalidInput("BROKEN_FILE", "This is no XLSX file that can be read.", CONTENT)


def _parts(source: zipfile.ZipFile) -> dict[str, bytes]:
    """Return the parts that matter by name, unpacked."""
    entries = source.infolist()
    if len(entries) > PARTS_LIMIT:
        raise too_large()
    found: dict[str, bytes] = {}
    left = UNPACKED_BYTES_LIMIT
    for entry in entries:
        if not _is_needed(entry.filename):
            continue
        if (
            entry.flag_bits & _IS_ENCRYPTED
            or entry.compress_type not in _PACKED_BY
            or entry.filename in found
        ):
            raise broken()
        # The archive says how large a part is, and zipfile reads no more of it than that.
        left -= entry.file_size
        if left < 0:
            raise too_large()
        found[entry.filename] = source.read(entry)
    return found


def too_large() -> InvalidInput:
    """Return the refusal of a file that is too large once it is unpacked."""
    message = f"Unpacked the file has more than {UNPACKED_BYTES_LIMIT} bytes or {PARTS_LIMIT} parts."
    return InvalidInput("TOO_LARGE", message, CONTENT)


def _is_needed(name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return name in _NEEDED or (f"{folder}/" == _SHEETS and file.endswith(".xml"))


def _measure(sheet: bytes) -> None:
    """Raise `InvalidInput` where a sheet has a cell with a content too far out."""
    grid = _Grid()
    parser = expat.ParserCreate()
    parser.StartElementHandler = grid.begin
    parser.EndElementHandler = grid.end
    parser.StartDoctypeDeclHandler = _no_doctype
    parser.Parse(sheet, True)


class _Grid:
    """Where the cells of a sheet are, as its rows and cells go by; those without a place follow the one before."""

    def __init__(self) -> None:
        self._row = self._column = 0
        self._is_in_cell = False

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        """Take in an element's beginning."""
        local, place = name.rpartition(":")[2], attributes.get("r")
        if self._is_in_cell:
            if local in ("row", "c"):
                raise broken()
            # An empty cell may be anywhere: only what has a content is laid out.
            if self._row > ROWS_LIMIT:
                raise too_many_rows()
            if self._column > COLUMNS_LIMIT:
                raise too_many_columns()
        elif local == "row":
            self._row, self._column = (self._row + 1 if place is None else _number(place)), 0
        elif local == "c":
            self._is_in_cell = True
            if place is None:
                self._column += 1
            else:
                self._column, self._row = _column_and_row(place)

    def end(self, name: str) -> None:
        """Take in an element's end."""
        if name.rpartition(":")[2] == "c":
            self._is_in_cell = False


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 7):
        raise broken()
    return int(text)


def _column_and_row(place: str) -> tuple[int, int]:
    found = _PLACE.fullmatch(place)
    if found is None:
        raise broken()
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - ord("A") + 1
    return column, int(found[2])


# Any number of arguments: the document type is refused whatever it says.
def _no_doctype(*_arguments: object) -> None:
    raise broken()
