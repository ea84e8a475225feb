"""How is a list read page by page?

By keyset: a cursor holds the sort values of one row as its reader saw them (masked), and the next page starts behind
them. A page deep in a list costs what the first one costs, and rows that come or go elsewhere shift nothing.
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

from sqlalchemy import ColumnElement, Numeric, RowMapping, and_, false, literal, or_

from domain.errors import MalformedRequest
from loaders.records import Record

_CURSOR_LIMIT = 2_000
_CURSOR_DIGITS = 40


@dataclass(frozen=True, slots=True)
class PageArguments:
    """The arguments of a connection, checked: exactly one of `first` and `last`, from 0 to the largest page."""

    first: int | None
    after: str | None
    last: int | None
    before: str | None

    @property
    def size(self) -> int:
        """Return how many rows the page has at most."""
        size = self.first if self.first is not None else self.last
        assert size is not None, "one of first and last is given"
        return size

    @property
    def is_backward(self) -> bool:
        """Return whether the page is counted from the end."""
        return self.first is None


def page_arguments(
    first: int | None, after: str | None, last: int | None, before: str | None, largest: int
) -> PageArguments:
    """Return checked arguments; raise `MalformedRequest` PAGE_SIZE_REQUIRED, TOO_MANY_NODES or PAGE_SIZE_NEGATIVE."""
    if (first is None) == (last is None):
        raise MalformedRequest("PAGE_SIZE_REQUIRED", "Give exactly one of first and last.")
    arguments = PageArguments(first, after, last, before)
    if arguments.size > largest:
        raise MalformedRequest("TOO_MANY_NODES", f"A page has at most {largest} nodes.")
    if arguments.size < 0:
        raise MalformedRequest("PAGE_SIZE_NEGATIVE", "A page has zero nodes or more.")
    return arguments


@dataclass(frozen=True)
class SortKey:
    """One key of an order: a masked expression, nulls always last. `name` ties cursors to the sort they came from."""

    name: str
    expression: ColumnElement[Any]
    is_descending: bool = False


@dataclass(frozen=True)
class Page:
    """One page: rows in the list's order with their cursors, and whether there is more on either side."""

    records: Sequence[Record]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


def sort_column(index: int) -> str:
    """Return the label under which the value of the sort key at `index` is selected."""
    return f"_sort_{index}"


def page_of(
    type_name: str, rows: Sequence[RowMapping], keys: Sequence[SortKey], arguments: PageArguments
) -> Page:
    """Return the page for rows that were read with one row more than its size, in reading order."""
    has_more = len(rows) > arguments.size
    kept = list(rows[: arguments.size])
    if arguments.is_backward:
        kept.reverse()
    return Page(
        records=[Record(type_name, row) for row in kept],
        cursors=[encode_cursor(row, keys) for row in kept],
        has_next=arguments.before is not None if arguments.is_backward else has_more,
        has_previous=has_more if arguments.is_backward else arguments.after is not None,
    )


def ordering(keys: Sequence[SortKey], *, is_backward: bool) -> list[ColumnElement[Any]]:
    """Return the ORDER BY of a page; read backward, everything is turned round, nulls too."""
    turned: list[ColumnElement[Any]] = []
    for key in keys:
        if key.is_descending != is_backward:
            turned.append(
                key.expression.desc().nulls_first() if is_backward else key.expression.desc().nulls_last()
            )
        else:
            turned.append(
                key.expression.asc().nulls_first() if is_backward else key.expression.asc().nulls_last()
            )
    return turned


def bounds(keys: Sequence[SortKey], arguments: PageArguments) -> list[ColumnElement[bool]]:
    """Return the predicates that `after` and `before` mean; raise `MalformedRequest` MALFORMED_CURSOR."""
    found: list[ColumnElement[bool]] = []
    if arguments.after is not None:
        found.append(_beyond(keys, decode_cursor(arguments.after, keys), is_after=True))
    if arguments.before is not None:
        found.append(_beyond(keys, decode_cursor(arguments.before, keys), is_after=False))
    return found


def encode_cursor(row: RowMapping, keys: Sequence[SortKey]) -> str:
    """Return the cursor of a row: base64url of JSON, the sort's name first, then the values as text."""
    values = [_text(row[sort_column(index)]) for index in range(len(keys))]
    content = json.dumps([_sort_name(keys), *values], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, keys: Sequence[SortKey]) -> list[Any]:
    """Return the sort values in a cursor; raise `MalformedRequest` MALFORMED_CURSOR, also for another sort's cursor."""
    malformed = MalformedRequest("MALFORMED_CURSOR", "This is no cursor of this list in this order.")
    if len(cursor) > _CURSOR_LIMIT:
        raise malformed
    try:
        content: object = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
    except (ValueError, binascii.Error, RecursionError) as error:
        raise malformed from error
    if not isinstance(content, list):
        raise malformed
    name, *texts = content or [None]  # pyright: ignore[reportUnknownVariableType]  # JSON has no types
    if name != _sort_name(keys) or len(texts) != len(keys):  # pyright: ignore[reportUnknownArgumentType]
        raise malformed
    try:
        return [_value(text, key) for text, key in zip(texts, keys, strict=True)]  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    except (ValueError, InvalidOperation, OverflowError, TypeError) as error:
        raise malformed from error


def _sort_name(keys: Sequence[SortKey]) -> str:
    return ",".join(f"-{key.name}" if key.is_descending else key.name for key in keys)


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case Enum():
            return str(value.value)
        case datetime() | date():
            return value.isoformat()
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
        number = Decimal(text)
        if not number.is_finite() or abs(number.adjusted()) > _CURSOR_DIGITS:
            raise ValueError("a cursor's numbers are finite and of reasonable size")
        return number
    if issubclass(wanted, int):
        number = int(text)
        if not -(2**63) <= number < 2**63:
            raise ValueError("a cursor's whole numbers have 64 bits")
        return number
    assert issubclass(wanted, Enum | UUID | str), f"no cursor for {wanted}"
    return wanted(text)


def _beyond(keys: Sequence[SortKey], values: Sequence[Any], *, is_after: bool) -> ColumnElement[bool]:
    """Return: the row stands behind (or before) the given values. Nulls stand last in every order."""
    steps: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for key, value in zip(keys, values, strict=True):
        column = key.expression
        # A number is bound as it is: it may be too large for the column, and stands before or behind all rows then.
        bound = literal(value, Numeric() if isinstance(column.type, Numeric) else column.type)
        if value is None:
            step = false() if is_after else column.is_not(None)
            equal = column.is_(None)
        else:
            further = column < bound if key.is_descending == is_after else column > bound
            step = or_(further, column.is_(None)) if is_after else further
            equal = column == bound
        steps.append(and_(*same, step))
        same.append(equal)
    return or_(*steps)
