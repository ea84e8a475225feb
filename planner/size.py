"""How many objects can an operation ask for at most?

The product of the page sizes on every path, added up: a bound on what an answer can hold, known before anything is
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

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
    SelectionSetNode,
    get_argument_values,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_variable_values

from policies.bindings import Catalog, ToMany

SHORT_LIST = 100
"""For how many rows a list without pages counts."""


@dataclass(frozen=True)
class _Count:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues
    catalog: Catalog
    known: dict[str, int] = field(default_factory=dict[str, int])
    """What each fragment counts for once: fragments that spread each other twice would else be counted for ever."""

    def nodes(self, kind: GraphQLNamedType | None, selections: SelectionSetNode) -> int:
        total = 0
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                total += self._field(kind, selection)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = self.schema.get_type(condition.name.value) if condition else kind
                total += self.nodes(inner, selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode):
                total += self._fragment(selection.name.value)
        return total

    def _fragment(self, name: str) -> int:
        if name not in self.known:
            fragment = self.fragments[name]
            kind = self.schema.get_type(fragment.type_condition.name.value)
            self.known[name] = self.nodes(kind, fragment.selection_set)
        return self.known[name]

    def _field(self, kind: GraphQLNamedType | None, node: FieldNode) -> int:
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) or node.selection_set is None:
            return 0
        definition = kind.fields.get(node.name.value)
        if definition is None:
            return 0
        try:
            size = self._size(kind.name, node, definition)
        except GraphQLError:
            # Executing it will say what is wrong with it.
            return 0
        # graphql-core's overloads of get_named_type lose the type; a field's type always has a name.
        inner = cast("GraphQLNamedType", get_named_type(definition.type))
        below = self.nodes(inner, node.selection_set)
        return below if size is None else size * (1 + below)

    def _size(self, type_name: str, node: FieldNode, definition: GraphQLField) -> int | None:
        """Return for how many rows a field counts, null where it is no list of rows."""
        if "first" in definition.args:
            arguments = get_argument_values(definition, node, self.variables)
            return max(arguments.get("first") or 0, arguments.get("last") or 0, 0)
        if "ids" in definition.args:
            return len(get_argument_values(definition, node, self.variables).get("ids") or ())
        if isinstance(self.catalog.source_of(type_name, node.name.value), ToMany):
            return SHORT_LIST
        return None


def most_nodes(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    catalog: Catalog,
) -> int:
    """Return how many rows a validated operation can ask for at most, by its page sizes."""
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
    if isinstance(coerced, list):
        return 0
    count = _Count(schema, fragments, coerced, catalog)
    return count.nodes(schema.get_root_type(operation.operation), operation.selection_set)
