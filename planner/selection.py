"""Which selected fields can this viewer see on no row at all?

Such a field answers null everywhere, and one FORBIDDEN error per selection says so, with its path but without list
indices. The answer depends on document, variables of @skip and @include, and viewer shape, never on data: nobody learns
from it whether a row exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
    get_named_type,
)
from graphql.execution.values import VariableValues, get_variable_values

from policies.bindings import Catalog
from policies.compiler import Policy

Path = tuple[str, ...]

PATHS_LIMIT = 100
"""How many hidden selections are told of; who selects more of them hears of these."""


@dataclass(frozen=True)
class _Walk:
    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues
    policy: Policy
    catalog: Catalog
    known: dict[str, tuple[Path, ...]] = field(default_factory=dict[str, tuple[Path, ...]])
    """The paths in each fragment, from where it is spread: fragments that spread each other are walked once."""

    def forbidden(
        self, kind: GraphQLNamedType | None, selections: SelectionSetNode, path: Path
    ) -> Iterator[Path]:
        for selection in selections.selections:
            if not may_be_included(selection, self.variables):
                continue
            if isinstance(selection, FieldNode):
                yield from self._field(kind, selection, path)
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                inner = kind if condition is None else self.schema.get_type(condition.name.value)
                yield from self.forbidden(inner, selection.selection_set, path)
            elif isinstance(selection, FragmentSpreadNode):
                yield from ((*path, *each) for each in self._fragment(selection.name.value))

    def _fragment(self, name: str) -> tuple[Path, ...]:
        if name not in self.known:
            fragment = self.fragments[name]
            kind = self.schema.get_type(fragment.type_condition.name.value)
            found = dict.fromkeys(self.forbidden(kind, fragment.selection_set, ()))
            self.known[name] = tuple(islice(found, PATHS_LIMIT))
        return self.known[name]

    def _field(self, kind: GraphQLNamedType | None, node: FieldNode, path: Path) -> Iterator[Path]:
        if (
            not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
            or node.name.value not in kind.fields
        ):
            return
        here = (*path, node.alias.value if node.alias else node.name.value)
        guard = self.catalog.guard_of(kind.name, node.name.value)
        if guard is not None and self._is_hidden(kind.name, guard):
            yield here
        elif node.selection_set is not None:
            # graphql-core's overloads of get_named_type lose the type; a field's type always has a name.
            inner = cast("GraphQLNamedType", get_named_type(kind.fields[node.name.value].type))
            yield from self.forbidden(inner, node.selection_set, here)

    def _is_hidden(self, type_name: str, guard: str) -> bool:
        """Return whether rows of the type can be read, but never with this field."""
        binding = self.catalog.types.get(type_name)
        return self.policy.is_never_visible(guard) and (
            binding is None or not self.policy.is_never_visible(binding.thing)
        )


def may_be_included(node: SelectionNode, variables: VariableValues) -> bool:
    """Return whether neither @skip nor @include leave a selection out, or can't be taken: executing it says so then."""
    try:
        return is_included(node, variables)
    except GraphQLError:
        return True


def is_included(node: SelectionNode, variables: VariableValues) -> bool:
    """Return whether neither @skip nor @include leave a selection out; raise `GraphQLError` where they can't be taken."""
    if not node.directives:
        return True
    skip = get_directive_values(GraphQLSkipDirective, node, variables)
    include = get_directive_values(GraphQLIncludeDirective, node, variables)
    return not (skip and skip["if"]) and not (include and not include["if"])


def forbidden_paths(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    policy: Policy,
    catalog: Catalog,
) -> list[Path]:
    """Return the response paths, once each and in the document's order, of an operation that has been executed."""
    coerced = get_variable_values(schema, operation.variable_definitions or (), dict(variables), max_errors=1)
    if isinstance(coerced, list):
        return []
    root = schema.get_root_type(operation.operation)
    walk = _Walk(schema, fragments, coerced, policy, catalog)
    return list(islice(dict.fromkeys(walk.forbidden(root, operation.selection_set, ())), PATHS_LIMIT))
