"""How large is an operation? The length of its document, and how many fields its statement would write."""

from __future__ import annotations

from graphql import FieldNode, FragmentSpreadNode, OperationDefinitionNode, SelectionSetNode

from planner.collecting import Collector
from planner.selection import is_included


def characters_of(operation: OperationDefinitionNode) -> int:
    """Return how long the text of an operation's document is: whoever keeps the operation keeps all of its tree."""
    return len(operation.loc.source.body) if operation.loc is not None else 0


def fields_of(operation: OperationDefinitionNode, collector: Collector) -> int:
    """Return how many fields an operation selects, those of a fragment counted wherever it is spread.

    Raises `GraphQLError` where @skip or @include can't be taken.
    """
    known: dict[str, int] = {}

    def within(selections: SelectionSetNode) -> int:
        count = 0
        for selection in selections.selections:
            if not is_included(selection, collector.variables):
                continue
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in known:
                    known[name] = within(collector.fragments[name].selection_set)
                count += known[name]
                continue
            count += isinstance(selection, FieldNode)
            inner: SelectionSetNode | None = getattr(selection, "selection_set", None)
            count += within(inner) if inner is not None else 0
        return count

    return within(operation.selection_set)
