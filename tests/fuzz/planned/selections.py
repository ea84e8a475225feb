"""What is selected, and what may stand beside it? The tree of a document, and the rule that its answers can be merged.

A response key may be selected several times where every time means the same (GraphQL, section 5.3.2). A `Scope` knows all
that is selected for one object, in whatever fragments it stands, so that a writer can aim at such keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from graphql import (
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
)

from tests.fuzz.planned.given import Value


@dataclass(frozen=True)
class Selected:
    """A field; `definition` is null for `__typename`, `arguments` are as they stand in the document."""

    parent: GraphQLNamedType
    name: str
    definition: GraphQLField | None
    alias: str | None = None
    arguments: str = ""
    directives: str = ""
    inner: tuple[Selection, ...] = ()
    sort: Value = None
    """What was given to sort the list by, which its cursors belong to."""

    @property
    def key(self) -> str:
        """Return the response key."""
        return self.alias or self.name


@dataclass(frozen=True)
class Inline:
    """An inline fragment, with or without a type condition."""

    condition: str | None
    directives: str
    inner: tuple[Selection, ...]


@dataclass(frozen=True)
class Fragment:
    """A named fragment; `values` is how many values it adds to one object."""

    name: str
    condition: GraphQLNamedType
    inner: tuple[Selection, ...]
    values: int


@dataclass(frozen=True)
class Spread:
    """A named fragment, spread here."""

    fragment: Fragment
    directives: str


Selection = Selected | Inline | Spread


def printed(selections: Sequence[Selection]) -> str:
    """Return a selection set as it stands in a document."""
    return f"{{ {' '.join(map(_printed, selections))} }}"


def _printed(selection: Selection) -> str:
    match selection:
        case Selected():
            alias = f"{selection.alias}: " if selection.alias else ""
            inner = f" {printed(selection.inner)}" if selection.inner else ""
            return f"{alias}{selection.name}{selection.arguments}{selection.directives}{inner}"
        case Inline(condition, directives, inner):
            on = f" on {condition}" if condition else ""
            return f"...{on}{directives} {printed(inner)}"
        case Spread(fragment, directives):
            return f"...{fragment.name}{directives}"


def fields_of(selections: Sequence[Selection]) -> Iterator[Selected]:
    """Yield the fields of a selection set, those in its fragments too."""
    for selection in selections:
        match selection:
            case Selected():
                yield selection
            case Inline():
                yield from fields_of(selection.inner)
            case Spread():
                yield from fields_of(selection.fragment.inner)


def named(definition: GraphQLField) -> GraphQLNamedType:
    """Return the type of a field without its lists and non-nulls."""
    return get_named_type(definition.type)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]


def type_text(definition: GraphQLField) -> str:
    """Return the type of a field as the schema's language writes it."""
    # graphql-core leaves open what lists and non-nulls hold.
    return str(definition.type)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]


def is_list(definition: GraphQLField) -> bool:
    """Return whether a field's value is a list."""
    return "[" in type_text(definition)


@dataclass
class Scope:
    """All that is selected for one object so far, by response key."""

    taken: dict[str, list[Selected]] = field(default_factory=dict[str, "list[Selected]"])
    inner: dict[str, Scope] = field(default_factory=dict[str, "Scope"])

    def below(self, key: str) -> Scope:
        """Return the scope of what stands under a key."""
        return self.inner.setdefault(key, Scope())

    def admits(self, selections: Sequence[Selection]) -> bool:
        """Return whether selections can be merged with what is there."""
        return all(
            self.admits_field(each)
            and (each.key not in self.inner or self.inner[each.key].admits(each.inner))
            for each in fields_of(selections)
        )

    def admits_field(self, selected: Selected) -> bool:
        """Return whether a field can be merged with what has its key, apart from what it selects in turn."""
        return all(_merge(selected, other) for other in self.taken.get(selected.key, ()))

    def take(self, selections: Sequence[Selection]) -> None:
        """Take in selections that are admitted."""
        for each in fields_of(selections):
            self.taken.setdefault(each.key, []).append(each)
            if each.inner:
                self.below(each.key).take(each.inner)


def _merge(one: Selected, other: Selected) -> bool:
    if _shape(one) != _shape(other):
        return False
    are_exclusive = (
        one.parent is not other.parent
        and isinstance(one.parent, GraphQLObjectType)
        and isinstance(other.parent, GraphQLObjectType)
    )
    return are_exclusive or (one.name, one.arguments) == (other.name, other.arguments)


def _shape(selected: Selected) -> str:
    """Return a field's type as far as two that share a key must agree: lists, nulls, and which leaf it is."""
    if selected.definition is None:
        return "String!"
    kind = named(selected.definition)
    text = type_text(selected.definition)
    return text if is_leaf_type(kind) else text.replace(kind.name, "{}")
