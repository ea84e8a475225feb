"""Who asks, and for which rows? Everything of a database that the requests name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bench.processes import BenchError
from bench.seeded import CONTRACTOR_CODE, MANAGER, Seeded

TINY_ORDERS = 100
"""So many different orders are asked for in turn, so that no answer is had from one page of the database alone."""

BOARD_ORDERS = 20

_MANAGED = """
SELECT project_id FROM membership JOIN app_user ON app_user.id = membership.user_id
 WHERE username = $1 AND role = 'project_manager'
"""
_CONTRACTOR = """
SELECT id, (SELECT count(*) FROM engineering_order WHERE contractor_id = organization.id) AS orders
  FROM organization WHERE code = $1
"""
_COUNT = "SELECT count(*) FROM engineering_order WHERE project_id = ANY($1)"
# Spread over the whole table, the same ones in every run.
_SPREAD = """
SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) AS nth
                  FROM engineering_order WHERE project_id = ANY($1)) AS numbered
 WHERE nth % $2 = 1 ORDER BY id LIMIT $3
"""
_DEEP = "SELECT number FROM engineering_order WHERE project_id = ANY($1) ORDER BY id DESC OFFSET $2 LIMIT 1"


@dataclass(frozen=True, slots=True)
class Rows:
    """Ids as the database has them; `deep` is the number of an order nine tenths down the manager's list."""

    manager: UUID
    projects: Sequence[UUID]
    contractor: UUID
    tiny: Sequence[UUID]
    deep: str


def rows_of(database: Seeded) -> Rows:
    """Return what the requests name; raise `BenchError` where the database has too little of it."""
    manager = database.fetch("SELECT id FROM app_user WHERE username = $1", MANAGER)[0]["id"]
    projects = [row["project_id"] for row in database.fetch(_MANAGED, MANAGER)]
    (contractor,) = database.fetch(_CONTRACTOR, CONTRACTOR_CODE)
    if contractor["orders"] < BOARD_ORDERS:
        raise BenchError(
            f"{CONTRACTOR_CODE} has {contractor['orders']} orders, and a board has {BOARD_ORDERS}."
        )
    count: int = database.fetch(_COUNT, projects)[0]["count"]
    tiny = database.fetch(_SPREAD, projects, max(count // TINY_ORDERS, 2), TINY_ORDERS)
    (deep,) = database.fetch(_DEEP, projects, count * 9 // 10)
    return Rows(manager, projects, contractor["id"], [row["id"] for row in tiny], deep["number"])
