"""Which statement answers this query? Compiled once for each document, viewer shape and shape of its arguments.

A plan holds no value of anybody's: ids, cursors, filters and page sizes are parameters, filled for each request
(`Plans.ready`). What can't be planned raises `Unplannable` with the reason, and is the interpreter's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
)
from graphql.execution.values import VariableValues, get_variable_values

from domain.errors import MalformedRequest
from loaders.cursors import SortKey
from planner.arguments import (
    Asked,
    Asking,
    Site,
    Sites,
    Unplannable,
    check_values,
    deciding_variables,
    parameter_values,
)
from planner.building import Builder
from planner.collecting import Collector, below
from planner.finishing import Finisher, Tree, finished, tree_of
from planner.json_sql import GAP
from planner.parts import named_type, object_type
from planner.remembered import Remembered, characters_of
from planner.roots import ROLE_PROJECTS_PARAMETER, ROLES_PARAMETER, query_select, row_select
from planner.selection import Path, forbidden_paths
from planner.statement import Statement, rendered
from planner.tariff import Tariff
from policies.bindings import AnySelect, Catalog
from policies.compiler import Policy
from policies.viewer import Viewer

_GAP = GAP.encode()

_Shaped = tuple[Asked, Hashable]
"""What is asked at a site, and its shape."""

_Make = Callable[[Builder], AnySelect]

_TREE_BYTES = 40
"""Of a character: 60 documents of 53,000 took 120 MB as trees."""


@dataclass(frozen=True, slots=True)
class PlanBounds:
    """How much is remembered: outlines of operations, plans, and what either of them weigh together, in bytes.

    What several have in common is counted for each, so that they weigh less than that.
    """

    outlines: int = 2_000
    plans: int = 2_000
    weight: int = 200_000_000


@dataclass(frozen=True, eq=False)
class Outline:
    """What of an operation depends on nothing but viewer shape and the variables of its directives."""

    operation: OperationDefinitionNode
    collector: Collector
    policy: Policy
    sites: tuple[Site, ...]
    asked_once: tuple[_Shaped | None, ...]
    """For each site what is asked there and its shape; null where variables say it for each request."""

    forbidden: Sequence[Path]


@dataclass(frozen=True, eq=False)
class Plan:
    """A statement that answers a query for every viewer of a shape."""

    outline: Outline
    """Kept with its plan, whose key has its id: an id alone could be another's later."""

    statement: Statement
    filled: Sequence[tuple[int, Site, Sequence[SortKey]]]
    """The sites, by their index, whose parameters each request fills anew, with the order of their list."""

    tree: Tree
    finishers: Sequence[Finisher]
    keys: tuple[str, ...]
    """For a payload the response keys at which its object stands."""

    seconds: float
    """How long it took to make it."""

    def answer(self, data: bytes, viewer: Viewer, *at: str) -> bytes:
        """Return the response's data, or what of it stands at a key; raise `Unplannable` where null is that may not be."""
        if _GAP in data:
            raise Unplannable("null stands where the schema has none")
        tree = self.tree
        for key in at:
            tree = tree.get(key, {})
        return finished(data, tree, self.finishers, viewer) if tree else data


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan with the values of one request."""

    plan: Plan
    arguments: Sequence[Any]
    forbidden: Sequence[Path]
    """Response paths of fields that this viewer can see on no row."""


@dataclass(frozen=True)
class Payloads:
    """Plans the payloads of one mutation for one viewer."""

    plans: Plans
    outline: Outline
    asked: Sequence[_Shaped]
    viewer: Viewer

    def ready(self, root_key: str, type_name: str, key: UUID) -> Ready:
        """Return the plan of the object with this id in the payload at `root_key`; raise `Unplannable`."""
        plan = self.plans.payload(self.outline, self.asked, root_key, type_name)
        values = _values(plan, self.asked, self.viewer)
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
        most, weight = self.bounds.outlines, self.bounds.weight
        self._outlines = Remembered[Hashable, Outline](most, weight)
        self._plans = Remembered[Hashable, Plan](self.bounds.plans, weight)
        self._deciding = Remembered[int, tuple[OperationDefinitionNode, tuple[str, ...]]](most, weight)

    def __len__(self) -> int:
        """Return how many plans are remembered."""
        return len(self._plans)

    def ready(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        viewer: Viewer,
        policy: Policy,
    ) -> Ready:
        """Return the plan of a validated query for a viewer, with his values; raise `Unplannable`."""
        outline, asked = self._asked(operation, fragments, variables, policy)
        plan = self._plan(outline, asked, (), lambda builder: query_select(builder, operation))
        values = _values(plan, asked, viewer)
        return Ready(plan, plan.statement.arguments(values), outline.forbidden)

    def payloads(
        self,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
        viewer: Viewer,
        policy: Policy,
    ) -> Payloads:
        """Return what plans the payloads of a validated mutation; raise `Unplannable`."""
        outline, asked = self._asked(operation, fragments, variables, policy)
        return Payloads(self, outline, asked, viewer)

    def payload(self, outline: Outline, asked: Sequence[_Shaped], root_key: str, type_name: str) -> Plan:
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
    ) -> tuple[Outline, list[_Shaped]]:
        coerced = _coerced(self.schema, operation, variables)
        try:
            outline = self._outline(operation, fragments, variables, coerced, policy)
        except GraphQLError as error:
            raise Unplannable("a directive can't be taken") from error
        return outline, [
            once or self._shaped(site, coerced)
            for site, once in zip(outline.sites, outline.asked_once, strict=True)
        ]

    def _shaped(self, site: Site, variables: VariableValues) -> _Shaped:
        asked = site.asked(variables, self.largest_page)
        return asked, asked.shape

    def _plan(self, outline: Outline, asked: Sequence[_Shaped], place: tuple[str, ...], make: _Make) -> Plan:
        key = (id(outline), place, *(shape for _, shape in asked))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._made(outline, asked, make)
            self._plans.put(key, plan, len(plan.statement.sql) + _tree_weight(outline.operation))
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
            known = operation, deciding_variables(operation, *fragments.values())
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
        sites = Sites(collector, self.catalog, self.questions).of(operation)
        nothing = VariableValues({}, {})
        return Outline(
            operation,
            collector,
            policy,
            sites,
            tuple(None if site.has_variables else self._shaped(site, nothing) for site in sites),
            forbidden_paths(self.schema, operation, collector.fragments, variables, policy, self.catalog),
        )

    def _made(self, outline: Outline, asked: Sequence[_Shaped], make: _Make) -> Plan:
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
            for each, _ in asked:
                check_values(each)
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


def _values(plan: Plan, asked: Sequence[_Shaped], viewer: Viewer) -> dict[str, Any]:
    found: dict[str, Any] = dict(viewer.parameters)
    if ROLES_PARAMETER in plan.statement.names:
        grants = viewer.sorted_grants
        found[ROLES_PARAMETER] = [grant.role.name for grant in grants]
        found[ROLE_PROJECTS_PARAMETER] = [grant.project_id for grant in grants]
    try:
        for index, site, keys in plan.filled:
            found.update(parameter_values(asked[index][0], site.prefix, keys))
    except MalformedRequest as error:
        raise Unplannable("an argument can't be taken") from error
    return found
