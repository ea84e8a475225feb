"""How much of an order is worth, and how much of it is done?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor

from domain.values import AMOUNT_PLACES, PERCENT_PLACES, QUANTITY_PLACES, rounded

_WHOLE = Decimal(100)


@dataclass(frozen=True, slots=True)
class LineFacts:
    """One order line: quantities in its unit of measure, price per unit, null while it isn't known."""

    quantity: Decimal
    done_quantity: Decimal
    unit_price: Decimal | None

    @property
    def is_fulfilled(self) -> bool:
        """Return whether all that was ordered is done; more than ordered counts as all."""
        return self.done_quantity >= self.quantity


def line_amount(quantity: Decimal, unit_price: Decimal | None) -> Decimal | None:
    """Return quantity × unit price to 2 places, null while the price is missing."""
    return None if unit_price is None else rounded(quantity * unit_price, AMOUNT_PLACES)


def order_amount(lines: Sequence[LineFacts]) -> Decimal | None:
    """Return the sum of the lines' amounts to 2 places, null while there is no line or a price is missing."""
    amounts = [line_amount(line.quantity, line.unit_price) for line in lines]
    known = [amount for amount in amounts if amount is not None]
    if not amounts or len(known) < len(amounts):
        return None
    return sum(known, Decimal("0.00"))


def percent_complete(lines: Sequence[LineFacts]) -> Decimal:
    """Return Σ weight × min(ordered, done) ÷ ordered over Σ weight, in percent to 2 places (DOMAIN, Orders).

    A line's weight is its amount, so over-delivery on one line can't hide a missing one; where the amounts are not
    known or all zero, every line weighs the same. Rounding never makes an unfinished order 100.
    """
    if not lines:
        return Decimal("0.00")
    weights = [line_amount(line.quantity, line.unit_price) for line in lines]
    known = [weight for weight in weights if weight is not None]
    if len(known) < len(weights) or not sum(known):
        known = [Decimal(1)] * len(lines)
    # In fractions: three thirds of a Decimal are a little less than one, which rounds a half down.
    done = sum(
        (
            Fraction(weight) * Fraction(min(line.quantity, line.done_quantity)) / Fraction(line.quantity)
            for weight, line in zip(known, lines, strict=True)
        ),
        Fraction(0),
    )
    steps = 10**PERCENT_PLACES
    percent = _half_up(100 * steps * done / Fraction(sum(known)))
    if percent == 100 * steps and not all(line.is_fulfilled for line in lines):
        percent -= 1
    return Decimal(percent).scaleb(-PERCENT_PLACES)


def quantity_at(quantity: Decimal, percent: Decimal) -> Decimal:
    """Return the done quantity that `percent` of a line stands for, to 4 places."""
    return rounded(quantity * percent / _WHOLE, QUANTITY_PLACES)


def _half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))
