"""What does one type's SELECT look like for a viewer shape? Every read of rows starts here: scoped and masked."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from policies.bindings import FieldBinding, ToAny, TypeBinding
from policies.compiler import Policy

HIDDEN_FIELDS = "hidden_fields"


@lru_cache(maxsize=1_024)
def masked_select(policy: Policy, binding: TypeBinding, deed: str = "read") -> Select[Any]:
    """Return the SELECT of all readable rows with all columns as the viewer may see them, labelled by field name.

    With another deed than `read`, only the readable rows on which it is granted.
    """
    columns: list[ColumnElement[Any]] = [
        policy.masked(binding, field.name).label(field.name) for field in binding.stored_fields
    ]
    columns += [
        field.source.type_name.label(type_column(field))
        for field in binding.stored_fields
        if isinstance(field.source, ToAny)
    ]
    columns.append(policy.hidden_fields(binding).label(HIDDEN_FIELDS))
    statement = select(*columns).select_from(binding.table).where(policy.rows(binding.thing, binding.row))
    return statement if deed == "read" else statement.where(policy.rows(binding.thing, binding.row, deed))


def type_column(field: FieldBinding) -> str:
    """Return the label of the type that a relation to any row leads to."""
    return f"{field.name}_type"
