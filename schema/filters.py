"""Which orders and events does a client ask for? Filters and sorts, as the loaders take them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import strawberry

from domain.identifiers import parse_global_id, parse_key
from loaders.events import EventCriteria
from loaders.orders import OrderCriteria
from resolvers.relations import given
from schema.enums import OrderPriority, OrderSortField, OrderState, SortDirection


def given_key(value: strawberry.ID | None, type_name: str) -> UUID | None:
    """Return the key of a global id, null where none was given; raise `MalformedRequest`."""
    text = given(value)
    return None if text is None else parse_key(text, type_name)


@strawberry.input(description="Which orders: every given criterion must hold.")
class OrderFilter:
    """Criteria of `orders` and `orderStatistics`."""

    project_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Of this project."
    )
    states: list[OrderState] | None = strawberry.field(
        default=strawberry.UNSET, description="In one of these states."
    )
    priorities: list[OrderPriority] | None = strawberry.field(
        default=strawberry.UNSET, description="Of one of these priorities."
    )
    contractor_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Done by this organization."
    )
    customer_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Done for this organization."
    )
    search: str | None = strawberry.field(
        default=strawberry.UNSET, description="Number or title contains this text."
    )
    due_before: date | None = strawberry.field(default=strawberry.UNSET, description="Due before this day.")
    amount_at_least: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Amount is at least this; hidden amounts never match."
    )
    amount_at_most: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Amount is at most this; hidden amounts never match."
    )
    updated_since: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Changed at or after this moment."
    )

    def criteria(self) -> OrderCriteria:
        """Return what the loaders take; raise `MalformedRequest` for an id of another type."""
        states, priorities = given(self.states), given(self.priorities)
        return OrderCriteria(
            project_id=given_key(self.project_id, "Project"),
            states=None if states is None else tuple(states),
            priorities=None if priorities is None else tuple(priorities),
            contractor_id=given_key(self.contractor_id, "Organization"),
            customer_id=given_key(self.customer_id, "Organization"),
            search=given(self.search),
            due_before=given(self.due_before),
            amount_at_least=given(self.amount_at_least),
            amount_at_most=given(self.amount_at_most),
            updated_since=given(self.updated_since),
        )


@strawberry.input(description="One field to sort orders by.")
class OrderOrder:
    """A sort key; several are taken in turn."""

    field: OrderSortField = strawberry.field(description="By what.")
    direction: SortDirection = strawberry.field(description="Which way.")


@strawberry.input(description="Which events: every given criterion must hold.")
class EventFilter:
    """Criteria of `events`."""

    aggregate_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Of this object."
    )
    types: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description="Of one of these types, such as `OrderReleased`."
    )
    actor_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Done by this user."
    )
    project_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="In this project."
    )
    since: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Recorded at or after this moment."
    )
    until: datetime | None = strawberry.field(
        default=strawberry.UNSET, description="Recorded before this moment."
    )

    def criteria(self) -> EventCriteria:
        """Return what the loaders take; raise `MalformedRequest` for a malformed id."""
        aggregate, types = given(self.aggregate_id), given(self.types)
        return EventCriteria(
            aggregate=None if aggregate is None else parse_global_id(aggregate),
            types=None if types is None else tuple(types),
            actor_id=given_key(self.actor_id, "User"),
            project_id=given_key(self.project_id, "Project"),
            since=given(self.since),
            until=given(self.until),
        )
