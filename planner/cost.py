"""What can an operation cost at most? Points and rows, known before anything is read.

Every list counts as full, so nothing that comes back can cost more. docs/limits.md explains it with an example. What one
field costs is left to `planner.tariff`, what an answer did cost to `planner.spending`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_argument_values,
)
from graphql.execution.values import get_variable_values

from planner.spending import Selected, Spending
from planner.tariff import OPERATION, ROW, Holds, Price, Tariff
from policies.bindings import Catalog

SHORT_LIST = 100
"""For how many objects a list without pages counts."""

MOST = 1_000_000_000
"""Where counting stops: nested pages multiply, and a bigger number says nothing more."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an operation can cost at most: points, and nodes (rows counted from page sizes)."""

    points: int
    nodes: int
    spending: Spending | None = field(default=None, repr=False, compare=False)
    """Counts its answers; null for an operation that has none."""


def cost_of(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    catalog: Catalog,
) -> Cost:
    """Return what a validated operation can cost at most.

    One whose variables don't fit costs its start: executing it will say what is wrong with them. One that is nested more
    deeply than can be counted costs as much as can be.
    """
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables), max_errors=1)
    if isinstance(coerced, list):
        return Cost(OPERATION, 0)
    selected = Selected(Tariff(schema, catalog), fragments, coerced)
    try:
        part = _Count(selected).within(schema.get_root_type(operation.operation), operation.selection_set)
        return Cost(_capped(OPERATION + part.points), part.nodes, Spending(selected, operation))
    except RecursionError:
        # Fragments in fragments are no depth that other limits know.
        return Cost(MOST, MOST)


# Any: a response is whatever JSON holds.
def actual_points(cost: Cost, data: Any, counted: int = 0) -> int:
    """Return what an answer cost, never more than `cost.points`; the database has `counted` what it wrote itself.

    One without data costs all of that: what failed may have done its work before.
    """
    if data is None or cost.spending is None:
        return cost.points
    # A list without pages can be longer than it was counted for.
    return min(cost.points, cost.spending.points(data) + counted)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a selection adds for one object that it is asked of.

    `per_row` are points for each row of the page around it: what stands in `nodes` and `edges`.
    """

    points: int = 0
    per_row: int = 0
    nodes: int = 0

    def __add__(self, other: _Part) -> _Part:
        return _Part(
            _capped(self.points + other.points),
            _capped(self.per_row + other.per_row),
            _capped(self.nodes + other.nodes),
        )


@dataclass(frozen=True, slots=True)
class _Flat:
    """What the fields of a selection add, and which fragments are spread beside them."""

    part: _Part
    spreads: frozenset[str]


@dataclass(frozen=True)
class _Count:
    selected: Selected
    known: dict[str, _Flat] = field(default_factory=dict[str, _Flat])
    """Each fragment by itself, looked at once however often it is spread."""

    totals: dict[frozenset[str], _Part] = field(default_factory=dict[frozenset[str], _Part])
    """What fragments spread side by side add, with all that they spread in turn."""

    def within(self, kind: GraphQLNamedType | None, selections: SelectionSetNode) -> _Part:
        flat = self._flat(kind, selections)
        return flat.part + self._spread(flat.spreads) if flat.spreads else flat.part

    def _flat(self, kind: GraphQLNamedType | None, selections: SelectionSetNode) -> _Flat:
        part, spreads = _Part(), frozenset[str]()
        for selection in selections.selections:
            if not self.selected.is_included(selection):
                continue
            if isinstance(selection, FieldNode):
                price = self.selected.tariff.price(kind, selection.name.value)
                if price is not None:
                    part += self._field(price, kind, selection)
            elif isinstance(selection, InlineFragmentNode):
                inner = self._flat(self.selected.inner_type(kind, selection), selection.selection_set)
                part += inner.part
                spreads |= inner.spreads
            elif isinstance(selection, FragmentSpreadNode):
                spreads |= {selection.name.value}
        return _Flat(part, spreads)

    def _spread(self, names: frozenset[str]) -> _Part:
        """Count each fragment once: spread twice in one selection, its fields are the same fields (section 6.3.2)."""
        if names not in self.totals:
            found, waiting, total = set(names), list(names), _Part()
            while waiting:
                flat = self._fragment(waiting.pop())
                total += flat.part
                waiting += flat.spreads - found
                found |= flat.spreads
            self.totals[names] = total
        return self.totals[names]

    def _fragment(self, name: str) -> _Flat:
        if name not in self.known:
            fragment = self.selected.fragments[name]
            self.known[name] = self._flat(self.selected.type_of(fragment), fragment.selection_set)
        return self.known[name]

    def _field(self, price: Price, kind: GraphQLNamedType | None, node: FieldNode) -> _Part:
        if price.inner is None or node.selection_set is None:
            return _Part(price.asked)
        below = self.within(price.inner, node.selection_set)
        return self._priced(price, self._size(price, kind, node), below)

    def _priced(self, price: Price, size: int, below: _Part) -> _Part:
        each = price.each + below.points
        match price.holds:
            case Holds.PAGE:
                # A page that nobody looks into is read all the same.
                points = size * max(ROW, below.per_row) + below.points
                return _Part(_capped(price.asked + points), 0, _capped(size * (1 + below.nodes)))
            case Holds.PAGE_ROWS:
                return _Part(price.asked, each, below.nodes)
            case Holds.LIST:
                rows = 1 if price.each else 0
                return _Part(_capped(price.asked + size * each), 0, _capped(size * (rows + below.nodes)))
            case _:
                return _Part(_capped(price.asked + each), 0, below.nodes)

    def _size(self, price: Price, kind: GraphQLNamedType | None, node: FieldNode) -> int:
        """Return how many objects a list can hold."""
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType), "only these have fields"
        definition = kind.fields[node.name.value]
        if price.holds not in {Holds.PAGE, Holds.LIST} or not definition.args.keys() & {"first", "ids"}:
            return SHORT_LIST
        try:
            arguments = get_argument_values(definition, node, self.selected.variables)
        except GraphQLError:
            # Executing it will say what is wrong with it.
            return 0
        if "ids" in definition.args:
            return len(arguments.get("ids") or ())
        return max(arguments.get("first") or 0, arguments.get("last") or 0, 0)


def _capped(number: int) -> int:
    return min(number, MOST)
