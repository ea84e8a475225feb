"""Do units convert exactly, and only where something says how?"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest

from domain.errors import InvalidInput
from domain.units import Unit, checked_own_units, conversion

KILOGRAM = Unit(UUID(int=1), "kg", "mass", Decimal(1))
TONNE = Unit(UUID(int=2), "t", "mass", Decimal(1000))
METRE = Unit(UUID(int=3), "m", "length", Decimal(1))
MILLIMETRE = Unit(UUID(int=4), "mm", "length", Decimal("0.001"))
PIECE = Unit(UUID(int=5), "pcs", "count", Decimal(1))
DOZEN = Unit(UUID(int=6), "doz", "count", Decimal(12))
PATH = ("lines", "0", "unit")

# A quarter of a piece of this pipe is a metre, a twenty-fifth of it a kilogram.
PIPE = {METRE: Decimal("0.25"), KILOGRAM: Decimal("0.04")}


@pytest.mark.parametrize(
    ("unit", "base", "factor"),
    [
        (PIECE, PIECE, "1"),
        (DOZEN, PIECE, "12"),
        (PIECE, DOZEN, "1/12"),
        (METRE, PIECE, "1/4"),
        (MILLIMETRE, PIECE, "1/4000"),
        (TONNE, PIECE, "40"),
    ],
)
def test_unit_is_so_many_base_units(unit: Unit, base: Unit, factor: str) -> None:
    assert conversion(unit, base, PIPE, PATH) == Fraction(factor)


def test_what_nothing_leads_to_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput) as refused:
        conversion(METRE, KILOGRAM, {PIECE: Decimal(2)}, PATH)
    assert (refused.value.code, refused.value.path) == ("NO_CONVERSION", PATH)


@pytest.mark.parametrize("own", [{DOZEN: Decimal(1)}, {METRE: Decimal(1), MILLIMETRE: Decimal(1)}])
def test_item_says_of_no_dimension_twice_how_it_converts(own: dict[Unit, Decimal]) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_own_units(PIECE, own, PATH)
    assert refused.value.code == "DUPLICATE"
    checked_own_units(PIECE, PIPE, PATH)
