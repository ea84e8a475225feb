"""What do orders add up to, in all and by group? Through the masks: hidden amounts are left out, and said to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Select,
    case,
    cast,
    distinct,
    func,
    literal_column,
    not_,
    null,
    select,
    tuple_,
)

from db.tables import OrderRow
from loaders.orders import OrderCriteria
from loaders.questions import Parameters
from loaders.reads import Reads
from policies.bindings import catalog
from policies.compiler import Policy

LEVEL = "level"
"""The label of the number that is greatest in the row of the total, null where there are no groups."""


class OrderGrouping(StrEnum):
    """What totals of orders can be grouped by."""

    STATE = "state"
    PROJECT = "project"
    CONTRACTOR = "contractor"
    CUSTOMER = "customer"
    PRIORITY = "priority"
    MONTH = "month"


GROUP_TYPES = {
    OrderGrouping.PROJECT: "Project",
    OrderGrouping.CONTRACTOR: "Organization",
    OrderGrouping.CUSTOMER: "Organization",
}
"""The groupings by a key, with the type of what it names."""


@dataclass(frozen=True)
class TotalsQuestion:
    """The total of all orders that meet the criteria, and one per group that occurs."""

    criteria: OrderCriteria
    groupings: tuple[OrderGrouping, ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what the statement depends on."""
        return self.criteria.shape, self.groupings


@dataclass(frozen=True)
class OrderTotal:
    """One row of totals. `amount` is null over several currencies, and where no amount may be seen."""

    count: int
    amount: Decimal | None
    currency: str | None
    is_partial: bool
    group: Mapping[OrderGrouping, Any]


async def order_totals(reads: Reads, question: TotalsQuestion) -> tuple[OrderTotal, list[OrderTotal]]:
    """Return the total of all orders that meet the criteria, and one per group; one statement."""
    statement = totals_select(reads.policy, question, Parameters())
    totals = [
        OrderTotal(
            row["count"],
            row["amount"],
            row["currency"],
            row["is_partial"],
            {grouping: row[group_column(grouping)] for grouping in question.groupings},
        )
        for row in await reads.fetch(statement, question.criteria.values)
    ]
    return totals[0], totals[1:]


def group_column(grouping: OrderGrouping) -> str:
    """Return the label of what a row's group has in common."""
    return f"by_{grouping.value}"


def totals_select(policy: Policy, question: TotalsQuestion, parameters: Parameters) -> Select[Any]:
    """Return the SELECT of all totals: first that of all orders, then those of the groups, sorted.

    An amount that the viewer may not see is left out of the sum, and the row says `is_partial`.
    """
    binding = catalog.types["Order"]
    dimensions = {each: _dimension(policy, each) for each in question.groupings}
    amount = policy.masked(binding, "amount")
    is_hidden = not_(policy.visible(binding, binding.fields["amount"]))
    currency_count = func.count(distinct(OrderRow.currency))
    level: ColumnElement[Any] = func.grouping(*dimensions.values()) if dimensions else null()
    statement = (
        select(
            *(column.label(group_column(grouping)) for grouping, column in dimensions.items()),
            level.label(LEVEL),
            func.count().label("count"),
            case((currency_count <= 1, func.sum(amount))).label("amount"),
            case((currency_count == 1, func.min(OrderRow.currency))).label("currency"),
            func.coalesce(func.bool_or(is_hidden), False).label("is_partial"),
        )
        .select_from(OrderRow)
        .where(policy.rows("order", OrderRow), *question.criteria.conditions(policy, parameters))
    )
    if not dimensions:
        return statement
    return statement.group_by(
        func.grouping_sets(literal_column("()"), tuple_(*dimensions.values()))
    ).order_by(level.desc(), *(column.asc().nulls_last() for column in dimensions.values()))


def _dimension(policy: Policy, grouping: OrderGrouping) -> ColumnElement[Any]:
    binding = catalog.types["Order"]
    if grouping is OrderGrouping.MONTH:
        return cast(func.date_trunc("month", policy.masked(binding, "created_at")), Date())
    return policy.masked(binding, grouping.value)
