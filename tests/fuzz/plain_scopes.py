"""Which scopes hold for a row, told a second time in plain Python?

Written from POLICY.md and from the rules' own header, over rows as the database holds them: nothing here knows the SQL
of `policies.scope`. With a stock Casbin enforcer it is the judge of what the compiled predicates say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast
from uuid import UUID

import casbin  # pyright: ignore[reportMissingTypeStubs]
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from policies.rules import EVERYBODY, MODEL_FILE, RULES_FILE, WHERES, Enforcer
from policies.viewer import Viewer

# Any: a row's values are as various as its columns.
PlainRow = Mapping[str, Any]

TABLES = {
    "Organization": "organization",
    "User": "app_user",
    "Project": "project",
    "WbsNode": "wbs_node",
    "CostCode": "cost_code",
    "Order": "engineering_order",
    "OrderLine": "order_line",
    "Assignment": "assignment",
    "Unit": "unit",
    "Item": "item",
    "ItemUnit": "item_unit",
    "Bom": "bom",
    "BomRevision": "bom_revision",
    "BomLine": "bom_line",
    "BomSubstitute": "bom_substitute",
    "BomOperation": "bom_operation",
    "BomCoProduct": "bom_co_product",
    "EngineeringChange": "engineering_change",
    "EngineeringChangeRevision": "engineering_change_revision",
    "RecostRun": "recost_run",
    "RecostRequest": "recost_request",
    "ItemCost": "item_cost",
    "Event": "event",
    "Notification": "notification",
}


class World:
    """All rows of the database, as they are."""

    def __init__(self, rows: Mapping[str, Sequence[PlainRow]]) -> None:
        self.rows = rows

    @cached_property
    def by_id(self) -> dict[str, dict[UUID, PlainRow]]:
        """Return the rows of each type by id."""
        return {name: {row["id"]: row for row in rows} for name, rows in self.rows.items()}

    @cached_property
    def assigned(self) -> set[tuple[UUID, UUID]]:
        """Return (order, user) of all assignments."""
        return {(row["order_id"], row["user_id"]) for row in self.rows["Assignment"]}

    @cached_property
    def holders(self) -> dict[UUID, UUID]:
        """Return for each BOM revision that an engineering change holds that change."""
        return {
            row["revision_id"]: row["change_id"]
            for row in self.rows["EngineeringChangeRevision"]
            if row["is_held"]
        }

    @cached_property
    def orders_by(self) -> dict[str, dict[UUID, list[PlainRow]]]:
        """Return the orders of each project and of each WBS node."""
        found: dict[str, dict[UUID, list[PlainRow]]] = {"project_id": {}, "wbs_node_id": {}}
        for order in self.rows["Order"]:
            for key, orders in found.items():
                orders.setdefault(order[key], []).append(order)
        return found

    def orders_of(self, type_name: str, row: PlainRow) -> Sequence[PlainRow]:
        """Return the orders that a row is, belongs to, tells of, or is the place of."""
        match type_name:
            case "Order":
                return [row]
            case "OrderLine" | "Assignment":
                return [self.by_id["Order"][row["order_id"]]]
            case "Event":
                is_order = row["aggregate_type"] == "Order"
                return [self.by_id["Order"][row["aggregate_id"]]] if is_order else []
            case "Project":
                return self.orders_by["project_id"].get(row["id"], [])
            case "WbsNode":
                return self.orders_by["wbs_node_id"].get(row["id"], [])
            case _:
                return []


async def read_world(engine: AsyncEngine) -> World:
    """Return all rows of all types."""
    rows: dict[str, Sequence[PlainRow]] = {}
    async with engine.connect() as connection:
        for name, table in TABLES.items():
            result = await connection.execute(text(f"SELECT * FROM {table} ORDER BY id"))
            rows[name] = [dict(row) for row in result.mappings()]
    return World(rows)


class Judge:
    """Says what a viewer may do with a row: stock Casbin over the scopes that hold."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._enforcer = cast(Enforcer, casbin.Enforcer(str(MODEL_FILE), str(RULES_FILE)))
        self._verdicts: dict[tuple[str, str, str, str], bool] = {}

    def may(self, viewer: Viewer, type_name: str, row: PlainRow, thing: str, deed: str = "read") -> bool:
        """Return whether some role of the viewer is granted the deed on the thing in a scope that holds for the row."""
        return any(
            self._holds(viewer, role, where, type_name, row) and self._enforce(role, thing, deed, where)
            for role in self._roles(viewer)
            for where in WHERES
        )

    def _roles(self, viewer: Viewer) -> Iterable[str]:
        return {EVERYBODY, *(grant.role.value for grant in viewer.grants)}

    def _enforce(self, role: str, thing: str, deed: str, where: str) -> bool:
        question = (role, thing, deed, where)
        if question not in self._verdicts:
            self._verdicts[question] = self._enforcer.enforce(*question)
        return self._verdicts[question]

    def _holds(self, viewer: Viewer, role: str, where: str, type_name: str, row: PlainRow) -> bool:
        match where:
            case "any":
                return True
            case "project":
                return self._in_a_project_of(viewer, role, type_name, row)
            case "own_org":
                return self._of_own_organization(viewer, type_name, row)
            case "assigned":
                orders = self.world.orders_of(type_name, row)
                return any((order["id"], viewer.user_id) in self.world.assigned for order in orders)
            case "library":
                library = {"Item", "BomRevision", "EngineeringChange", "ItemCost"}
                return type_name == "Event" and row["aggregate_type"] in library
            case "self":
                about = {"User": "id", "Assignment": "user_id", "Notification": "user_id"}.get(type_name)
                return about is not None and row[about] == viewer.user_id
            case _:
                raise AssertionError(where)

    def _in_a_project_of(self, viewer: Viewer, role: str, type_name: str, row: PlainRow) -> bool:
        match type_name:
            case "Project":
                project = row["id"]
            case "OrderLine" | "Assignment":
                project = self.world.by_id["Order"][row["order_id"]]["project_id"]
            case _:
                project = row.get("project_id")
        held = {grant.project_id for grant in viewer.grants if grant.role.value == role}
        return project is not None and (None in held or project in held)

    def _of_own_organization(self, viewer: Viewer, type_name: str, row: PlainRow) -> bool:
        own = viewer.organization_id
        match type_name:
            case "Organization":
                return row["id"] == own
            case "User":
                return row["organization_id"] == own
            case "Assignment":
                # Who else works on an order is the affair of those who sent him.
                return self.world.by_id["User"][row["user_id"]]["organization_id"] == own
            case _:
                return any(
                    own in (order["contractor_id"], order["customer_id"])
                    for order in self.world.orders_of(type_name, row)
                )
