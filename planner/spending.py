"""What did an answer cost? Counted over the response itself, by the weights of `planner.tariff`.

The response is walked once, together with the selections that asked for it, and only where something has a price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
)
from graphql.execution.values import VariableValues

from planner.tariff import OPERATION, Tariff, named_type

_Selections = tuple[GraphQLNamedType | None, SelectionSetNode]


@dataclass(frozen=True)
class Selected:
    """An operation's fragments and variables, and what its fields cost."""

    tariff: Tariff
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    def is_included(self, node: SelectionNode) -> bool:
        """Return whether neither @skip nor @include leave a selection out."""
        if not node.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and not (include and not include["if"])

    def type_of(self, fragment: FragmentDefinitionNode) -> GraphQLNamedType | None:
        """Return the type that a fragment stands on."""
        return self.tariff.schema.get_type(fragment.type_condition.name.value)

    def inner_type(
        self, kind: GraphQLNamedType | None, fragment: InlineFragmentNode
    ) -> GraphQLNamedType | None:
        """Return the type inside an inline fragment that stands in `kind`."""
        condition = fragment.type_condition
        return self.tariff.schema.get_type(condition.name.value) if condition else kind


class Spending:
    """Counts the answers of one operation."""

    def __init__(self, selected: Selected, operation: OperationDefinitionNode) -> None:
        root = selected.tariff.schema.get_root_type(operation.operation)
        self._root = _Place(selected, 0, ((root, operation.selection_set),))

    # Any: a response is whatever JSON holds.
    def points(self, data: Mapping[str, Any]) -> int:
        """Return what a response's data cost: the operation, each object, each total, each field worked out."""
        return OPERATION + self._root.points(data)


class _Place:
    """One place of the response, whatever the list indices: which keys have a price, and what an object here costs.

    Places are made as the response comes to them: a document can name many more than any answer has.
    """

    def __init__(self, selected: Selected, each: int, selections: tuple[_Selections, ...]) -> None:
        self._selected = selected
        self._each = each
        self._prices: dict[str, int] = {}
        self._below: dict[str, tuple[int, tuple[_Selections, ...]]] = {}
        self._places: dict[str, _Place] = {}
        visited: set[str] = set()
        for kind, selection_set in selections:
            for holder, node in self._fields(kind, selection_set, visited):
                self._add(holder, node)
        self._keys = [*dict.fromkeys([*self._prices, *self._below])]

    def points(self, value: Any) -> int:
        """Return what stands at this place, in lists or not, with all that is below."""
        if isinstance(value, list):
            return sum(map(self.points, cast("list[Any]", value)))
        if value is None:
            return 0
        found = cast("Mapping[str, Any]", value)
        total = self._each
        for key in self._keys:
            if key in found:
                total += self._prices.get(key, 0)
                if key in self._below and found[key] is not None:
                    total += self._place(key).points(found[key])
        return total

    def _place(self, key: str) -> _Place:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = _Place(self._selected, *self._below[key])
        return place

    def _fields(
        self, kind: GraphQLNamedType | None, selections: SelectionSetNode, visited: set[str]
    ) -> Iterator[tuple[GraphQLNamedType | None, FieldNode]]:
        """Yield the fields of a selection, those of its fragments once each (GraphQL, section 6.3.2)."""
        for selection in selections.selections:
            if not self._selected.is_included(selection):
                continue
            if isinstance(selection, FieldNode):
                yield kind, selection
            elif isinstance(selection, InlineFragmentNode):
                inner = self._selected.inner_type(kind, selection)
                yield from self._fields(inner, selection.selection_set, visited)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in visited:
                visited.add(selection.name.value)
                fragment = self._selected.fragments[selection.name.value]
                yield from self._fields(self._selected.type_of(fragment), fragment.selection_set, visited)

    def _add(self, kind: GraphQLNamedType | None, node: FieldNode) -> None:
        if (
            not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
            or node.name.value not in kind.fields
        ):
            return
        key = node.alias.value if node.alias else node.name.value
        price = self._selected.tariff.price(kind, node.name.value)
        # Objects of different types may have different fields under one key; the dearest counts, since all were paid.
        if price.asked:
            self._prices[key] = max(price.asked, self._prices.get(key, 0))
        if node.selection_set is not None:
            each, selections = self._below.get(key, (0, ()))
            inner = named_type(kind.fields[node.name.value])
            self._below[key] = max(each, price.each), (*selections, (inner, node.selection_set))
