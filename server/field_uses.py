"""Does this document select this field?

Asked before a field is retired. A field that is selected through an interface counts for every type that implements it;
what stands in variables can't be known, so input fields and enum values are not asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    parse,
    visit,
)

from domain.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class FieldOfType:
    """A field of an object or interface type."""

    type: GraphQLObjectType | GraphQLInterfaceType
    name: str


def field_named(schema: GraphQLSchema, text: str) -> FieldOfType:
    """Return the field that `Type.field` names; raise `InvalidInput` MALFORMED, or `NotFound`."""
    type_name, _, field_name = text.partition(".")
    if not type_name or not field_name:
        raise InvalidInput("MALFORMED", "A field is named like Order.title.", ("field",))
    kind = schema.get_type(type_name)
    if not isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
        raise NotFound("object or interface type in the schema", ("field",))
    if field_name not in kind.fields:
        raise NotFound(f"field of {type_name}", ("field",))
    return FieldOfType(kind, field_name)


def selects(schema: GraphQLSchema, text: str, field: FieldOfType) -> bool:
    """Return whether any operation or fragment of a document selects the field; one that can't be parsed selects nothing."""
    try:
        document = parse(text, no_location=True)
    except (GraphQLError, RecursionError):
        return False
    types = TypeInfo(schema)
    finder = _Finder(types, field)
    visit(document, TypeInfoVisitor(types, finder))
    return finder.has_found


class _Finder(Visitor):
    def __init__(self, types: TypeInfo, field: FieldOfType) -> None:
        super().__init__()
        self._types = types
        self._name = field.name
        self._parents = {field.type.name, *(interface.name for interface in field.type.interfaces)}
        self.has_found = False

    # Any: graphql-core calls it with the path, which it leaves untyped.
    def enter_field(self, node: FieldNode, *_path: Any) -> Any:
        parent = self._types.get_parent_type()
        if node.name.value == self._name and parent is not None and parent.name in self._parents:
            self.has_found = True
            return self.BREAK
        return None
