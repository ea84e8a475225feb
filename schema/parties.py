"""Who and what surrounds an order? Organizations, users, projects, WBS nodes, cost codes."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import strawberry

from db.tables import CostCodeRow, OrderRow, OrganizationRow, ProjectRow, UserRow, WbsNodeRow
from schema.binding import bound_type, column, hidden_fields, key, to_many, to_one
from schema.enums import CostType, OrganizationKind
from schema.node import Connection, Node

if TYPE_CHECKING:
    from schema.orders import Order


@bound_type(
    OrganizationRow,
    thing="organization",
    description="A company: our own, a customer 业主, a contractor 施工方 or a supplier 供应商.",
)
class Organization(Node):
    """A company."""

    id: strawberry.ID = key(OrganizationRow.id)
    code: str = column(OrganizationRow.code, "Short code, unique.")
    name: str = column(OrganizationRow.name, "Name.")
    kind: OrganizationKind = column(OrganizationRow.kind, "What it is to us.")
    bank_name: str | None = column(OrganizationRow.bank_name, "Name of its bank 开户行.")
    bank_account: str | None = column(OrganizationRow.bank_account, "Number of its bank account 账号.")
    hidden_fields: list[str] = hidden_fields()


@bound_type(UserRow, thing="user", description="A person who can sign in.", aggregate="User")
class User(Node):
    """A person."""

    id: strawberry.ID = key(UserRow.id)
    username: str = column(UserRow.username, "Name to sign in with, unique.")
    name: str = column(UserRow.name, "Name as people say it.")
    email: str | None = column(UserRow.email, "Mail address.")
    phone: str | None = column(UserRow.phone, "Telephone number.")
    organization: Organization | None = to_one(
        UserRow.organization_id, "Organization", "The organization he belongs to."
    )
    hidden_fields: list[str] = hidden_fields()


@bound_type(ProjectRow, thing="project", description="A project 项目.")
class Project(Node):
    """A project."""

    id: strawberry.ID = key(ProjectRow.id)
    code: str = column(ProjectRow.code, "Short code, unique.")
    name: str = column(ProjectRow.name, "Name.")
    location: str | None = column(ProjectRow.location, "Where it is built.")
    currency: str = column(ProjectRow.currency, "Currency of all its money, ISO 4217.")
    manager: User | None = to_one(ProjectRow.manager_id, "User", "Who leads it.")
    starts_on: date | None = column(ProjectRow.starts_on, "First day.")
    ends_on: date | None = column(ProjectRow.ends_on, "Last day.")
    approval_limit: Decimal | None = column(
        ProjectRow.approval_limit,
        "Up to which amount its managers approve orders, 2 places, in its currency.",
    )
    wbs_nodes: Connection[WbsNode] = to_many(
        "WbsNode",
        WbsNodeRow.project_id,
        WbsNodeRow.code,
        "Its work breakdown structure 工作分解结构, by code.",
    )
    orders: Connection[Annotated[Order, strawberry.lazy("schema.orders")]] = to_many(
        "Order", OrderRow.project_id, OrderRow.number, "Its orders, by number."
    )
    hidden_fields: list[str] = hidden_fields()


@bound_type(
    WbsNodeRow, thing="wbs_node", description="A node of a project's work breakdown structure 工作分解结构."
)
class WbsNode(Node):
    """A WBS node."""

    id: strawberry.ID = key(WbsNodeRow.id)
    code: str = column(WbsNodeRow.code, "Code, unique in the project.")
    name: str = column(WbsNodeRow.name, "Name.")
    project: Project | None = to_one(WbsNodeRow.project_id, "Project", "The project it belongs to.")
    parent: WbsNode | None = to_one(WbsNodeRow.parent_id, "WbsNode", "The node above it.")


@bound_type(CostCodeRow, thing="cost_code", description="A cost code 费用科目.")
class CostCode(Node):
    """A cost code."""

    id: strawberry.ID = key(CostCodeRow.id)
    code: str = column(CostCodeRow.code, "Code, unique.")
    name: str = column(CostCodeRow.name, "Name.")
    cost_type: CostType = column(CostCodeRow.cost_type, "The type of its costs.")
