"""By which BOM is an order built? A released revision is frozen into it, with all that is below, as it is on one day.

Frozen into a draft, it is part of what is approved. After that another one may be frozen in its place (a rebase) until the
work is done; whoever asks first with `dryRun` is told what that changes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import cast
from uuid import UUID

from sqlalchemy import Table, Uuid, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from commands.execution import Workbench
from commands.orders.aggregate import Order, OrderCommand, approver, leave, lock_order, read_bom_parts
from db.bom_structures import LINES, PINNED, Library, library, parameters
from db.bom_tables import BomRevisionRow, ItemRow, OrderBomPartRow
from db.identifiers import new_id
from domain import values
from domain.bom import ItemKind, RevisionState, Window
from domain.errors import InvalidInput, NotFound
from domain.explosion import Question, exploded
from domain.order import OrderAction, take_step

PARTS_LIMIT = 10_000
"""How many made items a frozen BOM has at the most: each of them is part of the order's state."""

EVENT = "event"
"""Under which name is told which event tells what was changed; nothing is told where nothing was."""

_NAMED = 10
_PATH = ("bomRevisionId",)
_ITEM = cast("Table", ItemRow.__table__)
_REVISION = cast("Table", BomRevisionRow.__table__)


@dataclass(frozen=True, kw_only=True)
class FreezeBom(OrderCommand):
    """Build the order by this revision and make so many base units of its item; as of today where no day is given.

    A revision that doesn't hold today is taken as it is on the nearest day on which it does.
    """

    revision_id: UUID
    quantity: Decimal
    as_of: date | None = None
    expected_version: int | None = None
    note: str | None = None


async def freeze_bom(bench: Workbench, command: FreezeBom) -> UUID:
    """Freeze it; return the order's id. What changes nothing in how the order is built leaves no event and no version.

    Raises what `lock_order` and `take_step` raise, `NotFound` for a revision that can't be read, and `InvalidInput`
    NOT_RELEASED, NOT_IN_FORCE, MISSING_CHILD_REVISION (naming the items), TOO_DEEP or TOO_LARGE.
    """
    order = await lock_order(bench, command.order_id, OrderAction.FREEZE_BOM, command.expected_version)
    note = values.note(command.note)
    step = take_step(order.facts(), OrderAction.FREEZE_BOM, approver(bench, order), note)
    quantity = values.quantity(command.quantity, ("quantity",))
    day = await _day(bench, command)
    known = await _reckonable(bench, command.revision_id, quantity, day)
    await _demand_whole(bench, known)
    await read_bom_parts(bench, order)
    _pin(order, known)
    before, order.row.bom_frozen_on = order.row.bom_frozen_on, day
    order.row.bom_revision_id, order.row.bom_quantity = command.revision_id, quantity
    changed = order.changes().keys()
    if not changed or (changed == {"bomFrozenOn"} and await _is_alike(bench, order, before, day)):
        order.row.bom_frozen_on = before
        return order.row.id
    order.row.edited_by_id = bench.viewer.user_id
    bench.told[EVENT] = str(await leave(bench, order, step.event, note=note))
    return order.row.id


async def _day(bench: Workbench, command: FreezeBom) -> date:
    """Return by the lines of which day the revision is taken."""
    statement = select(_REVISION.c.state, _REVISION.c.valid_from, _REVISION.c.valid_to).where(
        _REVISION.c.id == command.revision_id, bench.policy.rows("bom_revision", BomRevisionRow)
    )
    row = (await bench.session.execute(statement, bench.viewer.parameters)).one_or_none()
    if row is None:
        raise NotFound("BOM revision", _PATH)
    if row.state not in {RevisionState.RELEASED, RevisionState.SUPERSEDED}:
        raise InvalidInput("NOT_RELEASED", f"The revision is {row.state.value}.", _PATH)
    window = Window(row.valid_from, row.valid_to)
    day = command.as_of or _nearest(window, bench.today)
    if not window.holds(day):
        path = _PATH if command.as_of is None else ("asOf",)
        raise InvalidInput("NOT_IN_FORCE", f"The revision does not hold on {day.isoformat()}.", path)
    return day


def _nearest(window: Window, today: date) -> date:
    if window.since is not None and today < window.since:
        return window.since
    if window.until is not None and today >= window.until:
        # Where it has neither, it holds on no day at all.
        return window.until - timedelta(days=1) if window.until > date.min else window.until
    return today


async def _demand_whole(bench: Workbench, known: Library) -> None:
    """Raise where something that has to be made isn't made by any revision on that day."""
    structures = [*known.roots.values(), *known.in_force.values()]
    bought = {line.item_id for each in structures for line in each.lines} - known.in_force.keys()
    missing = [row.code for row in await bench.session.execute(_MADE, {"items": sorted(bought)})]
    if missing:
        named = ", ".join(missing[:_NAMED]) + (", …" if len(missing) > _NAMED else "")
        raise InvalidInput("MISSING_CHILD_REVISION", f"Without a BOM in force: {named}.", _PATH)
    if len(known.in_force) > PARTS_LIMIT:
        raise InvalidInput("TOO_LARGE", f"More than {PARTS_LIMIT} items below it are made.", _PATH)


async def _reckonable(bench: Workbench, revision_id: UUID, quantity: Decimal, day: date) -> Library:
    """Return all that is below a revision on a day; raise where what the order takes of it could not be told."""
    rows = await bench.session.execute(LINES, parameters([revision_id], day))
    question = Question(Fraction(quantity), day)
    try:
        known = await asyncio.to_thread(library, rows.mappings())
        item_id, below = known.roots[revision_id].item_id, known.below(revision_id)
        await asyncio.to_thread(exploded, item_id, below, known.phantoms, question)
    except InvalidInput as error:
        raise InvalidInput(error.code, error.message, _PATH) from error
    return known


def _pin(order: Order, known: Library) -> None:
    """Let each item be made as it is in a library."""
    held = {part.item_id: part for part in order.bom_parts}
    order.bom_parts = []
    for item_id, structure in known.in_force.items():
        part = held.get(item_id) or OrderBomPartRow(id=new_id(), order_id=order.row.id, item_id=item_id)
        part.revision_id, part.is_phantom = structure.revision_id, item_id in known.phantoms
        order.bom_parts.append(part)


async def _is_alike(bench: Workbench, order: Order, one: date | None, other: date) -> bool:
    """Return whether the same lines of the order's revisions hold on both days."""
    assert one is not None, "only asked where the day is all that differs"
    assert order.row.bom_revision_id is not None, "it was frozen"
    pinned = [order.row.bom_revision_id, *(part.revision_id for part in order.bom_parts)]
    found = await bench.session.execute(PINNED, {"revisions": pinned})
    known = await asyncio.to_thread(library, found.mappings())
    return all(each.on(one) == each.on(other) for each in known.roots.values())


_MADE = (
    select(_ITEM.c.code)
    .where(
        _ITEM.c.id == any_(bindparam("items", type_=ARRAY(Uuid()))),
        or_(_ITEM.c.kind == ItemKind.ASSEMBLY, _ITEM.c.kind == ItemKind.PHANTOM),
    )
    .order_by(_ITEM.c.code)
)
