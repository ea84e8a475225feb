"""Is this document one that we execute? Parsed, validated and bounded once, and remembered."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)

_REMEMBERED = 1_000
_REMEMBERED_CHARACTERS = 1_000_000
"""A parsed document takes some two hundred times the memory of its text."""

_STRANGERS_TOKENS = 2_000
"""Checking a document takes a time that grows with the square of its length: strangers get less of it."""

_ERRORS_REPORTED = 5
_FRAGMENTS = 100
_REPETITIONS = 20
_PARSER_LIMITS = {"tokens. Parsing aborted.": "TOO_MANY_TOKENS", "too deeply. Parsing aborted.": "TOO_DEEP"}
"""How graphql-core ends the messages of its own limits, which have no type of their own."""

_SUGGESTION = re.compile(r" Did you mean [^?]*\?")


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """Bounds of one document."""

    tokens: int
    depth: int
    aliases: int
    root_fields: int


@dataclass(frozen=True)
class Prepared:
    """A document that may be executed."""

    document: DocumentNode
    operations: Mapping[str | None, OperationDefinitionNode]
    fragments: Mapping[str, FragmentDefinitionNode]

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation that is meant; raise `GraphQLError` where that isn't clear."""
        if name is None and len(self.operations) == 1:
            return next(iter(self.operations.values()))
        found = self.operations.get(name) if name is not None else None
        if found is None:
            raise GraphQLError(
                "Unknown operation." if name else "Several operations: say which.",
                extensions={"code": "OPERATION_RESOLUTION_FAILURE"},
            )
        return found


class Documents:
    """The documents that came by lately, and what was found of them."""

    def __init__(self, schema: GraphQLSchema, limits: DocumentLimits) -> None:
        self.schema = schema
        self._limits = limits
        self._known: OrderedDict[tuple[str, bool, bool], Prepared | list[GraphQLError]] = OrderedDict()
        self._known_characters = 0

    def knows(self, text: str, *, is_stranger: bool) -> bool:
        """Return whether `prepare` has come by this text lately."""
        return any((text, is_stranger, is_registered) in self._known for is_registered in (False, True))

    def prepare(
        self, text: str, *, is_stranger: bool, is_registered: bool = False
    ) -> Prepared | list[GraphQLError]:
        """Return the prepared document, or what is wrong with it, at most 5 errors.

        Strangers (the anonymous and outsiders) may not introspect, are not told what they might have meant, and may send
        shorter texts only, unless an operator has checked and registered them.
        """
        key = (text, is_stranger, is_registered)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._prepare(*key)
            self._known_characters += len(text)
            while len(self._known) > _REMEMBERED or self._known_characters > _REMEMBERED_CHARACTERS:
                (forgotten, *_), _ = self._known.popitem(last=False)
                self._known_characters -= len(forgotten)
        else:
            self._known.move_to_end(key)
        return found

    def _prepare(self, text: str, is_stranger: bool, is_registered: bool) -> Prepared | list[GraphQLError]:
        is_short = is_stranger and not is_registered
        try:
            tokens = min(self._limits.tokens, _STRANGERS_TOKENS) if is_short else self._limits.tokens
            document = parse(text, max_tokens=tokens)
        except GraphQLError as error:
            return [_coded(error, _parse_failure(error))]
        except RecursionError:
            return [GraphQLError("The document is nested too deeply.", extensions={"code": "TOO_DEEP"})]
        crowded = _crowded(document)
        if crowded:
            return [crowded]
        rules = [*specified_rules, NoSchemaIntrospectionCustomRule] if is_stranger else list(specified_rules)
        errors = validate(self.schema, document, rules, max_errors=_ERRORS_REPORTED)
        if errors:
            shown = [_coded(error, _validation_failure(error)) for error in errors[:_ERRORS_REPORTED]]
            return [_without_suggestion(error) for error in shown] if is_stranger else shown
        prepared = Prepared(
            document,
            {
                node.name.value if node.name else None: node
                for node in document.definitions
                if isinstance(node, OperationDefinitionNode)
            },
            {
                node.name.value: node
                for node in document.definitions
                if isinstance(node, FragmentDefinitionNode)
            },
        )
        return list(self._beyond_limits(prepared)) or prepared

    def _beyond_limits(self, prepared: Prepared) -> Iterator[GraphQLError]:
        for operation in prepared.operations.values():
            measured = _measure(operation.selection_set, prepared.fragments)
            limits = self._limits
            for measure, limit, code, message in (
                (measured.depth, limits.depth, "TOO_DEEP", f"At most {limits.depth} levels of fields."),
                (measured.aliases, limits.aliases, "TOO_MANY_ALIASES", f"At most {limits.aliases} aliases."),
            ):
                if measure > limit:
                    yield GraphQLError(message, extensions={"code": code})
            if measured.top_fields > self._limits.root_fields:
                yield GraphQLError(
                    f"At most {self._limits.root_fields} root fields.",
                    extensions={"code": "TOO_MANY_ROOT_FIELDS"},
                )


