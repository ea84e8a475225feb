"""Does `data` have the shape that its document asks for, by the schema and not by the server's word?

No null where the schema has none, lists where there are lists, every leaf one of its type's values, no field missing and
none that wasn't asked for. Where an interface hides which type an object has, the fields of all its types may be there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    is_composite_type,
)

_LEAVES: Mapping[str, type | tuple[type, ...]] = {
    "Boolean": bool,
    "Date": str,
    "DateTime": str,
    "Decimal": str,
    "Float": (int, float),
    "ID": str,
    "Int": int,
    "String": str,
}


@dataclass(frozen=True)
class _Selected:
    """One way in which a key came into an object: by a field of a type, for sure or under a condition."""

    owner: str
    name: str
    type: str
    """As the schema's text has it, such as `[Order!]!`."""
    selections: SelectionSetNode | None
    is_certain: bool


@dataclass
class Shape:
    """What a look at `data` found: where it doesn't fit, and the codes in its refusals and blockers."""

    misfits: list[str] = field(default_factory=list[str])
    refusals: set[str] = field(default_factory=set[str])
    blockers: set[str] = field(default_factory=set[str])


# Any: data is JSON.
def shape_of(schema: GraphQLSchema, document: DocumentNode, data: Any) -> Shape:
    """Look at the data of a document with one operation."""
    (operation,) = (node for node in document.definitions if isinstance(node, OperationDefinitionNode))
    root = schema.get_root_type(operation.operation)
    assert root is not None
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    look = _Look(schema, fragments)
    look.at_object([(root, operation.selection_set, True)], data, "data")
    return look.shape


class _Look:
    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self.shape = Shape()
        self._schema = schema
        self._fragments = fragments

    def at_object(
        self, parents: Sequence[tuple[GraphQLNamedType, SelectionSetNode, bool]], value: Any, path: str
    ) -> None:
        """Look at an object that so many selections speak of."""
        if not isinstance(value, dict):
            self.shape.misfits.append(f"{path} is no object")
            return
        found: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]  # JSON's keys are strings
        known: defaultdict[str, list[_Selected]] = defaultdict(list)
        for parent, selections, is_certain in parents:
            for key, selected in self._fields(parent, selections, is_certain=is_certain):
                known[key].append(selected)
        for key, ways in known.items():
            if key in found:
                self._at_field(ways, found[key], f"{path}.{key}")
            elif any(way.is_certain for way in ways):
                self.shape.misfits.append(f"{path}.{key} is missing")
        self.shape.misfits += [f"{path}.{key} was not asked for" for key in found.keys() - known.keys()]

    def _at_field(self, ways: Sequence[_Selected], value: Any, path: str) -> None:
        if isinstance(value, str) and ways[0].name == "code":
            self._note_code(ways[0].owner, value)
        self._at_value(ways[0].type, ways, value, path)

    def _note_code(self, owner: str, code: str) -> None:
        kind = self._schema.type_map[owner]
        if owner == "ActionBlocker":
            self.shape.blockers.add(code)
        elif owner == "UserError" or (
            isinstance(kind, GraphQLObjectType) and any(each.name == "UserError" for each in kind.interfaces)
        ):
            self.shape.refusals.add(code)

    def _at_value(self, kind: str, ways: Sequence[_Selected], value: Any, path: str) -> None:
        if value is None:
            if kind.endswith("!"):
                self.shape.misfits.append(f"{path} is null where the schema has no null")
            return
        kind = kind.removesuffix("!")
        named = self._schema.type_map.get(kind)
        if named is None:
            if not isinstance(value, list):
                self.shape.misfits.append(f"{path} is no list")
                return
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]  # JSON
            for index, item in enumerate(items):
                self._at_value(kind[1:-1], ways, item, f"{path}[{index}]")
        elif is_composite_type(named):
            # Of several ways, only those of the type that the object has were gone.
            is_one = len(ways) == 1
            parents = [
                (named, way.selections, is_one or way.is_certain)
                for way in ways
                if way.selections is not None
            ]
            self.at_object(parents, value, path)
        else:
            self._at_leaf(named, value, path)

    def _at_leaf(self, kind: GraphQLNamedType, value: Any, path: str) -> None:
        if isinstance(kind, GraphQLEnumType):
            is_fit = value in kind.values
        else:
            # To Python, and not to JSON, true is a number.
            is_fit = isinstance(value, _LEAVES[kind.name]) and isinstance(value, bool) == (
                kind.name == "Boolean"
            )
        if not is_fit:
            self.shape.misfits.append(f"{path} is no {kind.name}")

    def _fields(
        self, parent: GraphQLNamedType, selections: SelectionSetNode, *, is_certain: bool
    ) -> Iterator[tuple[str, _Selected]]:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                kind = _type_of(parent, node.name.value)
                yield key, _Selected(parent.name, node.name.value, kind, node.selection_set, is_certain)
                continue
            if isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
            else:
                assert isinstance(node, InlineFragmentNode)
                fragment = node
            condition = fragment.type_condition
            inner = self._schema.type_map[condition.name.value] if condition else parent
            still = is_certain and (inner is parent or isinstance(parent, GraphQLObjectType))
            yield from self._fields(inner, fragment.selection_set, is_certain=still)


def _type_of(parent: GraphQLNamedType, name: str) -> str:
    if name == "__typename":
        return "String!"
    assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
    return str(parent.fields[name].type)
