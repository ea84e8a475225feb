"""How are some items' costs computed and kept? All of a batch in one transaction, by a handful of statements.

A batch is the next steps of a run, lowest level first: what an item needs of its parts was kept by an earlier batch or is
computed by this one before it. An event tells of each item whose figures have changed.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Integer, Table, Uuid, any_, bindparam, case, column, func, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert

from db.bom_structures import line_of, work_of
from db.cost_snapshots import cost_fields
from db.events import Happening, Origin, record_all
from db.identifiers import cost_id
from db.recost_structures import LINES, MADE, WORK
from db.recost_tables import ItemCostRow, RecostRunRow, RecostStepRow
from db.sessions import Transaction
from db.snapshots import Fields, changes
from domain.bom import Structure
from domain.cost_rollup import UNKNOWN, Cost, Price
from domain.recost import KnownCost, RunState, bought, common, figures, made

STEPS_AT_ONCE = 500

_COST = cast("Table", ItemCostRow.__table__)
_RUN = cast("Table", RecostRunRow.__table__)
_STEP = cast("Table", RecostStepRow.__table__)

# Any: a row's values are as various as its columns.
_Values = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the database says of a batch: its items in order, what their revisions take, and what its parts cost."""

    items: Sequence[_Values]
    structures: Mapping[UUID, Structure]
    parts: Mapping[UUID, KnownCost]


async def compute_batch(session: Transaction, run_id: UUID, day: date, origin: Origin) -> None:
    """Compute the next steps of a run, and end it with the last one."""
    steps = await session.execute(_NEXT, {"run": run_id, "most": STEPS_AT_ONCE})
    item_ids = [row.item_id for row in steps]
    read = await _read(session, item_ids, day)
    rows, happenings = await asyncio.to_thread(_computed, read, day, run_id, origin)
    if rows:
        await session.execute(_KEEP, _arrays(rows))
    await record_all(session, origin, happenings)
    done = {"run": run_id, "items": item_ids, "now": origin.now, "changed": len(happenings)}
    await session.execute(_FINISH, done)


async def _read(session: Transaction, item_ids: Sequence[UUID], day: date) -> _Read:
    found = {
        row["id"]: row
        for row in (await session.execute(MADE, {"items": list(item_ids), "day": day})).mappings()
    }
    items = [found[each] for each in item_ids]
    revisions = [row["revision_id"] for row in items if row["revision_id"] is not None]
    lines = (await session.execute(LINES, {"revisions": revisions, "day": day})).mappings().all()
    work = {
        row["revision_id"]: row for row in (await session.execute(WORK, {"revisions": revisions})).mappings()
    }
    return await asyncio.to_thread(_structured, items, lines, work)


def _structured(items: Sequence[_Values], lines: Sequence[Any], work: Mapping[UUID, Any]) -> _Read:
    held: defaultdict[UUID, list[Any]] = defaultdict(list)
    parts: dict[UUID, KnownCost] = {}
    for row in lines:
        held[row["revision_id"]].append(line_of(row))
        if row["item_id"] not in parts:
            parts[row["item_id"]] = _known(row)
    structures = {
        row["id"]: Structure(
            row["revision_id"],
            row["id"],
            row["base_quantity"],
            tuple(held[row["revision_id"]]),
            *work_of(work.get(row["revision_id"])),
        )
        for row in items
        if row["revision_id"] is not None
    }
    return _Read(items, structures, parts)


def _known(row: _Values) -> KnownCost:
    """Return what is known of the cost of a line's item."""
    if row["is_unknown"]:
        # Its first revision was released while this run was under way, which the next one has been asked about.
        return KnownCost(UNKNOWN, None)
    if row["denominator"] is None:
        return bought(Price(row["standard_cost"], row["currency"]))
    denominator = int(row["denominator"])
    cost = Cost(
        *(
            Fraction(int(row[f"{name}_numerator"]), denominator)
            for name in ("material", "operation", "credit")
        ),
        is_partial=row["lacks_price"],
    )
    return KnownCost(cost, row["priced_in"], row["is_mixed"])


def _computed(
    read: _Read, day: date, run_id: UUID, origin: Origin
) -> tuple[list[dict[str, Any]], list[Happening]]:
    """Return the rows to keep, and what happened to those whose figures have changed."""
    known = dict(read.parts)
    rows: list[dict[str, Any]] = []
    happenings: list[Happening] = []
    for item in read.items:
        structure = read.structures.get(item["id"])
        if structure is None:
            found = bought(Price(item["standard_cost"], item["currency"]))
        else:
            found = made(structure, day, known.__getitem__)
        known[item["id"]] = found
        if structure is None and item["kept_id"] is None:
            # It was made when the run began, and has not been computed before.
            continue
        row = _row(item, found, run_id, origin)
        happening = _happening(item, row)
        if happening is not None:
            row["version"] += 1
            happenings.append(happening)
        rows.append(row)
    return rows, happenings


