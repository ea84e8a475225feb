"""What stands in a cursor? The sort's name and one row's sort values, as its reader saw them (masked).

A cursor is base64url, without padding, of a JSON array of texts: the name first, then each value as the API writes it.
The planner makes the very same text in SQL. What rows stand behind a cursor is left to `loaders.paging`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping

from domain.errors import MalformedRequest

_LENGTH_LIMIT = 2_000
_DIGITS_LIMIT = 40


@dataclass(frozen=True)
class SortKey:
    """One key of an order: a masked expression, nulls always last. `name` ties cursors to the sort they came from."""

    name: str
    expression: ColumnElement[Any]
    is_descending: bool = False


@dataclass(frozen=True, slots=True)
class Cursor:
    """A cursor that can be read, of whichever list; its texts are not looked at yet."""

    sort_name: object
    texts: tuple[object, ...]

    @property
    def nulls(self) -> tuple[bool, ...]:
        """Return which of its values are null: other values are other parameters, other nulls another statement."""
        return tuple(text is None for text in self.texts)


def sort_name(keys: Sequence[SortKey]) -> str:
    """Return what a cursor of a list in this order begins with."""
    return ",".join(f"-{key.name}" if key.is_descending else key.name for key in keys)


def sort_column(index: int) -> str:
    """Return the label under which the value of the sort key at `index` is selected."""
    return f"_sort_{index}"


def encode_cursor(row: RowMapping, keys: Sequence[SortKey]) -> str:
    """Return the cursor of a row that was read with its sort values."""
    values = [_text(row[sort_column(index)]) for index in range(len(keys))]
    content = json.dumps([sort_name(keys), *values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """Return what stands in a cursor; raise `MalformedRequest` MALFORMED_CURSOR."""
    if len(text) > _LENGTH_LIMIT:
        raise malformed_cursor()
    try:
        content: object = json.loads(
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error, RecursionError) as error:
        raise malformed_cursor() from error
    if not isinstance(content, list) or not content:
        raise malformed_cursor()
    name, *texts = content  # pyright: ignore[reportUnknownVariableType]  # JSON has no types
    return Cursor(name, tuple(texts))  # pyright: ignore[reportUnknownArgumentType]


def cursor_values(cursor: Cursor, keys: Sequence[SortKey]) -> list[Any]:
    """Return a cursor's values in the types of the keys; raise `MalformedRequest`, also for another sort's cursor."""
    if cursor.sort_name != sort_name(keys) or len(cursor.texts) != len(keys):
        raise malformed_cursor()
    try:
        return [_value(text, key) for text, key in zip(cursor.texts, keys, strict=True)]
    except (ValueError, KeyError, InvalidOperation, OverflowError, TypeError) as error:
        raise malformed_cursor() from error


def malformed_cursor() -> MalformedRequest:
    """Return what is told of a cursor that is none of this list."""
    return MalformedRequest("MALFORMED_CURSOR", "This is no cursor of this list in this order.")


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case Enum():
            return value.name
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case _:
            return str(value)


def _value(text: object, key: SortKey) -> Any:
    """Return the value of a cursor's text in the type of the key's column."""
    if text is None:
        return None
    if not isinstance(text, str) or "\x00" in text:
        raise ValueError("a cursor holds texts")
    # JSON can write a lone surrogate, which no database takes; this raises a ValueError too.
    text.encode()
    wanted = key.expression.type.python_type
    if issubclass(wanted, datetime):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("a cursor's moments have a time zone")
        return moment.astimezone(UTC)
    if issubclass(wanted, date):
        return date.fromisoformat(text)
    if issubclass(wanted, Decimal):
        return _decimal(text)
    if issubclass(wanted, int):
        return _whole(text)
    if issubclass(wanted, Enum):
        return wanted[text]
    assert issubclass(wanted, UUID | str), f"no cursor for {wanted}"
    return wanted(text)


def _decimal(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or abs(number.adjusted()) > _DIGITS_LIMIT:
        raise ValueError("a cursor's numbers are finite and of reasonable size")
    return number


def _whole(text: str) -> int:
    number = int(text)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a cursor's whole numbers have 64 bits")
    return number
