"""How does one object become JSON in a statement, with all that is selected below it?

Rows are read as everywhere: masked columns, labelled by field name, of the rows in scope (`page`). An object is made of
one such row; what hangs on it is a lateral join with one column of JSON, `j`, and one of points, `c`. Lists are left to
`planner.lists`, root fields to `planner.roots`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    SelectionSetNode,
)
from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, Integer, Select, Text, literal, literal_column, select

from loaders.cursors import SortKey
from loaders.paging import PageArguments
from loaders.rows import nested_keys
from loaders.selects import HIDDEN_FIELDS, type_column
from planner import lists
from planner.arguments import Asked, Site, Unplannable
from planner.collecting import Collector, Fields, below
from planner.finishing import MARK, Finisher, completion
from planner.json_sql import (
    NO_JSON,
    Json,
    api_value,
    first_there,
    global_id_text,
    is_there,
    json_object,
    or_gap,
)
from planner.parts import Part, Reached, object_type
from planner.points import Points, summed
from planner.tariff import Tariff
from planner.written import Joined, Made, Rows, Written
from policies.bindings import (
    Catalog,
    Column,
    Computed,
    FieldBinding,
    GlobalKey,
    HiddenFields,
    ToAny,
    ToMany,
    ToOne,
    TypeBinding,
    Worked,
)
from policies.compiler import Policy

KEY = "_key"
"""The label of a row's own id, unmasked: for joins, never for an answer."""

FIELDS_LIMIT = 2_000
"""How many fields a statement has at most, each fragment counted where it is spread and each type that an object may be of."""


