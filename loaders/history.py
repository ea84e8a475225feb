"""What of an event's changes may a viewer see? Each change is masked like the field it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Text, case, column, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, array

from db.bom_tables import BomRevisionRow, ItemRow
from db.change_tables import EngineeringChangeRow
from db.recost_tables import ItemCostRow
from db.tables import EventRow, Keyed, OrderRow, UserRow
from domain.events import Changes
from policies.bindings import AnySelect, catalog
from policies.compiler import Policy

_AGGREGATES: Mapping[str, type[Keyed]] = {
    "Order": OrderRow,
    "User": UserRow,
    "Item": ItemRow,
    "BomRevision": BomRevisionRow,
    "EngineeringChange": EngineeringChangeRow,
    "ItemCost": ItemCostRow,
}
_WHOLE = {"User": {"roles.*": "user"}}
"""Keys with open ends, and the thing that guards them: a role that was granted is part of the user."""


def change_facts(policy: Policy) -> AnySelect:
    """Return the masked changes of every readable event."""
    return select(EventRow.id, masked_changes(policy).label("changes")).where(policy.rows("event", EventRow))


def masked_changes(policy: Policy) -> ColumnElement[Changes]:
    """Return the SQL of an event's changes: hidden fields with nulls before and after, unknown ones left out."""
    empty: ColumnElement[Any] = literal({}, JSONB())
    return case(
        *(
            (EventRow.aggregate_type == name, _masked(policy, name, row, empty))
            for name, row in _AGGREGATES.items()
        ),
        else_=empty,
    )


def _masked(
    policy: Policy, aggregate: str, row: type[Keyed], empty: ColumnElement[Any]
) -> ColumnElement[Changes]:
    things = _things(aggregate)
    shown = array([case((policy.rows(thing, row), literal(name, Text()))) for name, thing in things.items()])
    shown_here = select(shown).where(row.id == EventRow.aggregate_id).correlate(EventRow).scalar_subquery()
    change = func.jsonb_each(EventRow.changes).table_valued(
        column("key", Text()), column("value", JSONB()), name="change"
    )
    name = func.regexp_replace(change.c.key, r"\.[^.]+\.", ".", type_=Text())
    whole = func.split_part(change.c.key, ".", 1, type_=Text()) + ".*"
    is_known = or_(_among(_names(things), name), _among(_names(things), whole))
    is_shown = or_(_among(shown_here, name), _among(shown_here, whole))
    value = case((is_shown, change.c.value), else_=literal([None, None], JSONB()))
    return func.coalesce(
        select(func.jsonb_object_agg(change.c.key, value, type_=JSONB()))
        .select_from(change)
        .where(is_known)
        .scalar_subquery(),
        empty,
        type_=JSONB(),
    )


def _names(things: Mapping[str, str]) -> ColumnElement[Any]:
    return literal(list(things), ARRAY(Text()))


def _among(names: ColumnElement[Any], name: ColumnElement[str]) -> ColumnElement[bool]:
    # Not `= ANY (…)`, which takes a subquery for a set of rows and not for an array.
    return func.array_position(names, name).is_not(None)


def _things(aggregate: str) -> dict[str, str]:
    """Return the names that an aggregate's changes can have, each with the thing that guards it."""
    found = dict(_WHOLE.get(aggregate, {}))
    for binding in catalog.types.values():
        if binding.aggregate == aggregate:
            found |= {binding.event_prefix + field.api_name: field.thing for field in binding.stored_fields}
    return found
