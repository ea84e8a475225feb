"""Which documents could somebody send? Valid ones of every form that the language has, walked out of the schema itself.

A type or a field that the schema gets later is written about without a change here. What is given to arguments is left to
`inputs`, what may stand side by side to `selections`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

from graphql import (
    GraphQLArgument,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    TypeMetaFieldDef,
)
from graphql.utilities import do_types_overlap

from domain.order import TRANSITIONS
from policies.bindings import Worked, catalog
from resolvers.orders import mutation_name
from tests.fuzz.planned.given import NotGiven, Plain, Variable, kind_named, kind_of, literal, plain
from tests.fuzz.planned.inputs import Inputs
from tests.fuzz.planned.knowledge import Knowledge
from tests.fuzz.planned.selections import (
    Fragment,
    Inline,
    Scope,
    Selected,
    Selection,
    Spread,
    is_list,
    named,
    printed,
)

_LIST_SIZE = 3
"""How long a list without pages is thought to be."""

_ALIASES = (
    "select",
    "SELECT",
    "order",
    "group",
    "user",
    "null",
    "row",
    "rows",
    "table",
    "data",
    "nodes",
    "id",
    "key",
    "_",
    "_parent",
    "_rank",
    "_sort_0",
    "hidden_fields",
    "json_build_object",
    "viewer_user_id",
    "Name",
    "name",
    "__typename",
    "x" * 63,
    "x" * 64,
    "y" * 200,
    "y" * 199 + "z",
)


@dataclass(frozen=True)
class Document:
    """An operation, and what can be sent beside it."""

    text: str
    operation_name: str | None
    variables: Sequence[Variable]
    selections: Sequence[Selection]

    def sent(self, chance: random.Random) -> dict[str, Plain]:
        """Return values for its variables, other ones at each call; once in a while one that doesn't fit."""
        found = {
            each.name: plain(value)
            for each in self.variables
            if not isinstance(value := each.fresh(), NotGiven)
        }
        if found and chance.random() < 0.006:
            found[chance.choice(sorted(found))] = chance.choice(("", 1.5, [], {}, None, [[None]], {"x": 1}))
        if chance.random() < 0.02:
            found["notDeclared"] = 1
        return found

    def meant(self, sent: dict[str, Plain]) -> dict[str, Plain]:
        """Return what was sent, with the defaults of what was not."""
        defaults = {
            each.name: plain(each.default)
            for each in self.variables
            if not isinstance(each.default, NotGiven)
        }
        return defaults | sent


