"""What does one field cost, asked of one object? The weights, and how the schema tells which field has which.

What a whole operation costs is left to `planner.cost`, what its answer did cost to `planner.spending`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

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

from policies.bindings import Catalog, Computed

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


@dataclass(frozen=True)
class Tariff:
    """The prices of a schema's fields, worked out from its types and from where their values come from."""

    schema: GraphQLSchema
    catalog: Catalog

    def price(self, kind: GraphQLObjectType | GraphQLInterfaceType, name: str) -> Price:
        """Return the price of a field that the type has."""
        field = kind.fields[name]
        named = named_type(field)
        return Price(self._asked(kind, name, named), self._each(named), _holds(kind, field, named))

    def _asked(
        self, kind: GraphQLObjectType | GraphQLInterfaceType, name: str, named: GraphQLNamedType
    ) -> int:
        if kind is self.schema.mutation_type:
            return COMMAND
        if kind is self.schema.subscription_type:
            return SUBSCRIPTION
        # What a connection tells beside its page, rows and place is told of the whole list.
        is_count = _is_connection(kind) and not is_composite_type(named)
        if is_count or (self._is_total(named) and not self._is_total(kind)):
            return TOTAL
        return COMPUTED if isinstance(self.catalog.source_of(kind.name, name), Computed) else 0

    def _each(self, named: GraphQLNamedType) -> int:
        members = self.schema.get_possible_types(named) if is_abstract_type(named) else [named]
        return ROW if any(each.name in self.catalog.types for each in members) else 0

    def _is_total(self, kind: GraphQLNamedType) -> bool:
        return any(name == kind.name for name, _field in self.catalog.guards)


def named_type(field: GraphQLField) -> GraphQLNamedType:
    """Return the type of what a field gives, whatever lists it stands in."""
    # graphql-core leaves open what lists and non-nulls hold.
    return get_named_type(cast("GraphQLNamedType", field.type))


def _holds(kind: GraphQLNamedType, field: GraphQLField, named: GraphQLNamedType) -> Holds:
    if not is_composite_type(named):
        return Holds.LEAF
    if _is_connection(named):
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
