"""Does SQL of templates say what was put in, and no value of anybody's?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from sqlalchemy import Column, ColumnElement, Integer, Text, bindparam, literal, select
from sqlalchemy.sql.visitors import iterate

from db.tables import OrderRow
from planner.json_sql import json_object
from planner.statement import Statement, rendered
from planner.written import Joined, Made, Rows, Written
from policies.bindings import StoredColumn, ToMany, catalog
from schema.build import build_schema

HOSTILE = "'; {0} {} %(size)s $1 :size --"


def statement_of(rows: Rows) -> Statement:
    return rendered(select(rows["j"].label("j")).select_from(rows), {})


def test_values_are_parameters_whatever_they_are() -> None:
    object_ = json_object({"title": literal(HOSTILE, Text()), "again": literal(HOSTILE, Text())})
    statement = statement_of(Made({"j": object_}, None).named("q1"))
    assert statement.sql == (
        "SELECT q1.j AS j \n"
        'FROM LATERAL (SELECT (SELECT row_to_json("0row") FROM '
        '(SELECT $1::VARCHAR AS "title", $2::VARCHAR AS "again") AS "0row") AS j) AS q1'
    )
    assert statement.arguments({}) == [HOSTILE, HOSTILE]


@pytest.mark.parametrize("key", ["a'", 'a"', "a{}", "a b", "", "a\n", "订单"])
def test_key_that_is_no_name_of_graphql_is_never_written(key: str) -> None:
    with pytest.raises(AssertionError):
        json_object({key: literal(1, Integer())})


def test_parameter_that_is_written_twice_is_one() -> None:
    twice = Written("{0} + {0}", [bindparam("size", type_=Integer())], Integer())
    statement = statement_of(Made({"j": twice}, None).named("q1"))
    assert statement.sql == "SELECT q1.j AS j \nFROM LATERAL (SELECT $1::INTEGER + $1::INTEGER AS j) AS q1"
    assert statement.arguments({"size": 7}) == [7]


def test_columns_are_read_by_quoted_labels_and_joins_stand_behind_rows() -> None:
    table = OrderRow.__table__
    page = Rows("q1", {"order": Text()}, select(table.c.number.label("order")))
    hanging = Made({"j": page["order"]}, page, where=page["order"] == literal("A", Text())).named("q2")
    both = Made({"j": hanging["j"]}, Joined(page, [hanging]), limit=literal(3, Integer())).named("q3")
    statement = statement_of(both)
    read = '(SELECT engineering_order.number AS "order" \nFROM engineering_order) AS q1'
    assert statement.sql == (
        f"SELECT q3.j AS j \nFROM LATERAL (SELECT q2.j AS j \nFROM {read} LEFT OUTER JOIN "
        f'LATERAL (SELECT q1."order" AS j \nFROM {read} \nWHERE q1."order" = $1::VARCHAR) AS q2 ON true'
        " \nLIMIT $2::INTEGER) AS q3"
    )
    assert statement.arguments({}) == ["A", 3]


def test_rows_have_the_columns_that_were_named() -> None:
    rows = Made({"j": literal("A", Text())}, None).named("q1")
    assert ("j" in rows, "c" in rows) == (True, False)
    with pytest.raises(KeyError):
        _ = rows["c"]


def test_columns_of_the_catalog_are_the_tables_own() -> None:
    """One of a mapped class would make the ORM compile every SELECT that it stands in, also within an expression."""
    build_schema()
    found: list[StoredColumn] = [
        value
        for binding in catalog.types.values()
        for field in binding.fields.values()
        for value in vars(field.source).values()
        if isinstance(value, ColumnElement)
    ]
    tables = {binding.table for binding in catalog.types.values()}
    tables |= {
        field.source.through.table
        for binding in catalog.types.values()
        for field in binding.fields.values()
        if isinstance(field.source, ToMany) and field.source.through
    }
    own = {id(column) for table in tables for column in table.c}
    columns: dict[int, StoredColumn] = {}
    for value in found:
        for each in cast("Iterator[object]", iterate(value)):
            if isinstance(each, Column):
                column = cast("StoredColumn", each)
                columns[id(column)] = column
    assert {"engineering_order.customer_id", "engineering_change_revision.change_id"} <= {
        str(column) for column in columns.values()
    }
    assert [str(column) for key, column in columns.items() if key not in own] == []
