"""In what do two revisions differ, as far as this viewer may see them? Read in one statement for each type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Uuid, any_, bindparam
from sqlalchemy.dialects.postgresql import ARRAY

from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomSubstituteRow,
)
from domain.bom_comparison import Comparison, Content, Part, compared
from domain.identifiers import global_id
from loaders.reads import Reads
from loaders.selects import HIDDEN_FIELDS, masked_select
from policies.bindings import FieldBinding, ToOne

_NO_CONTENT = {
    "BomRevision": frozenset(
        {
            "id",
            "bom",
            "number",
            "state",
            "note",
            "checksum",
            "released_at",
            "version",
            "created_at",
            "updated_at",
        }
    ),
    "BomLine": frozenset({"id", "revision"}),
}
"""What of a type is no content of a BOM; of all others their ids."""

_REVISION, _LINE = "_revision", "_line"


async def comparison_of(reads: Reads, left: UUID, right: UUID) -> Comparison | None:
    """Return in what two revisions differ, null where one of them doesn't exist or may not be read."""
    both = [left, right]
    revisions = {row["id"]: row for row in await _rows(reads, "BomRevision", BomRevisionRow.id, both)}
    if left not in revisions or right not in revisions:
        return None
    lines = await _rows(reads, "BomLine", BomLineRow.revision_id, both)
    substitutes = await _rows(
        reads, "BomSubstitute", BomSubstituteRow.revision_id, both, BomSubstituteRow.line_id
    )
    operations = await _rows(reads, "BomOperation", BomOperationRow.revision_id, both)
    products = await _rows(reads, "BomCoProduct", BomCoProductRow.revision_id, both)

    def content(revision_id: UUID) -> Content:
        instead: dict[UUID, list[Part]] = {}
        for row in _of(substitutes, revision_id):
            instead.setdefault(row[_LINE], []).append(_part(reads, "BomSubstitute", row))
        return Content(
            _part(reads, "BomRevision", revisions[revision_id]),
            tuple(
                _part(reads, "BomLine", row, instead.get(row["id"], ())) for row in _of(lines, revision_id)
            ),
            tuple(_part(reads, "BomOperation", row) for row in _of(operations, revision_id)),
            tuple(_part(reads, "BomCoProduct", row) for row in _of(products, revision_id)),
        )

    return compared(content(left), content(right))


# Any: columns of whatever types.
async def _rows(
    reads: Reads, type_name: str, key: ColumnElement[Any] | Any, keys: Sequence[UUID], *more: Any
) -> Sequence[RowMapping]:
    statement = (
        masked_select(reads.policy, reads.binding(type_name))
        .add_columns(key.label(_REVISION), *(each.label(_LINE) for each in more))
        .where(key == any_(bindparam("keys", type_=ARRAY(Uuid()))))
    )
    return await reads.fetch(statement, {"keys": keys})


def _of(rows: Iterable[RowMapping], revision_id: UUID) -> Iterable[RowMapping]:
    return (row for row in rows if row[_REVISION] == revision_id)


def _part(reads: Reads, type_name: str, row: RowMapping, parts: Iterable[Part] = ()) -> Part:
    no_content = _NO_CONTENT.get(type_name, frozenset({"id"}))
    fields = {
        field.api_name: _value(field, row[field.name])
        for field in reads.binding(type_name).stored_fields
        if field.name not in no_content
    }
    return Part(row["id"], fields, frozenset(row[HIDDEN_FIELDS]), tuple(parts))


# Any: a value is whatever its column holds.
def _value(field: FieldBinding, value: Any) -> Any:
    match field.source:
        case ToOne(_, target) if value is not None:
            return global_id(target, value)
        case _:
            return value
