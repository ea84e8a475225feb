"""Is a file that can't be taken as a whole refused by a code that says why, and never the end of the server?"""

from __future__ import annotations

import base64
import io
import zipfile
from decimal import Decimal
from itertools import count

import pytest

from commands.boms.lines import LINES_LIMIT
from sheets.cells import FILE_BYTES_LIMIT, ROWS_LIMIT
from sheets.zip_parts import UNPACKED_BYTES_LIMIT
from tests.api import Api
from tests.integration.bom_world import Json, item
from tests.integration.sheet_world import csv, not_imported, packed, xlsx

pytestmark = pytest.mark.asyncio(loop_scope="module")

_CODES = (f"F{number}" for number in count(1))


def _bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (UNPACKED_BYTES_LIMIT + 1))
    return file.getvalue()


def _edited(part: str, old: str, new: str) -> bytes:
    """Return a workbook in which a text of one part is another."""
    file = io.BytesIO()
    source = zipfile.ZipFile(
        io.BytesIO(base64.b64decode(xlsx(("item", "quantity"), ("A", Decimal(1)))["content"]))
    )
    with source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            text = source.read(name).decode()
            if name == part:
                assert old in text
                text = text.replace(old, new)
            target.writestr(name, text)
    return file.getvalue()


_SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ({"format": "CSV", "content": "no base64!"}, "MALFORMED"),
        (csv(""), "WRONG_HEADER"),
        (csv("item,price", "A,1"), "WRONG_HEADER"),
        (csv("item", "A"), "WRONG_HEADER"),
        (csv("item,quantity,item", "A,1,B"), "WRONG_HEADER"),
        (csv("item,quantity,数量", "A,1,2"), "WRONG_HEADER"),
        (packed("CSV", b"item,quantity\r\n\xff\xff,1"), "UNDECODABLE"),
        (packed("CSV", "item,quantity\r\nA,1".encode("utf-16-le")), "UNDECODABLE"),
        (csv("item,quantity", '"A"B,1'), "BROKEN_FILE"),
        (csv("item,quantity", '"A,1'), "BROKEN_FILE"),
        (packed("XLSX", b"item,quantity\r\nA,1"), "BROKEN_FILE"),
        (packed("CSV", _bomb()), "UNDECODABLE"),
        (
            packed("XLSX", base64.b64decode(xlsx(("item", "quantity"), ("A", Decimal(1)))["content"])[:-40]),
            "BROKEN_FILE",
        ),
        (
            packed("XLSX", _edited(_SHEET, "<worksheet", '<!DOCTYPE w [<!ENTITY a "b">]><worksheet')),
            "BROKEN_FILE",
        ),
        # The library asks for as much memory as this says.
        (
            packed("XLSX", _edited("xl/sharedStrings.xml", 'uniqueCount="3"', 'uniqueCount="4294967295"')),
            "BROKEN_FILE",
        ),
        (packed("XLSX", _edited(_SHEET, 'r="B2"', 'r="XFD1048576"')), "TOO_MANY"),
        (packed("XLSX", _edited(_SHEET, 'r="B2"', 'r="ZZ2"')), "TOO_MANY"),
        (packed("XLSX", _bomb()), "TOO_LARGE"),
        (packed("CSV", b"x" * (FILE_BYTES_LIMIT + 1)), "TOO_LARGE"),
        (csv("item,quantity", *("A,1" for _ in range(LINES_LIMIT + 1))), "TOO_MANY"),
        (csv("item,quantity", *("" for _ in range(ROWS_LIMIT + 1))), "TOO_MANY"),
        (csv("item,quantity", "," * 100), "TOO_MANY"),
    ],
)
async def test_file_that_can_not_be_taken_as_a_whole_is_refused(company: Api, file: Json, code: str) -> None:
    top = (await item(company, next(_CODES)))["code"]
    error = await not_imported(company, top, file)
    assert (error["__typename"], error["code"], error["path"]) == ("InvalidInput", code, ["content"])
