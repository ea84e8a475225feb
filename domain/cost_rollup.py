"""What does an item cost that is made of others? Standard cost 标准成本, rolled up from its parts and the work on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from uuid import UUID

from domain.bom import Structure

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
