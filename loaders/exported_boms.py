"""What of a revision, or of what it takes, goes into a file? Whole lists of lines with what they name, as a viewer sees them.

Every row is read as the API reads it: scoped and masked, some thousands at a time in one statement for each type.
"""

from __future__ import annotations

from asyncio import gather
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from domain.errors import Forbidden, NotFound
from loaders.reads import Reads
from loaders.records import Record
from loaders.rows import row_by_key, rows_by_parent
from policies.bindings import ToMany

_TYPE = "BomRevision"


@dataclass(frozen=True)
class ExportedRevision:
    """A revision, and the item that is made by it."""

    revision: Record
    item: Record | None


@dataclass(frozen=True)
class NamedItem:
    """An item, and the unit in which it is counted; null where the viewer may not read them."""

    item: Record | None
    unit: Record | None


@dataclass(frozen=True)
class ExportedLine:
    """A line with its item, its own unit, and its substitutes, first choice first, each with its item."""

    line: Record
    item: Record | None
    unit: Record | None
    substitutes: Sequence[tuple[Record, Record | None]]


async def exported_revision(reads: Reads, key: UUID) -> ExportedRevision:
    """Return a revision that the viewer may take away; raise `NotFound`, or `Forbidden` where he may only read it."""
    found = await row_by_key(reads, _TYPE, key)
    if found is None:
        raise NotFound("BOM revision")
    if await row_by_key(reads, _TYPE, key, "export") is None:
        raise Forbidden
    return ExportedRevision(found, await _row(reads, "Item", found["item"]))


async def exported_lines(reads: Reads, revision: Record) -> Sequence[ExportedLine]:
    """Return all lines of a revision, by position."""
    lines = await rows_by_parent(reads, _source(reads, _TYPE, "lines"), revision.key)
    return await gather(*(_line(reads, line) for line in lines))


async def named_items(reads: Reads, keys: Sequence[UUID]) -> Sequence[NamedItem]:
    """Return items by their ids, in this order, each with its base unit."""
    return await gather(*(_named(reads, key) for key in keys))


async def _line(reads: Reads, line: Record) -> ExportedLine:
    source = _source(reads, "BomLine", "substitutes")
    item, unit, substitutes = await gather(
        _row(reads, "Item", line["item"]),
        _row(reads, "Unit", line["unit"]),
        rows_by_parent(reads, source, line.key),
    )
    others = await gather(*(_row(reads, "Item", each["item"]) for each in substitutes))
    return ExportedLine(line, item, unit, list(zip(substitutes, others, strict=True)))


async def _named(reads: Reads, key: UUID) -> NamedItem:
    item = await _row(reads, "Item", key)
    return NamedItem(item, None if item is None else await _row(reads, "Unit", item["unit"]))


async def _row(reads: Reads, type_name: str, key: UUID | None) -> Record | None:
    """Return a row by a key that may be hidden."""
    return None if key is None else await row_by_key(reads, type_name, key)


def _source(reads: Reads, type_name: str, field: str) -> ToMany:
    return cast("ToMany", reads.binding(type_name).fields[field].source)
