"""What is a piece of a statement that makes JSON, and how are pieces put together?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from graphql import GraphQLField, GraphQLNamedType, GraphQLObjectType, get_named_type

from planner.json_sql import Json
from planner.points import NOTHING, Points
from planner.written import Rows
from policies.bindings import StoredColumn, TypeBinding


@dataclass(frozen=True)
class Part:
    """JSON in the scope of a SELECT, with what has to be joined to it and what it costs."""

    json: Json
    points: Points = NOTHING
    joins: tuple[Rows, ...] = ()


@dataclass(frozen=True)
class Reached:
    """That rows are reached from a readable row of type `parent`, by a key of one or the other."""

    parent: TypeBinding
    key: StoredColumn


def named_type(definition: GraphQLField) -> GraphQLNamedType:
    """Return the type of what a field holds, in lists or not."""
    # graphql-core leaves open what lists and non-nulls hold.
    return get_named_type(cast("GraphQLNamedType", definition.type))


def object_type(definition: GraphQLField) -> GraphQLObjectType:
    """Return the object type of what a field holds, in lists or not."""
    kind = named_type(definition)
    assert isinstance(kind, GraphQLObjectType), "only asked where it holds one"
    return kind