def _row(item: _Values, found: KnownCost, run_id: UUID, origin: Origin) -> dict[str, Any]:
    shown = figures(found, item["currency"])
    material, operation, credit, denominator = common(found.cost)
    return {
        "id": item["kept_id"] or cost_id(item["id"]),
        "item_id": item["id"],
        "revision_id": item["revision_id"],
        "material": shown.material,
        "operation": shown.operation,
        "co_product_credit": shown.co_product_credit,
        "total": shown.total,
        "currency": item["currency"],
        "is_partial": shown.is_partial,
        "has_mixed_currencies": shown.has_mixed_currencies,
        "material_numerator": Decimal(material),
        "operation_numerator": Decimal(operation),
        "credit_numerator": Decimal(credit),
        "denominator": Decimal(denominator),
        "priced_in": found.currency,
        "is_mixed": found.is_mixed,
        # Without regard to its own currency: what is made of it may be reckoned in that of its parts.
        "lacks_price": found.cost.is_partial,
        "computed_at": origin.now,
        "run_id": run_id,
        "version": item["kept_version"] or 0,
    }


def _happening(item: _Values, row: _Values) -> Happening | None:
    """Return what happened to a cost, null where its figures are what they were."""
    is_new = item["kept_id"] is None
    before: Fields = {} if is_new else cost_fields({"item_id": row["item_id"], **_kept(item)})
    news = changes(before, cost_fields(row))
    if not news:
        return None
    return Happening(
        aggregate_type="ItemCost",
        aggregate_id=row["id"],
        version=row["version"] + 1,
        type="ItemCostComputed" if is_new else "ItemCostChanged",
        project_id=None,
        changes=news,
        details={"run": str(row["run_id"])},
        latest_hash=item["latest_hash"],
    )


def _kept(item: _Values) -> dict[str, Any]:
    return {name.removeprefix("kept_"): value for name, value in item.items() if name.startswith("kept_")}


def _arrays(rows: Sequence[_Values]) -> dict[str, list[Any]]:
    return {f"{name}s": [row[name] for row in rows] for name in _NAMES}


_NAMES = [each.key for each in _COST.c]


def _keep() -> Any:
    """Return the statement that adds or replaces rows, given as one array for each column."""
    arrays = [bindparam(f"{each.key}s", type_=ARRAY(each.type)) for each in _COST.c]
    rows = (
        func.unnest(*arrays).table_valued(*(column(each.key, each.type) for each in _COST.c)).render_derived()
    )
    added = insert(_COST).from_select(_NAMES, select(*(rows.c[name] for name in _NAMES)))
    replaced = {name: added.excluded[name] for name in _NAMES if name not in {"id", "item_id"}}
    return added.on_conflict_do_update(index_elements=["id"], set_=replaced)


def _finish() -> Any:
    """Return the statement that counts steps as done, and ends the run whose last ones they are."""
    finished = (
        update(_STEP)
        .where(
            _STEP.c.run_id == bindparam("run", type_=Uuid()),
            _STEP.c.item_id == any_(bindparam("items", type_=ARRAY(Uuid()))),
            _STEP.c.done_at.is_(None),
        )
        .values(done_at=bindparam("now", type_=_STEP.c.done_at.type))
        .returning(_STEP.c.item_id)
        .cte("finished")
    )
    done = _RUN.c.done_count + select(func.count()).select_from(finished).scalar_subquery()
    is_last = done == _RUN.c.total_count
    return (
        update(_RUN)
        .where(_RUN.c.id == bindparam("run", type_=Uuid()))
        .values(
            done_count=done,
            changed_count=_RUN.c.changed_count + bindparam("changed", type_=Integer()),
            attempts=0,
            fault=None,
            state=case((is_last, literal(RunState.DONE, _RUN.c.state.type)), else_=_RUN.c.state),
            ended_at=case((is_last, bindparam("now", type_=_RUN.c.ended_at.type)), else_=None),
        )
    )


_NEXT = (
    select(_STEP.c.item_id)
    .where(_STEP.c.run_id == bindparam("run"), _STEP.c.done_at.is_(None))
    .order_by(_STEP.c.level, _STEP.c.item_id)
    .limit(bindparam("most"))
)
_KEEP, _FINISH = _keep(), _finish()
