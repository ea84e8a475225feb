"""Which scalars are there, and how are they written? Bounds stand here; what a field makes of a value does not."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import strawberry
from strawberry.types.scalar import ScalarDefinition

_DECIMAL_LENGTH = 40
_DECIMAL = 'A Decimal is a string such as "12.50", finite and at most 40 characters long.'
_DATE = 'A Date is a string such as "2026-03-31".'
_MOMENT = 'A DateTime is a string such as "2026-03-31T08:00:00Z", with its time zone.'

# Python's own readers take more: other digits, underscores, blanks, weeks, moments without minutes.
_DECIMAL_FORM = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DATE_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"
)


def _serialize_decimal(value: Decimal) -> str:
    return format(value, "f")


def _parse_decimal(value: object) -> Decimal:
    text = _text(value, _DECIMAL_FORM, _DECIMAL)
    if len(text) > _DECIMAL_LENGTH:
        raise ValueError(_DECIMAL)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(_DECIMAL) from None
    if not number.is_finite() or abs(number.adjusted()) > _DECIMAL_LENGTH:
        raise ValueError(_DECIMAL)
    return number


def _parse_date(value: object) -> date:
    try:
        return date.fromisoformat(_text(value, _DATE_FORM, _DATE))
    except ValueError:
        raise ValueError(_DATE) from None


def _serialize_moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_moment(value: object) -> datetime:
    try:
        return datetime.fromisoformat(_text(value, _MOMENT_FORM, _MOMENT)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(_MOMENT) from None


def _text(value: object, form: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise ValueError(expected)
    return value


# Any: a NewType or a plain class can be a key of Strawberry's map.
SCALARS: dict[Any, ScalarDefinition] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description="An exact decimal number as a string, never in exponent form.",
        specified_by_url="https://speleotrove.com/decimal/daconvs.html",
        serialize=_serialize_decimal,
        parse_value=_parse_decimal,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day of the calendar (RFC 3339 full-date).",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=date.isoformat,
        parse_value=_parse_date,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC (RFC 3339 date-time).",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=_serialize_moment,
        parse_value=_parse_moment,
    ),
}
