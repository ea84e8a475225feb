"""What does so much of an item take, level by level, and how much of everything is that together?

The tree tells every path once; the demand adds up what is needed of an item on all of them. A phantom 虚拟件 is passed
through: it has its place in the tree, but nobody needs it.

A tree may have a hundred thousand lines, so what is done for each is kept to a few products of whole numbers: quantities
are carried as numerator and denominator, in no lowest terms, and become fractions where somebody looks at them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import gcd
from typing import NamedTuple, overload
from uuid import UUID

from domain.bom import Line, Structure
from domain.errors import InvalidInput

MOST_LEVELS = 50
"""How deep a BOM may be."""

MOST_LINES = 200_000
"""How many lines an explosion may have."""


@dataclass(frozen=True, slots=True)
class Question:
    """How much is to be made, by the lines of which day, and how far down that is followed; at most 50 levels."""

    quantity: Fraction
    as_of: date
    max_levels: int = MOST_LEVELS
    most_lines: int = MOST_LINES


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


@dataclass(frozen=True, slots=True)
class Demand:
    """What is needed of one item on all paths, exact, in its base unit."""

    item_id: UUID
    quantity: Fraction
    path_count: int
    has_parts: bool
    """Whether something is made of parts: then what it takes is demanded, too."""


class _Taken(NamedTuple):
    """A line as it is reckoned with: of a quantity of the item above, it needs `each` of it and something once."""

    line: Line
    is_phantom: bool
    each_numerator: int
    each_denominator: int
    needs_more: bool
    """Whether something is taken once, or only in multiples."""


class _Node(NamedTuple):
    taken: _Taken
    parent: int | None
    level: int
    numerator: int
    denominator: int


class Tree(Sequence[Needed]):
    """Every line on every path, each followed by what is below it."""

    def __init__(self, nodes: Sequence[_Node], made: Set[UUID]) -> None:
        self._nodes = nodes
        self._made = made

    def __len__(self) -> int:
        return len(self._nodes)

    @overload
    def __getitem__(self, index: int) -> Needed: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Needed]: ...

    def __getitem__(self, index: int | slice) -> Needed | Sequence[Needed]:
        if isinstance(index, slice):
            return [self._needed(node) for node in self._nodes[index]]
        return self._needed(self._nodes[index])

    def _needed(self, node: _Node) -> Needed:
        line = node.taken.line
        return Needed(
            line,
            node.parent,
            node.level,
            self._path(node),
            Fraction(node.numerator, node.denominator),
            node.taken.is_phantom,
            line.item_id in self._made,
        )

    def _path(self, node: _Node) -> tuple[int, ...]:
        positions = [node.taken.line.position]
        while node.parent is not None:
            node = self._nodes[node.parent]
            positions.append(node.taken.line.position)
        return tuple(reversed(positions))


@dataclass(frozen=True, slots=True)
class Explosion:
    """Every line on every path, and the demand by item, in the order in which it is met."""

    lines: Tree
    demand: tuple[Demand, ...]


def exploded(
    item_id: UUID, structures: Mapping[UUID, Structure], phantoms: Set[UUID], question: Question
) -> Explosion:
    """Return what `question` takes of everything below an item, whose parts and theirs are in `structures` by item.

    Raises `InvalidInput` TOO_DEEP for more than 50 levels and TOO_LARGE for more lines than are wanted.
    """
    below = {key: _below(structure, phantoms, question.as_of) for key, structure in structures.items()}
    nodes: list[_Node] = []
    # Taken from the end, so that each line is followed by what is below it.
    numerator, denominator = question.quantity.as_integer_ratio()
    waiting: list[tuple[_Taken, int | None, int, int, int]] = [
        (each, None, 1, numerator, denominator) for each in below.get(item_id, ())
    ]
    while waiting:
        taken, parent, level, numerator, denominator = waiting.pop()
        place = len(nodes)
        if place == question.most_lines:
            raise InvalidInput("TOO_LARGE", f"It has more than {question.most_lines} lines.", ("quantity",))
        if taken.needs_more:
            numerator, denominator = _required(taken, numerator, denominator)
        else:
            numerator *= taken.each_numerator
            denominator *= taken.each_denominator
        nodes.append(_Node(taken, parent, level, numerator, denominator))
        parts = below.get(taken.line.item_id)
        if not parts:
            continue
        if level == MOST_LEVELS:
            raise InvalidInput("TOO_DEEP", f"It has more than {MOST_LEVELS} levels.", ("maxLevels",))
        if level < question.max_levels:
            # Not in lowest terms for every line, but often enough that numbers stay short.
            common = gcd(numerator, denominator)
            numerator, denominator = numerator // common, denominator // common
            waiting += [(part, place, level + 1, numerator, denominator) for part in parts]
    made = {key for key, parts in below.items() if parts}
    return Explosion(Tree(nodes, made), _demand(nodes, made))


def _below(structure: Structure, phantoms: Set[UUID], day: date) -> list[_Taken]:
    """Return the lines of a day, the last one first, with what they take of each base unit of the structure's item."""
    found: list[_Taken] = []
    for line in reversed(structure.on(day)):
        each = line.consumption.each * line.factor / Fraction(structure.base_quantity)
        needs_more = not line.consumption.is_linear
        found.append(_Taken(line, line.item_id in phantoms, *each.as_integer_ratio(), needs_more))
    return found


def _required(taken: _Taken, numerator: int, denominator: int) -> tuple[int, int]:
    """Return what a line needs that takes something once or in multiples: see `Consumption.required`."""
    line = taken.line
    each = Fraction(taken.each_numerator, taken.each_denominator)
    needed = each * Fraction(numerator, denominator) + line.consumption.once * line.factor
    if line.consumption.order_multiple is not None:
        multiple = Fraction(line.consumption.order_multiple) * line.factor
        needed = -(-needed // multiple) * multiple
    return needed.as_integer_ratio()


def _demand(nodes: Sequence[_Node], made: Set[UUID]) -> tuple[Demand, ...]:
    """Return what is needed of each item; numerators are added up by denominator, of which there are few."""
    sums: dict[UUID, dict[int, int]] = {}
    counts: dict[UUID, int] = {}
    for taken, _parent, _level, numerator, denominator in nodes:
        if taken.is_phantom:
            continue
        item_id = taken.line.item_id
        known = sums.setdefault(item_id, {})
        known[denominator] = known.get(denominator, 0) + numerator
        counts[item_id] = counts.get(item_id, 0) + 1
    return tuple(
        Demand(
            item_id,
            sum((Fraction(numerator, denominator) for denominator, numerator in parts.items()), Fraction(0)),
            counts[item_id],
            item_id in made,
        )
        for item_id, parts in sums.items()
    )
