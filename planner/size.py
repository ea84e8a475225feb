"""How many objects can an operation ask for at most?

The product of the page sizes on every path, added up: a bound on what an answer can hold, known before anything is
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

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
    get_named_type,
)
from graphql.execution.values import VariableValues, get_variable_values


@dataclass
class _Count:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues
    limit: int
    total: int = 0

    def add(self, kind: GraphQLNamedType | None, selections: SelectionSetNode, factor: int) -> None:
        for selection in selections.selections:
            # Counting stops at the bound: a document of nested fragments could be counted for ever.
            if self.total > self.limit:
                return
            if isinstance(selection, FieldNode):
                self._field(kind, selection, factor)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = self.schema.get_type(condition.name.value) if condition else kind
                self.add(inner, selection.selection_set, factor)
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self.fragments[selection.name.value]
                inner = self.schema.get_type(fragment.type_condition.name.value)
                self.add(inner, fragment.selection_set, factor)

    def _field(self, kind: GraphQLNamedType | None, node: FieldNode, factor: int) -> None:
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) or node.selection_set is None:
            return
        field = kind.fields.get(node.name.value)
        if field is None:
            return
        size = 1
        if "first" in field.args:
            try:
                arguments = get_argument_values(field, node, self.variables)
            except GraphQLError:
                # Executing it will say what is wrong with it.
                return
            size = max(arguments.get("first") or 0, arguments.get("last") or 0, 0)
            self.total += factor * size
        # graphql-core's overloads of get_named_type lose the type; a field's type always has a name.
        inner = cast("GraphQLNamedType", get_named_type(field.type))
        self.add(inner, node.selection_set, factor * size)


def most_nodes(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    limit: int,
) -> int:
    """Return how many nodes a validated operation can ask for; somewhere above `limit` where it is more."""
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    if isinstance(coerced, list):
        return 0
    count = _Count(schema, fragments, coerced, limit)
    count.add(schema.get_root_type(operation.operation), operation.selection_set, 1)
    return count.total
