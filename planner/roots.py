"""How does a whole query become one SELECT? One join for each root field, and the object of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from typing import cast as typed

from graphql import FieldNode, GraphQLObjectType, OperationDefinitionNode
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Label,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from loaders.places import newest_cursor
from loaders.questions import (
    ComparisonQuestion,
    FieldQuestion,
    ListQuestion,
    Parameters,
    PlaceQuestion,
    RowQuestion,
    RowsQuestion,
    WhoQuestion,
)
from loaders.totals import GROUP_TYPES, OrderGrouping, TotalsQuestion, group_column, totals_select
from planner import lists
from planner.arguments import Asked, Unplannable
from planner.building import Builder
from planner.collecting import Fields, below
from planner.json_sql import (
    NO_JSON,
    Json,
    api_value,
    first_of,
    is_there,
    json_list,
    json_object,
    or_gap,
)
from planner.parts import Part, object_type
from planner.points import NOTHING, Points, summed
from planner.tariff import ROW
from planner.written import FUNCTION, SUBQUERY, Joined, Made, Rows, Written
from policies.bindings import AnySelect
from policies.viewer import ORGANIZATION_PARAMETER, USER_PARAMETER

ROLES_PARAMETER = "viewer_roles"
ROLE_PROJECTS_PARAMETER = "viewer_role_projects"
"""The viewer's grants: their roles as the API names them, and their projects in the same order."""

DATA = "data"
POINTS = "0points"
"""Labels of what comes back; no name of GraphQL begins with a digit."""

RANK = "_rank"
"""The label of a row's place, from 1."""


def query_select(builder: Builder, operation: OperationDefinitionNode) -> AnySelect:
    """Return the SELECT of a query: the response's data as UTF-8 bytes, and what it cost beside the operation itself."""
    kind = builder.collector.schema.query_type
    assert kind is not None, "every schema has queries"
    return _finished(*_root_object(builder, kind, builder.fields(kind, [operation.selection_set])))


def row_select(builder: Builder, type_name: str, asked: Mapping[str, list[FieldNode]]) -> AnySelect:
    """Return the SELECT of one row by the parameter `key`: for each response key in turn what is asked of it there.

    All are null where the row may not be read. What they cost stands beside them.
    """
    key = bindparam("key", type_=Uuid())
    columns: list[ColumnElement[Any]] = []
    joins: list[Rows] = []
    points = NOTHING
    for index, (response_key, nodes) in enumerate(asked.items()):
        condition = builder.catalog.types[type_name].column("id") == key
        with builder.at(response_key):
            part = _row(builder, type_name, nodes, condition, Points(ROW))
        columns.append(as_bytes(part.json, f"{DATA}_{index}"))
        joins += part.joins
        points += part.points
    root = _root_row()
    columns.append(points.sql.label(POINTS))
    return select(*columns).select_from(Joined(root, joins))


def _finished(json: Json, points: Points, joins: Sequence[Rows]) -> AnySelect:
    columns: list[ColumnElement[Any]] = [as_bytes(json, DATA), points.sql.label(POINTS)]
    statement = select(*columns)
    if not joins:
        return statement
    return statement.select_from(Joined(_root_row(), joins))


def _root_row() -> Rows:
    """Return one row, for the root fields to be joined to."""
    return Made({"one": literal_column("1", Integer())}, None).named("root", SUBQUERY)


def as_bytes(json: Json, name: str) -> Label[bytes]:
    """Return JSON as UTF-8 bytes, under a name."""
    return Written("convert_to(CAST({} AS TEXT), 'UTF8')", [json], LargeBinary()).label(name)


def _root_object(
    builder: Builder, kind: GraphQLObjectType, fields: Fields
) -> tuple[Json, Points, list[Rows]]:
    members: dict[str, Json] = {}
    joins: list[Rows] = []
    points = NOTHING
    for key, nodes in fields.items():
        with builder.at(key):
            part = _root(builder, kind, nodes)
        members[key] = part.json
        joins += part.joins
        points += part.points + builder.asked_points(kind, nodes)
    return json_object(members), points, joins


