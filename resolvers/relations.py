"""How do fields that are bound to keys and relations get their values? The generic resolvers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import strawberry

from domain.identifiers import global_id
from loaders.paging import PageArguments, page_arguments
from loaders.records import Record
from loaders.rows import Connection, facts_by_key, listed_by_parent, row_by_key, row_named, rows_by_parent
from loaders.selects import type_column
from policies.bindings import Computed, ToAny, ToMany, ToOne
from resolvers.arguments import After, Before, First, Last
from resolvers.context import Info

ValueT = TypeVar("ValueT")


# Any: the root of a bound type is a Record, but Strawberry would take its annotation for a type of the schema.
def global_key(root: Any) -> strawberry.ID:
    """Return `Type:uuid`."""
    return strawberry.ID(global_id(root.type_name, root.key))


def to_one(source: ToOne) -> Callable[..., Any]:
    """Return the resolver of a to-one relation: null where the key is null, hidden, or names an unreadable row."""

    def resolve(root: Any, info: Info) -> Awaitable[Record | None] | None:
        key = root[info.python_name]
        return None if key is None else row_named(info.context.reads, source, key)

    return untyped(resolve)


def to_many(source: ToMany) -> Callable[..., Any]:
    """Return the resolver of a to-many relation, as a connection."""

    def resolve(
        root: Any,
        info: Info,
        first: First = strawberry.UNSET,
        after: After = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
    ) -> Connection:
        arguments = paging(first, after, last, before)
        return listed_by_parent(info.context.reads, source, root.key, arguments)

    return untyped(resolve)


def short_list(source: ToMany) -> Callable[..., Any]:
    """Return the resolver of a list that is short by nature."""

    def resolve(root: Any, info: Info) -> Awaitable[Sequence[Record]]:
        return rows_by_parent(info.context.reads, source, root.key)

    return untyped(resolve)


def paging(first: int | None, after: str | None, last: int | None, before: str | None) -> PageArguments:
    """Return the arguments of a connection; raise `MalformedRequest`."""
    return page_arguments(given(first), given(after), given(last), given(before))


def given(value: ValueT | None) -> ValueT | None:
    """Return an argument, null where it was not given (which Strawberry says by a mark of its own)."""
    return None if value is strawberry.UNSET else value


def to_any(source: ToAny) -> Callable[..., Any]:
    """Return the resolver of a relation to a row of one of several types."""

    def resolve(root: Any, info: Info) -> Awaitable[Record | None] | None:
        binding = info.context.reads.binding(root.type_name)
        target, key = root[type_column(binding.fields[info.python_name])], root[info.python_name]
        return row_by_key(info.context.reads, target, key) if target in source.targets else None

    return untyped(resolve)


def computed(source: Computed) -> Callable[..., Any]:
    """Return the resolver of a field that Python makes of facts."""

    async def resolve(root: Any, info: Info) -> Any:
        context = info.context
        facts = await facts_by_key(context.reads, root.type_name, source, root.key)
        return source.value(facts, context.signed_in)

    return untyped(resolve)


def untyped(resolver: Callable[..., Any]) -> Callable[..., Any]:
    """Return the resolver without the type of its result, so that the field's own annotation counts."""
    resolver.__annotations__.pop("return", None)
    return resolver
