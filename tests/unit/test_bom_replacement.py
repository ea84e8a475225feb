"""Does a new item stand in for exactly as much as the old one was taken, and on the right days?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bom import Window
from domain.bom_replacement import Amounts, carried_over, parts_of, substitute_factor
from domain.errors import InvalidInput

_TODAY = date(2026, 7, 1)
_NEARBY = st.integers(-5, 5).map(lambda days: _TODAY + timedelta(days))
_MAYBE = st.none() | _NEARBY


@st.composite
def windows(draw: st.DrawFn) -> Window:
    since, until = draw(_MAYBE), draw(_MAYBE)
    if since is not None and until is not None and until <= since:
        until = since + timedelta(1)
    return Window(since, until)


@given(windows(), _MAYBE, _NEARBY)
def test_each_day_of_a_line_is_the_old_items_or_the_new_ones(
    window: Window, since: date | None, day: date
) -> None:
    old, new = parts_of(window, since or _TODAY, since)
    held = [part is not None and part.holds(day) for part in (old, new)]
    assert sum(held) == window.holds(day)
    if since is not None and window.holds(day):
        assert held == [day < since, day >= since]
    if since is None:
        assert (old, new) in {(window, None), (None, window)}
        assert (new is None) == (window.until is not None and window.until <= _TODAY)


_QUANTITIES = st.integers(1, 10**8).map(lambda number: Decimal(number).scaleb(-4))
_RATIOS = st.builds(Fraction, st.integers(1, 1_000), st.integers(1, 1_000))


@given(_QUANTITIES, _QUANTITIES, st.none() | _QUANTITIES, st.lists(_RATIOS, min_size=1, max_size=2))
def test_amounts_are_exact_or_refused(
    quantity: Decimal, setup: Decimal, multiple: Decimal | None, ratios: list[Fraction]
) -> None:
    amounts = [each for each in (quantity, setup, multiple) if each is not None]
    exact = [all((Fraction(each) * ratio * 10**4).denominator == 1 for each in amounts) for ratio in ratios]
    if not any(exact):
        with pytest.raises(InvalidInput) as refused:
            carried_over(Amounts(quantity, setup, multiple), ratios, ("factor",))
        assert refused.value.code == "TOO_PRECISE"
        return
    place, found = carried_over(Amounts(quantity, setup, multiple), ratios, ("factor",))
    assert place == exact.index(True)
    assert Fraction(found.quantity) == Fraction(quantity) * ratios[place]
    assert Fraction(found.setup_quantity) == Fraction(setup) * ratios[place]
    assert (found.order_multiple is None) == (multiple is None)
    if multiple is not None and found.order_multiple is not None:
        assert Fraction(found.order_multiple) == Fraction(multiple) * ratios[place]


def test_first_unit_in_which_all_is_exact_is_taken() -> None:
    amounts = Amounts(Decimal("0.0003"), Decimal(0), None)
    assert carried_over(amounts, [Fraction(1, 2), Fraction(500)], ()) == (
        1,
        Amounts(Decimal("0.1500"), Decimal("0.0000"), None),
    )


@pytest.mark.parametrize(
    ("factor", "replaced_by", "code"),
    [("1", Fraction(3), "TOO_PRECISE"), ("1000000", Fraction(1, 10**6), "OUT_OF_RANGE")],
)
def test_substitute_that_can_not_be_said_exactly_is_refused(
    factor: str, replaced_by: Fraction, code: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        substitute_factor(Decimal(factor), replaced_by, ("factor",))
    assert refused.value.code == code


def test_substitute_stands_in_for_the_new_item_as_it_did_for_the_old_one() -> None:
    assert substitute_factor(Decimal(3), Fraction(2), ()) == Decimal("1.500000000000")
