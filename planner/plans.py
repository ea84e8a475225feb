"""Which statement answers this query? Compiled once for each document, viewer shape and shape of its arguments.

A plan holds no value of anybody's: ids, cursors, filters and page sizes are parameters, filled for each request
(`planner.plan`). What can't be planned raises `Unplannable` with the reason, and is the interpreter's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from graphql.execution.values import VariableValues, get_variable_values

from domain.errors import MalformedRequest
from planner.arguments import (
    Asking,
    Site,
    Sites,
    Unplannable,
    check_values,
    deciding_variables,
    parameter_values,
)
from planner.building import FIELDS_LIMIT, Builder
from planner.collecting import Collector, below
from planner.finishing import tree_of
from planner.news import news_select
from planner.parts import named_type, object_type
from planner.plan import News, NoPlan, Outline, Plan, Ready, Shaped, Sought, news_of, values_of
from planner.remembered import Remembered
from planner.roots import query_select, row_select
from planner.selection import forbidden_paths
from planner.size import characters_of, fields_of
from planner.statement import rendered
from planner.tariff import Tariff
from policies.bindings import AnySelect, Catalog
from policies.compiler import Policy
from policies.viewer import Viewer

_Make = Callable[[Builder], AnySelect]

_TREE_BYTES = 40
"""Of a character: 60 documents of 53,000 took 120 MB as trees."""


@dataclass(frozen=True, slots=True)
class PlanBounds:
    """How much is remembered: operations, outlines of them, plans, and what each of these may weigh together, in bytes.

    What several have in common is counted for each, so that they weigh less than that.
    """

    operations: int = 2_000
    outlines: int = 2_000
    plans: int = 2_000
    weight: int = 200_000_000


@dataclass(frozen=True)
class Payloads:
    """Plans the payloads of one mutation for one viewer."""

    plans: Plans
    outline: Outline
    asked: Sequence[Shaped]
    viewer: Viewer

    def ready(self, root_key: str, type_name: str, key: UUID) -> Ready:
        """Return the plan of the object with this id in the payload at `root_key`; raise `Unplannable`."""
        plan = self.plans.payload(self.outline, self.asked, root_key, type_name)
        values = values_of(plan, self.asked, self.viewer)
        return Ready(plan, plan.statement.arguments({**values, "key": key}), self.outline.forbidden)


@dataclass
class PlanCounts:
    """How often plans were found and made."""

    found: int = 0
    made: int = 0
    seconds_making: float = 0


@dataclass
class Plans:
    """The plans of one schema; `questions` make questions of the arguments of root fields."""

    schema: GraphQLSchema
    catalog: Catalog
    questions: Mapping[str, Asking]
    largest_page: int
    counts: PlanCounts = field(default_factory=PlanCounts)
    bounds: PlanBounds = field(default_factory=PlanBounds)

    def __post_init__(self) -> None:
        self._tariff = Tariff(self.schema, self.catalog)
        bounds = self.bounds
        self._outlines = Remembered[Hashable, Outline](bounds.outlines, bounds.weight)
        self._plans = Remembered[Hashable, Plan | NoPlan](bounds.plans, bounds.weight)
        self._deciding = Remembered[int, tuple[OperationDefinitionNode, tuple[str, ...]]](
            bounds.operations, bounds.weight
        )

    def __len__(self) -> int:
        """Return how many plans are remembered."""
        return len(self._plans)

    def sought(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        policy: Policy,
    ) -> Sought:
        """Return what a validated operation asks for viewers of a shape; raise `Unplannable`."""
        outline, asked = self._asked(operation, fragments, variables, policy)
        is_known = all(_key(outline, asked, place) in self._plans for place in outline.places)
        return Sought(outline, asked, 0 if is_known else outline.points)

    def ready(self, sought: Sought, viewer: Viewer) -> Ready:
        """Return the plan of a query for a viewer, with his values; raise `Unplannable`."""
        outline, asked = sought.outline, sought.asked
        plan = self._plan(outline, asked, (), lambda builder: query_select(builder, outline.operation))
        values = values_of(plan, asked, viewer)
        return Ready(plan, plan.statement.arguments(values), outline.forbidden)

    def news(self, sought: Sought, viewer: Viewer) -> News:
        """Return the plan of a subscription's messages for a viewer, with his values; raise `Unplannable`."""
        outline = sought.outline
        plan = self._plan(outline, sought.asked, (), lambda builder: news_select(builder, outline.operation))
        return news_of(plan, sought.asked, viewer)

    def payloads(self, sought: Sought, viewer: Viewer) -> Payloads:
        """Return what plans the payloads of a mutation; the plans are made here, and not while a command holds its locks."""
        if sought.points:
            for root_key, type_name in sought.outline.places:
                with suppress(Unplannable):
                    self.payload(sought.outline, sought.asked, root_key, type_name)
        return Payloads(self, sought.outline, sought.asked, viewer)

    def payload(self, outline: Outline, asked: Sequence[Shaped], root_key: str, type_name: str) -> Plan:
        """Return the plan of what is asked of the object of a mutation's field."""
        root = self.schema.mutation_type
        assert root is not None, "the schema has mutations"

        def make(builder: Builder) -> AnySelect:
            nodes = builder.fields(root, [outline.operation.selection_set])[root_key]
            kind = object_type(root.fields[nodes[0].name.value])
            members = {
                key: inner
                for key, inner in builder.fields(kind, below(nodes)).items()
                if inner[0].name.value in kind.fields
                and named_type(kind.fields[inner[0].name.value]).name == type_name
            }
            builder.keys = tuple(members)
            return row_select(builder, type_name, members)

        return self._plan(outline, asked, (root_key, type_name), make)

    def _asked(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        policy: Policy,
    ) -> tuple[Outline, list[Shaped]]:
        coerced = _coerced(self.schema, operation, variables)
        try:
            outline = self._outline(operation, fragments, variables, coerced, policy)
        except GraphQLError as error:
            raise Unplannable("a directive can't be taken") from error
        return outline, [
            once or self._shaped(site, coerced)
            for site, once in zip(outline.sites, outline.asked_once, strict=True)
        ]

    def _shaped(self, site: Site, variables: VariableValues) -> Shaped:
        asked = site.asked(variables, self.largest_page)
        return asked, asked.shape

    def _plan(self, outline: Outline, asked: Sequence[Shaped], place: tuple[str, ...], make: _Make) -> Plan:
        key = _key(outline, asked, place)
        plan = self._plans.get(key)
        if plan is None:
            weight = _tree_weight(outline.operation)
            _check_values(asked)
            try:
                plan = self._made(outline, asked, make)
            except Unplannable as refusal:
                self._plans.put(key, NoPlan(outline, str(refusal)), weight)
                raise
            self._plans.put(key, plan, len(plan.statement.sql) + weight)
        elif isinstance(plan, NoPlan):
            raise plan.refusal
        else:
            self.counts.found += 1
        return plan

    def _outline(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        coerced: VariableValues,
        policy: Policy,
    ) -> Outline:
        known = self._deciding.get(id(operation))
        if known is None:
            known = operation, deciding_variables(operation, fragments)
            self._deciding.put(id(operation), known, _tree_weight(operation))
        decided = tuple(coerced.coerced.get(name) for name in known[1])
        key = (id(operation), id(policy), decided)
        outline = self._outlines.get(key)
        if outline is None:
            collector = Collector(self.schema, fragments, _only(known[1], coerced))
            outline = self._outlined(operation, collector, variables, policy)
            self._outlines.put(key, outline, _tree_weight(operation))
        return outline

    def _outlined(
        self,
        operation: OperationDefinitionNode,
        collector: Collector,
        variables: Mapping[str, Any],
        policy: Policy,
    ) -> Outline:
        fields = fields_of(operation, collector)
        if fields > FIELDS_LIMIT:
            raise Unplannable(f"more than {FIELDS_LIMIT} fields")
        sites = Sites(collector, self.catalog, self.questions).of(operation)
        nothing = VariableValues({}, {})
        return Outline(
            operation,
            collector,
            policy,
            sites,
            tuple(None if site.has_variables else self._shaped(site, nothing) for site in sites),
            forbidden_paths(self.schema, operation, collector.fragments, variables, policy, self.catalog),
            tuple(self._places(operation, collector)),
            fields,
        )

    def _places(self, operation: OperationDefinitionNode, collector: Collector) -> Iterator[tuple[str, ...]]:
        root = self.schema.mutation_type
        if operation.operation is not OperationType.MUTATION or root is None:
            yield ()
            return
        for key, nodes in collector.fields(root, [operation.selection_set]).items():
            if nodes[0].name.value not in root.fields:
                continue
            kind = object_type(root.fields[nodes[0].name.value])
            for inner in collector.fields(kind, below(nodes)).values():
                held = kind.fields.get(inner[0].name.value)
                if held is not None and named_type(held).name in self.catalog.types:
                    yield key, named_type(held).name

    def _made(self, outline: Outline, asked: Sequence[Shaped], make: _Make) -> Plan:
        began = time.perf_counter()
        builder = Builder(
            outline.collector,
            self.catalog,
            outline.policy,
            self._tariff,
            {id(site.node): (site, each) for site, (each, _) in zip(outline.sites, asked, strict=True)},
            self.largest_page,
        )
        try:
            statement = rendered(make(builder), _constants(outline, builder))
        except RecursionError as error:
            raise Unplannable("nested too deeply") from error
        except MalformedRequest as error:
            raise Unplannable("an argument can't be taken") from error
        if not builder.reads_rows:
            raise Unplannable("nothing to read")
        seconds = time.perf_counter() - began
        self.counts.made += 1
        self.counts.seconds_making += seconds
        filled = [
            (index, site, builder.orders.get(id(site.node), ()))
            for index, (site, once) in enumerate(zip(outline.sites, outline.asked_once, strict=True))
            if once is None and id(site.node) in builder.used
        ]
        tree = tree_of(builder.finished_paths)
        return Plan(outline, statement, filled, tree, builder.finishers, builder.keys, seconds)


