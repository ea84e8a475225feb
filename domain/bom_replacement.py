"""What becomes of a line when another item takes the place of its own 物料替换?

The new item stands in for exactly as much as the old one was taken: nothing is rounded, and what can't be said in the
places that a quantity has is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from domain import values
from domain.bom import Window
from domain.errors import InvalidInput


class ReplacementOutcome(StrEnum):
    """What a replacement did with one BOM."""

    REPLACED = "REPLACED"
    UNCHANGED = "UNCHANGED"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class Amounts:
    """The amounts of a line that are in its unit."""

    quantity: Decimal
    setup_quantity: Decimal
    order_multiple: Decimal | None


def parts_of(window: Window, day: date, since: date | None) -> tuple[Window | None, Window | None]:
    """Return on which days of a line the old item stays, and on which the new one is taken, null for none.

    What has ended by `day` stays as it was. With a first day `since` for the new item the old one ends on it; without one
    the whole line goes over.
    """
    first = since or day
    if window.until is not None and window.until <= first:
        return window, None
    if since is None or (window.since is not None and window.since >= since):
        return None, window
    return Window(window.since, since), Window(since, window.until)


def carried_over(amounts: Amounts, ratios: Sequence[Fraction], path: tuple[str, ...]) -> tuple[int, Amounts]:
    """Return the amounts in the first of some units in which they are exact, and which one that is.

    `ratios` says for each unit how many of it one of the line's old unit is. Raises `InvalidInput` TOO_PRECISE where they
    are exact in none, OUT_OF_RANGE where they are too large.
    """
    for place, ratio in enumerate(ratios):
        found = [
            _exact(each, ratio, values.QUANTITY_PLACES)
            for each in (amounts.quantity, amounts.setup_quantity, amounts.order_multiple or Decimal(0))
        ]
        quantity, setup, multiple = found
        if quantity is None or setup is None or multiple is None:
            continue
        return place, Amounts(
            values.quantity(quantity, path),
            values.done_quantity(setup, path),
            None if amounts.order_multiple is None else values.quantity(multiple, path),
        )
    message = f"An amount of the line would need more than {values.QUANTITY_PLACES} places."
    raise InvalidInput("TOO_PRECISE", message, path)


def substitute_factor(factor: Decimal, replaced_by: Fraction, path: tuple[str, ...]) -> Decimal:
    """Return how many of a substitute stand in for one of the new item, of which `replaced_by` stand in for one of the old.

    Raises `InvalidInput` TOO_PRECISE or OUT_OF_RANGE.
    """
    found = _exact(factor, 1 / replaced_by, values.FACTOR_PLACES)
    if found is None:
        message = f"The factor of a substitute would need more than {values.FACTOR_PLACES} places."
        raise InvalidInput("TOO_PRECISE", message, path)
    return values.factor(found, path)


def _exact(value: Decimal, ratio: Fraction, places: int) -> Decimal | None:
    exact = Fraction(value) * ratio
    found = values.nearest(exact, places)
    return found if Fraction(found) == exact else None
