"""Whose costs does a run concern, and in what order are they computed? Leaves first, each once, whoever has asked how often."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Set
from datetime import date, datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    Integer,
    Table,
    Uuid,
    bindparam,
    case,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from db.recost_structures import ANCESTORS, ASKED, LEFT_OVER, MISSING, PARTS
from db.recost_tables import RecostRequestRow, RecostRunRow, RecostStepRow
from db.sessions import Transaction
from domain.recost import RunState, levels

_RUN = cast("Table", RecostRunRow.__table__)
_REQUEST = cast("Table", RecostRequestRow.__table__)
_STEP = cast("Table", RecostStepRow.__table__)


async def collect(session: Transaction, run_id: UUID, day: date, now: datetime) -> None:
    """Write the steps of a run, from then on what it concerns is stale, and nothing else; raise `InvalidInput` CYCLE."""
    items = await _concerned(session, run_id, day)
    parts: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in await session.execute(PARTS, {"items": list(items), "day": day}):
        parts[row.whole_id].append(row.part_id)
    found = await asyncio.to_thread(levels, items, parts)
    await session.execute(_DROP_LEFT_OVER, {"run": run_id})
    await session.execute(_ADD_STEPS, {"run": run_id, "items": list(found), "levels": list(found.values())})
    await session.execute(_ANSWER, {"run": run_id})
    await session.execute(_START, {"run": run_id, "total": len(found), "now": now})


async def _concerned(session: Transaction, run_id: UUID, day: date) -> Set[UUID]:
    """Return the items that are made, or were, whose costs can be others now."""
    own, changed, bought = set[UUID](), set[UUID](), set[UUID]()
    for row in await session.execute(ASKED, {"run": run_id, "day": day}):
        is_costed = row.is_made or row.is_kept
        (own if is_costed else bought).add(row.item_id)
        if row.goes_up:
            changed.add(row.item_id)
    for row in await session.execute(LEFT_OVER, {"run": run_id}):
        own.add(row.item_id)
        changed.add(row.item_id)
    while True:
        reached = await _ids(session, ANCESTORS, {"items": list(changed), "day": day})
        concerned = (own | reached) - bought
        # Items that came into the company by another way than our commands, with nobody asking.
        missing = await _ids(session, MISSING, {"items": list(concerned), "day": day})
        if not missing:
            return concerned
        own |= missing
        changed |= missing


# Any: a statement's parameters are as various as its columns' types.
async def _ids(session: Transaction, statement: Any, values: dict[str, Any]) -> set[UUID]:
    return {row[0] for row in await session.execute(statement, values)}


def _add_steps() -> Any:
    items = bindparam("items", type_=ARRAY(Uuid()))
    rows = func.unnest(items, bindparam("levels", type_=ARRAY(Integer()))).table_valued(
        column("item_id", Uuid()), column("level", Integer())
    )
    each = rows.render_derived()
    of_run = select(bindparam("run", type_=Uuid()), each.c.item_id, each.c.level)
    return insert(_STEP).from_select(["run_id", "item_id", "level"], of_run)


_ADD_STEPS = _add_steps()
_DROP_LEFT_OVER = delete(_STEP).where(_STEP.c.done_at.is_(None), _STEP.c.run_id != bindparam("run"))
_ANSWER = update(_REQUEST).where(_REQUEST.c.run_id == bindparam("run")).values(is_pending=False)
_TOTAL = bindparam("total", type_=Integer())
_START = (
    update(_RUN)
    .where(_RUN.c.id == bindparam("run"))
    .values(
        total_count=_TOTAL,
        attempts=0,
        state=case(
            (_TOTAL > 0, literal(RunState.RUNNING, _RUN.c.state.type)),
            else_=literal(RunState.DONE, _RUN.c.state.type),
        ),
        ended_at=case((_TOTAL > 0, None), else_=bindparam("now", type_=_RUN.c.ended_at.type)),
    )
)
