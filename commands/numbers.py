"""Which number does a new document get? The next one of its kind and year, without gaps."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import insert

from commands.execution import Workbench
from db.change_tables import EngineeringChangeNumberRow
from db.tables import OrderNumberRow


async def next_number(
    bench: Workbench, row: type[OrderNumberRow | EngineeringChangeNumberRow], prefix: str
) -> str:
    """Return the next number of this year. The row stays locked until the end, so no number is lost or doubled."""
    year = bench.today.year
    taken = (
        insert(row)
        .values(year=year, last=1)
        .on_conflict_do_update(index_elements=["year"], set_={"last": row.last + 1})
        .returning(row.last)
    )
    last = await bench.session.scalar(taken)
    assert last is not None, "an upsert returns its row"
    return f"{prefix}-{year}-{last:06d}"
