"""What does an item cost that is made of others? Standard cost 标准成本, rolled up from its parts and the work on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from domain.bom import Structure
from domain.errors import InvalidInput

_NOTHING = Fraction(0)
_WHOLE = Fraction(100)


@dataclass(frozen=True, slots=True)
class Cost:
    """Money, exact, by what it is for; everything below is in it.

    Where the cost of something is not known, it is left out, and `is_partial` says so.
    """

    material: Fraction = _NOTHING
    operation: Fraction = _NOTHING
    co_product_credit: Fraction = _NOTHING
    is_partial: bool = False

    @property
    def total(self) -> Fraction:
        """Return what is left to be borne."""
        return self.material + self.operation - self.co_product_credit

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.material + other.material,
            self.operation + other.operation,
            self.co_product_credit + other.co_product_credit,
            is_partial=self.is_partial or other.is_partial,
        )

    def times(self, factor: Fraction) -> Cost:
        """Return the cost of so many times as much."""
        return Cost(
            self.material * factor,
            self.operation * factor,
            self.co_product_credit * factor,
            is_partial=self.is_partial,
        )


UNKNOWN = Cost(is_partial=True)


def lot_cost(structure: Structure, day: date, unit_cost: Callable[[UUID], Cost]) -> Cost:
    """Return what one base lot costs by the lines of a day, where its parts cost `unit_cost` for each base unit.

    Co-products bear their share of the total (DOMAIN, Items and BOMs).
    """
    cost = Cost(operation=sum((each.cost for each in structure.operations), _NOTHING))
    for line in structure.on(day):
        cost += unit_cost(line.item_id).times(line.required(Fraction(1)))
    return cost + Cost(co_product_credit=cost.total * Fraction(structure.co_product_percent) / _WHOLE)


def unit_cost(structure: Structure, day: date, part_cost: Callable[[UUID], Cost]) -> Cost:
    """Return what one base unit of a revision's item costs: see `lot_cost`."""
    return lot_cost(structure, day, part_cost).times(1 / Fraction(structure.base_quantity))


@dataclass(frozen=True, slots=True)
class Price:
    """What is known of an item's cost: of one base unit, null where it is not known, in which currency."""

    amount: Decimal | None
    currency: str


@dataclass(frozen=True, slots=True)
class CostedItem:
    """What something costs that is made: its base lot, and one base unit; `level` is its deepest below the top, from 0."""

    structure: Structure
    level: int
    lot: Cost
    unit: Cost


def rolled_up(
    item_id: UUID, structures: Mapping[UUID, Structure], prices: Mapping[UUID, Price], day: date
) -> tuple[CostedItem, ...]:
    """Return what an item costs and everything made below it, by level, the item first.

    What has no structure costs its price in `prices`, where the item's own price tells the currency of all. An item that
    is made of nothing on that day costs what is bought: its price. Raises `InvalidInput` MIXED_CURRENCIES.
    """
    levels = _levels(item_id, structures, day)
    currency = prices[item_id].currency
    units: dict[UUID, Cost] = {}

    def cost_of(part_id: UUID) -> Cost:
        return units[part_id] if part_id in units else _bought(prices.get(part_id), currency)

    found: list[CostedItem] = []
    for made in reversed(levels):
        structure = structures[made]
        lot = lot_cost(structure, day, cost_of)
        units[made] = lot.times(1 / Fraction(structure.base_quantity))
        found.append(CostedItem(structure, levels[made], lot, units[made]))
    found.sort(key=lambda each: each.level)
    return tuple(found)


def _bought(price: Price | None, currency: str) -> Cost:
    if price is None or price.amount is None:
        return UNKNOWN
    if price.currency != currency:
        message = f"Something is priced in {price.currency} and not in {currency}."
        raise InvalidInput("MIXED_CURRENCIES", message, ())
    return Cost(material=Fraction(price.amount))


def _levels(item_id: UUID, structures: Mapping[UUID, Structure], day: date) -> dict[UUID, int]:
    """Return what is made, each before all that is below it, with its deepest level."""
    parts = {
        key: [line.item_id for line in structure.on(day) if line.item_id in structures]
        for key, structure in structures.items()
    }
    waiting, after = [(item_id, False)], list[UUID]()
    seen: set[UUID] = set()
    while waiting:
        current, is_left = waiting.pop()
        if is_left:
            after.append(current)
        elif current not in seen:
            seen.add(current)
            waiting.append((current, True))
            waiting += [(part, False) for part in parts[current]]
    levels = dict.fromkeys(reversed(after), 0)
    for current in levels:
        for part in parts[current]:
            levels[part] = max(levels[part], levels[current] + 1)
    return levels
