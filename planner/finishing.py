"""How do fields that are Python get into an answer that the database made?

In their place the statement puts facts: an object that says which field they are for. Here each is replaced by what the
field's function makes of it, with what was selected of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    SelectionSetNode,
)

from planner.collecting import Collector, below
from planner.json_sql import fact_from_json
from policies.bindings import Computed
from policies.viewer import Viewer

MARK = "0"
"""The member of a computed field's facts that says which field they are for: no name of GraphQL begins with a digit."""

Tree = Mapping[str, "Tree"]
"""Response keys below which something has to be finished."""

# Any: the value of a field is whatever its type holds.
Completion = Callable[[Any], Any]


class Finisher:
    """Makes a computed field's value of its facts."""

    def __init__(self, source: Computed, types: Mapping[str, Any], complete: Completion) -> None:
        self._source = source
        self._types = types
        self._complete = complete

    def value(self, facts: Mapping[str, Any], viewer: Viewer) -> Any:
        """Return what stands in the answer."""
        row = {name: fact_from_json(facts[name], type_) for name, type_ in self._types.items()}
        return self._complete(self._source.value(row, viewer))


def tree_of(paths: set[tuple[str, ...]]) -> Tree:
    """Return response paths, without list indices, as a tree."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        place = root
        for key in path:
            place = place.setdefault(key, {})
    return root


def finished(data: bytes, tree: Tree, finishers: Sequence[Finisher], viewer: Viewer) -> bytes:
    """Return an answer with its computed fields in place."""
    content = orjson.loads(data)
    _finish(content, tree, finishers, viewer)
    return orjson.dumps(content)


def _finish(value: Any, tree: Tree, finishers: Sequence[Finisher], viewer: Viewer) -> None:
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            _finish(each, tree, finishers, viewer)
        return
    if value is None:
        return
    found = cast("dict[str, Any]", value)
    for key, below_key in tree.items():
        facts = found.get(key)
        mark = _mark(facts)
        if mark is not None:
            found[key] = finishers[mark].value(found[key], viewer)
        elif below_key and facts is not None:
            _finish(facts, below_key, finishers, viewer)


def _mark(value: Any) -> int | None:
    return cast("dict[str, Any]", value).get(MARK) if isinstance(value, dict) else None


def completion(collector: Collector, kind: object, selections: Sequence[SelectionSetNode]) -> Completion:
    """Return the function that gives a Python value the form that was selected: GraphQL, section 6.4.3."""
    # graphql-core leaves open what lists and non-nulls hold.
    if isinstance(kind, GraphQLNonNull):
        return completion(collector, cast("object", kind.of_type), selections)
    if isinstance(kind, GraphQLList):
        each = completion(collector, cast("object", kind.of_type), selections)
        return lambda values: None if values is None else [each(value) for value in values]
    if not isinstance(kind, GraphQLObjectType):
        return lambda value: value
    members: dict[str, Completion] = {}
    for key, nodes in collector.fields(kind, selections).items():
        name = nodes[0].name.value
        members[key] = (
            _constant(kind.name)
            if name == "__typename"
            else _member(name, completion(collector, kind.fields[name].type, below(nodes)))
        )
    return lambda value: None if value is None else {key: make(value) for key, make in members.items()}


def _constant(value: str) -> Completion:
    return lambda _value: value


def _member(name: str, complete: Completion) -> Completion:
    return lambda value: complete(value[name])
