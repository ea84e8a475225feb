"""What does one field cost, asked of one object? The weights, and how the schema tells which field has which.

What a whole operation costs is left to `planner.cost`, what its answer did cost to `planner.spending`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import cast
from weakref import WeakKeyDictionary

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_composite_type,
)

from policies.bindings import Catalog, Computed, Worked

OPERATION = 1
"""Every operation: it is parsed, checked and begun."""

ROW = 1
"""An object of the company's records: an order, a line, a person, an event."""

TOTAL = 10
"""A number over all rows of a list, however many of them come back."""

COMMAND = 10
"""A field of the mutation: locks, rules, events and a commit."""

SUBSCRIPTION = 10
"""A field of the subscription: it is followed until it ends."""

COMPUTED = 1
"""A field that Python works out for its object, beside what comes back in it."""

WORKED = 100
"""A field that Python works out of much: of all that something is made of, for instance."""

INTROSPECTION = 500
"""A look at the schema, which holds some thousands of objects."""

_META_FIELDS = {"__schema", "__type"}
_CONNECTION_FIELDS = {"edges", "pageInfo"}


class Holds(Enum):
    """What can come back in a field."""

    LEAF = auto()
    """A value, no object."""

    ONE = auto()
    """At most one object."""

    PAGE = auto()
    """A connection, and in it the rows of one page."""

    PAGE_ROWS = auto()
    """The rows of the page around it: `nodes` and `edges`."""

    LIST = auto()
    """A list without pages."""


@dataclass(frozen=True, slots=True)
class Price:
    """Points of a field: each time that it is asked of an object, and for each object that comes back in it."""

    asked: int
    each: int
    holds: Holds
    inner: GraphQLNamedType | None = None
    """The type of what comes back in it, null where nothing in that has a price of its own."""


_prices: WeakKeyDictionary[GraphQLSchema, dict[tuple[str, str], Price | None]] = WeakKeyDictionary()
"""The prices of each schema's fields by type and name: every operation asks for them."""


@dataclass(frozen=True)
class Tariff:
    """The prices of a schema's fields, worked out from its types and from where their values come from."""

    schema: GraphQLSchema
    catalog: Catalog

    def price(self, kind: GraphQLNamedType | None, name: str) -> Price | None:
        """Return the price of a type's field, null for one that costs nothing and holds nothing that does."""
        if name in _META_FIELDS:
            return Price(INTROSPECTION, 0, Holds.LEAF)
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) or name not in kind.fields:
            return None
        known = _prices.setdefault(self.schema, {})
        key = (kind.name, name)
        if key not in known:
            known[key] = self._price(kind, name)
        return known[key]

    def _price(self, kind: GraphQLObjectType | GraphQLInterfaceType, name: str) -> Price | None:
        field = kind.fields[name]
        # graphql-core leaves open what lists and non-nulls hold.
        inner = get_named_type(cast("GraphQLNamedType", field.type))
        asked = self._asked(kind, name, inner)
        if is_composite_type(inner):
            return Price(asked, self._each(inner), _holds(kind, field, inner), inner)
        return Price(asked, 0, Holds.LEAF) if asked else None

    def _asked(
        self, kind: GraphQLObjectType | GraphQLInterfaceType, name: str, inner: GraphQLNamedType
    ) -> int:
        if kind is self.schema.mutation_type:
            return COMMAND
        if kind is self.schema.subscription_type:
            return SUBSCRIPTION
        source = self.catalog.source_of(kind.name, name)
        if isinstance(source, Worked):
            return WORKED
        # What a connection tells beside its page, rows and place is told of the whole list.
        is_count = _is_connection(kind) and not is_composite_type(inner)
        if is_count or (self._is_total(inner) and not self._is_total(kind)):
            return TOTAL
        return COMPUTED if isinstance(source, Computed) else 0

    def _each(self, inner: GraphQLNamedType) -> int:
        members = self.schema.get_possible_types(inner) if is_abstract_type(inner) else [inner]
        return ROW if any(each.name in self.catalog.types for each in members) else 0

    def _is_total(self, kind: GraphQLNamedType) -> bool:
        return any(name == kind.name for name, _field in self.catalog.guards)


def _holds(kind: GraphQLNamedType, field: GraphQLField, inner: GraphQLNamedType) -> Holds:
    if _is_connection(inner):
        return Holds.PAGE
    if not _is_list(field):
        return Holds.ONE
    return Holds.PAGE_ROWS if _is_connection(kind) else Holds.LIST


def _is_connection(kind: GraphQLNamedType) -> bool:
    """Return whether a type is a connection by Relay's GraphQL Cursor Connections Specification, section 2."""
    return isinstance(kind, GraphQLObjectType) and kind.fields.keys() >= _CONNECTION_FIELDS


def _is_list(field: GraphQLField) -> bool:
    outer = cast("object", field.type)
    inner = cast("object", outer.of_type) if isinstance(outer, GraphQLNonNull) else outer
    return isinstance(inner, GraphQLList)