def _crowded(document: DocumentNode) -> GraphQLError | None:
    """Return what is wrong with a document in which one place says the same too often.

    Validation compares every two selections of one name with each other, so this bound has to come before it.
    """
    fragments = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
    if len(fragments) > _FRAGMENTS:
        return GraphQLError(f"At most {_FRAGMENTS} fragments.", extensions={"code": "TOO_MANY_FRAGMENTS"})
    waiting: list[SelectionSetNode] = [
        node.selection_set
        for node in document.definitions
        if isinstance(node, FragmentDefinitionNode | OperationDefinitionNode)
    ]
    while waiting:
        names: Counter[str] = Counter()
        beside = [waiting.pop()]
        while beside:
            for selection in beside.pop().selections:
                if isinstance(selection, InlineFragmentNode):
                    # What stands in it stands, for the comparison, beside it.
                    names["..."] += 1
                    beside.append(selection.selection_set)
                elif isinstance(selection, FragmentSpreadNode):
                    names["..."] += 1
                elif isinstance(selection, FieldNode):
                    names[selection.alias.value if selection.alias else selection.name.value] += 1
                    if selection.selection_set is not None:
                        waiting.append(selection.selection_set)
        if names and names.most_common(1)[0][1] > _REPETITIONS:
            message = f"At most {_REPETITIONS} fields of one name, and fragments, in one selection."
            return GraphQLError(message, extensions={"code": "TOO_MANY_REPETITIONS"})
    return None


@dataclass(frozen=True, slots=True)
class _Measure:
    depth: int
    aliases: int
    top_fields: int


def _measure(selections: SelectionSetNode, fragments: Mapping[str, FragmentDefinitionNode]) -> _Measure:
    """Measure a selection set with its fragments spread; each fragment is measured once."""
    known: dict[str, _Measure] = {}

    def measure(node: SelectionSetNode) -> _Measure:
        depth = aliases = top_fields = 0
        for selection in node.selections:
            if isinstance(selection, FieldNode):
                inner = measure(selection.selection_set) if selection.selection_set else _Measure(0, 0, 0)
                each = _Measure(inner.depth + 1, inner.aliases + (selection.alias is not None), 1)
            elif isinstance(selection, InlineFragmentNode):
                each = measure(selection.selection_set)
            else:
                assert isinstance(selection, FragmentSpreadNode)
                name = selection.name.value
                if name not in known:
                    known[name] = measure(fragments[name].selection_set)
                each = known[name]
            depth = max(depth, each.depth)
            aliases += each.aliases
            top_fields += each.top_fields
        return _Measure(depth, aliases, top_fields)

    return measure(selections)


def _parse_failure(error: GraphQLError) -> str:
    for ending, code in _PARSER_LIMITS.items():
        if error.message.endswith(ending):
            return code
    return "GRAPHQL_PARSE_FAILED"


def _validation_failure(error: GraphQLError) -> str:
    return "TOO_COMPLEX" if error.message.endswith("Validation aborted.") else "GRAPHQL_VALIDATION_FAILED"


def _coded(error: GraphQLError, code: str) -> GraphQLError:
    error.extensions = {**(error.extensions or {}), "code": code}
    return error


def _without_suggestion(error: GraphQLError) -> GraphQLError:
    error.message = _SUGGESTION.sub("", error.message)
    return error
