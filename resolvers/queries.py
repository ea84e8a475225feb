"""How are the root fields of queries resolved? Each asks a question; this answers it through the viewer's eyes."""

from __future__ import annotations

from asyncio import gather
from typing import Any

from loaders.bom_comparison import comparison_of
from loaders.places import feed_cursor
from loaders.questions import (
    ComparisonQuestion,
    FieldQuestion,
    ListQuestion,
    PlaceQuestion,
    Question,
    RowQuestion,
    RowsQuestion,
    WhoQuestion,
)
from loaders.records import Record
from loaders.rows import listed, row_by_field, row_by_key
from loaders.totals import GROUP_TYPES, OrderGrouping, OrderTotal, TotalsQuestion, order_totals
from resolvers.bom_comparison import shown_comparison
from resolvers.context import Context


# Any: records, listings and mappings, which the executor takes for the types that the schema names.
async def answer(context: Context, question: Question | TotalsQuestion) -> Any:
    """Return what a question finds, null for an object that doesn't exist or may not be read."""
    match question:
        case ListQuestion():
            return listed(context.reads, question)
        case RowQuestion(type_name, key):
            return await _node(context, type_name, key)
        case FieldQuestion():
            return await row_by_field(context.reads, question)
        case RowsQuestion(keys):
            return await gather(*(_node(context, *each) for each in keys))
        case TotalsQuestion():
            return await _order_statistics(context, question)
        case ComparisonQuestion():
            return await _comparison(context, question)
        case PlaceQuestion():
            return await feed_cursor(context.reads)
        case WhoQuestion():
            return await _viewer(context)


async def _node(context: Context, type_name: str, key: Any) -> Record | None:
    return (
        await row_by_key(context.reads, type_name, key) if type_name in context.reads.catalog.types else None
    )


async def _comparison(context: Context, question: ComparisonQuestion) -> dict[str, Any] | None:
    left, right = question.left, question.right
    found = await comparison_of(context.reads, left, right)
    return found and {"left_id": left, "right_id": right, **shown_comparison(found)}


async def _viewer(context: Context) -> dict[str, Any]:
    who, reads = context.signed_in, context.reads
    found = await gather(
        row_by_key(reads, "User", who.user_id),
        row_by_key(reads, "Organization", who.organization_id),
        *(row_by_key(reads, "Project", each.project_id) for each in who.sorted_grants if each.project_id),
    )
    projects = {each.key: each for each in found[2:] if each is not None}
    return {
        "user": found[0],
        "organization": found[1],
        "roles": [
            {"role": each.role, "project": each.project_id and projects.get(each.project_id)}
            for each in who.sorted_grants
        ],
    }


async def _order_statistics(context: Context, question: TotalsQuestion) -> dict[str, Any]:
    total, groups = await order_totals(context.reads, question)
    targets = {each: GROUP_TYPES[each] for each in question.groupings if each in GROUP_TYPES}
    answered: list[dict[str, Any]] = []
    for group in groups:
        values: dict[str, Any] = {grouping.value: group.group.get(grouping) for grouping in OrderGrouping}
        for grouping, type_name in targets.items():
            key = values[grouping.value]
            # Not awaited one by one: the executor waits for all of them, and they are fetched together.
            values[grouping.value] = None if key is None else row_by_key(context.reads, type_name, key)
        answered.append(values | _total(group))
    return _total(total) | {"groups": answered}


def _total(total: OrderTotal) -> dict[str, Any]:
    return {
        "count": total.count,
        "amount": total.amount,
        "currency": total.currency,
        "is_partial": total.is_partial,
    }
