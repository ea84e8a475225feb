"""How are rows fetched: by id, by parent, and as pages of a list? Always scoped, masked and in one statement a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, Text, UniqueConstraint, Uuid, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from loaders.batching import Batcher
from loaders.cursors import SortKey, sort_column
from loaders.paging import Page, PageArguments, bound_values, bounds, ordering, page_of
from loaders.questions import FieldQuestion, ListQuestion, Parameters
from loaders.reads import Reads
from loaders.records import Record
from loaders.selects import masked_select
from policies.bindings import Computed, ToMany, ToOne, TypeBinding

_PARENT = "_parent"
_RANK = "_rank"


def row_by_key(reads: Reads, type_name: str, key: UUID, deed: str = "read") -> Awaitable[Record | None]:
    """Return the row of a type by id, null where it does not exist or may not be read."""

    async def batch(keys: Sequence[UUID]) -> list[Record | None]:
        binding = reads.binding(type_name)
        statement = masked_select(reads.policy, binding, deed).where(binding.column("id") == any_(_keys()))
        found = {
            row["id"]: Record(type_name, row) for row in await reads.fetch(statement, {"keys": list(keys)})
        }
        return [found.get(each) for each in keys]

    return reads.loader(("row", type_name, deed), lambda: Batcher(batch)).load(key)


def row_named(reads: Reads, source: ToOne, key: UUID) -> Awaitable[Record | None]:
    """Return the row that a key names, null where it does not exist or may not be read."""
    column = source.by
    if column is None:
        return row_by_key(reads, source.target, key)

    async def batch(keys: Sequence[UUID]) -> list[Record | None]:
        statement = (
            masked_select(reads.policy, reads.binding(source.target))
            .add_columns(column.label(_PARENT))
            .where(column == any_(_keys()))
        )
        found = {
            row[_PARENT]: Record(source.target, row)
            for row in await reads.fetch(statement, {"keys": list(keys)})
        }
        return [found.get(each) for each in keys]

    return reads.loader(("named", source), lambda: Batcher(batch)).load(key)


def facts_by_key(reads: Reads, type_name: str, source: Computed, key: UUID) -> Awaitable[Mapping[str, Any]]:
    """Return the facts of which Python makes a field of a readable row."""

    async def batch(keys: Sequence[UUID]) -> Sequence[Mapping[str, Any]]:
        statement = source.facts(reads.policy).where(reads.binding(type_name).column("id") == any_(_keys()))
        found = {row["id"]: row for row in await reads.fetch(statement, {"keys": list(keys)})}
        return [cast("Mapping[str, Any]", found[each]) for each in keys]

    return reads.loader(("facts", source), lambda: Batcher(batch)).load(key)


def rows_by_parent(reads: Reads, source: ToMany, parent: UUID) -> Awaitable[Sequence[Record]]:
    """Return all rows of a short list by parent, in the list's order."""

    async def batch(parents: Sequence[UUID]) -> list[list[Record]]:
        binding = reads.binding(source.target)
        statement = (
            source.within(masked_select(reads.policy, binding))
            .add_columns(source.key.label(_PARENT))
            .where(source.key == any_(_keys()))
            .order_by(source.key, source.order, binding.column("id"))
        )
        found: dict[UUID, list[Record]] = defaultdict(list)
        for row in await reads.fetch(statement, {"keys": list(parents)}):
            found[row[_PARENT]].append(Record(source.target, row))
        return [found[each] for each in parents]

    return reads.loader(("list", source), lambda: Batcher(batch)).load(parent)


async def row_by_field(reads: Reads, question: FieldQuestion) -> Record | None:
    """Return the row whose unique field the viewer sees as this value, null where there is none for him."""
    binding = reads.binding(question.type_name)
    column = reads.policy.masked(binding, question.field)
    statement = (
        masked_select(reads.policy, binding).where(column == bindparam("value", type_=Text())).limit(1)
    )
    rows = await reads.fetch(statement, question.values)
    return Record(question.type_name, rows[0]) if rows else None


class Connection:
    """A list that is read when it is looked at: the page and the count are fetched once each, if ever."""

    def __init__(self, page: Batcher[Any, Page], count: Batcher[Any, int], key: object) -> None:
        self._page, self._count, self._key = page, count, key

    def page(self) -> Awaitable[Page]:
        """Return the page."""
        return self._page.load(self._key)

    def total(self) -> Awaitable[int]:
        """Return how many rows the list has in all."""
        return self._count.load(self._key)


