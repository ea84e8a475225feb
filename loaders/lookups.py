"""How is a row found by another unique field than its id, and how are short vocabularies listed?"""

from __future__ import annotations

from sqlalchemy import ColumnElement

from domain.errors import MalformedRequest
from loaders.paging import PageArguments, SortKey
from loaders.reads import Reads
from loaders.records import Record
from loaders.rows import Listing, listed

SEARCH_LENGTH = 100


async def row_by_field(reads: Reads, type_name: str, field: str, value: str) -> Record | None:
    """Return the row whose unique `field` the viewer sees as `value`, null where there is none for him."""
    if len(value) > SEARCH_LENGTH or not is_storable(value):
        return None
    binding = reads.binding(type_name)
    condition = reads.policy.masked(binding, field) == value
    listing = Listing(type_name, (SortKey("id", binding.column("id")),), (condition,))
    page = await listed(reads, listing, PageArguments(first=1, after=None, last=None, before=None)).page()
    return page.records[0] if page.records else None


def vocabulary_listing(reads: Reads, type_name: str, field: str, search: str | None) -> Listing:
    """Return the list of a type sorted by a unique field, with a text in it or in the name; raise `MalformedRequest`."""
    binding = reads.binding(type_name)
    column = reads.policy.masked(binding, field)
    conditions: tuple[ColumnElement[bool], ...] = ()
    if search is not None:
        wanted = search_text(search)
        name = reads.policy.masked(binding, "name")
        conditions = (column.icontains(wanted, autoescape=True) | name.icontains(wanted, autoescape=True),)
    return Listing(type_name, (SortKey(field, column), SortKey("id", binding.column("id"))), conditions)


def search_text(text: str) -> str:
    """Return a text to search for without blanks around it; raise `MalformedRequest` SEARCH_TEXT."""
    if len(text) > SEARCH_LENGTH or not is_storable(text):
        raise MalformedRequest("SEARCH_TEXT", f"A search text has at most {SEARCH_LENGTH} characters.")
    return text.strip()


def is_storable(text: str) -> bool:
    """Return whether the database can hold the text at all: it knows no NUL and no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
