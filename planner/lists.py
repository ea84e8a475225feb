"""How does a list become JSON in a statement: whole where it's short by nature, page by page where it's a connection?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import FieldNode, GraphQLObjectType, SelectionSetNode
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    bindparam,
    func,
    literal,
    literal_column,
)

from loaders.cursors import SortKey, sort_column
from loaders.paging import PageArguments, bounds, ordering
from planner.collecting import Fields, below
from planner.json_sql import Json, cursor_text, first_of, json_list, json_object
from planner.parts import Part, Reached, object_type
from planner.points import Points, summed
from planner.written import SUBQUERY, Joined, Made, Rows, Written
from policies.bindings import Computed, ToAny, ToMany, ToOne, TypeBinding

if TYPE_CHECKING:
    from planner.building import Builder

_RANK = "_rank"

COUNT: ColumnElement[int] = literal_column("count(*)", BigInteger())
"""How many rows an aggregate has."""


def count_of(only: ColumnElement[bool] | None) -> ColumnElement[int]:
    """Return how many rows an aggregate has, or those of them for which `only` holds."""
    return COUNT if only is None else Written("count(*) FILTER (WHERE {})", [only], BigInteger())


@dataclass(frozen=True)
class Listed:
    """A list in its order, perhaps of rows that are reached from another."""

    binding: TypeBinding
    keys: tuple[SortKey, ...]
    conditions: tuple[ColumnElement[bool], ...]
    reached: Reached | None = None
    relation: ToMany | None = None

    def rows(self, builder: Builder, columns: Mapping[str, ColumnElement[Any]]) -> Select[Any]:
        """Return the SELECT of the list's rows, in no order."""
        found = builder.page(self.binding, columns, self.reached)
        return (self.relation.within(found) if self.relation else found).where(*self.conditions)


@dataclass(frozen=True)
class Paged:
    """A page of a list, and what stands before the names of its parameters."""

    listed: Listed
    page: PageArguments
    prefix: str

    def parameter(self, name: str) -> ColumnElement[int]:
        """Return a parameter of the page."""
        return bindparam(self.prefix + name, type_=Integer())


@dataclass(frozen=True)
class _Wanted:
    """What is selected of a connection, and what of its rows that takes."""

    fields: Fields
    node_kind: GraphQLObjectType
    columns: Mapping[str, ColumnElement[Any]]
    has_rows: bool
    has_cursors: bool
    has_place: bool
    has_joins: bool


def short_list(builder: Builder, nodes: Sequence[FieldNode], listed: Listed, each: Points) -> Rows:
    """Return the join of a list that is given whole, as an array."""
    kind = builder.object_type(listed.binding.name)
    fields = builder.fields(kind, below(nodes))
    row_number = func.row_number().over(order_by=ordering(listed.keys, is_backward=False))
    columns = {**builder.needs(listed.binding, fields), _RANK: row_number}
    rows = builder.subquery(listed.rows(builder, columns), listed.binding, columns)
    part = builder.object(kind, fields, rows)
    points = (part.points + each).over(COUNT, None)
    members = {"j": json_list(part.json, rows[_RANK]), "c": points.sql}
    return Made(members, Joined(rows, part.joins)).named(builder.name())


def connection(
    builder: Builder,
    kind: GraphQLObjectType,
    selections: Sequence[SelectionSetNode],
    paged: Paged,
) -> Rows:
    """Return the join of a page of a list, with what is asked about the list, as an object."""
    wanted = _wanted(builder, kind, selections, paged)
    if not wanted.has_rows:
        members = {key: _of_list(builder, kind, nodes, paged.listed) for key, nodes in wanted.fields.items()}
        points = summed(builder.asked_points(kind, nodes) for nodes in wanted.fields.values())
        return Made({"j": json_object(members), "c": points.sql}, None).named(builder.name())
    rows = _rows(builder, paged, wanted)
    page = _Page(builder, kind, paged, wanted, rows)
    parts: list[Part] = []
    columns: dict[str, ColumnElement[Any]] = {}
    points = Points()
    for index, (key, nodes) in enumerate(wanted.fields.items()):
        points += builder.asked_points(kind, nodes)
        if nodes[0].name.value in {"nodes", "edges"}:
            with builder.at(key):
                part, below_points = page.row(nodes)
            parts.append(part)
            columns[f"m{index}"] = json_list(part.json, page.order, page.only)
            points += below_points.over(page.count, page.only)
        elif nodes[0].name.value == "pageInfo":
            columns |= page.place(f"m{index}", nodes)
    # Counted in any case: without an aggregate there would be one row for each of the page's, or none.
    counted = {"n": COUNT, "c": points.sql}
    joins = [join for part in parts for join in part.joins]
    aggregated = Made({**columns, **counted}, Joined(rows, joins)).named(builder.name(), SUBQUERY)
    members: dict[str, Json] = {}
    for index, (key, nodes) in enumerate(wanted.fields.items()):
        of_rows = page.member(f"m{index}", nodes, aggregated)
        members[key] = _of_list(builder, kind, nodes, paged.listed) if of_rows is None else of_rows
    return Made({"j": json_object(members), "c": aggregated["c"]}, aggregated).named(builder.name())