@dataclass
class Builder:
    """Builds one statement; remembers which parameters it has and what Python has to finish."""

    collector: Collector
    catalog: Catalog
    policy: Policy
    tariff: Tariff
    asked: Mapping[int, tuple[Site, Asked]]
    largest_page: int
    orders: dict[int, tuple[SortKey, ...]] = field(default_factory=dict[int, tuple[SortKey, ...]])
    """The order of each list, by its site."""

    used: set[int] = field(default_factory=set[int])
    """The sites that the statement has parameters of."""

    finishers: list[Finisher] = field(default_factory=list[Finisher])
    finished_paths: set[tuple[str, ...]] = field(default_factory=set[tuple[str, ...]])
    keys: tuple[str, ...] = ()
    """For a payload the response keys at which its object stands."""

    reads_rows: bool = False
    """Whether there is anything to ask the database."""

    _path: list[str] = field(default_factory=list[str])
    _known_fields: dict[tuple[object, ...], Fields] = field(default_factory=dict[tuple[object, ...], Fields])
    _names: int = 0
    _fields: int = 0

    def name(self) -> str:
        """Return a name that nothing else in the statement has."""
        self._names += 1
        return f"q{self._names}"

    @contextmanager
    def at(self, *keys: str) -> Generator[None]:
        """Say under which response keys what is built now stands."""
        self._path += keys
        try:
            yield
        finally:
            del self._path[len(self._path) - len(keys) :]

    def site(self, nodes: Sequence[FieldNode]) -> tuple[Site, Asked]:
        """Return the site of a field with arguments, and what is asked there."""
        self.used.add(id(nodes[0]))
        return self.asked[id(nodes[0])]

    def fields(self, kind: GraphQLObjectType, selections: Sequence[SelectionSetNode]) -> Fields:
        """Return what is asked of an object of type `kind`."""
        key = (kind.name, *map(id, selections))
        if key not in self._known_fields:
            self._known_fields[key] = self.collector.fields(kind, selections)
        return self._known_fields[key]

    def object_type(self, name: str) -> GraphQLObjectType:
        """Return a type of the schema that is bound to a table."""
        kind = self.collector.schema.get_type(name)
        assert isinstance(kind, GraphQLObjectType), "tables are bound to object types"
        return kind

    # -- rows

    def needs(self, binding: TypeBinding, fields: Fields) -> dict[str, ColumnElement[Any]]:
        """Return the masked columns that the fields of an object are made of, by label."""
        found: dict[str, ColumnElement[Any]] = {}
        for nodes in fields.values():
            name = nodes[0].name.value
            bound = binding.by_api_name.get(name)
            match bound and bound.source:
                case Column() | GlobalKey() | ToOne():
                    assert bound is not None
                    found[bound.name] = self.policy.masked(binding, bound.name)
                case ToAny(type_name):
                    assert bound is not None
                    found[bound.name] = self.policy.masked(binding, bound.name)
                    found[type_column(bound)] = type_name
                case HiddenFields():
                    found[HIDDEN_FIELDS] = self.policy.hidden_fields(binding)
                case _:
                    pass
        return found

    def page(
        self,
        binding: TypeBinding,
        columns: Mapping[str, ColumnElement[Any]],
        reached: Reached | None = None,
    ) -> Select[Any]:
        """Return the SELECT of the readable rows of a type with these columns, and with their own ids.

        What is only `reached` from another readable row may be readable by that alone.
        """
        self.reads_rows = True
        is_implied = reached is not None and self.policy.is_read_with(binding, reached.parent, reached.key)
        found = select(
            binding.column("id").label(KEY), *(column.label(name) for name, column in columns.items())
        ).select_from(binding.table)
        return found if is_implied else found.where(self.policy.rows(binding.thing, binding.row))

    def subquery(
        self, rows: Select[Any], binding: TypeBinding, columns: Mapping[str, ColumnElement[Any]]
    ) -> Rows:
        """Return a SELECT of `page` under a name."""
        types = {label: column.type for label, column in columns.items()}
        return Rows(self.name(), {KEY: binding.column("id").type, **types}, rows)

    def one(
        self,
        type_name: str,
        selections: Sequence[SelectionSetNode],
        condition: ColumnElement[bool],
        reached: Reached | None = None,
    ) -> tuple[Rows, Points]:
        """Return the join of the one readable row for which a condition holds, and what it costs where it is there."""
        kind, binding = self.object_type(type_name), self.catalog.types[type_name]
        fields = self.fields(kind, selections)
        columns = self.needs(binding, fields)
        page = self.subquery(self.page(binding, columns, reached).where(condition), binding, columns)
        part = self.object(kind, fields, page)
        made = Made({"j": part.json, "c": part.points.sql}, Joined(page, part.joins)).named(self.name())
        points = Points(0, (made["c"],)) if part.points.counted else part.points
        return made, points

    # -- objects

    def object(self, kind: GraphQLObjectType, fields: Fields, row: Rows) -> Part:
        """Return the object that a row of its type makes; raise `Unplannable` where the statement becomes too long."""
        self._fields += len(fields)
        if self._fields > FIELDS_LIMIT:
            raise Unplannable(f"more than {FIELDS_LIMIT} fields")
        binding = self.catalog.types[kind.name]
        members: dict[str, Json] = {}
        joins: list[Rows] = []
        points: list[Points] = []
        for key, nodes in fields.items():
            with self.at(key):
                part = self._member(kind, binding, nodes, row)
            members[key] = part.json
            joins += part.joins
            points += [part.points, self.asked_points(kind, nodes)]
        return Part(json_object(members), summed(points), tuple(joins))

    def asked_points(self, kind: GraphQLNamedType, nodes: Sequence[FieldNode]) -> Points:
        """Return what it costs to ask a field of one object."""
        price = self.tariff.price(kind, nodes[0].name.value)
        return Points(price.asked if price else 0)

    def each_points(self, kind: GraphQLNamedType, nodes: Sequence[FieldNode]) -> Points:
        """Return what each object costs that comes back in a field, without what is in it."""
        price = self.tariff.price(kind, nodes[0].name.value)
        return Points(price.each if price else 0)

    def _member(
        self, kind: GraphQLObjectType, binding: TypeBinding, nodes: list[FieldNode], row: Rows
    ) -> Part:
        name = nodes[0].name.value
        if name == "__typename":
            return Part(literal(kind.name, Text()))
        bound, definition = binding.by_api_name[name], kind.fields[name]
        match bound.source:
            case Column():
                return self._column(binding, bound, definition, row)
            case GlobalKey():
                return Part(global_id_text(kind.name, row[bound.name]))
            case HiddenFields():
                return Part(row[HIDDEN_FIELDS])
            case ToOne() as source:
                reached = Reached(binding, binding.column(bound.name) if source.by is None else source.by)
                return self._to_one(kind, nodes, source, reached, row[bound.name])
            case ToAny(_, _, targets):
                return self._to_any(kind, nodes, targets, row, bound)
            case ToMany() as source:
                return self._to_many(binding, kind, nodes, source, row)
            case Computed() as source:
                return self._computed(nodes, source, definition, row)
            case Worked():
                raise Unplannable("a field is worked out in Python")

    def _column(self, binding: TypeBinding, bound: FieldBinding, definition: GraphQLField, row: Rows) -> Part:
        value = api_value(row[bound.name])
        column = self.policy.masked(binding, bound.name)
        is_never_null = isinstance(column, TableColumn) and not column.nullable
        if isinstance(cast("object", definition.type), GraphQLNonNull) and not is_never_null:
            return Part(or_gap(Written("to_json({})", [value], value.type)))
        return Part(value)

    def _to_one(
        self,
        kind: GraphQLObjectType,
        nodes: list[FieldNode],
        source: ToOne,
        reached: Reached,
        key: ColumnElement[Any],
    ) -> Part:
        named = self.catalog.types[source.target].column("id") if source.by is None else source.by
        found, points = self.one(source.target, below(nodes), named == key, reached)
        is_never_null = isinstance(kind.fields[nodes[0].name.value].type, GraphQLNonNull)
        points = (points + self.each_points(kind, nodes)).where(is_there(found["j"]))
        return Part(or_gap(found["j"]) if is_never_null else found["j"], points, (found,))

    def _to_any(
        self,
        kind: GraphQLObjectType,
        nodes: list[FieldNode],
        targets: Sequence[str],
        row: Rows,
        bound: FieldBinding,
    ) -> Part:
        named, key = row[type_column(bound)], row[bound.name]
        each = self.each_points(kind, nodes)
        return self.any_of({target: named == target for target in targets}, below(nodes), key, each)

    def any_of(
        self,
        targets: Mapping[str, ColumnElement[bool]],
        selections: Sequence[SelectionSetNode],
        key: ColumnElement[Any],
        each: Points,
    ) -> Part:
        """Return the row with this key of that type whose condition holds; null where none does."""
        joins: list[Rows] = []
        points: list[Points] = []
        for target, is_meant in targets.items():
            condition = (self.catalog.types[target].column("id") == key) & is_meant
            found, inner = self.one(target, selections, condition)
            joins.append(found)
            points.append((inner + each).where(is_there(found["j"])))
        json = first_there([join["j"] for join in joins]) if joins else NO_JSON
        return Part(json, summed(points), tuple(joins))

    def _to_many(
        self,
        parent: TypeBinding,
        kind: GraphQLObjectType,
        nodes: list[FieldNode],
        source: ToMany,
        row: Rows,
    ) -> Part:
        binding = self.catalog.types[source.target]
        definition = kind.fields[nodes[0].name.value]
        listing = lists.Listed(
            binding,
            nested_keys(source, binding),
            (source.key == row[KEY],),
            Reached(parent, source.key),
            source,
        )
        if not definition.args:
            found = lists.short_list(self, nodes, listing, self.each_points(kind, nodes))
        else:
            site, page = self.site(nodes)
            assert isinstance(page, PageArguments), "the site of a relation asks for a page"
            self.orders[id(site.node)] = listing.keys
            of_page = lists.Paged(listing, page, site.prefix)
            found = lists.connection(self, object_type(definition), below(nodes), of_page)
        return Part(found["j"], Points(0, (found["c"],)), (found,))

    def _computed(
        self, nodes: list[FieldNode], source: Computed, definition: GraphQLField, row: Rows
    ) -> Part:
        facts = source.facts(self.policy)
        types: dict[str, Any] = {column.name: column.type for column in facts.selected_columns}
        found = Rows(self.name(), types, facts)
        members: dict[str, Json] = {MARK: literal_column(str(len(self.finishers)), Integer())}
        members |= {name: api_value(found[name]) for name in types}
        made = Made({"j": json_object(members)}, found, where=found["id"] == row[KEY]).named(self.name())
        complete = completion(self.collector, cast("object", definition.type), below(nodes))
        self.finishers.append(Finisher(source, types, complete))
        self.finished_paths.add(tuple(self._path))
        return Part(made["j"], Points(), (made,))
