"""What is a bill of materials 物料清单, and how much of its item does one of its lines need?

The words of items and BOMs, and the arithmetic of one line. A whole BOM is left to `domain.explosion`, its cost to
`domain.cost_rollup`. Everything is exact: quantities are fractions until they leave the house.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from math import ceil
from uuid import UUID

_WHOLE = Fraction(100)


class ItemKind(StrEnum):
    """What an item is to the company."""

    MATERIAL = "MATERIAL"
    PART = "PART"
    ASSEMBLY = "ASSEMBLY"
    PHANTOM = "PHANTOM"
    SERVICE = "SERVICE"


class ScrapRule(StrEnum):
    """How scrap 损耗 makes a quantity larger: ADD takes it on top of what is needed, YIELD out of what is taken."""

    ADD = "ADD"
    YIELD = "YIELD"


class RevisionState(StrEnum):
    """Where a revision of a BOM stands."""

    DRAFT = "DRAFT"
    RELEASED = "RELEASED"
    SUPERSEDED = "SUPERSEDED"
    OBSOLETE = "OBSOLETE"


@dataclass(frozen=True, slots=True)
class Window:
    """The days on which something holds, from the first to the day before `until`; null is without a bound."""

    since: date | None = None
    until: date | None = None

    def holds(self, day: date) -> bool:
        """Return whether a day is one of them."""
        return (self.since is None or self.since <= day) and (self.until is None or day < self.until)

    def overlaps(self, other: Window) -> bool:
        """Return whether a day is in both."""
        return (self.since is None or other.until is None or self.since < other.until) and (
            other.since is None or self.until is None or other.since < self.until
        )


ALWAYS = Window()


@dataclass(frozen=True, slots=True)
class Consumption:
    """What a line takes for each base lot of its revision, in the line's unit; a fixed one whatever is made."""

    quantity: Decimal
    is_fixed: bool = False
    scrap_percent: Decimal = Decimal(0)
    scrap_rule: ScrapRule = ScrapRule.ADD
    setup_quantity: Decimal = Decimal(0)
    order_multiple: Decimal | None = None

    @property
    def is_linear(self) -> bool:
        """Return whether twice as many lots need twice as much."""
        return not self.is_fixed and not self.setup_quantity and self.order_multiple is None

    @property
    def each(self) -> Fraction:
        """Return what each base lot takes, scrap included."""
        return Fraction(0) if self.is_fixed else self._with_scrap

    @property
    def once(self) -> Fraction:
        """Return what is taken once, however many lots are made: a fixed quantity with its scrap, and setting up."""
        fixed = self._with_scrap if self.is_fixed else Fraction(0)
        return fixed + Fraction(self.setup_quantity)

    @property
    def _with_scrap(self) -> Fraction:
        scrap = Fraction(self.scrap_percent) / _WHOLE
        quantity = Fraction(self.quantity)
        return quantity * (1 + scrap) if self.scrap_rule is ScrapRule.ADD else quantity / (1 - scrap)

    def required(self, lots: Fraction) -> Fraction:
        """Return what so many base lots need, exact, in the line's unit (DOMAIN, Items and BOMs).

        Scrap comes before what setting up takes, and that before the next multiple in which it is ordered.
        """
        needed = self.each * lots + self.once
        if self.order_multiple is None:
            return needed
        multiple = Fraction(self.order_multiple)
        return ceil(needed / multiple) * multiple


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a revision; `factor` is how many base units of its item one of the line's units is."""

    id: UUID
    position: int
    item_id: UUID
    consumption: Consumption
    factor: Fraction = Fraction(1)
    window: Window = ALWAYS

    def required(self, lots: Fraction) -> Fraction:
        """Return what so many base lots need, exact, in base units of the item."""
        return self.consumption.required(lots) * self.factor


@dataclass(frozen=True, slots=True)
class Operation:
    """Work on one base lot 工序: its time in minutes, its price in money an hour."""

    minutes: Decimal
    hourly_rate: Decimal

    @property
    def cost(self) -> Fraction:
        """Return what it costs for one base lot, exact."""
        return Fraction(self.minutes) / 60 * Fraction(self.hourly_rate)


@dataclass(frozen=True, slots=True)
class Structure:
    """What one revision says of making `base_quantity` of its item, in the item's base unit.

    `co_product_percent` is how much of the cost its co-products bear, 0 to 100.
    """

    revision_id: UUID
    item_id: UUID
    base_quantity: Decimal
    lines: tuple[Line, ...]
    operations: tuple[Operation, ...] = ()
    co_product_percent: Decimal = Decimal(0)

    def lots(self, quantity: Fraction) -> Fraction:
        """Return how many base lots a quantity of the item is."""
        return quantity / Fraction(self.base_quantity)

    def on(self, day: date) -> tuple[Line, ...]:
        """Return the lines that hold on a day."""
        return tuple(line for line in self.lines if line.window.holds(day))
