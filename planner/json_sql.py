"""How does the database write JSON as the API writes it? The SQL of objects, lists, scalars and cursors.

The text is compact and its strings are escaped as orjson does it, so that it goes out as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from typing import cast as typed

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Enum,
    Integer,
    Numeric,
    Text,
    Uuid,
    literal,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

from loaders.cursors import SortKey, sort_name
from planner.written import Written

Json = ColumnElement[Any]

GAP = "\n"
"""Stands in the text where something is null that may not be; JSON made by the database has it nowhere else."""

NO_JSON: Json = literal_column("NULL::json", JSON())

_NAME = re.compile("[0-9A-Za-z_]+")
_NAME_BYTES = 63
"""PostgreSQL cuts longer names of columns off."""

_ROW = '"0row"'
"""Names the row that an object is made of. PostgreSQL would take a member of that name for it, so none may have it: no
name of GraphQL begins with a digit."""

_JSON = JSON()
_TEXT = Text()


def json_object(members: Mapping[str, Json]) -> Json:
    """Return a JSON object.

    `row_to_json` over a sub-select writes it faster than `json_build_object`, and without blanks.
    """
    # A name of GraphQL has letters, digits and underscores only (section 2.1.9): nothing in it ends a literal or a name.
    assert all(map(_NAME.fullmatch, members)), "what is no name of GraphQL never comes here"
    if any(len(key) > _NAME_BYTES for key in members):
        listed = " || ',' || ".join(
            f"""'"{key}":' || coalesce(to_json({{}})::text, 'null')""" for key in members
        )
        template = f"('{{{{' || {listed} || '}}}}')::json"
    else:
        listed = ", ".join(f'{{}} AS "{key}"' for key in members)
        template = f"(SELECT row_to_json({_ROW}) FROM (SELECT {listed}) AS {_ROW})"  # noqa: S608  # names only
    return Written(template, [*members.values()], _JSON)


def json_list(value: Json, order: ColumnElement[Any] | None, only: ColumnElement[bool] | None = None) -> Json:
    """Return the aggregate that makes a JSON array of a value in many rows, in an order or as the rows come."""
    return Written("coalesce(array_to_json({}), '[]'::json)", [_collected(value, order, only)], _JSON)


def _collected(
    value: ColumnElement[Any], order: ColumnElement[Any] | None, only: ColumnElement[bool] | None
) -> ColumnElement[Any]:
    template, parts = "array_agg({}", [value]
    if order is not None:
        template, parts = template + " ORDER BY {}", [*parts, order]
    if only is not None:
        return Written(template + ") FILTER (WHERE {})", [*parts, only], value.type)
    return Written(template + ")", parts, value.type)


def first_of(
    value: ColumnElement[Any], order: ColumnElement[Any], only: ColumnElement[bool] | None = None
) -> ColumnElement[Any]:
    """Return the aggregate that is a value in the first of many rows."""
    return Written("({})[1]", [_collected(value, order, only)], value.type)


def or_gap(value: Json) -> Json:
    """Return a JSON value, or the mark of a gap where it is null."""
    return Written(r"coalesce({}, E'\n0'::json)", [value], _JSON)


def first_there(values: Sequence[Json]) -> Json:
    """Return the first of some JSON values that is not null."""
    return Written(f"coalesce({', '.join(['{}'] * len(values))})", values, _JSON)


def is_there(value: Json) -> ColumnElement[bool]:
    """Return whether a JSON value is not null."""
    return Written("{} IS NOT NULL", [value], Boolean())


_MOMENT = """replace(to_char(timezone('UTC', {0}), 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.000000', '') || 'Z'"""


def _finite(text: str, least: str, most: str) -> str:
    """Return the template of a day's or moment's text; asyncpg keeps Python's first and last as PostgreSQL's infinite ones."""
    return (
        f"CASE WHEN isfinite({{0}}) THEN {text} WHEN ({{0}} < '2000-01-01') THEN '{least}'"
        f" WHEN ({{0}} IS NOT NULL) THEN '{most}' END"
    )


_MOMENT_TEXT = _finite(_MOMENT, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
_DAY_TEXT = _finite("CAST({0} AS TEXT)", "0001-01-01", "9999-12-31")


def api_value(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as something whose JSON is what the API's scalars write."""
    match column.type:
        case DateTime():
            return Written(_MOMENT_TEXT, [column], _TEXT)
        case Date():
            return Written(_DAY_TEXT, [column], _TEXT)
        case Numeric():
            return as_text(column)
        case _:
            return column


def as_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as the text that PostgreSQL writes."""
    return Written("CAST({} AS TEXT)", [column], _TEXT)


def global_id_text(type_name: str, key: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return `Type:uuid`."""
    return Written(f"'{type_name}:' || CAST({{}} AS TEXT)", [key], _TEXT)


def cursor_text(keys: Sequence[SortKey], values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """Return the cursor of a row with these sort values, the same as `loaders.cursors.encode_cursor`."""
    texts = ", ".join(["{}"] + ["CAST({} AS TEXT)"] * len(values))
    content = f"CAST(array_to_json(ARRAY[{texts}]) AS TEXT)"
    # PostgreSQL breaks base64 into lines; the alphabet of URLs has other signs (RFC 4648, section 5).
    template = rf"translate(encode(convert_to({content}, 'UTF8'), 'base64'), E'+/=\n', '-_')"
    return Written(template, [literal(sort_name(keys), _TEXT), *map(api_value, values)], _TEXT)


def fact_from_json(value: Any, type_: Any) -> Any:
    """Return a column's value as SQLAlchemy gives it, from what `api_value` made of it in JSON."""
    if value is None:
        return None
    match type_:
        case Numeric() | Uuid():
            return type_.python_type(value)
        case Enum():
            return typed("Any", type_.enum_class)[value]
        case _:
            assert isinstance(type_, Integer | Text | Boolean | JSONB), f"no facts of {type_}"
            return value
