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
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_argument_values,
)
from graphql.execution.values import get_variable_values

from planner.spending import Selected, Spending
from planner.tariff import OPERATION, ROW, Holds, Price, Tariff, named_type
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
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    if isinstance(coerced, list):
        return Cost(OPERATION, 0)
    selected = Selected(Tariff(schema, catalog), fragments, coerced)
    try:
        part = _Count(selected).within(schema.get_root_type(operation.operation), operation.selection_set)
        return Cost(_capped(OPERATION + part.points), part.nodes, Spending(selected, operation))
    except RecursionError:
        # Fragments in fragments are no depth of the answer, and there can be hundreds.
        return Cost(MOST, MOST)


# Any: a response is whatever JSON holds.
def actual_points(cost: Cost, data: Mapping[str, Any] | None) -> int:
    """Return what an answer cost, never more than `cost.points`.

    One without data costs all of that: what failed may have done its work before.
    """
    if data is None or cost.spending is None:
        return cost.points
    # A list without pages can be longer than it was counted for.
    return min(cost.points, cost.spending.points(data))


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


@dataclass(frozen=True)
class _Count:
    selected: Selected
    known: dict[str, _Part] = field(default_factory=dict[str, _Part])
    """What each fragment adds, counted once: fragments that spread each other twice would else be counted for ever."""

    def within(self, kind: GraphQLNamedType | None, selections: SelectionSetNode) -> _Part:
        total = _Part()
        for selection in selections.selections:
            if self.selected.is_included(selection):
                total += self._selection(kind, selection)
        return total

    def _selection(self, kind: GraphQLNamedType | None, selection: SelectionNode) -> _Part:
        if isinstance(selection, FieldNode):
            return self._field(kind, selection)
        if isinstance(selection, InlineFragmentNode):
            return self.within(self.selected.inner_type(kind, selection), selection.selection_set)
        assert isinstance(selection, FragmentSpreadNode), "a selection is a field or a fragment"
        name = selection.name.value
        if name not in self.known:
            fragment = self.selected.fragments[name]
            self.known[name] = self.within(self.selected.type_of(fragment), fragment.selection_set)
        return self.known[name]

    def _field(self, kind: GraphQLNamedType | None, node: FieldNode) -> _Part:
        name = node.name.value
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) or name not in kind.fields:
            return _Part()
        definition = kind.fields[name]
        price = self.selected.tariff.price(kind, name)
        if node.selection_set is None:
            return _Part(price.asked)
        below = self.within(named_type(definition), node.selection_set)
        return self._priced(price, self._size(price, node, definition), below)

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

    def _size(self, price: Price, node: FieldNode, definition: GraphQLField) -> int:
        """Return how many objects a list can hold."""
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
