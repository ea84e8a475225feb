"""Which orders are meant, in which order, and what do they add up to? Filters, sorts and totals through the masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Numeric,
    case,
    cast,
    distinct,
    func,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    tuple_,
)

from db.tables import OrderRow
from domain.errors import MalformedRequest
from domain.order import OrderPriority, OrderState
from loaders.lookups import search_text
from loaders.paging import SortKey
from loaders.reads import Reads
from loaders.rows import Listing
from policies.compiler import Policy

_VALUES_LIMIT = 100


class OrderSortField(StrEnum):
    """What a list of orders can be sorted by; ties are broken by id."""

    NUMBER = "number"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    DUE_ON = "due_on"
    PRIORITY = "priority"
    AMOUNT = "amount"
    STATE = "state"


class OrderGrouping(StrEnum):
    """What totals of orders can be grouped by."""

    STATE = "state"
    PROJECT = "project"
    CONTRACTOR = "contractor"
    CUSTOMER = "customer"
    PRIORITY = "priority"
    MONTH = "month"


@dataclass(frozen=True)
class OrderCriteria:
    """Which orders: every given criterion must hold, an empty list of values means none."""

    project_id: UUID | None = None
    states: tuple[OrderState, ...] | None = None
    priorities: tuple[OrderPriority, ...] | None = None
    contractor_id: UUID | None = None
    customer_id: UUID | None = None
    search: str | None = None
    due_before: date | None = None
    amount_at_least: Decimal | None = None
    amount_at_most: Decimal | None = None
    updated_since: datetime | None = None


def order_listing(
    reads: Reads, criteria: OrderCriteria, sort: Sequence[tuple[OrderSortField, bool]] = ()
) -> Listing:
    """Return the list of orders; `sort` as (field, is descending), newest first where none is given."""
    binding = reads.binding("Order")
    if len(sort) > len(OrderSortField):
        raise MalformedRequest("TOO_MANY_SORT_FIELDS", f"At most {len(OrderSortField)} fields to sort by.")
    keys = [
        SortKey(field.value, reads.policy.masked(binding, field.value), is_descending)
        for field, is_descending in sort
    ]
    last_descends = keys[-1].is_descending if keys else True
    keys.append(SortKey("id", binding.column("id"), last_descends))
    return Listing("Order", tuple(keys), order_conditions(reads, criteria))


def order_conditions(reads: Reads, criteria: OrderCriteria) -> tuple[ColumnElement[bool], ...]:
    """Return the criteria as predicates over masked columns, so that a hidden value never matches anything."""
    binding = reads.binding("Order")

    # Any: a column compares with values of its own type, which the criteria's types have made sure of.
    def masked(name: str) -> ColumnElement[Any]:
        return reads.policy.masked(binding, name)

    def matching(text: Any) -> ColumnElement[bool]:
        wanted = search_text(text)
        return or_(*(masked(name).icontains(wanted, autoescape=True) for name in ("number", "title")))

    predicates: Sequence[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = (
        (criteria.project_id, lambda key: masked("project") == key),
        (criteria.states, lambda states: masked("state").in_(_bounded(states))),
        (criteria.priorities, lambda priorities: masked("priority").in_(_bounded(priorities))),
        (criteria.contractor_id, lambda key: masked("contractor") == key),
        (criteria.customer_id, lambda key: masked("customer") == key),
        (criteria.search, matching),
        (criteria.due_before, lambda day: masked("due_on") < day),
        (criteria.amount_at_least, lambda amount: masked("amount") >= _exact(amount)),
        (criteria.amount_at_most, lambda amount: masked("amount") <= _exact(amount)),
        (criteria.updated_since, lambda moment: masked("updated_at") >= moment),
    )
    return tuple(predicate(value) for value, predicate in predicates if value is not None)


@dataclass(frozen=True)
class OrderTotal:
    """One row of totals. `amount` is null over several currencies, and where no amount may be seen."""

    count: int
    amount: Decimal | None
    currency: str | None
    is_partial: bool
    group: Mapping[OrderGrouping, Any]


async def order_totals(
    reads: Reads, criteria: OrderCriteria, groupings: Sequence[OrderGrouping]
) -> tuple[OrderTotal, list[OrderTotal]]:
    """Return the total of all orders that meet the criteria, and one per group; one statement.

    An amount that the viewer may not see is left out of the sum, and the row says `is_partial`.
    """
    binding, policy = reads.binding("Order"), reads.policy
    wanted = list(dict.fromkeys(groupings))
    dimensions = {grouping: _dimension(policy, reads, grouping) for grouping in wanted}
    amount = policy.masked(binding, "amount")
    is_hidden = not_(policy.visible(binding, binding.fields["amount"]))
    currency_count = func.count(distinct(OrderRow.currency))
    level: ColumnElement[Any] = func.grouping(*dimensions.values()) if dimensions else null()
    statement = (
        select(
            *(column.label(f"by_{grouping.value}") for grouping, column in dimensions.items()),
            level.label("level"),
            func.count().label("count"),
            case((currency_count <= 1, func.sum(amount))).label("amount"),
            case((currency_count == 1, func.min(OrderRow.currency))).label("currency"),
            func.coalesce(func.bool_or(is_hidden), False).label("is_partial"),
        )
        .select_from(OrderRow)
        .where(policy.rows("order", OrderRow), *order_conditions(reads, criteria))
    )
    if dimensions:
        statement = statement.group_by(
            func.grouping_sets(literal_column("()"), tuple_(*dimensions.values()))
        ).order_by(level.desc(), *(column.asc().nulls_last() for column in dimensions.values()))
    rows = await reads.fetch(statement)
    totals = [
        OrderTotal(
            row["count"],
            row["amount"],
            row["currency"],
            row["is_partial"],
            {grouping: row[f"by_{grouping.value}"] for grouping in wanted},
        )
        for row in rows
    ]
    return totals[0], totals[1:]


def _dimension(policy: Policy, reads: Reads, grouping: OrderGrouping) -> ColumnElement[Any]:
    binding = reads.binding("Order")
    if grouping is OrderGrouping.MONTH:
        return cast(func.date_trunc("month", policy.masked(binding, "created_at")), Date())
    return policy.masked(binding, grouping.value)


def _exact(number: Decimal) -> ColumnElement[Any]:
    """Return a number as it was given: as a value of the column's own type it would be rounded, or be too large for it."""
    return literal(number, Numeric())


def _bounded(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(values) > _VALUES_LIMIT:
        raise MalformedRequest("TOO_MANY_VALUES", f"At most {_VALUES_LIMIT} values in one filter.")
    return values
