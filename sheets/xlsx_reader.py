"""What stands in the first sheet of an XLSX file? Asked in a process of its own, with little memory and time.

    python -m sheets.xlsx_reader <file.xlsx >cells.json

The library believes what a file says of its own size: one of five kilobytes can ask for more memory than there is, and
then the whole process ends. So that process is this one, which has nothing else to do. Written is JSON: a list of rows, of
a cell null or its kind and its text, such as `["number", "0.1"]`. Any end but 0 means that the file can't be read.
"""

from __future__ import annotations

import io
import json
import sys
from datetime import date, datetime, time, timedelta

MEMORY_BYTES_LIMIT = 768 * 1024 * 1024
SECONDS_LIMIT = 10
TEXT_LIMIT = 16 * 1024 * 1024
"""How many characters all cells together may have: a text that stands once in a file may be said in every cell."""

_DIGITS = 15
"""So many decimal digits survive the way into a binary float and back, and as many does a spreadsheet show."""

_Read = int | float | str | bool | time | date | datetime | timedelta


def main() -> None:
    """Read a file from standard input, write its cells to standard output."""
    _bound()
    # Imported under the bounds, like all that it does.
    from python_calamine import CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum  # noqa: PLC0415

    with CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read())) as workbook:
        names = [
            each.name
            for each in workbook.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
        ]
        rows = workbook.get_sheet_by_name(names[0]).to_python(skip_empty_area=False)
    cells = [[_told(each) for each in row] for row in rows]
    if sum(len(each[1]) for row in cells for each in row if each) > TEXT_LIMIT:
        sys.exit(1)
    json.dump(cells, sys.stdout)


def _bound() -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415  # there is none elsewhere

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_LIMIT, MEMORY_BYTES_LIMIT))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_LIMIT, SECONDS_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _told(read: _Read) -> tuple[str, str] | None:
    match read:
        case "":
            return None
        case str():
            return "text", read
        case bool():
            return "truth", "true" if read else "false"
        case int() | float():
            return "number", format(read, f".{_DIGITS}g")
        case datetime() if read.time() == time():
            return "day", read.date().isoformat()
        case datetime():
            # A time of day is no day: whoever wants one is told by the text.
            return "text", read.isoformat(" ")
        case date():
            return "day", read.isoformat()
        case time() | timedelta():
            return "text", str(read)


if __name__ == "__main__":
    main()