class Author:
    """Writes documents; the same chance and knowledge give the same documents."""

    def __init__(self, schema: GraphQLSchema, knowledge: Knowledge, chance: random.Random) -> None:
        self._schema = schema
        self._knowledge = knowledge
        self._chance = chance
        self._inputs = Inputs(schema, knowledge, chance)
        self._fragments: list[Fragment] = []
        self._values = 0
        self._selections_most = self._selections_left = 0
        self._conditions: dict[str, list[GraphQLNamedType]] = {}

    def query(self) -> Document:
        """Return a query with one to four root fields."""
        self._begin()
        root = self._schema.query_type
        assert root is not None
        count, depth, scope = self._chance.choice((0, 0, 0, 1, 2, 3)), self._depth(), Scope()
        first = self._any_field(root, scope, 1, depth)
        assert first is not None, "a query asks for something"
        others = [self._selection(root, scope, 1, depth) for _ in range(count)]
        if self._chance.random() < 0.003:
            others.append(self._introspection(root, scope))
        return self._document("query", (first, *others))

    def command(self) -> Document:
        """Return a mutation of one or two commands that are only tried (`dryRun`)."""
        self._begin()
        root = self._schema.mutation_type
        assert root is not None
        names = [name for name, field in root.fields.items() if _takes_dry_runs(field.args)]
        scope = Scope()
        written: list[Selection] = []
        for name in self._chance.sample(names, self._chance.choice((1, 1, 1, 2))):
            states = {state for state, action in TRANSITIONS if mutation_name(action) == name}
            self._inputs.fitting = [
                key for key in self._knowledge.ids["Order"] if self._knowledge.row_of(key)["state"] in states
            ]
            written.append(self._field(root, name, scope, 1, self._depth() + 1))
        self._inputs.fitting = ()
        return self._document("mutation", tuple(written))

    def _introspection(self, root: GraphQLObjectType, scope: Scope) -> Selection:
        asked = Selected(root, "__type", TypeMetaFieldDef, arguments='(name: "Order")')
        field = named(TypeMetaFieldDef)
        inner = tuple(Selected(field, name, None) for name in ("name", "kind"))
        return replace(self._admitted(asked, scope), inner=inner)

    def _begin(self) -> None:
        self._inputs = Inputs(self._schema, self._knowledge, self._chance)
        self._fragments = []
        # Most documents are small; some are as large as time allows.
        self._values = self._chance.choice((20, 40, 80, 150, 150, 300, 600))
        self._selections_most = self._selections_left = self._chance.choice((10, 20, 40, 80, 120))

    def _depth(self) -> int:
        return self._chance.choice((2, 4, 5, 6, 7, 9, 12))

    def _document(self, kind: str, selections: tuple[Selection, ...]) -> Document:
        variables = list(self._inputs.variables.values())
        self._chance.shuffle(variables)
        declared = f"({', '.join(each.declaration for each in variables)})" if variables else ""
        is_named = bool(declared) or self._chance.random() < 0.7
        head = f"{kind} Asked{declared} " if is_named else f"{kind} "
        fragments = [
            f"fragment {each.name} on {each.condition.name} {printed(each.inner)}" for each in self._fragments
        ]
        parts = [f"{head}{printed(selections)}", *fragments]
        operation_name = "Asked" if is_named and self._chance.random() < 0.5 else None
        if is_named and self._chance.random() < 0.08:
            parts.append("query Other { other: __typename }")
            operation_name = "Asked"
        self._chance.shuffle(parts)
        return Document("\n".join(parts), operation_name, variables, selections)

    def _selections(
        self, kind: GraphQLNamedType, scope: Scope, weight: int, depth: int, count: int | None = None
    ) -> tuple[Selection, ...]:
        """Return what is selected of each of `weight` objects."""
        count = count or self._chance.choice((1, 2, 3, 4, 6, 9))
        found: list[Selection] = []
        while len(found) < count:
            found.append(self._selection(kind, scope, weight, depth))
            if self._values <= 0 or self._selections_left <= 0:
                break
        return tuple(found)

    def _selection(self, kind: GraphQLNamedType, scope: Scope, weight: int, depth: int) -> Selection:
        self._selections_left -= 1
        is_abstract = isinstance(kind, GraphQLInterfaceType | GraphQLUnionType)
        writers: list[tuple[int, Callable[[], Selection | None]]] = [
            (8 if is_abstract else 60, lambda: self._any_field(kind, scope, weight, depth)),
            (6, lambda: self._typename(kind, scope, weight)),
            (8, lambda: self._again(kind, scope, weight, depth)),
            (2, lambda: self._inline(kind, None, scope, weight, depth)),
            (24 if is_abstract else 3, lambda: self._conditional(kind, scope, weight, depth)),
            (9 if is_abstract else 3, lambda: self._new_fragment(kind, scope, weight, depth)),
            (6, lambda: self._known_fragment(kind, scope, weight)),
        ]
        if self._selections_left <= 0:
            writers = writers[:2]
        chosen = self._chance.choices([each for _, each in writers], [share for share, _ in writers])[0]
        return chosen() or self._any_field(kind, scope, weight, depth) or self._typename(kind, scope, weight)

    def _typename(self, kind: GraphQLNamedType, scope: Scope, weight: int) -> Selection:
        self._values -= weight
        return self._admitted(Selected(kind, "__typename", None, directives=self._directives()), scope)

    def _any_field(self, kind: GraphQLNamedType, scope: Scope, weight: int, depth: int) -> Selection | None:
        if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            return None
        is_over = depth <= 1 or self._values <= 0 or self._selections_left <= 0
        names = [
            name
            for name, field in kind.fields.items()
            if not (is_over and _is_nested(named(field))) and not is_worked(kind, name)
        ]
        return self._field(kind, self._chance.choice(names), scope, weight, depth) if names else None

    def _field(
        self, kind: GraphQLObjectType | GraphQLInterfaceType, name: str, scope: Scope, weight: int, depth: int
    ) -> Selection:
        definition = kind.fields[name]
        largest = max(1, min(8, self._values // (4 * weight)))
        given = self._inputs.arguments(kind, name, definition, largest)
        selected = self._admitted(
            Selected(kind, name, definition, None, given.text, self._directives(), sort=given.sort), scope
        )
        return self._filled(selected, scope, weight * _length(selected, given.size), depth)

    def _filled(self, selected: Selected, scope: Scope, weight: int, depth: int) -> Selection:
        """Return the field with something selected of it, where there is something to select."""
        definition = selected.definition
        self._values -= weight
        if definition is None or not _is_nested(named(definition)):
            return selected
        inner = self._selections(named(definition), scope.below(selected.key), weight, depth - 1)
        return replace(selected, inner=inner)

    def _again(self, kind: GraphQLNamedType, scope: Scope, weight: int, depth: int) -> Selection | None:
        """Select once more what is selected already, and more of it."""
        same = [each for found in scope.taken.values() for each in found if each.parent is kind]
        if not same or depth <= 1 or self._values <= 0:
            return None
        old = self._chance.choice(same)
        new = replace(old, directives=self._directives(), inner=())
        assert scope.admits_field(new), "what is there is the same"
        scope.take([new])
        return self._filled(new, scope, weight * (_length(new, _LIST_SIZE)), depth)

    def _inline(
        self, kind: GraphQLNamedType, condition: str | None, scope: Scope, weight: int, depth: int
    ) -> Selection:
        inner = self._selections(kind, scope, weight, depth, self._chance.randint(1, 4))
        return Inline(condition, self._directives(), inner)

    def _conditional(self, kind: GraphQLNamedType, scope: Scope, weight: int, depth: int) -> Selection:
        condition = self._condition(kind)
        return self._inline(condition, condition.name, scope, weight, depth)

    def _new_fragment(self, kind: GraphQLNamedType, scope: Scope, weight: int, depth: int) -> Selection:
        condition = self._condition(kind)
        before = self._values
        inner = self._selections(condition, scope, weight, depth, self._chance.randint(1, 6))
        cost = max(1, (before - self._values) // weight)
        fragment = Fragment(f"F{len(self._fragments)}", condition, inner, cost)
        self._fragments.append(fragment)
        return Spread(fragment, self._directives())

    def _known_fragment(self, kind: GraphQLNamedType, scope: Scope, weight: int) -> Selection | None:
        fitting = [
            each
            for each in self._fragments
            if each.condition in self._conditions_in(kind)
            and each.values * weight <= self._values
            and scope.admits(each.inner)
        ]
        if not fitting:
            return None
        fragment = self._chance.choice(fitting)
        self._values -= fragment.values * weight
        scope.take(fragment.inner)
        return Spread(fragment, self._directives())

    def _condition(self, kind: GraphQLNamedType) -> GraphQLNamedType:
        """Return a type that a fragment inside this type is on, rather one of which there is an object."""
        conditions = self._conditions_in(kind)
        likely = [each for each in conditions if each.name == self._inputs.favourite]
        return self._chance.choice(likely if likely and self._chance.random() < 0.6 else conditions)

    def _conditions_in(self, kind: GraphQLNamedType) -> list[GraphQLNamedType]:
        """Return the types that a fragment inside this type may be on."""
        known = self._conditions.get(kind.name)
        if known is None:
            others = [
                each
                for each in self._schema.type_map.values()
                if isinstance(each, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)
                and each is not kind
                and do_types_overlap(self._schema, each, cast("GraphQLObjectType", kind))
            ]
            known = self._conditions[kind.name] = [kind, *others]
        return known

    def _admitted(self, selected: Selected, scope: Scope) -> Selected:
        """Return a field under a key at which it can stand, and note it there."""
        alias = (
            self._chance.choice((*_ALIASES, *self._names_beside(selected)))
            if self._chance.random() < 0.2
            else None
        )
        while True:
            tried = replace(selected, alias=alias)
            if scope.admits_field(tried):
                scope.take([tried])
                return tried
            alias = f"{self._chance.choice(('a', 'A', 'limit_', 'b' * 64))}{len(scope.taken)}{self._chance.randrange(10)}"

    def _names_beside(self, selected: Selected) -> list[str]:
        """Return the names of the type's fields: an alias may be called like another field."""
        kind = selected.parent
        return list(kind.fields) if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) else []

    def _directives(self) -> str:
        # What a document begins with is not left out, or many of them would ask for nothing.
        is_first = self._selections_left == self._selections_most
        if is_first or self._chance.random() > 0.07:
            return ""
        names = self._chance.choice((("include",), ("skip",), ("include", "skip"), ("skip", "include")))
        return "".join(f" @{name}(if: {literal(self._inputs.flag())})" for name in names)


def is_worked(kind: GraphQLNamedType, name: str) -> bool:
    """Return whether a field is worked out in Python: then there is one way to answer, and nothing to compare."""
    return isinstance(catalog.source_of(kind.name, name), Worked)


def _is_nested(kind: GraphQLNamedType) -> bool:
    return isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType)


def _length(selected: Selected, size: int) -> int:
    """Return for how many objects what stands in a field is told, for each object that has it."""
    definition = selected.definition
    if definition is None:
        return 1
    if "first" in definition.args:
        return max(1, size)
    # The rows of a page stand in its own lists: they are counted already.
    is_page = selected.parent.name.endswith("Connection")
    return _LIST_SIZE if is_list(definition) and not is_page else 1


def _takes_dry_runs(arguments: dict[str, GraphQLArgument]) -> bool:
    kinds = [kind_named(kind_of(each)) for each in arguments.values()]
    return any(isinstance(kind, GraphQLInputObjectType) and "dryRun" in kind.fields for kind in kinds)
