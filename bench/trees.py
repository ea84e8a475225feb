"""How does a tree of very many made items get into a database quickly? By a few statements, with no command and no event.

A binary tree: assembly n of so many takes assemblies 2n and 2n + 1, those without any take a material of their own, and
one that is common to all of them. So the common material is below every assembly, and a material of one's own below as
many as the tree is deep. Costs, quantities and scrap are simple enough for one to know all costs beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

COMMON = "TREE-COMMON"
COMMON_COST = Decimal("0.35")
OWN_COST = Decimal("1.2345")
MINUTES, HOURLY_RATE = Decimal(6), Decimal(40)

_ITEMS = """
    INSERT INTO item (id, code, name, kind, unit_id, standard_cost, currency, version, created_at, updated_at)
    SELECT {key}, {code}, {code}, '{kind}', (SELECT id FROM unit WHERE code = 'pcs'), {cost}, 'CNY', 1, now(), now()
      FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n
"""
_BOMS = "INSERT INTO bom (id, item_id, created_at) SELECT {bom}, {item}, now() FROM generate_series(1, CAST(:last AS int)) AS n"
_REVISIONS = """
    INSERT INTO bom_revision (id, bom_id, item_id, number, state, base_quantity, checksum, released_at,
                              version, created_at, updated_at)
    SELECT {revision}, {bom}, {item}, 1, 'RELEASED', 1, '', now(), 1, now(), now()
      FROM generate_series(1, CAST(:last AS int)) AS n
"""
_LINES = """
    INSERT INTO bom_line (id, revision_id, position, item_id, quantity, unit_id, factor_numerator,
                          factor_denominator, is_fixed, scrap_percent, scrap_rule, setup_quantity, is_consumable)
    SELECT {line}, {revision}, place, part, quantity, (SELECT id FROM unit WHERE code = 'pcs'), 1, 1, false, 0, 'ADD',
           0, false
      FROM generate_series(1, CAST(:last AS int)) AS n, LATERAL (
          SELECT 10 AS place, {left} AS part, 1 AS quantity WHERE 2 * n <= :last
          UNION ALL SELECT 20, {right}, 1 WHERE 2 * n + 1 <= :last
          UNION ALL SELECT 30, {own}, 3 WHERE 2 * n > :last
          UNION ALL SELECT 40, {common}, 2 WHERE 2 * n > :last
      ) AS line
"""
_OPERATIONS = """
    INSERT INTO bom_operation (id, revision_id, position, name, minutes, hourly_rate)
    SELECT {operation}, {revision}, 10, 'Join', :minutes, :rate FROM generate_series(1, CAST(:last AS int)) AS n
"""


def _key(space: str, number: str) -> str:
    """Return the SQL of an id of version 7 that a number in a space has."""
    return f"CAST('00000000-0000-7000-8000-{space}' || lpad(to_hex({number}), 10, '0') AS uuid)"


_KEYS = {
    "bom": _key("0b", "n"),
    "item": _key("0a", "n"),
    "left": _key("0a", "2 * n"),
    "right": _key("0a", "2 * n + 1"),
    "own": _key("0d", "n"),
    "common": _key("0c", "1"),
    "revision": _key("0e", "n"),
    "line": _key("0f", "n * 100 + place"),
    "operation": _key("10", "n"),
}


async def seed_tree(connection: AsyncConnection, assemblies: int) -> None:
    """Put a tree of so many assemblies, with their materials, into a migrated database."""
    last = {"last": assemblies}
    first_own = {"first": assemblies // 2 + 1, "last": assemblies}
    common = {"first": 1, "last": 1}
    each: Sequence[tuple[str, dict[str, Any]]] = (
        (_items(_key("0c", "n"), f"'{COMMON}'", "MATERIAL", str(COMMON_COST)), common),
        (_items(_key("0d", "n"), "'TREE-M-' || n", "MATERIAL", str(OWN_COST)), first_own),
        (_items(_key("0a", "n"), "'TREE-A-' || n", "ASSEMBLY", "NULL"), {"first": 1, **last}),
        (_BOMS.format(**_KEYS), last),
        (_REVISIONS.format(**_KEYS), last),
        (_LINES.format(**_KEYS), last),
        (_OPERATIONS.format(**_KEYS), {**last, "minutes": MINUTES, "rate": HOURLY_RATE}),
    )
    for statement, values in each:
        await connection.execute(text(statement), values)
    for table in ("item", "bom", "bom_revision", "bom_line", "bom_operation"):
        await connection.execute(text(f"ANALYZE {table}"))


def tree_costs(assemblies: int, common_cost: Decimal = COMMON_COST) -> list[tuple[Fraction, Fraction]]:
    """Return material and operation of one of each assembly, exactly, by its number; the first is of none."""
    work = Fraction(MINUTES) / 60 * Fraction(HOURLY_RATE)
    found = [(Fraction(0), Fraction(0))] * (assemblies + 1)
    for n in range(assemblies, 0, -1):
        parts = [found[each] for each in (2 * n, 2 * n + 1) if each <= assemblies]
        bought = Fraction(0) if parts else 3 * Fraction(OWN_COST) + 2 * Fraction(common_cost)
        found[n] = (bought + sum(each[0] for each in parts), work + sum(each[1] for each in parts))
    return found


def _items(key: str, code: str, kind: str, cost: str) -> str:
    return _ITEMS.format(key=key, code=code, kind=kind, cost=cost)
