"""How does a type say where its fields come from? The declarations that tie Strawberry types to the catalog.

    @bound_type(OrderRow, thing="order", description="…")
    class Order(Node):
        number: str = column(OrderRow.number, "…")
        project: Project = to_one(OrderRow.project_id, "Project", "…")

Each declaration makes the Strawberry field with its generic resolver *and* the catalog's binding; loaders, policy and
planner read the binding, so nothing is said twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar, dataclass_transform

import strawberry
from sqlalchemy import ColumnElement
from sqlalchemy.orm import InstrumentedAttribute
from strawberry.types.base import get_object_definition

from db.tables import Keyed
from loaders.followed import FollowQuestion
from loaders.questions import Question
from loaders.records import Record
from loaders.totals import TotalsQuestion
from policies.bindings import (
    Column,
    Computed,
    FieldBinding,
    GlobalKey,
    HiddenFields,
    Source,
    ToAny,
    ToMany,
    ToOne,
    TypeBinding,
    Worked,
    catalog,
)
from policies.readers import who_sees
from resolvers import relations
from resolvers.context import Info
from resolvers.live import Followed
from resolvers.queries import answer

TypeT = TypeVar("TypeT", bound=type)

_SOURCE = "eoms.source"
QUESTION = "eoms.question"
"""Under which name a root field keeps the function that makes a question of its arguments."""

_STRUCTURAL: set[str] = set()


# Any: a declaration stands where Strawberry and the type checker expect the field's own type.
def key(attribute: InstrumentedAttribute[Any]) -> Any:
    """Declare the global id."""
    return strawberry.field(
        resolver=relations.global_key,
        description="Global id.",
        metadata={_SOURCE: GlobalKey(attribute.expression)},
    )


def column(attribute: InstrumentedAttribute[Any], description: str) -> Any:
    """Declare a field that is a column of the row."""
    return strawberry.field(description=description, metadata={_SOURCE: Column(attribute.expression)})


def to_one(
    attribute: InstrumentedAttribute[Any] | ColumnElement[Any],
    target: str,
    description: str,
    by: InstrumentedAttribute[Any] | None = None,
) -> Any:
    """Declare the row of type `target` that a key of this row names: a column, or what SQL makes of the row.

    It names a row by its id, or by another unique column.
    """
    source = ToOne(attribute.expression, target, None if by is None else by.expression)
    return strawberry.field(
        resolver=relations.to_one(source), description=description, metadata={_SOURCE: source}
    )


def to_many(
    target: str, attribute: InstrumentedAttribute[Any], order: InstrumentedAttribute[Any], description: str
) -> Any:
    """Declare the connection to all rows of type `target` whose key names this row."""
    return to_rows(ToMany(target, attribute.expression, order.expression), description)


def to_rows(source: ToMany, description: str) -> Any:
    """Declare the connection to all rows of a relation that is made elsewhere: one through another table."""
    return strawberry.field(
        resolver=relations.to_many(source), description=description, metadata={_SOURCE: source}
    )


def short_list(
    target: str, attribute: InstrumentedAttribute[Any], order: InstrumentedAttribute[Any], description: str
) -> Any:
    """Declare a list that is short by nature and given whole."""
    source = ToMany(target, attribute.expression, order.expression)
    return strawberry.field(
        resolver=relations.short_list(source), description=description, metadata={_SOURCE: source}
    )


def hidden_fields() -> Any:
    """Declare `hiddenFields`."""
    return strawberry.field(
        description="Names of this object's fields that are hidden from the viewer, so that hidden and null differ.",
        metadata={_SOURCE: HiddenFields()},
    )


def to_any(
    type_name: InstrumentedAttribute[Any],
    attribute: InstrumentedAttribute[Any],
    targets: tuple[str, ...],
    description: str,
) -> Any:
    """Declare the row of one of the types `targets` that a key of this row names, with the column that says which."""
    source = ToAny(type_name.expression, attribute.expression, targets)
    return strawberry.field(
        resolver=relations.to_any(source), description=description, metadata={_SOURCE: source}
    )


def computed(source: Computed, description: str) -> Any:
    """Declare a field that Python makes of facts from the row."""
    return strawberry.field(
        resolver=relations.computed(source), description=description, metadata={_SOURCE: source}
    )


def worked(resolver: Callable[..., Any], description: str) -> Any:
    """Declare a field that is worked out in Python, whose arguments are those of its resolver."""
    return strawberry.field(
        resolver=relations.untyped(resolver), description=description, metadata={_SOURCE: Worked()}
    )


def asked(
    question: Callable[..., Question | TotalsQuestion], description: str, *, of_anybody: bool = False
) -> Any:
    """Declare a root field of queries: what its arguments ask, of whoever is signed in or of anybody."""

    def resolve(info: Info, **arguments: Any) -> Any:
        context = info.context
        if context.viewer is None and of_anybody:
            return None
        _ = context.signed_in
        return answer(context, question(**arguments))

    resolver = _with_arguments_of(question, resolve)
    return strawberry.field(resolver=resolver, description=description, metadata={QUESTION: question})


def followed(question: Callable[..., FollowQuestion], description: str) -> Any:
    """Declare a root field of subscriptions: what its arguments ask to be told, of whoever is signed in."""

    def resolve(info: Info, **arguments: Any) -> Any:
        _ = info.context.signed_in
        return Followed(question(**arguments))

    resolver = _with_arguments_of(question, resolve)
    return strawberry.subscription(resolver=resolver, description=description, metadata={QUESTION: question})


def _with_arguments_of(question: Callable[..., Any], resolve: Callable[..., Any]) -> Callable[..., Any]:
    """Give a resolver the arguments of a question."""
    information = Parameter("info", Parameter.POSITIONAL_OR_KEYWORD, annotation=Info)
    arguments = signature(question).parameters.values()
    # Strawberry reads a resolver's arguments from its signature, and their types where it was written.
    resolve.__signature__ = Signature([information, *arguments])  # pyright: ignore[reportFunctionMemberAccess]
    resolve.__module__, resolve.__annotations__ = question.__module__, {}
    return resolve


@dataclass_transform()
def bound_type(
    row: type[Keyed], *, thing: str, description: str, aggregate: str | None = None, event_prefix: str = ""
) -> Callable[[TypeT], TypeT]:
    """Make a class the type of a table's rows: every field of it must be declared by one of the functions above."""

    def decorate(cls: TypeT) -> TypeT:
        name = cls.__name__
        cls.is_type_of = _is_type_of(name)
        made = strawberry.type(cls, description=description)
        definition = get_object_definition(made, strict=True)
        fields: dict[str, FieldBinding] = {}
        for each in definition.fields:
            source: Source | None = (each.metadata or {}).get(_SOURCE)
            assert source is not None, f"{name}.{each.python_name} says not where it comes from"
            guard = f"{thing}.{each.python_name}"
            fields[each.python_name] = FieldBinding(
                each.python_name, camel_case(each.python_name), guard, source
            )
            readers = who_sees(thing, guard)
            if readers:
                each.description = f"{each.description} Seen by: {readers}."
        catalog.add(TypeBinding(name, thing, row, fields, aggregate, event_prefix))
        return made

    return decorate


def structural(cls: TypeT) -> TypeT:
    """Mark a type that only gives shape (connections, payloads, totals); what it holds is guarded elsewhere."""
    _STRUCTURAL.add(get_object_definition(cls, strict=True).name)
    return cls


def is_structural(name: str) -> bool:
    """Return whether a type was marked as mere shape; generics are by their origin's name."""
    return name in _STRUCTURAL or name.endswith(("Connection", "Edge"))


def camel_case(name: str) -> str:
    """Return a Python name as the API spells it."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), name)


def _is_type_of(name: str) -> Callable[[object, object], bool]:
    def is_type_of(source: object, _info: object) -> bool:
        return isinstance(source, Record) and source.type_name == name

    return is_type_of
