"""Which rows does a random company have?

Some hundred orders and all that surrounds them: nulls wherever they may be, ties in everything that is sorted, odd texts,
orders without lines, lines without prices, people without anything, events with changes that nobody would expect. The
same chance makes the same company, with the same ids.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomRow,
    BomSubstituteRow,
    ItemRow,
    ItemUnitRow,
    OrderBomPartRow,
    UnitRow,
)
from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.recost_tables import ItemCostRow, RecostRequestRow, RecostRunRow
from db.tables import (
    AssignmentRow,
    CostCodeRow,
    EventRow,
    Keyed,
    NotificationRow,
    OrderLineRow,
    OrderRow,
    OrganizationRow,
    ProjectRow,
    UserRow,
    WbsNodeRow,
)
from domain.notifications import NotificationKind
from domain.order import OrderKind, OrderPriority, OrderState
from domain.parties import CostType, OrganizationKind
from tests.fuzz.planned.company_boms import frozen_bom, items_and_boms, order_bom_parts
from tests.fuzz.planned.company_changes import engineering_changes
from tests.fuzz.planned.company_costs import costs
from tests.fuzz.planned.company_events import events
from tests.fuzz.planned.odd_values import day, moment, new_key, number, perhaps, text

# Any: a row's values are as various as its columns.
CompanyRow = dict[str, Any]

ORDERS = 240
PROJECTS = 6
USERS = 24
ORGANIZATIONS = 9
_CURRENCIES = ("CNY", "CNY", "CNY", "USD", "€", "")


@dataclass(frozen=True)
class Company:
    """All rows by the type of the API that they have; parents stand before their children.

    The parts of orders' BOMs have none.
    """

    rows: Mapping[str, Sequence[CompanyRow]]
    bom_parts: Sequence[CompanyRow]

    def keys(self, type_name: str) -> list[UUID]:
        """Return the ids of all rows of a type."""
        return [row["id"] for row in self.rows[type_name]]


_TABLES: Mapping[str, type[Keyed]] = {
    "Organization": OrganizationRow,
    "User": UserRow,
    "Project": ProjectRow,
    "WbsNode": WbsNodeRow,
    "CostCode": CostCodeRow,
    "Order": OrderRow,
    "OrderLine": OrderLineRow,
    "Assignment": AssignmentRow,
    "Unit": UnitRow,
    "Item": ItemRow,
    "ItemUnit": ItemUnitRow,
    "Bom": BomRow,
    "BomRevision": BomRevisionRow,
    "BomLine": BomLineRow,
    "BomSubstitute": BomSubstituteRow,
    "BomOperation": BomOperationRow,
    "BomCoProduct": BomCoProductRow,
    "EngineeringChange": EngineeringChangeRow,
    "EngineeringChangeRevision": EngineeringChangeRevisionRow,
    "RecostRun": RecostRunRow,
    "RecostRequest": RecostRequestRow,
    "ItemCost": ItemCostRow,
    "Event": EventRow,
    "Notification": NotificationRow,
}


def random_company(chance: random.Random) -> Company:
    """Return a company."""
    rows: dict[str, list[CompanyRow]] = {}
    rows["Organization"] = [_organization(chance, nth) for nth in range(ORGANIZATIONS)]
    rows["User"] = [_user(chance, nth, rows) for nth in range(USERS)]
    rows["Project"] = [_project(chance, nth, rows) for nth in range(PROJECTS)]
    rows["WbsNode"] = _wbs_nodes(chance, rows["Project"])
    rows["CostCode"] = [_cost_code(chance, nth) for nth in range(8)]
    rows |= items_and_boms(chance)
    rows["Order"] = [_order(chance, nth, rows) for nth in range(ORDERS)]
    rows["OrderLine"] = [line for order in rows["Order"] for line in _lines(chance, order)]
    rows["Assignment"] = [each for order in rows["Order"] for each in _assignments(chance, order, rows)]
    rows |= engineering_changes(chance, rows)
    rows |= costs(chance, rows)
    rows["Event"] = events(chance, rows)
    rows["Notification"] = _notifications(chance, rows)
    return Company(rows, [part for order in rows["Order"] for part in order_bom_parts(chance, order, rows)])


async def store(engine: AsyncEngine, company: Company) -> None:
    """Write a company into an empty database."""
    async with engine.begin() as connection:
        for type_name, rows in company.rows.items():
            await connection.execute(insert(_TABLES[type_name]), list(rows))
        await connection.execute(insert(OrderBomPartRow), list(company.bom_parts))


def _notifications(chance: random.Random, rows: Mapping[str, Sequence[CompanyRow]]) -> list[CompanyRow]:
    """Return what some were told of some events, perhaps of an order that the event isn't about."""
    return [
        {
            "id": new_key(chance),
            "user_id": user["id"],
            "kind": chance.choice(list(NotificationKind)),
            "event_id": event["id"],
            "order_id": chance.choice(rows["Order"])["id"],
            "created_at": moment(chance),
            "read_at": perhaps(chance, moment(chance)),
        }
        for event in rows["Event"]
        for user in chance.sample(rows["User"], chance.choice((0, 0, 0, 1, 2)))
    ]


def _unique(chance: random.Random, prefix: str, nth: int) -> str:
    return f"{prefix}-{nth:03d}" if chance.random() < 0.7 else f"{text(chance)[:60]}{nth}"


