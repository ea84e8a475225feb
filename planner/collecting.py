"""Which fields does a selection ask of an object of one type? GraphQL, section 6.3.2 (CollectFields), ahead of execution."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    is_abstract_type,
)
from graphql.execution.values import VariableValues

from planner.selection import is_included

Fields = Mapping[str, "list[FieldNode]"]
"""Response keys in the response's order, each with the selections that ask for it."""


@dataclass(frozen=True)
class Collector:
    """An operation's fragments and the variables of its directives."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    variables: VariableValues

    def fields(self, kind: GraphQLObjectType, selections: Iterable[SelectionSetNode]) -> Fields:
        """Return what is asked of an object of type `kind`."""
        found: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for each in selections:
            for node in self._nodes(kind, each, spread):
                found.setdefault(response_key(node), []).append(node)
        return found

    def _nodes(
        self, kind: GraphQLObjectType, selections: SelectionSetNode, spread: set[str]
    ) -> Iterator[FieldNode]:
        for selection in selections.selections:
            if not is_included(selection, self.variables):
                continue
            if isinstance(selection, FieldNode):
                yield selection
                continue
            if isinstance(selection, InlineFragmentNode):
                fragment: InlineFragmentNode | FragmentDefinitionNode = selection
            else:
                assert isinstance(selection, FragmentSpreadNode), "there is no other selection"
                if selection.name.value in spread:
                    continue
                spread.add(selection.name.value)
                fragment = self.fragments[selection.name.value]
            if self._applies(fragment, kind):
                yield from self._nodes(kind, fragment.selection_set, spread)

    def _applies(
        self, fragment: InlineFragmentNode | FragmentDefinitionNode, kind: GraphQLObjectType
    ) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self.schema.get_type(fragment.type_condition.name.value)
        if is_abstract_type(condition):
            return self.schema.is_sub_type(condition, kind)
        return condition is kind


def response_key(node: FieldNode) -> str:
    """Return under which name a field stands in the response."""
    return node.alias.value if node.alias else node.name.value


def below(nodes: Iterable[FieldNode]) -> list[SelectionSetNode]:
    """Return what is selected below one response key."""
    return [node.selection_set for node in nodes if node.selection_set is not None]
