"""Which value was planted where, and which of them stand in a text?

A canary is a number of eleven digits that begins with 9317, alone as an amount or inside a text. Every guarded column of
every row gets one of its own, every guarded change in every event too, and what nobody may read at all.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from policies.viewer import Viewer
from tests.fuzz.plain_scopes import TABLES, Judge, PlainRow, World, read_world
from tests.integration.recost_world import all_computed

_CANARY = re.compile(r"(?<![0-9a-f])9317[0-9]{7}(?![0-9a-f])")
_CURSOR = re.compile(r"[A-Za-z0-9_-]{16,2000}={0,2}")

# The guarded columns that can hold a canary, each with its thing; customer and contractor are keys and hold none.
_COLUMNS = {
    "Order": {"amount": "order.amount"},
    "OrderLine": {"unit_price": "order_line.unit_price", "amount": "order_line.amount"},
    "Item": {"standard_cost": "item.standard_cost"},
    "BomOperation": {"hourly_rate": "bom_operation.hourly_rate"},
    "ItemCost": {
        "material": "item_cost.material",
        "operation": "item_cost.operation",
        "co_product_credit": "item_cost.co_product_credit",
        "total": "item_cost.total",
    },
    "Project": {"approval_limit": "project.approval_limit"},
    "Organization": {"bank_name": "organization.bank_name", "bank_account": "organization.bank_account"},
    "User": {"email": "user.email", "phone": "user.phone", "password_hash": None},
}
_NUMBERS = {
    "amount",
    "unit_price",
    "approval_limit",
    "standard_cost",
    "hourly_rate",
    "material",
    "operation",
    "co_product_credit",
    "total",
}
_CHANGES = {
    "amount": "order.amount",
    "customer": "order.customer",
    "contractor": "order.contractor",
    "unitPrice": "order_line.unit_price",
    "lines.amount": "order_line.amount",
    "standardCost": "item.standard_cost",
    "hourlyRate": "bom_operation.hourly_rate",
    "material": "item_cost.material",
    "operation": "item_cost.operation",
    "coProductCredit": "item_cost.co_product_credit",
    "total": "item_cost.total",
    "email": "user.email",
    "phone": "user.phone",
    # In snapshots but no field of the API: shown to nobody.
    "submittedBy": None,
    "editedBy": None,
    "disabledAt": None,
}
_OPEN_CHANGES = {"EngineeringChange": {"submittedBy"}}
"""What is a field of this type, though others keep it to themselves under the same name."""


@dataclass(frozen=True)
class Canary:
    """Where one value stands: in a row, or in an event of that row; `thing` is null for what nobody may read."""

    type_name: str
    row_id: UUID
    thing: str | None
    event_id: UUID | None = None

    def may_be_read(self, judge: Judge, viewer: Viewer) -> bool:
        """Return whether stock Casbin lets the viewer read it."""
        if self.thing is None:
            return False
        row = judge.world.by_id[self.type_name][self.row_id]
        if self.event_id is not None:
            event = judge.world.by_id["Event"][self.event_id]
            is_event_readable = judge.may(viewer, "Event", event, "event.changes")
            return is_event_readable and judge.may(viewer, self.type_name, row, self.thing)
        is_row_readable = judge.may(viewer, self.type_name, row, self.thing.partition(".")[0])
        return is_row_readable and judge.may(viewer, self.type_name, row, self.thing)


class Canaries:
    """All that was planted, by its eleven digits."""

    def __init__(self) -> None:
        self.planted: dict[str, Canary] = {}

    def new(self, canary: Canary) -> str:
        """Return the digits of a new one."""
        digits = f"9317{len(self.planted):07d}"
        self.planted[digits] = canary
        return digits

    def digits_of(self, type_name: str, row_id: UUID, thing: str) -> str:
        """Return what stands in a row's column."""
        wanted = Canary(type_name, row_id, thing)
        return next(digits for digits, canary in self.planted.items() if canary == wanted)

    def found_in(self, content: str) -> set[str]:
        """Return all that stand in a text, also inside cursors."""
        return {digits for each in _opened(content) for digits in _CANARY.findall(each)} & self.planted.keys()


async def costed_world(engine: AsyncEngine) -> World:
    """Return all rows of the database, with the costs of what is made among them."""
    await all_computed(engine)
    return await read_world(engine)


async def plant(engine: AsyncEngine, world: World) -> Canaries:
    """Overwrite all guarded values of the database; `world` is what it held before."""
    canaries = Canaries()
    async with engine.begin() as connection:
        for type_name, columns in _COLUMNS.items():
            for column, thing in columns.items():
                rows = [
                    {"id": row["id"], "value": canaries.new(Canary(type_name, row["id"], thing))}
                    for row in world.rows[type_name]
                ]
                await _overwrite(connection, TABLES[type_name], column, rows)
        await _plant_in_events(connection, world, canaries)
    return canaries


async def _overwrite(
    connection: AsyncConnection, table: str, column: str, rows: Sequence[Mapping[str, object]]
) -> None:
    # Through text, so that one statement serves numbers and texts alike; the column's type takes it from there.
    kind = "numeric" if column in _NUMBERS else "text"
    value = "CAST(CAST(:value AS text) AS numeric) + 0.25" if kind == "numeric" else "'CANARY ' || :value"
    await connection.execute(
        text(f"UPDATE {table} SET {column} = {value} WHERE id = :id"), list(map(dict, rows))
    )


async def _plant_in_events(connection: AsyncConnection, world: World, canaries: Canaries) -> None:
    rows = [
        {
            "id": event["id"],
            "changes": json.dumps(dict(_planted_changes(event, canaries))),
            "details": json.dumps({"place": canaries.new(_hidden(event))}),
            "secret": canaries.new(_hidden(event)),
        }
        for event in world.rows["Event"]
    ]
    await connection.execute(text("ALTER TABLE event DISABLE TRIGGER USER"))
    await connection.execute(
        text(
            "UPDATE event SET changes = CAST(:changes AS jsonb), details = CAST(:details AS jsonb),"
            " request_id = :secret, address = :secret WHERE id = :id"
        ),
        rows,
    )
    await connection.execute(text("ALTER TABLE event ENABLE TRIGGER USER"))


def _planted_changes(event: PlainRow, canaries: Canaries) -> Iterator[tuple[str, list[str | None]]]:
    for name, values in event["changes"].items():
        is_open = name in _OPEN_CHANGES.get(event["aggregate_type"], ())
        thing_of = None if is_open else _guard(name)
        if thing_of is None:
            yield name, values
            continue
        (thing,) = thing_of
        canary = Canary(event["aggregate_type"], event["aggregate_id"], thing, event["id"])
        yield name, [None if value is None else canaries.new(canary) for value in values]


def _guard(name: str) -> tuple[str | None] | None:
    """Return the thing in a 1-tuple, null for a change that is not guarded."""
    start, *rest = name.split(".")
    last = rest[-1] if rest else start
    for key in (f"{start}.{last}", last):
        if key in _CHANGES:
            return (_CHANGES[key],)
    return None


def _hidden(event: PlainRow) -> Canary:
    return Canary("Event", event["id"], None)


def _opened(content: str) -> Iterator[str]:
    yield content
    for match in _CURSOR.findall(content):
        try:
            yield base64.urlsafe_b64decode(match.rstrip("=") + "=" * (-len(match.rstrip("=")) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError):
            continue


def as_text(response: Mapping[str, Any]) -> str:
    """Return a response as it goes over the wire."""
    return json.dumps(response, ensure_ascii=False)
