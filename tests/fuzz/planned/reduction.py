"""What is the least of a document that still makes the difference? Parts are left out for as long as it stays.

Selections, arguments, directives, fragments, parts of values and variables: each is tried without, and the document is taken
that is left. Only what would still be executed counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    REMOVE,
    ArgumentNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

from tests.fuzz.planned.two_paths import Compared, Request, TwoPaths

ATTEMPTS = 400

_REMOVABLE = (
    FieldNode,
    InlineFragmentNode,
    FragmentSpreadNode,
    ArgumentNode,
    ObjectFieldNode,
    DirectiveNode,
)


async def reduced(paths: TwoPaths, found: Compared) -> Compared:
    """Return a smaller request about which the two still differ, after at most `ATTEMPTS` tries."""
    attempts = 0
    is_smaller = True
    while is_smaller:
        is_smaller = False
        for request in _smaller(found.request):
            attempts += 1
            if attempts > ATTEMPTS:
                return found
            compared = await _tried(paths, request)
            if compared is not None:
                found, is_smaller = compared, True
                break
    return found


async def _tried(paths: TwoPaths, request: Request) -> Compared | None:
    compared = await paths.compare(request)
    return compared if isinstance(compared, Compared) and not compared.is_same else None


def _smaller(request: Request) -> Iterator[Request]:
    """Yield the request without one of its parts each, large parts first."""
    document = parse(request.text)
    parts = list(_parts(document))
    for part in sorted(parts, key=lambda each: -_size(each)):
        yield _sendable(visit(document, _Without(part)), request)
    for name in request.variables:
        rest = {key: value for key, value in request.variables.items() if key != name}
        yield replace(request, variables=rest)


def _parts(document: DocumentNode) -> Iterator[Node]:
    found: list[Node] = []

    class Collector(Visitor):
        # Any: graphql-core's visitors take whatever nodes there are.
        def enter(self, node: Node, *_: Any) -> None:
            # Without it, a command would be carried out: the second path would find another state.
            is_promise = isinstance(node, ObjectFieldNode) and node.name.value == "dryRun"
            if isinstance(node, _REMOVABLE) and not is_promise:
                found.append(node)

    visit(document, Collector())
    yield from found


def _size(node: Node) -> int:
    return len(print_ast(node))


class _Without(Visitor):
    """Leaves one node out, and a selection set that is left empty with what it stands in."""

    def __init__(self, part: Node) -> None:
        super().__init__()
        self._part = part

    # Any: graphql-core's visitors take and return whatever nodes there are.
    def enter(self, node: Node, *_: Any) -> Any:
        return REMOVE if node is self._part else None

    def leave(self, node: Node, *_: Any) -> Any:
        selections = getattr(node, "selection_set", None)
        is_empty = selections is not None and not selections.selections
        return REMOVE if is_empty else None


@dataclass(frozen=True)
class _Used:
    fragments: frozenset[str]
    variables: frozenset[str]


def _sendable(document: DocumentNode, request: Request) -> Request:
    """Return the request with what is left of its document, without what nothing uses any more."""
    definitions = {
        each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)
    }
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    kept: list[Node] = []
    spread: set[str] = set()
    waiting: list[Node] = list(operations)
    variables: set[str] = set()
    while waiting:
        used = _used(waiting.pop())
        variables |= used.variables
        new = (used.fragments & definitions.keys()) - spread
        spread |= new
        waiting += [definitions[name] for name in sorted(new)]
    for operation in operations:
        declared = [
            each for each in operation.variable_definitions or () if each.variable.name.value in variables
        ]
        kept.append(_declaring(operation, declared))
    kept += [definitions[name] for name in sorted(spread)]
    text = "\n".join(print_ast(each) for each in kept)
    sent = {name: value for name, value in request.variables.items() if name in variables}
    return replace(request, text=text, variables=sent)


def _declaring(
    operation: OperationDefinitionNode, declared: list[VariableDefinitionNode]
) -> OperationDefinitionNode:
    return OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=tuple(declared),
        directives=operation.directives,
        selection_set=operation.selection_set,
    )


def _used(node: Node) -> _Used:
    """Return which fragments and variables a definition uses; what it declares is no use."""
    fragments: set[str] = set()
    variables: set[str] = set()

    class Collector(Visitor):
        def enter(self, node: Node, *_: Any) -> Any:
            if isinstance(node, VariableDefinitionNode):
                # Its subtree is not entered.
                return False
            if isinstance(node, FragmentSpreadNode):
                fragments.add(node.name.value)
            elif isinstance(node, VariableNode):
                variables.add(node.name.value)
            return None

    visit(node, Collector())
    return _Used(frozenset(fragments), frozenset(variables))
