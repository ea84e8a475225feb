"""What do the arguments of an operation's fields ask, and of what shape is that?

A *site* is a field with arguments that a statement depends on. Its arguments are made into a question (or the arguments
of a page) by the very functions that the interpreter calls. Sites without variables are asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    get_argument_values,
    get_named_type,
    visit,
)
from graphql.execution.values import VariableValues
from graphql.language import VariableNode

from domain.errors import MalformedRequest
from loaders.cursors import SortKey
from loaders.followed import FollowQuestion
from loaders.news import NewsQuestion
from loaders.notifications import NoticeQuestion
from loaders.paging import PageArguments, bound_values, page_arguments
from loaders.questions import (
    ComparisonQuestion,
    FieldQuestion,
    ListQuestion,
    Parameters,
    PlaceQuestion,
    Question,
    RowQuestion,
    RowsQuestion,
    WhoQuestion,
)
from loaders.totals import TotalsQuestion
from planner.collecting import Collector
from planner.selection import is_included
from policies.bindings import Catalog, ToMany

Asked = Question | TotalsQuestion | FollowQuestion | PageArguments
# Any: arguments are whatever the schema's input types have made of them.
Asking = Callable[[Mapping[str, Any]], Asked]


class Unplannable(Exception):
    """This operation, or this request of it, is the interpreter's; the text says why."""


@dataclass(frozen=True, eq=False)
class Site:
    """A field whose arguments a statement depends on; `prefix` stands before the names of its parameters."""

    node: FieldNode
    definition: GraphQLField
    asking: Asking
    prefix: str
    has_variables: bool

    def asked(self, variables: VariableValues, largest_page: int) -> Asked:
        """Return what its arguments ask; raise `Unplannable` where the interpreter has to say what is wrong with them."""
        try:
            asked = self.asking(get_argument_values(self.definition, self.node, variables))
            page = asked.page if isinstance(asked, ListQuestion) else asked
            if isinstance(page, PageArguments):
                page.check(largest_page)
        except (GraphQLError, MalformedRequest) as error:
            raise Unplannable("an argument can't be taken") from error
        return asked


def parameter_values(asked: Asked, prefix: str, keys: Sequence[SortKey]) -> dict[str, object]:
    """Return the values of the parameters of what was asked; `keys` are the order of a list.

    Raises `MalformedRequest` for what can't be looked for and for cursors of other lists.
    """
    match asked:
        case PageArguments():
            size = {f"{prefix}size": asked.size, f"{prefix}read": asked.size + 1}
            return {**size, **bound_values(keys, asked, prefix)}
        case ListQuestion(criteria, page):
            return {
                **Parameters(prefix).named(criteria.values),
                **parameter_values(page, prefix, keys),
            }
        case RowQuestion(_, key):
            return {f"{prefix}key": key}
        case FieldQuestion():
            return Parameters(prefix).named(asked.values)
        case RowsQuestion(rows):
            return {f"{prefix}types": [name for name, _ in rows], f"{prefix}keys": [key for _, key in rows]}
        case TotalsQuestion(criteria):
            return Parameters(prefix).named(criteria.values)
        case NewsQuestion() | NoticeQuestion():
            return Parameters(prefix).named(asked.values)
        case WhoQuestion() | PlaceQuestion() | ComparisonQuestion():
            return {}


def check_values(asked: Asked) -> None:
    """Raise `MalformedRequest` for what can't be looked for, before a statement is made for it.

    A sort may name fields by the hundred, and what a cursor means in it grows with their square.
    """
    if isinstance(asked, ListQuestion | TotalsQuestion):
        Parameters().named(asked.criteria.values)


@dataclass(frozen=True)
class Sites:
    """Finds the sites of an operation, in the document's order."""

    collector: Collector
    catalog: Catalog
    questions: Mapping[str, Asking]
    found: dict[int, Site] = field(default_factory=dict[int, Site])
    _spread: set[str] = field(default_factory=set[str])

    def of(self, operation: OperationDefinitionNode) -> tuple[Site, ...]:
        """Return the sites of an operation; what @skip and @include leave out has none."""
        root = self.collector.schema.get_root_type(operation.operation)
        for site in self._within(root, operation.selection_set):
            self.found.setdefault(id(site.node), site)
        return tuple(self.found.values())

    def _within(self, kind: GraphQLNamedType | None, selections: SelectionSetNode) -> Iterator[Site]:
        for selection in selections.selections:
            if not is_included(selection, self.collector.variables):
                continue
            if isinstance(selection, FieldNode):
                yield from self._field(kind, selection)
                continue
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in self._spread:
                    continue
                self._spread.add(selection.name.value)
                fragment = self.collector.fragments[selection.name.value]
            else:
                assert isinstance(selection, InlineFragmentNode), "there is no other selection"
                fragment = selection
            condition = fragment.type_condition
            inner = self.collector.schema.get_type(condition.name.value) if condition else kind
            yield from self._within(inner, fragment.selection_set)

    def _field(self, kind: GraphQLNamedType | None, node: FieldNode) -> Iterator[Site]:
        assert isinstance(kind, GraphQLObjectType | GraphQLInterfaceType), "only these have fields"
        name = node.name.value
        if name not in kind.fields:
            return
        definition = kind.fields[name]
        asking = self._asking(kind, name, definition)
        if asking is not None:
            yield Site(node, definition, asking, f"s{len(self.found)}_", _has_variables(node))
        if node.selection_set is not None:
            yield from self._within(
                get_named_type(cast("GraphQLNamedType", definition.type)), node.selection_set
            )

    def _asking(self, kind: GraphQLNamedType, name: str, definition: GraphQLField) -> Asking | None:
        if kind in (self.collector.schema.query_type, self.collector.schema.subscription_type):
            return self.questions[name]
        is_page = isinstance(self.catalog.source_of(kind.name, name), ToMany) and definition.args
        return _page if is_page else None


def _page(arguments: Mapping[str, Any]) -> PageArguments:
    return page_arguments(
        arguments.get("first"), arguments.get("after"), arguments.get("last"), arguments.get("before")
    )


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


def _has_variables(node: FieldNode) -> bool:
    return bool(_names_in(*node.arguments or ()))


def _names_in(*nodes: Any) -> set[str]:
    found = _Variables()
    for node in nodes:
        visit(node, found)
    return found.names


def deciding_variables(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> tuple[str, ...]:
    """Return the variables that @skip and @include look at, in the operation and the fragments that it spreads.

    In a fragment that only another operation spreads, the same name may be a variable of any type.
    """
    found: set[str] = set()
    waiting: list[Any] = [operation]
    spread: set[str] = set()

    class Directives(Visitor):
        def enter_directive(self, node: Any, *_: Any) -> None:
            found.update(_names_in(*node.arguments or ()))

        def enter_fragment_spread(self, node: Any, *_: Any) -> None:
            name: str = node.name.value
            if name not in spread:
                spread.add(name)
                waiting.append(fragments[name])

    while waiting:
        visit(waiting.pop(), Directives())
    return tuple(sorted(found))