def _organization(chance: random.Random, nth: int) -> CompanyRow:
    return {
        "id": new_key(chance),
        "code": _unique(chance, "V", nth),
        "name": text(chance),
        "kind": chance.choice(list(OrganizationKind)),
        "bank_name": perhaps(chance, text(chance)),
        "bank_account": perhaps(chance, text(chance)),
    }


def _user(chance: random.Random, nth: int, rows: Mapping[str, Sequence[CompanyRow]]) -> CompanyRow:
    return {
        "id": new_key(chance),
        "username": _unique(chance, "user", nth),
        "name": text(chance),
        "email": perhaps(chance, text(chance)),
        "phone": perhaps(chance, text(chance)),
        "organization_id": chance.choice(rows["Organization"])["id"],
        "password_hash": "none",
        "disabled_at": perhaps(chance, moment(chance), 0.1),
        "version": chance.randint(1, 3),
    }


def _project(chance: random.Random, nth: int, rows: Mapping[str, Sequence[CompanyRow]]) -> CompanyRow:
    return {
        "id": new_key(chance),
        "code": _unique(chance, "P", nth),
        "name": text(chance),
        "location": perhaps(chance, text(chance)),
        "currency": chance.choice(_CURRENCIES),
        "manager_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        "starts_on": perhaps(chance, day(chance)),
        "ends_on": perhaps(chance, day(chance)),
        "approval_limit": perhaps(chance, number(chance, 18, 2)),
    }


def _wbs_nodes(chance: random.Random, projects: Sequence[CompanyRow]) -> list[CompanyRow]:
    nodes: list[CompanyRow] = []
    for project in projects:
        # The last project has none.
        own: list[CompanyRow] = []
        for nth in range(0 if project is projects[-1] else chance.randint(1, 9)):
            parent = chance.choice(own)["id"] if own else None
            own.append(
                {
                    "id": new_key(chance),
                    "project_id": project["id"],
                    "parent_id": perhaps(chance, parent, 0.8),
                    "code": _unique(chance, "1", nth),
                    "name": text(chance),
                }
            )
        nodes += own
    return nodes


def _cost_code(chance: random.Random, nth: int) -> CompanyRow:
    return {
        "id": new_key(chance),
        "code": _unique(chance, "51", nth),
        "name": text(chance),
        "cost_type": chance.choice(list(CostType)),
    }


def _order(chance: random.Random, nth: int, rows: Mapping[str, Sequence[CompanyRow]]) -> CompanyRow:
    planned = sorted([day(chance), day(chance)])
    project = chance.choice(rows["Project"])
    return {
        "id": new_key(chance),
        "number": _unique(chance, "EO-2026", nth),
        "title": text(chance),
        "description": perhaps(chance, text(chance)),
        "kind": chance.choice(list(OrderKind)),
        "state": chance.choice(list(OrderState)),
        "priority": chance.choice(list(OrderPriority)),
        "project_id": project["id"],
        "customer_id": perhaps(chance, chance.choice(rows["Organization"])["id"]),
        "contractor_id": perhaps(chance, chance.choice(rows["Organization"])["id"]),
        "wbs_node_id": perhaps(chance, chance.choice(rows["WbsNode"])["id"]),
        "cost_code_id": perhaps(chance, chance.choice(rows["CostCode"])["id"]),
        "planned_start": perhaps(chance, planned[0]),
        "planned_end": perhaps(chance, planned[1]),
        "due_on": perhaps(chance, day(chance)),
        "actual_start": perhaps(chance, day(chance)),
        "actual_end": perhaps(chance, day(chance)),
        "currency": project["currency"] if chance.random() < 0.8 else chance.choice(_CURRENCIES),
        "amount": perhaps(chance, number(chance, 18, 2), 0.8),
        "percent_complete": chance.choice((Decimal(0), Decimal(100), number(chance, 4, 2))),
        "revision": chance.choice((1, 1, 2, 32_766)),
        "version": chance.choice((1, 2, 3, 2_147_483_646)),
        "created_at": moment(chance),
        "updated_at": moment(chance),
        "submitted_by_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        "edited_by_id": perhaps(chance, chance.choice(rows["User"])["id"]),
        **frozen_bom(chance, rows),
    }


def _lines(chance: random.Random, order: CompanyRow) -> list[CompanyRow]:
    positions = chance.sample(range(1, 9), chance.choice((0, 1, 1, 2, 3, 7)))
    return [
        {
            "id": new_key(chance),
            "order_id": order["id"],
            "position": position,
            "item": perhaps(chance, text(chance)),
            "description": text(chance),
            "quantity": max(number(chance, 18, 4), number(chance, 9, 4) + 1),
            "uom": chance.choice(("m³", "t", "", "个", '"')),
            "unit_price": perhaps(chance, number(chance, 18, 4), 0.8),
            "amount": perhaps(chance, number(chance, 18, 2), 0.8),
            "done_quantity": number(chance, 18, 4),
            "progress_at": perhaps(chance, moment(chance)),
        }
        for position in positions
    ]


def _assignments(
    chance: random.Random, order: CompanyRow, rows: Mapping[str, Sequence[CompanyRow]]
) -> list[CompanyRow]:
    # Nobody of the last third of the people is assigned to anything.
    people = rows["User"][: 2 * USERS // 3]
    return [
        {
            "id": new_key(chance),
            "order_id": order["id"],
            "user_id": user["id"],
            "task": perhaps(chance, text(chance)),
            "assigned_at": moment(chance),
        }
        for user in chance.sample(people, chance.choice((0, 0, 1, 2, 4)))
    ]