def _wanted(
    builder: Builder, kind: GraphQLObjectType, selections: Sequence[SelectionSetNode], paged: Paged
) -> _Wanted:
    fields = builder.fields(kind, selections)
    binding = paged.listed.binding
    node_kind = builder.object_type(binding.name)
    edge_kind = object_type(kind.fields["edges"])
    columns: dict[str, ColumnElement[Any]] = {}
    names = {nodes[0].name.value for nodes in fields.values()}
    has_cursors, has_joins = "pageInfo" in names, False
    for nodes in fields.values():
        selected = below(nodes)
        if nodes[0].name.value == "edges":
            of_edge = builder.fields(edge_kind, selected)
            has_cursors |= any(each[0].name.value == "cursor" for each in of_edge.values())
            asked = [each for each in of_edge.values() if each[0].name.value == "node"]
        else:
            asked = [nodes] if nodes[0].name.value == "nodes" else []
        for each in asked:
            of_node = builder.fields(node_kind, below(each))
            columns |= builder.needs(binding, of_node)
            has_joins |= _has_joins(binding, of_node)
    has_rows = bool(names & {"nodes", "edges", "pageInfo"})
    return _Wanted(fields, node_kind, columns, has_rows, has_cursors, "pageInfo" in names, has_joins)


def _has_joins(binding: TypeBinding, fields: Fields) -> bool:
    sources = (binding.by_api_name.get(nodes[0].name.value) for nodes in fields.values())
    return any(each and isinstance(each.source, ToOne | ToAny | ToMany | Computed) for each in sources)


def _rows(builder: Builder, paged: Paged, wanted: _Wanted) -> Rows:
    """Return the rows of the page as they are read: with one more than it has, where it matters whether there is more.

    The parameter of LIMIT is unknown when PostgreSQL makes its plan. The constant below it says that it is small.
    """
    columns, keys = dict(wanted.columns), paged.listed.keys
    if wanted.has_cursors:
        columns |= {sort_column(index): key.expression for index, key in enumerate(keys)}
    few = (
        paged.listed.rows(builder, columns)
        .where(*bounds(keys, paged.page, paged.prefix))
        .order_by(*ordering(keys, is_backward=paged.page.is_backward))
        .limit(literal_column(str(builder.largest_page + 1)))
    )
    rows = builder.subquery(few, paged.listed.binding, columns)
    read: dict[str, ColumnElement[Any]] = {label: rows[label] for label in rows.types}
    if wanted.has_place or wanted.has_joins or paged.page.is_backward:
        # Joins may change the order of rows.
        read[_RANK] = literal_column("row_number() OVER ()", BigInteger())
    limit = paged.parameter("read" if wanted.has_place else "size")
    return Made(read, rows, limit=limit).named(builder.name(), SUBQUERY)


