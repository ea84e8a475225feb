"""Which scalars are there, and how are they written? Bounds stand here; what a field makes of a value does not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import strawberry
from strawberry.types.scalar import ScalarDefinition

_DECIMAL_LENGTH = 40


def _serialize_decimal(value: Decimal) -> str:
    return format(value, "f")


def _parse_decimal(value: object) -> Decimal:
    if not isinstance(value, str) or len(value) > _DECIMAL_LENGTH:
        raise ValueError("A Decimal is a string such as \"12.50\", at most 40 characters.")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("A Decimal is a string such as \"12.50\".") from None
    if not number.is_finite() or abs(number.adjusted()) > _DECIMAL_LENGTH:
        raise ValueError("A Decimal is finite and of reasonable size.")
    return number


def _parse_date(value: object) -> date:
    if not isinstance(value, str):
        raise ValueError("A Date is a string such as \"2026-03-31\".")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("A Date is a string such as \"2026-03-31\".") from None


def _serialize_moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _parse_moment(value: object) -> datetime:
    wrong = "A DateTime is a string such as \"2026-03-31T08:00:00Z\", with its time zone."
    if not isinstance(value, str):
        raise ValueError(wrong)
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError(wrong)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(wrong) from None


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
