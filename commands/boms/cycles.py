"""Does anything contain itself? Refused when a line is written: at any depth, across revisions, by two writers too.

A substitute counts as what it stands in for. Whoever writes lines checks them at the end of his transaction under one
lock, which he holds until he has committed: of two that make a cycle together, the second one sees the first one's line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast
from uuid import UUID

from sqlalchemy import Select, Table, Uuid, bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from commands.execution import Workbench
from db.bom_tables import BomLineRow, BomRevisionRow, BomSubstituteRow, ItemRow
from domain.bom import RevisionState
from domain.errors import InvalidInput

_STRUCTURE_LOCK = 0x454F4D42
"""Held while what contains what is checked ("EOMB" in ASCII)."""

_NAMED = 20
"""How many items of a cycle are named; it is understood by fewer."""

_LINE = cast("Table", BomLineRow.__table__)
_REVISION = cast("Table", BomRevisionRow.__table__)
_SUBSTITUTE = cast("Table", BomSubstituteRow.__table__)
_ITEM = cast("Table", ItemRow.__table__)


async def refuse_cycles(bench: Workbench, item_id: UUID, path: tuple[str, ...] = ("item",)) -> None:
    """Raise `InvalidInput` CYCLE, naming the way, where an item is below itself by the lines of any revision in use."""
    way = way_back(item_id, await edges_below(bench, item_id))
    if way:
        raise InvalidInput("CYCLE", await told_way(bench, way), path)


async def ways_back(bench: Workbench, item_id: UUID) -> Mapping[UUID, str]:
    """Return which items directly below an item lead back to it, each with a sentence that names the way."""
    edges = await edges_below(bench, item_id)
    found: dict[UUID, str] = {}
    guilty = _leading_to(item_id, edges)
    for below in edges.get(item_id, ()):
        if below in guilty:
            found[below] = await told_way(bench, way_back(item_id, {**edges, item_id: [below]}))
    return found


def _leading_to(item_id: UUID, edges: Mapping[UUID, Sequence[UUID]]) -> set[UUID]:
    """Return an item and all those from which something leads down to it: asked once for thousands of lines."""
    above: dict[UUID, list[UUID]] = {}
    for each, parts in edges.items():
        for part in parts:
            above.setdefault(part, []).append(each)
    found, waiting = {item_id}, [item_id]
    while waiting:
        for each in above.get(waiting.pop(), ()):
            if each not in found:
                found.add(each)
                waiting.append(each)
    return found


def way_back(item_id: UUID, edges: Mapping[UUID, Sequence[UUID]]) -> list[UUID]:
    """Return the shortest way from an item down to itself, both ends named; empty where there is none."""
    above: dict[UUID, UUID] = {}
    waiting = deque([item_id])
    while waiting:
        current = waiting.popleft()
        for below in edges.get(current, ()):
            if below == item_id:
                way = [below, current]
                while way[-1] != item_id:
                    way.append(above[way[-1]])
                return way[::-1]
            if below not in above:
                above[below] = current
                waiting.append(below)
    return []


async def edges_below(bench: Workbench, item_id: UUID) -> dict[UUID, list[UUID]]:
    """Return what is directly below an item and below each item below it, under the lock of all who check."""
    await bench.session.execute(_LOCK)
    edges: dict[UUID, list[UUID]] = {}
    for row in await bench.session.execute(_BELOW, {"item": item_id}):
        edges.setdefault(row.above, []).append(row.below)
    return edges


async def told_way(bench: Workbench, way: Sequence[UUID]) -> str:
    """Return a sentence that names the items on a way from one down to itself, those in the middle of a long one left out."""
    codes = {row.id: row.code for row in await bench.session.execute(_CODES, {"items": way})}
    named = [codes[each] for each in way]
    if len(named) > _NAMED:
        named[_NAMED // 2 : -_NAMED // 2] = ["…"]
    return f"It would contain itself: {' > '.join(named)}."


_LOCK = select(func.pg_advisory_xact_lock(literal(_STRUCTURE_LOCK)))


def _edges(part: Table) -> Select[UUID, UUID]:
    return (
        select(_REVISION.c.item_id.label("above"), part.c.item_id.label("below"))
        .join_from(part, _REVISION, part.c.revision_id == _REVISION.c.id)
        .where(_REVISION.c.state != RevisionState.OBSOLETE)
    )


_EDGES = _edges(_LINE).union_all(_edges(_SUBSTITUTE)).subquery("edge")
_SELF = select(bindparam("item", type_=Uuid()).label("id")).cte("down", recursive=True)
_DOWN = _SELF.union(select(_EDGES.c.below).join_from(_SELF, _EDGES, _EDGES.c.above == _SELF.c.id))
_BELOW = (
    select(_EDGES.c.above, _EDGES.c.below).distinct().join_from(_DOWN, _EDGES, _EDGES.c.above == _DOWN.c.id)
)
_CODES = select(_ITEM.c.id, _ITEM.c.code).where(
    _ITEM.c.id == func.any(bindparam("items", type_=ARRAY(Uuid())))
)
