"""Which texts, quantities, prices, percentages and dates does a field take?"""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import values
from domain.errors import InvalidInput

Check = Callable[[Decimal, tuple[str, ...]], Decimal]

PATH = ("lines", "0", "quantity")


def code_of(check: Callable[[], object]) -> str:
    with pytest.raises(InvalidInput) as caught:
        check()
    assert caught.value.path == PATH
    return caught.value.code


@pytest.mark.parametrize(
    ("check", "value", "stored"),
    [
        (values.quantity, "0.0001", "0.0001"),
        (values.quantity, "999999999999.9999", "999999999999.9999"),
        (values.quantity, "1E+3", "1000.0000"),
        (values.quantity, "2.50000000", "2.5000"),
        (values.done_quantity, "0", "0.0000"),
        (values.done_quantity, "-0", "0.0000"),
        (values.unit_price, "0", "0.0000"),
        (values.unit_price, "-0.00", "0.0000"),
        (values.unit_price, "12.5", "12.5000"),
        (values.percent, "0", "0.00"),
        (values.percent, "-0.0", "0.00"),
        (values.percent, "100", "100.00"),
        (values.percent, "33.33", "33.33"),
    ],
)
def test_number_within_bounds_is_stored_with_its_places(check: Check, value: str, stored: str) -> None:
    assert str(check(Decimal(value), PATH)) == stored


@pytest.mark.parametrize(
    ("check", "value", "code"),
    [
        (values.quantity, "0", "OUT_OF_RANGE"),
        (values.quantity, "-0", "OUT_OF_RANGE"),
        (values.quantity, "-0.0001", "OUT_OF_RANGE"),
        (values.quantity, "1000000000000", "OUT_OF_RANGE"),
        (values.quantity, "1E+40", "OUT_OF_RANGE"),
        (values.quantity, "0.00001", "TOO_PRECISE"),
        (values.quantity, "1E-40", "TOO_PRECISE"),
        (values.quantity, "999999999999.99999", "TOO_PRECISE"),
        (values.quantity, "NaN", "OUT_OF_RANGE"),
        (values.quantity, "sNaN", "OUT_OF_RANGE"),
        (values.quantity, "Infinity", "OUT_OF_RANGE"),
        (values.done_quantity, "-0.0001", "OUT_OF_RANGE"),
        (values.done_quantity, "1000000000000", "OUT_OF_RANGE"),
        (values.unit_price, "-0.01", "OUT_OF_RANGE"),
        (values.unit_price, "1000000000000", "OUT_OF_RANGE"),
        (values.unit_price, "0.00005", "TOO_PRECISE"),
        (values.percent, "-0.01", "OUT_OF_RANGE"),
        (values.percent, "100.01", "OUT_OF_RANGE"),
        (values.percent, "100.005", "TOO_PRECISE"),
        (values.percent, "0.001", "TOO_PRECISE"),
    ],
)
def test_number_outside_is_refused_by_its_code(check: Check, value: str, code: str) -> None:
    assert code_of(lambda: check(Decimal(value), PATH)) == code


@given(st.decimals("0.0001", "999999999999.9999", places=4))
def test_quantity_is_stored_as_it_was_given(value: Decimal) -> None:
    assert values.quantity(value, PATH) == value


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("泵房 Pump house", "泵房 Pump house"),
        ("  blanks around \u3000", "blanks around"),
        ("é́ 🏗️ עברית", "é́ 🏗️ עברית"),
        ("ten chars.", "ten chars."),
    ],
)
def test_line_is_stored_without_blanks_around(text: str, stored: str) -> None:
    assert values.line(text, 20, PATH) == stored


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "REQUIRED"),
        (" \u3000 ", "REQUIRED"),
        ("twenty-one characters", "TOO_LONG"),
        ("two\nlines", "CONTROL_CHARACTER"),
        ("two\rlines", "CONTROL_CHARACTER"),
        ("a\ttab", "CONTROL_CHARACTER"),
        ("two\u2028lines", "CONTROL_CHARACTER"),
        ("two\u2029lines", "CONTROL_CHARACTER"),
        ("a\x00nul", "CONTROL_CHARACTER"),
        ("an\x1bescape", "CONTROL_CHARACTER"),
        ("a\x7fdelete", "CONTROL_CHARACTER"),
        ("a\x85next line", "CONTROL_CHARACTER"),
        ("a\u202egpj.exe", "CONTROL_CHARACTER"),
        ("a\u2066isolate", "CONTROL_CHARACTER"),
        ("half a pair \ud800", "CONTROL_CHARACTER"),
    ],
)
def test_line_that_is_none_is_refused_by_its_code(text: str, code: str) -> None:
    assert code_of(lambda: values.line(text, 20, PATH)) == code


def test_paragraph_keeps_line_breaks_tabs_and_blanks() -> None:
    assert values.paragraph(" 1.\tFirst\r\n2.\tSecond\n", 100, PATH) == " 1.\tFirst\r\n2.\tSecond\n"


def test_paragraph_is_measured_in_characters_on_both_sides_of_its_limit() -> None:
    assert values.paragraph("桩" * 10, 10, PATH) == "桩" * 10
    assert code_of(lambda: values.paragraph("桩" * 11, 10, PATH)) == "TOO_LONG"


@given(st.text(max_size=30))
def test_accepted_text_can_be_stored_as_utf8_without_nul(text: str) -> None:
    try:
        accepted = values.paragraph(text, 30, PATH)
    except InvalidInput:
        return
    assert b"\x00" not in accepted.encode()


def test_dates_may_be_equal_or_missing_but_not_turned_round() -> None:
    day, next_day = date(2026, 3, 31), date(2026, 4, 1)
    for start, end in ((day, day), (day, next_day), (None, day), (next_day, None), (None, None)):
        values.dates_in_order(start, end, PATH)
    assert code_of(lambda: values.dates_in_order(next_day, day, PATH)) == "DATES_OUT_OF_ORDER"


@given(st.decimals("-1000", "1000", places=6))
def test_half_is_rounded_away_from_zero(value: Decimal) -> None:
    result = values.rounded(value, 2)
    assert abs(result - value) <= Decimal("0.005")
    if abs(result - value) == Decimal("0.005"):
        assert abs(result) > abs(value)


@pytest.mark.parametrize(
    ("value", "text"), [("1E+5", "100000"), ("1E-7", "0.0000001"), ("12.50", "12.50"), ("0E+3", "0")]
)
def test_plain_notation_has_no_exponent(value: str, text: str) -> None:
    assert values.plain(Decimal(value)) == text
