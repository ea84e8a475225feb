"""Which texts are decimals, days and moments of the API?"""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from schema.scalars import SCALARS

DECIMAL, DATE, MOMENT = (SCALARS[each] for each in (Decimal, date, datetime))


@pytest.mark.parametrize("text", ["0", "-0.5", "+12.50", ".5", "5.", "1E+3", "1e-3", "9" * 40])
def test_decimal_is_read_exactly(text: str) -> None:
    assert DECIMAL.parse_value is not None
    assert DECIMAL.parse_value(text) == Decimal(text)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 1",
        "1 ",
        "1\n",
        "1_000",
        "1,5",
        "１２",
        "٣",
        "NaN",
        "-Infinity",
        "0x1",
        "1e41",
        "9" * 41,
        1,
        1.5,
        True,
        None,
        [],
    ],
)
def test_anything_else_is_no_decimal(value: object) -> None:
    assert DECIMAL.parse_value is not None
    with pytest.raises(ValueError, match="A Decimal is a string"):
        DECIMAL.parse_value(value)


def test_decimal_is_written_without_exponent() -> None:
    assert DECIMAL.serialize is not None
    assert [DECIMAL.serialize(Decimal(each)) for each in ("1E+3", "12.50", "1E-7")] == [
        "1000",
        "12.50",
        "0.0000001",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-02-29",
        "20260331",
        "2026-W14-2",
        "2026-3-31",
        "2026-03-31T00:00:00Z",
        "２026-03-31",
        "0000-01-01",
        20260331,
    ],
)
def test_anything_but_a_day_of_rfc_3339_is_no_date(value: object) -> None:
    assert DATE.parse_value is not None
    with pytest.raises(ValueError, match="A Date is a string"):
        DATE.parse_value(value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-31T08:00:00Z", datetime(2026, 3, 31, 8, tzinfo=UTC)),
        ("2026-03-31T16:00:00+08:00", datetime(2026, 3, 31, 8, tzinfo=UTC)),
        ("2026-03-31T08:00:00.5-00:00", datetime(2026, 3, 31, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-31T08:00:00.123456789Z", datetime(2026, 3, 31, 8, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_moment_is_read_in_utc(text: str, moment: datetime) -> None:
    assert MOMENT.parse_value is not None
    assert MOMENT.parse_value(text) == moment


@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-03-31",
        "2026-03-31T08:00:00",
        "2026-03-31T08Z",
        "20260331T080000Z",
        "2026-W14-2T08:00:00Z",
        "2026-03-31T08:00:60Z",
        "2026-03-31T08:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        1_774_944_000,
    ],
)
def test_anything_else_is_no_moment(value: object) -> None:
    assert MOMENT.parse_value is not None
    with pytest.raises(ValueError, match="A DateTime is a string"):
        MOMENT.parse_value(value)
