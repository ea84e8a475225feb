"""Of what is the product made that is exploded? A BOM of five levels, whose tree has some hundred thousand lines.

Twenty items on each level share what is below them, so that the tree is a hundred times as large as what is stored. Lines
have scrap, every seventh item is a phantom, every tenth line has a substitute. Everything is linear and finite in decimals,
so that a bare statement over the same tables can tell the same demand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from bench.seeded import Seeded
from domain.identifiers import global_id

LEVELS = 5
ITEMS_OF_A_LEVEL = 20
LINES_OF_A_BOM = 10
EXPANDED_LINES = sum(LINES_OF_A_BOM**level for level in range(1, LEVELS + 1))
QUANTITY = 7

_NAMESPACE = UUID("6f6b1f2a-54d4-5b8b-a63e-6f2f3a0d9d11")

# What a statement takes without any of our own: quantities of decimals, states instead of dates.
DEMAND = """
WITH RECURSIVE down (item_id, quantity) AS (
    SELECT l.item_id, $2::numeric * l.quantity * (1 + l.scrap_percent / 100)
      FROM bom_line l WHERE l.revision_id = $1
    UNION ALL
    SELECT l.item_id, down.quantity / r.base_quantity * l.quantity * (1 + l.scrap_percent / 100)
      FROM down
      JOIN bom_revision r ON r.item_id = down.item_id AND r.state = 'RELEASED'
      JOIN bom_line l ON l.revision_id = r.id
)
SELECT item.code, round(sum(down.quantity), 4)::text AS quantity, count(*) AS paths
  FROM down JOIN item ON item.id = down.item_id AND item.kind <> 'PHANTOM'
 GROUP BY item.code
"""
COST = """
WITH RECURSIVE down (item_id, quantity) AS (
    SELECT l.item_id, l.quantity * (1 + l.scrap_percent / 100)
      FROM bom_line l WHERE l.revision_id = $1
    UNION ALL
    SELECT l.item_id, down.quantity / r.base_quantity * l.quantity * (1 + l.scrap_percent / 100)
      FROM down
      JOIN bom_revision r ON r.item_id = down.item_id AND r.state = 'RELEASED'
      JOIN bom_line l ON l.revision_id = r.id
)
SELECT round(sum(down.quantity * item.standard_cost), 4)::text
  FROM down JOIN item ON item.id = down.item_id
 WHERE NOT EXISTS (SELECT 1 FROM bom_revision r WHERE r.item_id = item.id AND r.state = 'RELEASED')
"""


@dataclass(frozen=True, slots=True)
class Product:
    """What is exploded."""

    revision_id: UUID

    @property
    def global_id(self) -> str:
        """Return its id as the API names it."""
        return global_id("BomRevision", self.revision_id)


def product(database: Seeded) -> Product:
    """Return the product of a database; put it there first where it isn't yet."""
    root = _key("revision", 0, 0)
    if not database.fetch("SELECT 1 FROM bom_revision WHERE id = $1", root):
        for statement, rows in _rows():
            columns = list(zip(*rows, strict=True))
            database.fetch(statement, *columns)
        database.maintain("VACUUM (ANALYZE) item, bom, bom_revision, bom_line, bom_substitute")
    return Product(root)


# Any: columns of all kinds.
def _rows() -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Yield for each table its statement and its rows, parents first."""
    items = [
        (level, nth) for level in range(LEVELS + 1) for nth in range(1 if level == 0 else ITEMS_OF_A_LEVEL)
    ]
    made = [(level, nth) for level, nth in items if level < LEVELS]
    lines = [(level, nth, at) for level, nth in made for at in range(LINES_OF_A_BOM)]
    yield (
        """INSERT INTO item (id, code, name, kind, unit_id, standard_cost, currency, version, created_at, updated_at)
            SELECT given.id, given.code, given.code, given.kind, (SELECT id FROM unit WHERE code = 'pcs'), given.cost, 'CNY', 1, now(), now()
              FROM unnest($1::uuid[], $2::text[], $3::text[], $4::numeric[]) AS given(id, code, kind, cost)""",
        [
            (_key("item", *each), f"BENCH-{each[0]}-{each[1]:02d}", _kind(*each), _cost(*each))
            for each in items
        ],
    )
    yield (
        """INSERT INTO bom (id, item_id, created_at)
           SELECT given.id, given.item_id, now() FROM unnest($1::uuid[], $2::uuid[]) AS given(id, item_id)""",
        [(_key("bom", *each), _key("item", *each)) for each in made],
    )
    yield (
        """INSERT INTO bom_revision (id, bom_id, item_id, number, state, base_quantity, checksum, version, released_at,
                                      created_at, updated_at)
            SELECT given.id, given.bom_id, given.item_id, 1, 'RELEASED', 1, repeat('0', 64), 1, now(), now(), now()
              FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS given(id, bom_id, item_id)""",
        [(_key("revision", *each), _key("bom", *each), _key("item", *each)) for each in made],
    )
    yield (
        """INSERT INTO bom_line (id, revision_id, position, item_id, quantity, unit_id, factor_numerator,
                                  factor_denominator, is_fixed, scrap_percent, scrap_rule, setup_quantity, is_consumable)
            SELECT given.id, given.revision_id, given.position, given.item_id, given.quantity, (SELECT id FROM unit WHERE code = 'pcs'), 1, 1, false,
                   given.scrap, 'ADD', 0, false
              FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::numeric[], $6::numeric[])
                AS given(id, revision_id, position, item_id, quantity, scrap)""",
        [
            (
                _key("line", *each),
                _key("revision", *each[:2]),
                10 * each[2] + 10,
                _part(*each),
                Decimal(each[2] % 4 + 1) / 4,
                Decimal(each[2] % 3 * 5),
            )
            for each in lines
        ],
    )
    yield (
        """INSERT INTO bom_substitute (id, revision_id, line_id, priority, item_id, factor)
           SELECT given.id, given.revision_id, given.line_id, 1, given.item_id, 1
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) AS given(id, revision_id, line_id, item_id)""",
        [
            (
                _key("substitute", *each),
                _key("revision", *each[:2]),
                _key("line", *each),
                _part(each[0], each[1], each[2] + 1),
            )
            for each in lines
            if each[2] == 0
        ],
    )


def _part(level: int, nth: int, at: int) -> UUID:
    """Return what a line takes: neighbours on the level below, other ones for each item."""
    return _key("item", level + 1, (nth + at) % ITEMS_OF_A_LEVEL)


def _kind(level: int, nth: int) -> str:
    if level == LEVELS:
        return "MATERIAL"
    return "PHANTOM" if level and nth % 7 == 6 else "ASSEMBLY"


def _cost(level: int, nth: int) -> Decimal | None:
    return Decimal(nth + 1) / 8 if level == LEVELS else None


def _key(*name: object) -> UUID:
    return uuid5(_NAMESPACE, "/".join(map(str, name)))
