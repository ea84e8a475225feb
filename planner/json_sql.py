"""How does the database write JSON as the API writes it? The SQL of objects, lists, scalars and cursors.

The text is compact and its strings are escaped as orjson does it, so that it goes out as it is.
"""

from __future__ import annotations

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
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from loaders.cursors import SortKey, sort_name

Json = ColumnElement[Any]

GAP = "\n"
"""Stands in the text where something is null that may not be; JSON made by the database has it nowhere else."""

NO_JSON: Json = literal_column("NULL::json", JSON())

_NAME_BYTES = 63
"""PostgreSQL cuts longer names of columns off."""

_ROW = '"0row"'
"""Names the row that an object is made of. PostgreSQL would take a member of that name for it, so none may have it: no
name of GraphQL begins with a digit."""

_MOMENT = 'YYYY-MM-DD"T"HH24:MI:SS.US'


class json_object(FunctionElement[Any]):  # noqa: N801  # named as SQL's functions are
    """A JSON object of columns of the enclosing SELECT.

    `row_to_json` over a sub-select writes it faster than `json_build_object`, and without blanks.
    """

    type = JSON()
    inherit_cache = False

    def __init__(self, members: Mapping[str, Json]) -> None:
        self.keys = tuple(members)
        super().__init__(*members.values())


@compiles(json_object)
def _object_sql(element: json_object, compiler: SQLCompiler, **_options: Any) -> str:
    values = [compiler.process(each) for each in element.clauses]
    if any(len(key) > _NAME_BYTES for key in element.keys):
        # A name of GraphQL has letters, digits and underscores only (section 2.1.9): nothing in it ends a literal.
        members = " || ',' || ".join(
            f"""'"{key}":' || coalesce(to_json({value})::text, 'null')"""
            for key, value in zip(element.keys, values, strict=True)
        )
        return f"('{{' || {members} || '}}')::json"
    quote = compiler.preparer.quote_identifier
    columns = ", ".join(f"{value} AS {quote(key)}" for key, value in zip(element.keys, values, strict=True))
    return f"(SELECT row_to_json({_ROW}) FROM (SELECT {columns}) AS {_ROW})"  # noqa: S608  # names quoted, values rendered


def json_list(value: Json, order: ColumnElement[Any] | None, only: ColumnElement[bool] | None = None) -> Json:
    """Return the aggregate that makes a JSON array of a value in many rows, in an order or as the rows come."""
    collected = func.array_agg(value if order is None else aggregate_order_by(value, order))
    kept = collected if only is None else collected.filter(only)
    return func.coalesce(func.array_to_json(kept), literal_column("'[]'::json"), type_=JSON())


def or_gap(value: Json) -> Json:
    """Return a JSON value, or the mark of a gap where it is null."""
    return func.coalesce(value, literal_column(r"E'\n0'::json"), type_=JSON())


def api_value(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as something whose JSON is what the API's scalars write."""
    match column.type:
        case DateTime():
            return _finite(column, _moment(column), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
        case Date():
            return _finite(column, cast(column, Text()), "0001-01-01", "9999-12-31")
        case Numeric():
            return cast(column, Text())
        case _:
            return column


def _moment(column: ColumnElement[Any]) -> ColumnElement[str]:
    moment = func.to_char(func.timezone("UTC", column), literal_column(f"'{_MOMENT}'"))
    whole = func.replace(moment, literal_column("'.000000'"), literal_column("''"), type_=Text())
    return whole.op("||")(literal_column("'Z'"))


def _finite(
    column: ColumnElement[Any], text: ColumnElement[str], least: str, most: str
) -> ColumnElement[Any]:
    """Return the text of a day or moment; asyncpg keeps Python's first and last as PostgreSQL's infinite ones."""
    return case(
        (func.isfinite(column, type_=Boolean()), text),
        (column < literal_column("'2000-01-01'"), literal_column(f"'{least}'", Text())),
        (column.is_not(None), literal_column(f"'{most}'", Text())),
        else_=null(),
    )


def api_text(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column as the text that the API's scalars write."""
    return cast(api_value(column), Text())


def global_id_text(type_name: str, key: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return `Type:uuid`."""
    return literal(f"{type_name}:", Text()).op("||")(cast(key, Text()))


def cursor_text(keys: Sequence[SortKey], values: Sequence[ColumnElement[Any]]) -> ColumnElement[Any]:
    """Return the cursor of a row with these sort values, the same as `loaders.cursors.encode_cursor`."""
    texts = postgresql.array([literal(sort_name(keys), Text()), *map(api_text, values)])
    content = cast(func.array_to_json(texts), Text())
    encoded = func.encode(func.convert_to(content, "UTF8"), "base64")
    # PostgreSQL breaks base64 into lines; the alphabet of URLs has other signs (RFC 4648, section 5).
    return func.translate(encoded, literal_column(r"E'+/=\n'"), "-_", type_=Text())


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
