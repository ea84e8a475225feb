"""How are the root fields of queries resolved? Objects by id or code, and lists; each read through the viewer's eyes."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Sequence
from typing import Any

from domain.errors import MalformedRequest
from domain.identifiers import parse_global_id, parse_key
from loaders.events import EventCriteria, event_listing
from loaders.lookups import row_by_field, vocabulary_listing
from loaders.orders import (
    OrderCriteria,
    OrderGrouping,
    OrderSortField,
    OrderTotal,
    order_listing,
    order_totals,
)
from loaders.paging import PageArguments
from loaders.records import Record
from loaders.rows import Connection, listed, row_by_key
from resolvers.context import Context

NODES_LIMIT = 100


async def node(context: Context, text: str) -> Record | None:
    """Return the object of a global id, null where it doesn't exist or may not be read."""
    type_name, key = parse_global_id(text)
    if type_name not in context.reads.catalog.types:
        return None
    return await row_by_key(context.reads, type_name, key)


async def nodes(context: Context, texts: Sequence[str]) -> Sequence[Record | None]:
    """Return the objects of global ids, in the same order; raise `MalformedRequest` for more than 100."""
    if len(texts) > NODES_LIMIT:
        raise MalformedRequest("TOO_MANY_NODES", f"At most {NODES_LIMIT} ids.")
    return await gather(*(node(context, each) for each in texts))


async def by_id_or(
    context: Context, type_name: str, text: str | None, field: str, value: str | None
) -> Record | None:
    """Return one object by its id or by another unique field; raise `MalformedRequest` unless exactly one is given."""
    if (text is None) == (value is None):
        raise MalformedRequest("ONE_ARGUMENT_REQUIRED", f"Give exactly one of id and {field}.")
    if text is not None:
        return await row_by_key(context.reads, type_name, parse_key(text, type_name))
    assert value is not None, "exactly one is given"
    return await row_by_field(context.reads, type_name, field, value)


def orders(
    context: Context,
    arguments: PageArguments,
    criteria: OrderCriteria,
    sort: Sequence[tuple[OrderSortField, bool]],
) -> Connection:
    """Return the orders that meet the criteria."""
    return listed(context.reads, order_listing(context.reads, criteria, sort), arguments)


def vocabulary(
    context: Context, type_name: str, field: str, arguments: PageArguments, search: str | None = None
) -> Connection:
    """Return all readable rows of a type, sorted by a unique field, with a text in it or in the name."""
    return listed(context.reads, vocabulary_listing(context.reads, type_name, field, search), arguments)


def events(context: Context, arguments: PageArguments, criteria: EventCriteria) -> Connection:
    """Return the events that meet the criteria, newest first."""
    return listed(context.reads, event_listing(criteria), arguments)


async def viewer(context: Context) -> dict[str, Any] | None:
    """Return who is signed in, null for nobody."""
    who = context.viewer
    if who is None:
        return None
    reads = context.reads
    grants = sorted(who.grants, key=lambda grant: (grant.role, str(grant.project_id)))
    found = await gather(
        row_by_key(reads, "User", who.user_id),
        row_by_key(reads, "Organization", who.organization_id),
        *(row_by_key(reads, "Project", each.project_id) for each in grants if each.project_id),
    )
    projects = {each.key: each for each in found[2:] if each is not None}
    return {
        "user": found[0],
        "organization": found[1],
        "roles": [
            {"role": each.role, "project": each.project_id and projects.get(each.project_id)}
            for each in grants
        ],
    }


async def order_statistics(
    context: Context, criteria: OrderCriteria, groupings: Sequence[OrderGrouping]
) -> dict[str, Any]:
    """Return the total of the orders that meet the criteria, with one entry per group."""
    total, groups = await order_totals(context.reads, criteria, groupings)
    targets = {grouping: _GROUP_TYPES[grouping] for grouping in groupings if grouping in _GROUP_TYPES}
    answered: list[dict[str, Any]] = []
    for group in groups:
        values: dict[str, Any] = {grouping.value: group.group.get(grouping) for grouping in OrderGrouping}
        for grouping, type_name in targets.items():
            key = values[grouping.value]
            # Not awaited one by one: the executor waits for all of them, and they are fetched together.
            values[grouping.value] = None if key is None else row_by_key(context.reads, type_name, key)
        answered.append(values | _total(group))
    return _total(total) | {"groups": answered}


_GROUP_TYPES = {
    OrderGrouping.PROJECT: "Project",
    OrderGrouping.CONTRACTOR: "Organization",
    OrderGrouping.CUSTOMER: "Organization",
}


def _total(total: OrderTotal) -> dict[str, Any]:
    return {
        "count": total.count,
        "amount": total.amount,
        "currency": total.currency,
        "is_partial": total.is_partial,
    }
