"""How many of an item's base units is one of another unit 计量单位换算?

Units of one dimension convert for every item by their factors (a tonne is a thousand kilograms), those of different
dimensions only for an item that says how (one sheet of this steel is 23.5 kilograms).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from domain.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit; one of it is `factor` of its dimension's own unit."""

    id: UUID
    code: str
    dimension: str
    factor: Decimal


def conversion(unit: Unit, base: Unit, own: Mapping[Unit, Decimal], path: tuple[str, ...]) -> Fraction:
    """Return how many base units one `unit` is, exact, for an item of whose base units one of each of `own` is so many.

    Raises `InvalidInput` NO_CONVERSION where nothing leads from one to the other.
    """
    for known, count in ((base, Decimal(1)), *own.items()):
        if known.dimension == unit.dimension:
            return Fraction(unit.factor) / Fraction(known.factor) * Fraction(count)
    raise InvalidInput("NO_CONVERSION", f"{unit.code} can't be converted to {base.code} for this item.", path)


def checked_own_units(base: Unit, own: Mapping[Unit, Decimal], path: tuple[str, ...]) -> None:
    """Raise `InvalidInput` unless an item's own units say nothing twice: one for each dimension, none for the base's."""
    seen = {base.dimension}
    for unit in own:
        if unit.dimension in seen:
            message = f"How {unit.code} converts is known already by another unit of its dimension."
            raise InvalidInput("DUPLICATE", message, path)
        seen.add(unit.dimension)
