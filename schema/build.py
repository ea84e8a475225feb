"""How does the schema come together? The roots, the scalars, and the check that the policy knows all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import strawberry
from graphql import GraphQLObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

from loaders.followed import FollowQuestion
from loaders.questions import Question
from loaders.records import Record
from loaders.totals import TotalsQuestion
from policies.bindings import CatalogError, catalog
from policies.compiler import check_catalog
from policies.readers import default_rulebook
from schema.binding import QUESTION, is_structural
from schema.errors import ERROR_TYPES
from schema.events import Event
from schema.mutation import Mutation
from schema.orders import Assignment, OrderLine
from schema.parties import CostCode, WbsNode
from schema.query import Query
from schema.scalars import SCALARS
from schema.subscription import Subscription


def _value(source: Any, name: str) -> object:
    """Return a field's value from a record, a mapping or an object of a Strawberry type."""
    if isinstance(source, Record | dict):
        return source[name]  # pyright: ignore[reportUnknownVariableType]  # both map names to values
    return getattr(source, name)


@lru_cache(maxsize=1)
def build_schema() -> strawberry.Schema:
    """Return the one schema; raise `CatalogError` unless the policy knows every type and field of it."""
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*ERROR_TYPES, Assignment, CostCode, Event, OrderLine, WbsNode],
        config=StrawberryConfig(default_resolver=_value, scalar_map=SCALARS),
    )
    _check_every_type_is_known(graphql_schema(schema))
    check_catalog(catalog, default_rulebook())
    return schema


def graphql_schema(schema: strawberry.Schema) -> GraphQLSchema:
    """Return graphql-core's schema, which Strawberry keeps for itself but executes."""
    return schema._schema  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def questions(
    schema: strawberry.Schema,
) -> Mapping[str, Callable[[Mapping[str, Any]], Question | TotalsQuestion | FollowQuestion]]:
    """Return for each root field of queries and subscriptions what makes a question of its arguments, as they were coerced."""
    core = graphql_schema(schema)
    return {
        name: _asking(schema, definition.extensions[GraphQLCoreConverter.DEFINITION_BACKREF])
        for root in (core.query_type, core.subscription_type)
        if root is not None
        for name, definition in root.fields.items()
    }


def _asking(
    schema: strawberry.Schema, field: StrawberryField
) -> Callable[[Mapping[str, Any]], Question | TotalsQuestion | FollowQuestion]:
    question: Callable[..., Question | TotalsQuestion | FollowQuestion] = field.metadata[QUESTION]
    registry, config = schema.schema_converter.scalar_registry, schema.config

    def ask(arguments: Mapping[str, Any]) -> Question | TotalsQuestion | FollowQuestion:
        return question(**convert_arguments(dict(arguments), field.arguments, registry, config))

    return ask


def _check_every_type_is_known(schema: GraphQLSchema) -> None:
    roots = {"Query", "Mutation", "Subscription"}
    unknown = [
        name
        for name, kind in schema.type_map.items()
        if isinstance(kind, GraphQLObjectType)
        and not name.startswith("__")
        and name not in roots
        and name not in catalog.types
        and not is_structural(name)
    ]
    if unknown:
        raise CatalogError(f"bound to nothing and not marked as structure: {', '.join(sorted(unknown))}")
