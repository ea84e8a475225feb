"""Which orders are meant, and in which order? Filters and sorts through the masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Numeric, Text, any_, or_
from sqlalchemy.dialects.postgresql import ARRAY

from domain.errors import MalformedRequest
from domain.order import OrderPriority, OrderState
from loaders.cursors import SortKey
from loaders.questions import Listing, Parameters, bounded, contains, search_pattern
from policies.bindings import catalog
from policies.compiler import Policy


class OrderSortField(StrEnum):
    """What a list of orders can be sorted by; ties are broken by id."""

    NUMBER = "number"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    DUE_ON = "due_on"
    PRIORITY = "priority"
    AMOUNT = "amount"
    STATE = "state"


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

    @property
    def shape(self) -> tuple[str, ...]:
        """Return the names of the criteria that were given."""
        return tuple(each.name for each in fields(self) if getattr(self, each.name) is not None)

    @property
    def values(self) -> dict[str, object]:
        """Return the values of the parameters of `conditions`; raise `MalformedRequest`."""
        found: dict[str, object] = {name: getattr(self, name) for name in self.shape}
        if self.states is not None:
            found["states"] = bounded(self.states)
        if self.priorities is not None:
            found["priorities"] = bounded(self.priorities)
        if self.search is not None:
            found["search"] = search_pattern(self.search)
        return found

    def conditions(self, policy: Policy, parameters: Parameters) -> tuple[ColumnElement[bool], ...]:
        """Return the criteria as predicates over masked columns, so that a hidden value never matches anything."""
        binding = catalog.types["Order"]

        def masked(name: str) -> ColumnElement[Any]:
            return policy.masked(binding, name)

        def like(criterion: str, name: str) -> ColumnElement[Any]:
            return parameters(criterion, masked(name).type)

        def among(criterion: str, name: str) -> ColumnElement[bool]:
            return masked(name) == any_(parameters(criterion, ARRAY(masked(name).type)))

        # A number is compared as it was given: as a value of the column's own type it would be rounded, or too large.
        exact = Numeric()
        meant = {
            "project_id": lambda: masked("project") == like("project_id", "project"),
            "states": lambda: among("states", "state"),
            "priorities": lambda: among("priorities", "priority"),
            "contractor_id": lambda: masked("contractor") == like("contractor_id", "contractor"),
            "customer_id": lambda: masked("customer") == like("customer_id", "customer"),
            "search": lambda: or_(
                *(contains(masked(name), parameters("search", Text())) for name in ("number", "title"))
            ),
            "due_before": lambda: masked("due_on") < like("due_before", "due_on"),
            "amount_at_least": lambda: masked("amount") >= parameters("amount_at_least", exact),
            "amount_at_most": lambda: masked("amount") <= parameters("amount_at_most", exact),
            "updated_since": lambda: masked("updated_at") >= like("updated_since", "updated_at"),
        }
        return tuple(meant[name]() for name in self.shape)


@dataclass(frozen=True)
class OrderList:
    """Orders that meet the criteria, sorted by (field, is descending) in turn; newest first where none is given."""

    criteria: OrderCriteria
    sort: tuple[tuple[OrderSortField, bool], ...] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """Return what the listing's SQL depends on."""
        return self.criteria.shape, self.sort

    @property
    def values(self) -> Mapping[str, object]:
        """Return the values of the listing's parameters; raise `MalformedRequest`."""
        if len(self.sort) > len(OrderSortField):
            raise MalformedRequest(
                "TOO_MANY_SORT_FIELDS", f"At most {len(OrderSortField)} fields to sort by."
            )
        return self.criteria.values

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the list."""
        binding = catalog.types["Order"]
        keys = [
            SortKey(field.value, policy.masked(binding, field.value), is_descending)
            for field, is_descending in self.sort
        ]
        keys.append(SortKey("id", binding.column("id"), keys[-1].is_descending if keys else True))
        return Listing("Order", tuple(keys), self.criteria.conditions(policy, parameters))
