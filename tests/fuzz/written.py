"""Which documents does schemathesis write for this API, and how do they reach more than the checks at the door?

What it writes fits the schema and means nothing: ids that exist nowhere, pages of any size. `aimed` puts ids that exist
and small pages into a document, `with_input` says what stands in a command's input beside what was written, and
`with_verdict` has a command tell what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import schemathesis
from graphql import (
    ArgumentNode,
    DocumentNode,
    FieldNode,
    GraphQLSchema,
    IntValueNode,
    ListValueNode,
    NameNode,
    ObjectFieldNode,
    ObjectValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    ValueNode,
    Visitor,
    introspection_from_schema,
    parse,
    parse_value,
    print_ast,
    visit,
)
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from schema.build import build_schema, graphql_schema

SCHEMA: GraphQLSchema = graphql_schema(build_schema())

# Any: schemathesis leaves the types of its schemas, operations and cases open.
WRITER: Any = schemathesis.graphql.from_dict(cast("dict[str, Any]", introspection_from_schema(SCHEMA)))

# Mostly sound values: a document with ten of them would otherwise never get past the first check.
_SCALARS = {
    "Decimal": ("0", "1", "3.1415", "12.50", "25", "100", "7", "-1", "0.00001", "1E400", "NaN", "x"),
    "Date": (
        "2026-01-05",
        "2026-02-28",
        "2026-03-31",
        "2026-11-30",
        "2027-06-30",
        "0001-01-01",
        "9999-12-31",
        "2026-02-30",
        "x",
    ),
    "DateTime": (
        "2026-02-28T08:00:00Z",
        "2026-02-28T08:00:00.123456+08:00",
        "2026-11-01T00:00:00-03:30",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "x",
    ),
}
for _name, _examples in _SCALARS.items():
    schemathesis.graphql.scalar(_name, st.sampled_from(_examples).map(nodes.String))

_PAGING = ("first", "after", "last", "before")
_VERDICT = """{
  verdict: order { id version state }
  refusals: errors { __typename code path ... on ActionBlocked { blockers { code } } }
}"""

Ids = Mapping[str, Sequence[str]]
"""Ids that exist by the argument, or the field of an input, that takes them; for arguments `id` also by what they give."""


def root_fields() -> list[str]:
    """Return the names of all queries and mutations."""
    return [_name_of(operation) for operation in _operations()]


def documents(name: str) -> st.SearchStrategy[str]:
    """Return what schemathesis writes for a query or mutation."""
    (operation,) = (each for each in _operations() if _name_of(each) == name)
    return operation.as_strategy().map(_text_of)


def aimed(document: str, ids: Ids, place: int) -> str:
    """Return the document with ids and cursors that exist, and with pages of at most ten rows; `place` says which."""
    types = TypeInfo(SCHEMA)
    return print_ast(visit(parse(document), TypeInfoVisitor(types, _Aim(types, ids, place))))


def with_input(document: str, given: Mapping[str, str | None]) -> str:
    """Return a command with these fields of its input, written as GraphQL literals, and without those that are null."""
    parsed, field = _only_field(document)
    (argument,) = tuple(field.arguments or ())
    assert isinstance(argument.value, ObjectValueNode)
    kept = [each for each in argument.value.fields if each.name.value not in given]
    added = [
        ObjectFieldNode(name=NameNode(value=name), value=parse_value(literal))
        for name, literal in given.items()
        if literal is not None
    ]
    value: ValueNode = ObjectValueNode(fields=(*kept, *added))
    inputs = (ArgumentNode(name=argument.name, value=value),)
    return _with_field(
        parsed,
        FieldNode(
            alias=field.alias,
            name=field.name,
            arguments=inputs,
            directives=field.directives,
            selection_set=field.selection_set,
        ),
    )


def with_verdict(document: str) -> str:
    """Return an order command that also asks, as `verdict` and `refusals`, what came of it."""
    parsed, field = _only_field(document)
    ours = _only_field(f"{{ it {_VERDICT} }}")[1].selection_set
    assert field.selection_set is not None
    assert ours is not None
    selections = SelectionSetNode(selections=(*field.selection_set.selections, *ours.selections))
    return _with_field(
        parsed,
        FieldNode(
            alias=NameNode(value="it"),
            name=field.name,
            arguments=field.arguments,
            directives=field.directives,
            selection_set=selections,
        ),
    )


class _Aim(Visitor):
    """Puts ids that exist and page sizes that are allowed in place of random ones."""

    def __init__(self, types: TypeInfo, ids: Ids, place: int) -> None:
        super().__init__()
        self._types = types
        self._ids = ids
        self._place = place

    def enter_field(self, node: FieldNode, *_: object) -> FieldNode | None:
        """Ask for a page where the field gives pages."""
        definition = self._types.get_field_def()
        if definition is None or "first" not in definition.args:
            return None
        page = [
            ArgumentNode(name=NameNode(value="first"), value=IntValueNode(value=str(1 + self._place % 10)))
        ]
        cursors = self._ids.get("after", ())
        if cursors and self._place % 3 == 0:
            cursor = StringValueNode(value=cursors[self._place % len(cursors)])
            page.append(ArgumentNode(name=NameNode(value="after"), value=cursor))
        others = [each for each in node.arguments or () if each.name.value not in _PAGING]
        return FieldNode(
            alias=node.alias,
            name=node.name,
            arguments=(*page, *others),
            directives=node.directives,
            selection_set=node.selection_set,
        )

    def enter_argument(self, node: ArgumentNode, *_: object) -> ArgumentNode | None:
        """Name a row, one of the type that the field gives where that is known."""
        kind = str(cast("object", self._types.get_type()))  # pyright: ignore[reportUnknownMemberType]
        return self._named(node, kind if node.name.value == "id" and kind in self._ids else node.name.value)

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> ObjectFieldNode | None:
        """Name a row."""
        # Not by the type itself: graphql-core leaves open what its lists are of.
        parent = str(cast("object", self._types.get_parent_input_type()))  # pyright: ignore[reportUnknownMemberType]
        is_line = parent.strip("[]!") == "OrderLineInput" and node.name.value == "id"
        return self._named(node, "lineId" if is_line else node.name.value)

    # Any: an argument or a field of an input, which comes back as what it was.
    def _named(self, node: Any, key: str) -> Any:
        known = self._ids.get(key)
        if not known:
            return None
        if isinstance(node.value, ListValueNode):
            values = [self._id_of(known, self._place + nth) for nth in range(len(node.value.values))]
            return type(node)(name=node.name, value=ListValueNode(values=tuple(values)))
        # An id may be written as a number too.
        if not isinstance(node.value, StringValueNode | IntValueNode):
            return None
        return type(node)(name=node.name, value=self._id_of(known, self._place))

    @staticmethod
    def _id_of(known: Sequence[str], place: int) -> StringValueNode:
        return StringValueNode(value=known[place % len(known)])


def _operations() -> list[Any]:
    return [result.ok() for result in WRITER.get_all_operations()]


def _name_of(operation: Any) -> str:
    name: str = operation.label.partition(".")[2]
    return name


def _text_of(case: Any) -> str:
    return case.body if isinstance(case.body, str) else case.body["query"]


def _only_field(document: str) -> tuple[DocumentNode, FieldNode]:
    parsed = parse(document)
    (operation,) = parsed.definitions
    assert isinstance(operation, OperationDefinitionNode)
    (field,) = operation.selection_set.selections
    assert isinstance(field, FieldNode)
    return parsed, field


def _with_field(document: DocumentNode, field: FieldNode) -> str:
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    return print_ast(
        OperationDefinitionNode(
            operation=operation.operation, selection_set=SelectionSetNode(selections=(field,))
        )
    )
