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
    GraphQLNamedType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)
from graphql.execution.values import VariableValues
from orjson import Fragment

from planner.selection import may_be_included
from planner.tariff import OPERATION, Tariff

_Selections = tuple[GraphQLNamedType | None, SelectionSetNode]


@dataclass(frozen=True)
class Selected:
    """An operation's fragments and variables, and what its fields cost."""

    tariff: Tariff
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    def is_included(self, node: SelectionNode) -> bool:
        """Return whether neither @skip nor @include leave a selection out."""
        return may_be_included(node, self.variables)

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
        self._selected = selected
        self._operation = operation

    # Any: a response is whatever JSON holds.
    def points(self, data: Any) -> int:
        """Return what a response's data cost: the operation, each object, each total, each field worked out.

        What the database has written as JSON counts nothing here.
        """
        if isinstance(data, Fragment):
            return OPERATION
        root = self._selected.tariff.schema.get_root_type(self._operation.operation)
        return OPERATION + _Place(self._selected, 0, ((root, self._operation.selection_set),)).points(data)


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
        for kind, node in self._fields(selections):
            self._add(kind, node)
        self._keys = [*dict.fromkeys([*self._prices, *self._below])]

    def points(self, value: Any) -> int:
        """Return what stands at this place, in lists or not, with all that is below."""
        if isinstance(value, list):
            return sum(map(self.points, cast("list[Any]", value)))
        if value is None or isinstance(value, Fragment):
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
        self, selections: tuple[_Selections, ...]
    ) -> Iterator[tuple[GraphQLNamedType | None, FieldNode]]:
        """Yield the fields of selections, those of their fragments once each (GraphQL, section 6.3.2)."""
        waiting, visited = [*selections], set[str]()
        while waiting:
            kind, selection_set = waiting.pop()
            for selection in selection_set.selections:
                if not self._selected.is_included(selection):
                    continue
                if isinstance(selection, FieldNode):
                    yield kind, selection
                elif isinstance(selection, InlineFragmentNode):
                    waiting.append((self._selected.inner_type(kind, selection), selection.selection_set))
                elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in visited:
                    visited.add(selection.name.value)
                    fragment = self._selected.fragments[selection.name.value]
                    waiting.append((self._selected.type_of(fragment), fragment.selection_set))

    def _add(self, kind: GraphQLNamedType | None, node: FieldNode) -> None:
        price = self._selected.tariff.price(kind, node.name.value)
        if price is None:
            return
        key = node.alias.value if node.alias else node.name.value
        # Objects of different types may have different fields under one key; the dearest counts, since all were paid.
        if price.asked:
            self._prices[key] = max(price.asked, self._prices.get(key, 0))
        if price.inner is not None and node.selection_set is not None:
            each, selections = self._below.get(key, (0, ()))
            self._below[key] = max(each, price.each), (*selections, (price.inner, node.selection_set))