def listed(reads: Reads, question: ListQuestion) -> Connection:
    """Return a list of the whole table as a connection; raise `MalformedRequest` for what can't be looked for."""
    listing, arguments = question.criteria.listing(reads.policy, Parameters()), question.page
    arguments.check(reads.largest_page)
    wanted = question.criteria.values
    scoped = masked_select(reads.policy, reads.binding(listing.type_name)).where(*listing.conditions)
    values = {**wanted, **bound_values(listing.keys, arguments)}

    async def pages(keys: Sequence[object]) -> list[Page]:
        statement = (
            scoped.add_columns(*_sort_columns(listing.keys))
            .where(*bounds(listing.keys, arguments))
            .order_by(*ordering(listing.keys, is_backward=arguments.is_backward))
            .limit(arguments.size + 1)
        )
        page = page_of(listing.type_name, await reads.fetch(statement, values), listing.keys, arguments)
        return [page for _ in keys]

    async def counts(keys: Sequence[object]) -> list[int]:
        rows = await reads.fetch(scoped.with_only_columns(func.count().label("total")), wanted)
        return [rows[0]["total"] for _ in keys]

    return Connection(Batcher(pages), Batcher(counts), "all")


@dataclass(frozen=True)
class _Nested:
    """What makes two nested lists the same question for different parents."""

    source: ToMany
    arguments: PageArguments
    binding: TypeBinding = field(compare=False)

    @property
    def keys(self) -> tuple[SortKey, ...]:
        return nested_keys(self.source, self.binding)


def nested_keys(source: ToMany, binding: TypeBinding) -> tuple[SortKey, ...]:
    """Return the order of a relation's rows; ties are broken by id, where there can be any."""
    position = SortKey("position", source.order)
    return (position,) if _is_unique(source) else (position, SortKey("id", binding.column("id")))


def _is_unique(source: ToMany) -> bool:
    """Return whether no two rows of one parent stand at the same place."""
    key, order = cast("TableColumn[Any]", source.key), cast("TableColumn[Any]", source.order)
    together = {frozenset({key.name, order.name}), frozenset({order.name})}
    return bool(order.unique) or any(
        frozenset(column.name for column in constraint.columns) in together
        for constraint in order.table.constraints
        if isinstance(constraint, UniqueConstraint)
    )


def listed_by_parent(reads: Reads, source: ToMany, parent: UUID, arguments: PageArguments) -> Connection:
    """Return the list of a parent as a connection; all parents of a response share one statement."""
    nested = _Nested(source, arguments, reads.binding(source.target))
    arguments.check(reads.largest_page)
    values = bound_values(nested.keys, arguments)

    async def pages(parents: Sequence[UUID]) -> list[Page]:
        return await _pages(reads, nested, parents, values)

    async def counts(parents: Sequence[UUID]) -> list[int]:
        statement = (
            source.within(masked_select(reads.policy, nested.binding))
            .with_only_columns(source.key.label(_PARENT), func.count().label("total"))
            .where(source.key == any_(_keys()))
            .group_by(source.key)
        )
        totals = {row[_PARENT]: row["total"] for row in await reads.fetch(statement, {"keys": list(parents)})}
        return [totals.get(each, 0) for each in parents]

    return Connection(
        reads.loader(("pages", nested), lambda: Batcher(pages)),
        reads.loader(("counts", source), lambda: Batcher(counts)),
        parent,
    )


async def _pages(
    reads: Reads, nested: _Nested, parents: Sequence[UUID], values: Mapping[str, object]
) -> list[Page]:
    source, keys, arguments = nested.source, nested.keys, nested.arguments
    order = ordering(keys, is_backward=arguments.is_backward)
    ranked = (
        source.within(masked_select(reads.policy, nested.binding))
        .add_columns(
            *_sort_columns(keys),
            source.key.label(_PARENT),
            func.row_number().over(partition_by=source.key, order_by=order).label(_RANK),
        )
        .where(source.key == any_(_keys()), *bounds(keys, arguments))
        .subquery()
    )
    statement = (
        select(ranked)
        .where(ranked.c[_RANK] <= arguments.size + 1)
        .order_by(ranked.c[_PARENT], ranked.c[_RANK])
    )
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in await reads.fetch(statement, {"keys": list(parents), **values}):
        found[row[_PARENT]].append(row)
    return [page_of(source.target, found[each], keys, arguments) for each in parents]


def _sort_columns(keys: Sequence[SortKey]) -> list[ColumnElement[Any]]:
    return [key.expression.label(sort_column(index)) for index, key in enumerate(keys)]


def _keys() -> ColumnElement[Any]:
    return bindparam("keys", type_=ARRAY(Uuid()))
