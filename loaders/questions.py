"""What can be asked of the tables, apart from how it is answered?

A question has a *shape*, on which its SQL depends, and *values*, which fill the parameters of that SQL. Nothing that a
client sends becomes part of a shape but which of his criteria were given, so a handful of statements serves everybody.
Loaders answer questions one by one; the planner makes one statement of a whole operation's.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam
from sqlalchemy.types import TypeEngine

from domain.errors import MalformedRequest
from loaders.cursors import SortKey
from loaders.paging import PageArguments
from policies.bindings import catalog
from policies.compiler import Policy

SEARCH_LENGTH = 100
VALUES_LIMIT = 100

_LIKE_ESCAPE = "/"


@dataclass(frozen=True, slots=True)
class Parameters:
    """Names the parameters of one question, which stand beside those of others in a statement."""

    prefix: str = ""

    def __call__(self, name: str, type_: TypeEngine[Any]) -> ColumnElement[Any]:
        """Return the parameter of this name."""
        return bindparam(self.prefix + name, type_=type_)

    def named(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return values by the names that their parameters have."""
        return {self.prefix + name: value for name, value in values.items()}


@dataclass(frozen=True)
class Listing:
    """A list of rows: which type, further conditions (masked expressions only), and its order."""

    type_name: str
    keys: tuple[SortKey, ...]
    conditions: tuple[ColumnElement[bool], ...] = ()


class Criteria(Protocol):
    """Which rows of one type, in which order."""

    @property
    def shape(self) -> Hashable:
        """Return what the listing's SQL depends on."""
        ...

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of the listing's parameters; raise `MalformedRequest` for one that can't be looked for."""
        ...

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the list; what was given is compared through the masks, so that a hidden value never matches."""
        ...


@dataclass(frozen=True)
class ListQuestion:
    """A page of a list, and what the list has in all."""

    criteria: Criteria
    page: PageArguments

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return self.criteria.shape, self.page.shape


@dataclass(frozen=True)
class RowQuestion:
    """The row of a type by its id."""

    type_name: str
    key: UUID

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on; types that are none are all alike."""
        return self.type_name if self.type_name in catalog.types else None


@dataclass(frozen=True)
class FieldQuestion:
    """The row of a type whose unique `field` the viewer sees as `value`."""

    type_name: str
    field: str
    value: str

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return self.type_name, self.field

    @property
    def values(self) -> Mapping[str, object]:
        """Return the value to look for, null for one that no row can have."""
        is_possible = len(self.value) <= SEARCH_LENGTH and is_storable(self.value)
        return {"value": self.value if is_possible else None}


@dataclass(frozen=True)
class RowsQuestion:
    """Rows by (type, id), in this order, null where one is not there."""

    keys: tuple[tuple[str, UUID], ...]

    @property
    def types(self) -> tuple[str, ...]:
        """Return the types that are meant, each once."""
        return tuple(sorted({type_name for type_name, _ in self.keys if type_name in catalog.types}))

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return self.types


@dataclass(frozen=True)
class WhoQuestion:
    """Who is asking, with his roles."""

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return "who"


@dataclass(frozen=True)
class PlaceQuestion:
    """Where the feed of events stands."""

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return "place"


@dataclass(frozen=True)
class ComparisonQuestion:
    """In what two revisions of BOMs differ; worked out in Python, by no one statement."""

    left: UUID
    right: UUID

    @property
    def shape(self) -> Hashable:
        """Return on what an answer's form depends."""
        return "comparison"


Question = (
    ListQuestion
    | RowQuestion
    | FieldQuestion
    | RowsQuestion
    | WhoQuestion
    | PlaceQuestion
    | ComparisonQuestion
)


def given(**criteria: object) -> dict[str, object]:
    """Return the criteria that were given."""
    return {name: value for name, value in criteria.items() if value is not None}


def bounded(values: tuple[Any, ...], limit: int = VALUES_LIMIT) -> list[Any]:
    """Return the values of one criterion; raise `MalformedRequest` TOO_MANY_VALUES."""
    if len(values) > limit:
        raise MalformedRequest("TOO_MANY_VALUES", f"At most {limit} values in one filter.")
    return list(values)


def search_pattern(text: str) -> str:
    """Return the LIKE pattern of a text to search for, without blanks around it; raise `MalformedRequest` SEARCH_TEXT."""
    if len(text) > SEARCH_LENGTH or not is_storable(text):
        raise MalformedRequest("SEARCH_TEXT", f"A search text has at most {SEARCH_LENGTH} characters.")
    escaped = text.strip()
    for character in (_LIKE_ESCAPE, "%", "_"):
        escaped = escaped.replace(character, _LIKE_ESCAPE + character)
    return f"%{escaped}%"


def contains(column: ColumnElement[Any], pattern: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a column matches a pattern of `search_pattern`, in any case."""
    return column.ilike(pattern, escape=_LIKE_ESCAPE)


def is_storable(text: str) -> bool:
    """Return whether the database can hold the text at all: it knows no NUL and no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
