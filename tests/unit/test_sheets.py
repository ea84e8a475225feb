"""Do files say what was written into them, and read what spreadsheets write?"""

from __future__ import annotations

import codecs
import io
import zipfile
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from server.exports import disposition
from sheets.bom_lines import FileFormat, is_known, read_lines
from sheets.cells import Column, Table
from sheets.csv_files import bared, guarded, read_csv, write_csv
from sheets.files import file_of
from sheets.xlsx_files import read_xlsx, write_xlsx

_FORMULAS = [
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1",
    "＋1",
    "－1",
    "＠A",
    "'=1",
    "''",
    "'",
]
_HEADER = [Column("item"), Column("quantity"), Column("validFrom"), Column("fixed")]

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn", "Co")), min_size=1, max_size=20
) | st.sampled_from([*_FORMULAS, 'a "b", c; d', "一\n二\n三", "_x0041_", "<&>", "007", "1E5", "TRUE"])
numbers = st.decimals(min_value=0, max_value=Decimal("999999999999.9999"), places=4, allow_nan=False)
rows = st.lists(st.tuples(texts, numbers, st.dates(date(1900, 1, 1)), st.booleans()), max_size=5)


@given(rows)
def test_csv_says_again_what_was_written(given_rows: list[tuple[str, Decimal, date, bool]]) -> None:
    header, *read = read_csv(write_csv(_HEADER, given_rows), is_known)
    assert list(header) == [column.name for column in _HEADER]
    assert [tuple(row) for row in read] == [
        (text, format(number, "f"), day.isoformat(), "true" if truth else "false")
        for text, number, day, truth in given_rows
    ]


@settings(max_examples=25, deadline=None)
@given(rows)
def test_workbook_says_again_what_was_written(given_rows: list[tuple[str, Decimal, date, bool]]) -> None:
    read: Table = read_xlsx(write_xlsx(_HEADER, given_rows))[1:]
    for row, (text, number, day, truth) in zip(read, given_rows, strict=True):
        assert row[0] == text
        assert Decimal(str(row[1])) == number
        assert str(row[2]) == day.isoformat()
        assert row[3] is truth


@given(texts)
def test_guarded_text_is_bared_to_what_it_was_and_looks_like_no_formula(text: str) -> None:
    assert bared(guarded(text)) == text
    assert not guarded(text).lstrip().startswith(tuple("=+-@＝＋－＠"))
    assert not guarded(text).startswith(("\t", "\r", "\n"))


@pytest.mark.parametrize("text", _FORMULAS)
def test_text_like_a_formula_is_written_behind_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


def test_apostrophe_that_guards_nothing_stays() -> None:
    assert [guarded("'tis"), bared("'tis"), bared("abc"), bared("")] == ["''tis", "'tis", "abc", ""]


def test_workbook_holds_no_formula_and_no_link() -> None:
    file = write_xlsx([Column("item")], [["=1+1"], ["https://eoms.test"], ["{=1}"], ["mailto:a@b.c"]])
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "hyperlink" not in sheet
    assert [row[0] for row in read_xlsx(file)[1:]] == ["=1+1", "https://eoms.test", "{=1}", "mailto:a@b.c"]


def test_csv_begins_with_the_mark_by_which_excel_knows_utf8() -> None:
    assert write_csv([Column("item")], [["泵"]]) == codecs.BOM_UTF8 + "item\r\n泵\r\n".encode()


def test_columns_are_known_in_any_case_and_width_and_by_their_chinese_names() -> None:
    table: Table = [["ＩＴＥＭ", " Quantity ", "失效日期", ""], ["A", "1", "2026年1月5日", ""]]
    (row,) = read_lines(table, 10).rows
    assert (row.number, row.values) == (
        2,
        {"item": "A", "quantity": Decimal(1), "validTo": date(2026, 1, 5)},
    )


def outcome(reading: Callable[[], object]) -> str:
    try:
        reading()
    except InvalidInput as refusal:
        return refusal.code
    return "read"


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 7_000))
def test_damaged_workbook_is_refused_or_read_but_never_a_fault(noise: bytes, place: int) -> None:
    good = file_of(FileFormat.XLSX, _HEADER, [["A", Decimal(1), date(2026, 1, 1), True]])
    damaged = good[:place] + noise + good[place + len(noise) :]
    assert outcome(lambda: read_xlsx(damaged)) in {"read", "BROKEN_FILE", "TOO_LARGE", "TOO_MANY"}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_csv_file_or_refused(noise: bytes) -> None:
    codes = {"read", "UNDECODABLE", "BROKEN_FILE", "TOO_MANY", "WRONG_HEADER"}
    assert outcome(lambda: read_lines(read_csv(noise, is_known), 10)) in codes


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("P-1-r1.csv", "attachment; filename=\"P-1-r1.csv\"; filename*=UTF-8''P-1-r1.csv"),
        ("../..\\x.csv", "attachment; filename=\"_.._x.csv\"; filename*=UTF-8''_.._x.csv"),
        ('a"; x="\r\n.csv', "attachment; filename=\"a__ x____.csv\"; filename*=UTF-8''a_%3B%20x%3D___.csv"),
        ("泵.csv", "attachment; filename=\"_.csv\"; filename*=UTF-8''%E6%B3%B5.csv"),
    ],
)
def test_name_of_a_file_is_safe_whatever_stands_in_a_code(name: str, told: str) -> None:
    assert disposition(name) == told
