"""Where does a field's value come from, and what guards it? The vocabulary that types, loaders and planner share.

A type of the schema is bound to a table and to a *thing* of the policy; each of its fields to one source. There is no
second place that says so: the schema declares the bindings, everything below reads them from the `Catalog`.

What a mapped class calls its column is kept as the table's own column: one of a class would make the ORM compile every
SELECT that it stands in, which is a fifth of what making a statement takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, FromClause, Select

from db.tables import Keyed

if TYPE_CHECKING:
    from policies.compiler import Policy
    from policies.viewer import Viewer

# Any: of which type a column's values are doesn't matter here.
StoredColumn = ColumnElement[Any]
AnySelect = Select[*tuple[Any, ...]]
"""A SELECT whose labels say what its columns are; their types would say less."""


class _Stored:
    """A source that has columns: keeps the table's own, whichever way they were named."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, TableColumn):
                object.__setattr__(self, name, value.table.c[value.key])


@dataclass(frozen=True, eq=False)
class Column(_Stored):
    """The value is a column of the row."""

    column: StoredColumn


@dataclass(frozen=True, eq=False)
class GlobalKey(_Stored):
    """The value is the row's global id."""

    column: StoredColumn


@dataclass(frozen=True, eq=False)
class ToOne(_Stored):
    """The value is the row of type `target` whose id, or whose unique column `by`, is what stands in `key`."""

    key: StoredColumn
    target: str
    by: StoredColumn | None = None


@dataclass(frozen=True)
class Through:
    """A table between two others: whose rows are joined to which, and for which of them."""

    table: FromClause
    on: ColumnElement[bool]


@dataclass(frozen=True, eq=False)
class ToMany(_Stored):
    """The value is the rows of type `target` whose `key` names this row, sorted by `order` ascending.

    Where they are reached `through` another table, `key` is that one's.
    """

    target: str
    key: StoredColumn
    order: StoredColumn
    through: Through | None = None

    def within(self, rows: AnySelect) -> AnySelect:
        """Return a SELECT of the target's rows in which `key` can be named."""
        return rows if self.through is None else rows.join(self.through.table, self.through.on)


@dataclass(frozen=True, eq=False)
class HiddenFields:
    """The value is the names of this row's fields that the policy hides from the viewer."""


@dataclass(frozen=True, eq=False)
class ToAny(_Stored):
    """The value is the row whose id stands in `key`, of the type that `type_name` names: one of `targets`, else null."""

    type_name: StoredColumn
    key: StoredColumn
    targets: tuple[str, ...]


# Any: facts are columns of all kinds, and what Python makes of them is whatever the field's type holds.
@dataclass(frozen=True, eq=False)
class Computed:
    """The value is made in Python of facts that one SELECT gives for all rows: it has the row's id as `id`."""

    facts: Callable[[Policy], AnySelect]
    value: Callable[[Mapping[str, Any], Viewer], Any]
    """Takes a row of the facts; objects in what it returns are mappings by the API's names."""


@dataclass(frozen=True, eq=False)
class Worked:
    """The value is worked out in Python, of arguments and as many statements as that takes: no one statement's, always interpreted.

    Whoever works it out asks whether the viewer may read what it is made of.
    """


Source = Column | GlobalKey | ToOne | ToMany | ToAny | HiddenFields | Computed | Worked


@dataclass(frozen=True)
class FieldBinding:
    """One field: its Python name, its name in the API, the thing that guards it and its source."""

    name: str
    api_name: str
    thing: str
    source: Source

    @property
    def stored(self) -> StoredColumn | None:
        """Return the column that holds the field's value or key, null where there is none on the row."""
        match self.source:
            case Column(column) | GlobalKey(column):
                return column
            case ToOne(key) | ToAny(_, key):
                return key
            case _:
                return None


@dataclass(frozen=True, eq=False)
class TypeBinding:
    """One type of the schema over one table."""

    name: str
    thing: str
    row: type[Keyed]
    fields: Mapping[str, FieldBinding]
    aggregate: str | None = None
    """The type of the aggregate in whose events this type's fields appear."""

    event_prefix: str = ""
    """What stands before a field's name in those events: `lines.` for the lines of an order."""

    @property
    def table(self) -> FromClause:
        """Return the table of the rows."""
        return self.row.__table__

    @cached_property
    def by_api_name(self) -> Mapping[str, FieldBinding]:
        """Return the fields by their names in the API."""
        return {each.api_name: each for each in self.fields.values()}

    @cached_property
    def stored_fields(self) -> tuple[FieldBinding, ...]:
        """Return the fields that have a column on the row."""
        return tuple(each for each in self.fields.values() if each.stored is not None)

    def column(self, name: str) -> StoredColumn:
        """Return the unmasked column of a field: for keys and joins, never for an answer."""
        stored = self.fields[name].stored
        assert stored is not None, f"{self.name}.{name} has no column"
        return stored


class CatalogError(Exception):
    """Schema and policy don't know the same things; the message lists all that is missing."""


@dataclass
class Catalog:
    """All bindings. Filled while the schema is imported, read by everybody afterwards."""

    types: dict[str, TypeBinding] = field(default_factory=dict[str, TypeBinding])
    guards: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    """(type, field) of types that are bound to no table, such as totals, to the thing that guards the field."""

    sources: dict[tuple[str, str], Source] = field(default_factory=dict[tuple[str, str], Source])
    """(type, field) of types that are bound to no table to where the field's value comes from, where that has a price."""

    def add(self, binding: TypeBinding) -> None:
        """Take in one type; a name is taken once."""
        assert binding.name not in self.types, f"{binding.name} is bound twice"
        self.types[binding.name] = binding

    def guard_of(self, type_name: str, api_name: str) -> str | None:
        """Return the thing that guards a field of the API, null for fields of mere structure."""
        if type_name not in self.types:
            return self.guards.get((type_name, api_name))
        found = self._field(type_name, api_name)
        return found and found.thing

    def source_of(self, type_name: str, api_name: str) -> Source | None:
        """Return where a field of the API gets its value, null for fields of mere structure."""
        if type_name not in self.types:
            return self.sources.get((type_name, api_name))
        found = self._field(type_name, api_name)
        return found and found.source

    def _field(self, type_name: str, api_name: str) -> FieldBinding | None:
        binding = self.types.get(type_name)
        return binding.by_api_name.get(api_name) if binding else None


catalog = Catalog()
"""The one catalog of the process."""
