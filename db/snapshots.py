"""What is the state of an aggregate, as its events tell it?

The one place that maps rows to snapshots (`domain.events`): commands take the difference of two, and verification
compares a row with the fold of its events. Fields carry the API's names; `version`, `createdAt` and `updatedAt` are
told by the events themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from db.bom_tables import OrderBomPartRow
from db.tables import (
    ApiClientRow,
    ApiClientSecretRow,
    AssignmentRow,
    MembershipRow,
    OrderLineRow,
    OrderRow,
    UserRow,
)
from domain.events import Changes, Scalar, Snapshot, difference, scalar

Value = StrEnum | str | int | bool | Decimal | date | datetime | UUID | None
Fields = Mapping[str, Value]
"""The state of an aggregate before its values are written as events write them."""


def order_snapshot(
    order: OrderRow,
    lines: Iterable[OrderLineRow],
    assignments: Iterable[AssignmentRow],
    bom_parts: Iterable[OrderBomPartRow],
) -> Snapshot:
    """Return an order as its events tell it."""
    return snapshot(order_fields(order, lines, assignments, bom_parts))


def changes(before: Fields, after: Fields) -> Changes:
    """Return what changed, sorted by field name. Only that is written as events write it, which takes longer than comparing."""
    news = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return difference(*(snapshot({name: each.get(name) for name in news}) for each in (before, after)))


def order_fields(
    order: OrderRow,
    lines: Iterable[OrderLineRow],
    assignments: Iterable[AssignmentRow],
    bom_parts: Iterable[OrderBomPartRow],
) -> Fields:
    """Return an order with its lines (`lines.<position>.…`), assignments (`assignments.<user id>.…`) and BOM.

    How an item is made for it is `bomParts.<item id>.…`.
    """
    fields: dict[str, Value] = {
        "number": order.number,
        "title": order.title,
        "description": order.description,
        "kind": order.kind,
        "state": order.state,
        "priority": order.priority,
        "project": order.project_id,
        "customer": order.customer_id,
        "contractor": order.contractor_id,
        "wbsNode": order.wbs_node_id,
        "costCode": order.cost_code_id,
        "plannedStart": order.planned_start,
        "plannedEnd": order.planned_end,
        "dueOn": order.due_on,
        "actualStart": order.actual_start,
        "actualEnd": order.actual_end,
        "currency": order.currency,
        "amount": order.amount,
        "percentComplete": order.percent_complete,
        "revision": order.revision,
        "submittedBy": order.submitted_by_id,
        "editedBy": order.edited_by_id,
        "bomRevision": order.bom_revision_id,
        "bomQuantity": order.bom_quantity,
        "bomFrozenOn": order.bom_frozen_on,
    }
    for line in lines:
        fields |= under(
            f"lines.{line.position}",
            {
                "item": line.item,
                "description": line.description,
                "quantity": line.quantity,
                "uom": line.uom,
                "unitPrice": line.unit_price,
                "amount": line.amount,
                "doneQuantity": line.done_quantity,
                "progressAt": line.progress_at,
            },
        )
    for assignment in assignments:
        fields |= under(
            f"assignments.{assignment.user_id}",
            {"task": assignment.task, "assignedAt": assignment.assigned_at},
        )
    for part in bom_parts:
        fields |= under(
            f"bomParts.{part.item_id}", {"revision": part.revision_id, "phantom": part.is_phantom}
        )
    return fields


def user_snapshot(user: UserRow, memberships: Iterable[MembershipRow]) -> Snapshot:
    """Return a user with the roles he holds (`roles.<role>.<project id or global>`); never the password's hash."""
    fields: dict[str, Value] = {
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "phone": user.phone,
        "organization": user.organization_id,
        "disabledAt": user.disabled_at,
    }
    for membership in memberships:
        fields[f"roles.{membership.role}.{membership.project_id or 'global'}"] = True
    return snapshot(fields)


def client_snapshot(client: ApiClientRow, secrets: Iterable[ApiClientSecretRow]) -> Snapshot:
    """Return an API client with its scopes (`scopes.<scope>`) and the life of its secrets (`secrets.<id>.…`).

    Never a secret or its hash, and not when one was used: that is counted beside the log, not told by it.
    """
    fields: dict[str, Value] = {"user": client.user_id, "maySendText": client.may_send_text}
    for scope in client.scopes:
        fields[f"scopes.{scope}"] = True
    for secret in secrets:
        fields |= under(
            f"secrets.{secret.id}",
            {
                "createdAt": secret.created_at,
                "expiresAt": secret.expires_at,
                "revokedAt": secret.revoked_at,
            },
        )
    return snapshot(fields)


def under(prefix: str, fields: Mapping[str, Value]) -> dict[str, Value]:
    """Return the fields of a part, each with the part's name before its own."""
    return {f"{prefix}.{name}": value for name, value in fields.items()}


def snapshot(fields: Fields) -> Snapshot:
    """Return the state of an aggregate as events write it."""
    known: dict[str, Scalar] = {name: scalar(value) for name, value in fields.items() if value is not None}
    return known
