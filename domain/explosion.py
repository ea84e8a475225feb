"""What does so much of an item take, level by level, and how much of everything is that together?

The tree tells every path once; the demand adds up what is needed of an item on all of them. A phantom 虚拟件 is passed
through: it has its place in the tree, but nobody needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from domain.bom import Line, Structure
from domain.errors import InvalidInput

MOST_LEVELS = 50
"""How deep a BOM may be."""


@dataclass(frozen=True, slots=True)
class Question:
    """How much is to be made, by the lines of which day, and how far down that is followed; at most 50 levels."""

    quantity: Fraction
    as_of: date
    max_levels: int = MOST_LEVELS
    most_lines: int = 100_000


@dataclass(frozen=True, slots=True)
class Needed:
    """One line on one path: `parent` is the place of the line above it, null below the item itself.

    `quantity` is exact, in base units of the line's item; `path` is the positions from the top.
    """

    line: Line
    parent: int | None
    level: int
    path: tuple[int, ...]
    quantity: Fraction
    is_phantom: bool
    has_parts: bool
    """Whether something is below it, whether that was followed or not."""


@dataclass(slots=True)
class Demand:
    """What is needed of one item on all paths, exact, in its base unit."""

    item_id: UUID
    quantity: Fraction = Fraction(0)
    path_count: int = 0
    has_parts: bool = False
    """Whether something is made of parts: then what it takes is demanded, too."""


@dataclass(frozen=True, slots=True)
class Explosion:
    """Every line on every path, from the top down, and the demand by item, in the order in which it is met."""

    lines: tuple[Needed, ...]
    demand: tuple[Demand, ...]


def exploded(
    item_id: UUID, structures: Mapping[UUID, Structure], phantoms: Set[UUID], question: Question
) -> Explosion:
    """Return what `question` takes of everything below an item, whose parts and theirs are in `structures` by item.

    Raises `InvalidInput` TOO_DEEP for more than 50 levels and TOO_LARGE for more lines than are wanted.
    """
    lines: list[Needed] = []
    demand: dict[UUID, Demand] = {}
    held = {key: structure.on(question.as_of) for key, structure in structures.items()}
    # Lines are taken from the end, so that each is followed by what is below it.
    waiting = _below(item_id, question.quantity, structures, held, None, 1, ())
    while waiting:
        line, parent, level, path, lots = waiting.pop()
        if len(lines) == question.most_lines:
            raise InvalidInput("TOO_LARGE", f"It has more than {question.most_lines} lines.", ("quantity",))
        quantity = line.required(lots)
        is_phantom = line.item_id in phantoms
        has_parts = bool(held.get(line.item_id))
        path = (*path, line.position)
        if has_parts and level == MOST_LEVELS:
            raise InvalidInput("TOO_DEEP", f"It has more than {MOST_LEVELS} levels.", ("maxLevels",))
        if has_parts and level < question.max_levels:
            waiting += _below(line.item_id, quantity, structures, held, len(lines), level + 1, path)
        lines.append(Needed(line, parent, level, path, quantity, is_phantom, has_parts))
        if not is_phantom:
            needed = demand.setdefault(line.item_id, Demand(line.item_id, has_parts=has_parts))
            needed.quantity += quantity
            needed.path_count += 1
    return Explosion(tuple(lines), tuple(demand.values()))


_Waiting = tuple[Line, int | None, int, tuple[int, ...], Fraction]


def _below(
    item_id: UUID,
    quantity: Fraction,
    structures: Mapping[UUID, Structure],
    held: Mapping[UUID, tuple[Line, ...]],
    parent: int | None,
    level: int,
    path: tuple[int, ...],
) -> list[_Waiting]:
    structure = structures.get(item_id)
    if structure is None:
        return []
    lots = structure.lots(quantity)
    return [(line, parent, level, path, lots) for line in reversed(held[item_id])]
