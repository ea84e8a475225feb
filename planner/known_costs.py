"""What can this operation cost at most, if it came by with such variables before?

The same few documents come again and again, and of their variables only those count that reach a page's size, a list of
ids, @skip or @include: an operation that differs in others costs the same. How it is counted is left to `planner.cost`.
Bounded in every way that a client can make large; the longest unused operations are forgotten first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from graphql import (
    ArgumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionNode,
    ValueNode,
    VariableNode,
)

from planner.cost import Cost, cost_of
from planner.remembered import Remembered
from planner.size import characters_of
from planner.tariff import OPERATION
from policies.bindings import Catalog

OPERATIONS = 500
CHARACTERS = 1_000_000
"""Of the documents of all known operations, which are kept for as long as their costs are."""

COSTS_PER_OPERATION = 10
VARIABLE_BYTES = 500
"""A cost keeps the variables that it was counted with; larger ones are counted each time."""

_SIZES = frozenset({"first", "last", "ids"})
_ABSENT = object()
"""What a variable is that isn't sent: its default counts, which an explicit null does away with."""

_Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation, which is kept so that its identity stays its own, and its costs by the variables that count."""

    node: OperationDefinitionNode
    counting: tuple[str, ...]
    costs: OrderedDict[_Key, Cost] = field(default_factory=OrderedDict[_Key, Cost])


class KnownCosts:
    """The costs of the operations of one schema that came by lately."""

    def __init__(self, schema: GraphQLSchema, catalog: Catalog) -> None:
        self._schema = schema
        self._catalog = catalog
        self._operations = Remembered[int, _Operation](OPERATIONS, CHARACTERS)

    # Any: variables are whatever JSON holds.
    def cost_of(
        self,
        node: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> Cost:
        """Return what a validated operation can cost at most, as `planner.cost.cost_of` does.

        Where variables don't fit that don't count, an operation known with others costs what it costs with those.
        """
        operation = self._known(node, fragments)
        key = _key(operation.counting, variables)
        found = operation.costs.get(key) if key is not None else None
        if found is not None:
            return found
        cost = self._counted(node, fragments, variables)
        # One without spending says nothing of the operation: its variables don't fit, or it can't be counted.
        if key is not None and cost.spending is not None and _is_small(variables):
            operation.costs[key] = cost
            if len(operation.costs) > COSTS_PER_OPERATION:
                operation.costs.popitem(last=False)
        return cost

    # Any: variables are whatever JSON holds.
    def _counted(
        self,
        node: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
        variables: Mapping[str, Any],
    ) -> Cost:
        try:
            return cost_of(self._schema, node, fragments, variables, self._catalog)
        except GraphQLError:
            # A variable with a default may stand in @skip or @include and be null: executing it will say so.
            return Cost(OPERATION, 0)

    def _known(
        self, node: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
    ) -> _Operation:
        known = self._operations.get(id(node))
        if known is None:
            known = _Operation(node, tuple(_counting(node, fragments)))
            self._operations.put(id(node), known, characters_of(node))
        return known


def _key(names: tuple[str, ...], variables: Mapping[str, Any]) -> _Key | None:
    """Return what counts of the variables that count; null where that can't be told without their types."""
    key: list[object] = []
    for name in names:
        value = variables.get(name, _ABSENT)
        if isinstance(value, dict):
            return None
        if isinstance(value, list):
            # Ids count by their number.
            key.append(len(cast("list[Any]", value)))
        elif isinstance(value, str):
            # No size is a text; one id alone is a list of one.
            key.append(str)
        else:
            # 1, 1.0 and true are one key of a dict, but not one value of a variable.
            key.append((cast("type[object]", type(value)), value))
    return tuple(key)


def _counting(node: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]) -> set[str]:
    """Return the names of the variables that the cost depends on."""
    names, spread = set[str](), set[str]()
    waiting = [node.selection_set]
    while waiting:
        for selection in waiting.pop().selections:
            names.update(*(_named(each.value) for each in _counting_arguments(selection)))
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in spread:
                    spread.add(name)
                    waiting.append(fragments[name].selection_set)
            elif isinstance(selection, FieldNode | InlineFragmentNode) and selection.selection_set:
                waiting.append(selection.selection_set)
    return names


def _counting_arguments(selection: SelectionNode) -> Iterator[ArgumentNode]:
    """Yield the arguments of @skip and @include, and those that say how much there is of something."""
    for directive in selection.directives or ():
        yield from directive.arguments or ()
    if isinstance(selection, FieldNode):
        for argument in selection.arguments or ():
            if argument.name.value in _SIZES:
                yield argument


def _named(value: ValueNode) -> Iterator[str]:
    """Yield the variables in the value of an argument."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, VariableNode):
            yield each.name.value
        elif isinstance(each, ListValueNode):
            waiting.extend(each.values)


def _is_small(variables: Mapping[str, Any]) -> bool:
    return len(orjson.dumps(variables)) <= VARIABLE_BYTES