@dataclass(frozen=True)
class _Page:
    """The rows of a page, and how an aggregate over them makes what a connection tells."""

    builder: Builder
    kind: GraphQLObjectType
    paged: Paged
    wanted: _Wanted
    rows: Rows

    @property
    def order(self) -> ColumnElement[Any] | None:
        """Return in which order rows stand in the page, null for the order in which they come."""
        if _RANK not in self.rows:
            return None
        rank = self.rows[_RANK]
        return rank.desc() if self.paged.page.is_backward else rank.asc()

    @property
    def only(self) -> ColumnElement[bool] | None:
        """Return which rows belong to the page, null where all do."""
        return self.rows[_RANK] <= self.paged.parameter("size") if self.wanted.has_place else None

    @property
    def count(self) -> ColumnElement[Any]:
        """Return how many rows the page has."""
        return count_of(self.only)

    @property
    def cursor(self) -> ColumnElement[Any]:
        """Return the cursor of a row."""
        keys = self.paged.listed.keys
        return cursor_text(keys, [self.rows[sort_column(index)] for index in range(len(keys))])

    def row(self, nodes: Sequence[FieldNode]) -> tuple[Part, Points]:
        """Return what `nodes` or `edges` hold for one row, and what that costs."""
        builder, each = self.builder, self.builder.each_points(self.kind, nodes)
        if nodes[0].name.value == "nodes":
            part = builder.object(
                self.wanted.node_kind, builder.fields(self.wanted.node_kind, below(nodes)), self.rows
            )
            return part, part.points + each
        part = self._edge(nodes)
        return part, part.points + each

    def _edge(self, nodes: Sequence[FieldNode]) -> Part:
        builder, kind = self.builder, object_type(self.kind.fields["edges"])
        members: dict[str, Json] = {}
        joins: list[Rows] = []
        points = Points()
        for key, inner in builder.fields(kind, below(nodes)).items():
            match inner[0].name.value:
                case "cursor":
                    members[key] = self.cursor
                case "node":
                    node_kind = self.wanted.node_kind
                    with builder.at(key):
                        part = builder.object(node_kind, builder.fields(node_kind, below(inner)), self.rows)
                    members[key] = part.json
                    joins += part.joins
                    points += part.points + builder.each_points(kind, inner)
                case _:
                    members[key] = literal(kind.name, Text())
        return Part(json_object(members), points, tuple(joins))

    def place(self, name: str, nodes: Sequence[FieldNode]) -> dict[str, ColumnElement[Any]]:
        """Return the aggregates that page information is made of."""
        rank, is_backward = self.rows[_RANK], self.paged.page.is_backward
        has_more = self.paged.parameter("size") < COUNT
        cursors = {
            order: first_of(self.cursor, way, self.only)
            for order, way in (("nearest", rank.asc()), ("furthest", rank.desc()))
        }
        start, end = ("furthest", "nearest") if is_backward else ("nearest", "furthest")
        found: dict[str, ColumnElement[Any]] = {
            "hasNextPage": _constant(self.paged.page.before is not None) if is_backward else has_more,
            "hasPreviousPage": has_more if is_backward else _constant(self.paged.page.after is not None),
            "startCursor": cursors[start],
            "endCursor": cursors[end],
        }
        kind = object_type(self.kind.fields["pageInfo"])
        fields = self.builder.fields(kind, below(nodes))
        names = {each[0].name.value for each in fields.values()}
        return {f"{name}_{each}": found[each] for each in found if each in names}

    def member(self, name: str, nodes: Sequence[FieldNode], aggregated: Rows) -> Json | None:
        """Return what an aggregate over the rows has made of a field; null for a field that isn't about them."""
        if name in aggregated:
            return aggregated[name]
        if nodes[0].name.value != "pageInfo":
            return None
        kind = object_type(self.kind.fields["pageInfo"])
        members: dict[str, Json] = {}
        for key, inner in self.builder.fields(kind, below(nodes)).items():
            field = inner[0].name.value
            members[key] = (
                literal(kind.name, Text()) if field == "__typename" else aggregated[f"{name}_{field}"]
            )
        return json_object(members)


def _of_list(
    builder: Builder,
    kind: GraphQLObjectType,
    nodes: Sequence[FieldNode],
    listed: Listed,
) -> Json:
    """Return what is told of the whole list."""
    if nodes[0].name.value == "__typename":
        return literal(kind.name, Text())
    assert nodes[0].name.value == "totalCount", "connections have no other field"
    counted = listed.rows(builder, {})
    return counted.with_only_columns(func.count(type_=BigInteger())).scalar_subquery()


def _constant(value: bool) -> ColumnElement[bool]:  # a value, not a choice
    return literal(value, Boolean())
