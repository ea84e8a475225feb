"""How is a value given: written into the document, or sent beside it as a variable? And what does its type say?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from graphql import (
    GraphQLArgument,
    GraphQLInputField,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    get_named_type,
)

InputKind: TypeAlias = Any
"""A type of the schema that values are given in. Any: graphql-core leaves open what its lists and non-nulls hold."""


@dataclass(frozen=True)
class Word:
    """A value of an enum."""

    text: str


@dataclass(frozen=True)
class Use:
    """A variable, used in the place of a value."""

    name: str


Value: TypeAlias = "bool | int | float | str | Word | Use | list[Value] | dict[str, Value] | None"

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"


class NotGiven:
    """That a variable is not sent at all."""


NOT_GIVEN = NotGiven()


@dataclass(frozen=True)
class Variable:
    """A variable of an operation; `fresh` makes what is sent for it, another value at each request."""

    name: str
    type_text: str
    default: Value | NotGiven
    fresh: Callable[[], Value | NotGiven]

    @property
    def declaration(self) -> str:
        """Return it as the head of an operation declares it."""
        default = "" if isinstance(self.default, NotGiven) else f" = {literal(self.default)}"
        return f"${self.name}: {self.type_text}{default}"


def literal(value: Value) -> str:
    """Return a value as it stands in a document."""
    match value:
        case Word(text):
            return text
        case Use(name):
            return f"${name}"
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case dict():
            return f"{{{', '.join(f'{name}: {literal(each)}' for name, each in value.items())}}}"
        case str():
            # Half of them with escapes, half of them as they are.
            return json.dumps(value, ensure_ascii=len(value) % 2 == 0)
        case _:
            return json.dumps(value)


def plain(value: Value, variables: Mapping[str, Plain] | None = None) -> Plain:
    """Return a value as JSON, each variable as what was sent for it, null where nothing was."""
    match value:
        case Word(text):
            return text
        case Use(name):
            return (variables or {}).get(name)
        case list():
            return [plain(each, variables) for each in value]
        case dict():
            return {name: plain(each, variables) for name, each in value.items()}
        case _:
            return value


def kind_of(place: GraphQLArgument | GraphQLInputField) -> InputKind:
    """Return the type of an argument or of a field of an input."""
    return place.type  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # see InputKind


def kind_named(kind: InputKind) -> GraphQLNamedType:
    """Return the type without its lists and non-nulls."""
    return cast("GraphQLNamedType", get_named_type(kind))


def is_required(kind: InputKind) -> bool:
    """Return whether a type is one without null."""
    return isinstance(kind, GraphQLNonNull)


def is_list(kind: InputKind) -> bool:
    """Return whether a type is a list, with null or not."""
    return isinstance(nullable(kind), GraphQLList)


def nullable(kind: InputKind) -> InputKind:
    """Return the type with null."""
    return kind.of_type if is_required(kind) else kind


def item_of(kind: InputKind) -> InputKind:
    """Return what a list holds."""
    return nullable(kind).of_type
