"""How is a list paged that is worked out and stands in no table? By the places of its entries.

It looks like a list of rows (`loaders.rows.Connection`, `loaders.paging.Page`), so that there is one way to page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from loaders.cursors import Cursor, malformed_cursor
from loaders.paging import PageArguments

EntryT = TypeVar("EntryT")

_NAME = "place"


@dataclass(frozen=True)
class WorkedPage:
    """One page: entries in the list's order with their cursors, and whether there is more on either side."""

    # Any: mappings by field names, whose values are as various as the fields.
    records: Sequence[dict[str, Any]]
    cursors: Sequence[str]
    has_next: bool
    has_previous: bool


class WorkedList(Generic[EntryT]):
    """A list whose entries are shown only where a page has them."""

    def __init__(
        self,
        entries: Sequence[EntryT],
        arguments: PageArguments,
        show: Callable[[int, EntryT], dict[str, Any]],
    ) -> None:
        self._entries, self._arguments, self._show = entries, arguments, show

    async def page(self) -> WorkedPage:
        """Return the page; raise `MalformedRequest` MALFORMED_CURSOR."""
        arguments, count = self._arguments, len(self._entries)
        begin = 0 if arguments.after is None else min(_place(arguments.after) + 1, count)
        end = count if arguments.before is None else max(begin, min(_place(arguments.before), count))
        first = max(begin, end - arguments.size) if arguments.is_backward else begin
        last = end if arguments.is_backward else min(end, begin + arguments.size)
        shown = [
            self._show(place, entry) for place, entry in enumerate(self._entries[first:last], start=first)
        ]
        return WorkedPage(
            shown,
            [_cursor(place) for place in range(first, last)],
            has_next=arguments.before is not None if arguments.is_backward else last < end,
            has_previous=first > begin if arguments.is_backward else arguments.after is not None,
        )

    async def total(self) -> int:
        """Return how many entries there are in all."""
        return len(self._entries)


def _cursor(place: int) -> str:
    content = json.dumps([_NAME, str(place)], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def _place(cursor: Cursor) -> int:
    match cursor:
        case Cursor(sort_name=name, texts=(str(text),)) if (
            name == _NAME and text.isascii() and text.isdigit()
        ):
            return int(text)
        case _:
            raise malformed_cursor()