def _key(outline: Outline, asked: Sequence[Shaped], place: tuple[str, ...]) -> Hashable:
    return id(outline), place, *(shape for _, shape in asked)


def _check_values(asked: Sequence[Shaped]) -> None:
    try:
        for each, _ in asked:
            check_values(each)
    except MalformedRequest as error:
        raise Unplannable("an argument can't be taken") from error


def _tree_weight(operation: OperationDefinitionNode) -> int:
    """Return about how many bytes the document's tree takes, which whoever keeps an operation keeps."""
    return characters_of(operation) * _TREE_BYTES


def _coerced(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> VariableValues:
    definitions = operation.variable_definitions
    if not definitions:
        return VariableValues({}, {})
    try:
        coerced = get_variable_values(schema, definitions, dict(variables), max_errors=1)
    except GraphQLError as error:
        raise Unplannable("a variable can't be taken") from error
    if isinstance(coerced, list):
        raise Unplannable("a variable can't be taken")
    return coerced


def _only(names: Sequence[str], variables: VariableValues) -> VariableValues:
    """Return some of the variables: what is remembered holds no other value of anybody's."""
    return VariableValues(
        {name: variables.sources[name] for name in names if name in variables.sources},
        {name: variables.coerced[name] for name in names if name in variables.coerced},
    )


def _constants(outline: Outline, builder: Builder) -> dict[str, object]:
    """Return the values of parameters that are the same in every request: those of arguments without variables."""
    found: dict[str, object] = {}
    for site, once in zip(outline.sites, outline.asked_once, strict=True):
        if once is not None and id(site.node) in builder.used:
            found |= parameter_values(once[0], site.prefix, builder.orders.get(id(site.node), ()))
    return found
