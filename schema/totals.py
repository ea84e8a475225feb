"""What do totals and the viewer look like? Shapes of answers that are no rows of a table."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import strawberry

from policies.bindings import catalog
from schema.binding import structural
from schema.enums import OrderPriority, OrderState, Role
from schema.parties import Organization, Project, User


@structural
@strawberry.type(description="A role that the viewer holds.")
class RoleGrant:
    """A grant."""

    role: Role = strawberry.field(description="The role.")
    project: Project | None = strawberry.field(description="In which project; null is everywhere.")


@structural
@strawberry.type(description="Who is signed in.")
class Viewer:
    """The person, his organization, his roles."""

    user: User = strawberry.field(description="The person.")
    organization: Organization = strawberry.field(description="The organization he belongs to.")
    roles: list[RoleGrant] = strawberry.field(description="The roles he holds now.")


@structural
@strawberry.type(description="Totals of one group of orders.")
class OrderStatisticsGroup:
    """One group; the fields that were not grouped by are null."""

    state: OrderState | None = strawberry.field(description="State of the group.")
    project: Project | None = strawberry.field(description="Project of the group.")
    contractor: Organization | None = strawberry.field(description="Contractor of the group.")
    customer: Organization | None = strawberry.field(description="Customer of the group.")
    priority: OrderPriority | None = strawberry.field(description="Priority of the group.")
    month: date | None = strawberry.field(description="First day of the group's month.")
    count: int = strawberry.field(description="How many orders.")
    amount: Decimal | None = strawberry.field(
        description="Sum of the amounts that may be seen, 2 places; null over several currencies."
    )
    currency: str | None = strawberry.field(description="Currency of the sum, null over several.")
    is_partial: bool = strawberry.field(
        description="Whether the sum leaves out amounts that are hidden from the viewer."
    )


@structural
@strawberry.type(description="Totals of orders.")
class OrderStatistics:
    """The total and its groups."""

    count: int = strawberry.field(description="How many orders.")
    amount: Decimal | None = strawberry.field(
        description="Sum of the amounts that may be seen, 2 places; null over several currencies."
    )
    currency: str | None = strawberry.field(description="Currency of the sum, null over several.")
    is_partial: bool = strawberry.field(
        description="Whether the sum leaves out amounts that are hidden from the viewer."
    )
    groups: list[OrderStatisticsGroup] = strawberry.field(
        description="One for each combination that occurs, sorted."
    )


for _total in ("OrderStatistics", "OrderStatisticsGroup"):
    catalog.guards[_total, "amount"] = "order.amount"
