"""What does an item cost that is made, when the costs of its parts are known already, and in what order is that reckoned?

The step of `domain.cost_rollup` for one item: taken leaves first, it leads to the very fractions of a whole roll-up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import lcm
from uuid import UUID

from domain.bom import Structure
from domain.cost_rollup import UNKNOWN, Cost, Price, unit_cost
from domain.errors import InvalidInput
from domain.values import nearest

PLACES = 4
"""To how many places figures are shown."""

_DIGITS_LIMIT = 10**1_000
_SPARE_PLACES = 10**100


class Cause(StrEnum):
    """Why an item's cost may have changed."""

    PRICE = "PRICE"
    RELEASED = "RELEASED"
    SUPERSEDED = "SUPERSEDED"
    DAY = "DAY"
    MISSING = "MISSING"


class RunState(StrEnum):
    """Where a run stands: it finds out what is concerned, computes, and has ended in one of two ways."""

    COLLECTING = "COLLECTING"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class KnownCost:
    """What one base unit costs, exactly, and in which currency: null where nothing in it is priced.

    Where what is in it is priced in several, there is no such sum.
    """

    cost: Cost
    currency: str | None
    is_mixed: bool = False


_MIXED = KnownCost(UNKNOWN, None, is_mixed=True)


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of a cost: rounded half-up to `PLACES`, null where its currencies can't be added up."""

    material: Decimal | None
    operation: Decimal | None
    co_product_credit: Decimal | None
    total: Decimal | None
    is_partial: bool
    has_mixed_currencies: bool


def bought(price: Price) -> KnownCost:
    """Return what an item costs that is made of nothing."""
    if price.amount is None:
        return KnownCost(UNKNOWN, None)
    return KnownCost(Cost(material=Fraction(price.amount)), price.currency)


def made(structure: Structure, day: date, part_cost: Callable[[UUID], KnownCost]) -> KnownCost:
    """Return what an item costs that is made of parts whose costs are known."""
    parts = [part_cost(line.item_id) for line in structure.on(day)]
    currencies = {part.currency for part in parts} - {None}
    if len(currencies) > 1 or any(part.is_mixed for part in parts):
        return _MIXED
    cost = unit_cost(structure, day, lambda part_id: part_cost(part_id).cost)
    return KnownCost(_bounded(cost), next(iter(currencies), None))


def figures(known: KnownCost, currency: str) -> Figures:
    """Return what is shown of the cost of an item whose own currency this is."""
    if known.is_mixed or known.currency not in {None, currency}:
        return Figures(None, None, None, None, is_partial=True, has_mixed_currencies=True)
    cost = known.cost
    return Figures(
        *(
            nearest(each, PLACES)
            for each in (cost.material, cost.operation, cost.co_product_credit, cost.total)
        ),
        is_partial=cost.is_partial,
        has_mixed_currencies=False,
    )


def common(cost: Cost) -> tuple[int, int, int, int]:
    """Return material, operation and credit as numerators of one denominator, which comes last."""
    parts = (cost.material, cost.operation, cost.co_product_credit)
    denominator = lcm(*(each.denominator for each in parts))
    material, operation, credit = (each.numerator * (denominator // each.denominator) for each in parts)
    return material, operation, credit, denominator


def levels(items: Iterable[UUID], parts: Mapping[UUID, Iterable[UUID]]) -> dict[UUID, int]:
    """Return for each item how many others are below it at the most, 0 for one without any; `parts` by what takes them.

    Both name these items only. Raises `InvalidInput` CYCLE.
    """
    found = dict.fromkeys(items, 0)
    above: dict[UUID, list[UUID]] = {}
    waiting = dict.fromkeys(found, 0)
    for whole, each in parts.items():
        for part in set(each):
            above.setdefault(part, []).append(whole)
            waiting[whole] += 1
    ready = deque(each for each, count in waiting.items() if not count)
    settled = 0
    while ready:
        part = ready.popleft()
        settled += 1
        for whole in above.get(part, ()):
            found[whole] = max(found[whole], found[part] + 1)
            waiting[whole] -= 1
            if not waiting[whole]:
                ready.append(whole)
    if settled < len(found):
        raise InvalidInput("CYCLE", "Something contains itself.", ())
    return found


def _bounded(cost: Cost) -> Cost:
    """Return a cost that can be stored: exact, unless its fraction has more than a thousand digits.

    No company's has; but quantities can be made up that multiply to as many on every level as memory can hold.
    """
    parts = (cost.material, cost.operation, cost.co_product_credit)
    if all(each.denominator < _DIGITS_LIMIT for each in parts):
        return cost
    rounded = (Fraction(round(each * _SPARE_PLACES), _SPARE_PLACES) for each in parts)
    return Cost(*rounded, is_partial=cost.is_partial)
