"""How is a list read page by page?

By keyset: a cursor holds the sort values of one row as its reader saw them (masked), and the next page starts behind
them. A page deep in a list costs what the first one costs, and rows that come or go elsewhere shift nothing. What stands
in a cursor is left to `loaders.cursors`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Numeric, RowMapping, and_, bindparam, false, or_
from sqlalchemy.types import TypeEngine

from domain.errors import MalformedRequest
from loaders.cursors import Cursor, SortKey, cursor_values, encode_cursor, malformed_cursor, read_cursor
from loaders.records import Record


@dataclass(frozen=True, slots=True)
class PageArguments:
    """The arguments of a connection, checked: exactly one of `first` and `last`, zero or more, and cursors that can be read."""

    first: int | None
    after: Cursor | None
    last: int | None
    before: Cursor | None

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

    def check(self, largest: int) -> None:
        """Raise `MalformedRequest` TOO_MANY_NODES where the page is larger than a page may be."""
        if self.size > largest:
            raise MalformedRequest("TOO_MANY_NODES", f"A page has at most {largest} nodes.")

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what of the arguments a statement depends on: everything but its parameters."""
        return self.is_backward, self.after and self.after.nulls, self.before and self.before.nulls


def page_arguments(
    first: int | None, after: str | None, last: int | None, before: str | None
) -> PageArguments:
    """Return checked arguments; raise `MalformedRequest` PAGE_SIZE_REQUIRED, PAGE_SIZE_NEGATIVE or MALFORMED_CURSOR."""
    size = first if first is not None else last
    if size is None or (first is not None and last is not None):
        raise MalformedRequest("PAGE_SIZE_REQUIRED", "Give exactly one of first and last.")
    if size < 0:
        raise MalformedRequest("PAGE_SIZE_NEGATIVE", "A page has zero nodes or more.")
    return PageArguments(
        first,
        None if after is None else read_cursor(after),
        last,
        None if before is None else read_cursor(before),
    )


@dataclass(frozen=True)
class Page:
    """One page: rows in the list's order with their cursors, and whether there is more on either side."""

    records: Sequence[Record]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


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
    """Return the ORDER BY of a page; read backward, everything is turned round, nulls too.

    Where nothing is null, nothing is said of nulls: an index would not be used for an order that it hasn't got.
    """
    turned: list[ColumnElement[Any]] = []
    for key in keys:
        ordered = key.expression.desc() if key.is_descending != is_backward else key.expression.asc()
        if _may_be_null(key.expression):
            ordered = ordered.nulls_first() if is_backward else ordered.nulls_last()
        turned.append(ordered)
    return turned


def bounds(keys: Sequence[SortKey], arguments: PageArguments, prefix: str = "") -> list[ColumnElement[bool]]:
    """Return the predicates that `after` and `before` mean, over the parameters that `bound_values` fills.

    Raises `MalformedRequest` MALFORMED_CURSOR for a cursor with other values than the keys'.
    """
    found: list[ColumnElement[bool]] = []
    for side, cursor in _cursors(arguments):
        if len(cursor.texts) != len(keys):
            raise malformed_cursor()
        found.append(_beyond(keys, cursor.nulls, f"{prefix}{side}_", is_after=side == "after"))
    return found


def bound_values(keys: Sequence[SortKey], arguments: PageArguments, prefix: str = "") -> Mapping[str, object]:
    """Return the values of the parameters of `bounds`; raise `MalformedRequest` MALFORMED_CURSOR."""
    return {
        f"{prefix}{side}_{index}": value
        for side, cursor in _cursors(arguments)
        for index, value in enumerate(cursor_values(cursor, keys))
        if value is not None
    }


def _cursors(arguments: PageArguments) -> list[tuple[str, Cursor]]:
    given = (("after", arguments.after), ("before", arguments.before))
    return [(side, cursor) for side, cursor in given if cursor is not None]


def _beyond(
    keys: Sequence[SortKey], nulls: Sequence[bool], prefix: str, *, is_after: bool
) -> ColumnElement[bool]:
    """Return: the row stands behind (or before) the given values. Nulls stand last in every order."""
    steps: list[ColumnElement[bool]] = []
    same: list[ColumnElement[bool]] = []
    for index, (key, is_null) in enumerate(zip(keys, nulls, strict=True)):
        column = key.expression
        bound = bindparam(f"{prefix}{index}", type_=_bound_type(column))
        is_greater = key.is_descending != is_after
        if is_null:
            step = false() if is_after else column.is_not(None)
            equal = column.is_(None)
        else:
            further = column > bound if is_greater else column < bound
            step = or_(further, column.is_(None)) if is_after and _may_be_null(column) else further
            equal = column == bound
        steps.append(and_(*same, step))
        same.append(equal)
    beyond = or_(*steps)
    if nulls[0] or len(keys) == 1 or (is_after and _may_be_null(keys[0].expression)):
        return beyond
    # Said once more of the first key alone, so that an index can be entered where the page begins.
    first, bound = keys[0], bindparam(f"{prefix}0", type_=_bound_type(keys[0].expression))
    begins = first.expression >= bound if first.is_descending != is_after else first.expression <= bound
    return and_(begins, beyond)


def _bound_type(column: ColumnElement[Any]) -> TypeEngine[Any]:
    # A number is bound as it is: it may be too large for the column, and stands before or behind all rows then.
    return Numeric() if isinstance(column.type, Numeric) else column.type


def _may_be_null(expression: ColumnElement[Any]) -> bool:
    return not isinstance(expression, Column) or expression.nullable is not False