def _root(builder: Builder, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Part:
    name = nodes[0].name.value
    if name == "__typename":
        return Part(literal(kind.name, Text()))
    if name not in kind.fields:
        raise Unplannable("introspection")
    site, asked = builder.site(nodes)
    parameters = Parameters(site.prefix)
    each = builder.each_points(kind, nodes)
    match asked:
        case RowQuestion(type_name):
            if type_name not in builder.catalog.types:
                return Part(NO_JSON)
            condition = builder.catalog.types[type_name].column("id") == parameters("key", Uuid())
            return _row(builder, type_name, nodes, condition, each)
        case FieldQuestion(type_name, field):
            column = builder.policy.masked(builder.catalog.types[type_name], field)
            return _row(builder, type_name, nodes, column == parameters("value", Text()), each)
        case RowsQuestion():
            return _rows(builder, nodes, asked, parameters, each)
        case ComparisonQuestion():
            raise Unplannable("a field is worked out in Python")
        case PlaceQuestion():
            builder.reads_rows = True
            return Part(newest_cursor())
        case _:
            return _structure(builder, object_type(kind.fields[name]), nodes, asked, parameters)


def _structure(
    builder: Builder, kind: GraphQLObjectType, nodes: list[FieldNode], asked: Asked, parameters: Parameters
) -> Part:
    """Return what a root field holds that is no row of a table: a list, totals, or who is asking."""
    match asked:
        case ListQuestion():
            return _list(builder, kind, nodes, asked, parameters)
        case TotalsQuestion():
            return _totals(builder, kind, nodes, asked, parameters)
        case WhoQuestion():
            return _who(builder, kind, nodes)
        case _:
            raise AssertionError("a root field asks a question")


def _list(
    builder: Builder,
    kind: GraphQLObjectType,
    nodes: list[FieldNode],
    asked: ListQuestion,
    parameters: Parameters,
) -> Part:
    listing = asked.criteria.listing(builder.policy, parameters)
    binding = builder.catalog.types[listing.type_name]
    listed = lists.Listed(binding, listing.keys, listing.conditions)
    paged = lists.Paged(listed, asked.page, parameters.prefix)
    site, _ = builder.site(nodes)
    builder.orders[id(site.node)] = listing.keys
    found = lists.connection(builder, kind, below(nodes), paged)
    return Part(found["j"], Points(0, (found["c"],)), (found,))


def _row(
    builder: Builder, type_name: str, nodes: list[FieldNode], condition: ColumnElement[bool], each: Points
) -> Part:
    found, points = builder.one(type_name, below(nodes), condition)
    return Part(found["j"], (points + each).where(is_there(found["j"])), (found,))


def _rows(
    builder: Builder, nodes: list[FieldNode], asked: RowsQuestion, parameters: Parameters, each: Points
) -> Part:
    wanted = unnested(
        builder,
        {"type": parameters("types", ARRAY(Text())), "key": parameters("keys", ARRAY(Uuid()))},
    )
    targets = {type_name: wanted["type"] == type_name for type_name in asked.types}
    part = builder.any_of(targets, below(nodes), wanted["key"], each)
    found = Made(
        {"j": json_list(part.json, wanted[RANK]), "c": part.points.over(lists.COUNT, None).sql},
        Joined(wanted, part.joins),
    ).named(builder.name())
    return Part(found["j"], Points(0, (found["c"],)), (found,))


def _who(builder: Builder, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Part:
    members: dict[str, Json] = {}
    joins: list[Rows] = []
    points = NOTHING
    for key, inner in builder.fields(kind, below(nodes)).items():
        each = builder.each_points(kind, inner)
        with builder.at(key):
            match inner[0].name.value:
                case "user":
                    condition = builder.catalog.types["User"].column("id") == bindparam(
                        USER_PARAMETER, type_=Uuid()
                    )
                    part = _row(builder, "User", inner, condition, each)
                    part = Part(or_gap(part.json), part.points, part.joins)
                case "organization":
                    own = builder.catalog.types["Organization"].column("id")
                    part = _row(
                        builder,
                        "Organization",
                        inner,
                        own == bindparam(ORGANIZATION_PARAMETER, type_=Uuid()),
                        each,
                    )
                    part = Part(or_gap(part.json), part.points, part.joins)
                case "roles":
                    part = _roles(builder, object_type(kind.fields["roles"]), inner)
                case _:
                    part = Part(literal(kind.name, Text()))
        members[key] = part.json
        joins += part.joins
        points += part.points
    return Part(json_object(members), points, tuple(joins))


def _roles(builder: Builder, kind: GraphQLObjectType, nodes: list[FieldNode]) -> Part:
    builder.reads_rows = True
    grants = unnested(
        builder,
        {
            "role": bindparam(ROLES_PARAMETER, type_=ARRAY(Text())),
            "project": bindparam(ROLE_PROJECTS_PARAMETER, type_=ARRAY(Uuid())),
        },
    )
    members: dict[str, Json] = {}
    joins: list[Rows] = []
    points = NOTHING
    for key, inner in builder.fields(kind, below(nodes)).items():
        match inner[0].name.value:
            case "role":
                members[key] = grants["role"]
            case "project":
                condition = builder.catalog.types["Project"].column("id") == grants["project"]
                with builder.at(key):
                    found, below_points = builder.one("Project", below(inner), condition)
                members[key] = found["j"]
                joins.append(found)
                each = builder.each_points(kind, inner)
                points += (below_points + each).where(is_there(found["j"]))
            case _:
                members[key] = literal(kind.name, Text())
    found = Made(
        {"j": json_list(json_object(members), grants[RANK]), "c": points.over(lists.COUNT, None).sql},
        Joined(grants, joins),
    ).named(builder.name())
    return Part(found["j"], Points(0, (found["c"],)), (found,))


def unnested(builder: Builder, arrays: Mapping[str, ColumnElement[Any]]) -> Rows:
    """Return a row for each place in some arrays of parameters, in their order."""
    number = BigInteger()
    names = ", ".join([*arrays, RANK])
    places = ", ".join(["{}"] * len(arrays))
    name = builder.name()
    types = {label: typed("ARRAY[Any]", array.type).item_type for label, array in arrays.items()}
    template = f"unnest({places}) WITH ORDINALITY AS {name}({names})"
    return Rows(name, {**types, RANK: number}, Written(template, [*arrays.values()], number), FUNCTION)


def _totals(
    builder: Builder,
    kind: GraphQLObjectType,
    nodes: list[FieldNode],
    asked: TotalsQuestion,
    parameters: Parameters,
) -> Part:
    builder.reads_rows = True
    totals = totals_select(builder.policy, asked, parameters)
    types = {column.name: column.type for column in totals.selected_columns}
    ordered = Rows(builder.name(), types, totals)
    columns: dict[str, ColumnElement[Any]] = {label: ordered[label] for label in types}
    columns[RANK] = literal_column("row_number() OVER ()", BigInteger())
    rows = Made(columns, ordered).named(builder.name(), SUBQUERY)
    is_total = rows[RANK] == literal_column("1")
    columns = {}
    joins: list[Rows] = []
    points = NOTHING
    fields = builder.fields(kind, below(nodes))
    for index, (key, inner) in enumerate(fields.items()):
        name = inner[0].name.value
        if name == "groups":
            with builder.at(key):
                group_kind = object_type(kind.fields["groups"])
                part = _group(builder, group_kind, builder.fields(group_kind, below(inner)), asked, rows)
            columns[f"m{index}"] = json_list(part.json, rows[RANK], ~is_total)
            joins += part.joins
            points += part.points.over(lists.count_of(~is_total), ~is_total)
        elif name != "__typename":
            value = api_value(rows[_python_name(name)])
            columns[f"m{index}"] = first_of(value, rows[RANK])
    aggregated = Made({**columns, "c": points.sql, "n": lists.COUNT}, Joined(rows, joins)).named(
        builder.name(), SUBQUERY
    )
    members: dict[str, Json] = {
        key: aggregated[f"m{index}"] if f"m{index}" in columns else literal(kind.name, Text())
        for index, key in enumerate(fields)
    }
    found = Made({"j": json_object(members), "c": aggregated["c"]}, aggregated).named(builder.name())
    return Part(found["j"], Points(0, (found["c"],)), (found,))


def _group(
    builder: Builder, kind: GraphQLObjectType, fields: Fields, asked: TotalsQuestion, rows: Rows
) -> Part:
    groupings = {each.value: each for each in OrderGrouping}
    members: dict[str, Json] = {}
    joins: list[Rows] = []
    points: list[Points] = []
    for key, nodes in fields.items():
        name = nodes[0].name.value
        grouping = groupings.get(name)
        if name == "__typename":
            members[key] = literal(kind.name, Text())
        elif grouping is None:
            members[key] = api_value(rows[_python_name(name)])
        elif grouping not in asked.groupings:
            members[key] = NO_JSON
        elif grouping in GROUP_TYPES:
            target = GROUP_TYPES[grouping]
            condition = builder.catalog.types[target].column("id") == rows[group_column(grouping)]
            with builder.at(key):
                found, inner = builder.one(target, below(nodes), condition)
            members[key] = found["j"]
            joins.append(found)
            points.append((inner + builder.each_points(kind, nodes)).where(is_there(found["j"])))
        else:
            members[key] = api_value(rows[group_column(grouping)])
    return Part(json_object(members), summed(points), tuple(joins))


def _python_name(name: str) -> str:
    return {"isPartial": "is_partial"}.get(name, name)
