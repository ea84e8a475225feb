"""What does a revision take on a day, and what does it cost? Read in one statement a day, reckoned beside the event loop.

Whoever asks must be able to read all that BOMs say: what is made of what is known whole or not at all. Of costs each
part is told to those who may read what it is made of: materials by `item.cost`, work and totals by `bom.cost`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Generator, Iterable, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, Uuid, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from db.bom_structures import LINES, WORK, Library, library, parameters
from db.bom_tables import ItemRow
from domain.cost_rollup import CostedItem, Price, rolled_up
from domain.errors import Forbidden, InvalidInput, MalformedRequest
from domain.explosion import Explosion, Question, exploded
from loaders.batching import Batcher
from loaders.reads import Reads
from policies.compiler import Policy

_ITEM = cast("Table", ItemRow.__table__)
_READ_WHOLE = ("BomRevision", "BomLine", "BomCoProduct", "Item")
"""The types of which every row and field must be readable; what is guarded of them is asked for where it is told."""

_MATERIAL, _WORK, _TOTAL = "item.standard_cost", "bom_operation.hourly_rate", "bom.cost"


@dataclass(frozen=True, slots=True)
class CostSight:
    """Which parts of a cost a viewer may read."""

    material: bool
    operation: bool
    total: bool


def cost_sight(policy: Policy) -> CostSight:
    """Return which parts of costs a viewer of this shape may read: what has everything in it, who may read all that is in it."""
    material, operation, total = (policy.may_anywhere(thing, "read") for thing in (_MATERIAL, _WORK, _TOTAL))
    return CostSight(material, operation, material and operation and total)


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What something costs, and all that is made below it, in one currency; itself first, then by level."""

    items: Sequence[CostedItem]
    currency: str


async def explosion_of(reads: Reads, revision_id: UUID, question: Question) -> Explosion:
    """Return what a readable revision takes; raise `Forbidden`, or `MalformedRequest` TOO_DEEP or TOO_LARGE."""
    with as_asked():
        known = await _library(reads, revision_id, question.as_of, has_work=False)
        root = known.roots[revision_id]
        return await asyncio.to_thread(
            exploded, root.item_id, known.below(revision_id), known.phantoms, question
        )


async def costs_of(reads: Reads, revision_id: UUID, day: date) -> RolledUp:
    """Return what a readable revision and all that is made below it cost.

    Raises `Forbidden`, or `MalformedRequest` TOO_LARGE or MIXED_CURRENCIES.
    """
    with as_asked():
        known = await _library(reads, revision_id, day, has_work=cost_sight(reads.policy).operation)
        root, structures = known.roots[revision_id], known.below(revision_id)
        taken = {line.item_id for each in structures.values() for line in each.lines}
        prices = await _prices(reads, (taken - structures.keys()) | {root.item_id})
        items = await asyncio.to_thread(rolled_up, root.item_id, structures, prices, day)
        return RolledUp(items, prices[root.item_id].currency)


@contextmanager
def as_asked() -> Generator[None]:
    """Tell what can't be reckoned as a fault of the question."""
    try:
        yield
    except InvalidInput as error:
        raise MalformedRequest(error.code, error.message) from error


def _library(reads: Reads, revision_id: UUID, day: date, *, has_work: bool) -> Awaitable[Library]:
    """Return what is made of what below all revisions that are asked for with this day."""
    demand_whole(reads)

    async def batch(keys: Sequence[UUID]) -> Sequence[Library]:
        wanted = parameters(keys, day)
        lines = await reads.fetch(LINES, wanted)
        work = await reads.fetch(WORK, wanted) if has_work else ()
        found = await asyncio.to_thread(library, lines, work)
        return [found for _ in keys]

    return reads.loader(("library", day, has_work), lambda: Batcher(batch)).load(revision_id)


async def _prices(reads: Reads, items: Set[UUID]) -> Mapping[UUID, Price]:
    price = reads.policy.masked(reads.binding("Item"), "standard_cost").label("price")
    statement = select(_ITEM.c.id, price, _ITEM.c.currency).where(_ITEM.c.id == any_(_items()))
    rows = await reads.fetch(statement, {"items": sorted(items)})
    return {row["id"]: Price(row["price"], row["currency"]) for row in rows}


def _items() -> ColumnElement[Any]:
    return bindparam("items", type_=ARRAY(Uuid()))


def demand_whole(reads: Reads, type_names: Iterable[str] = _READ_WHOLE) -> None:
    """Raise `Forbidden` unless every row and field of some types is readable, but for what something costs."""
    for name in type_names:
        binding = reads.binding(name)
        things = {field.thing for field in binding.stored_fields} - {_MATERIAL}
        if not all(reads.policy.may_anywhere(thing, "read") for thing in things):
            raise Forbidden
