"""Is an order's amount exact, and does its percentage ever say more than what is done?"""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fulfilment import LineFacts, line_amount, order_amount, percent_complete, quantity_at
from domain.values import rounded

QUANTITIES = st.decimals("0.0001", "99999999.9999", places=4)
DONE = st.decimals("0", "99999999.9999", places=4)
PRICES = st.decimals("0", "99999.9999", places=4)
LINES = st.builds(LineFacts, QUANTITIES, DONE, PRICES | st.none())
ORDERS = st.lists(LINES, min_size=1, max_size=6)


def line(quantity: str, done: str, price: str | None = "1") -> LineFacts:
    return LineFacts(Decimal(quantity), Decimal(done), None if price is None else Decimal(price))


def exact_percent(lines: list[LineFacts]) -> Fraction:
    """The formula of DOMAIN.md in exact fractions."""
    weights = [Fraction(line_amount(each.quantity, each.unit_price) or 0) for each in lines]
    if any(each.unit_price is None for each in lines) or not sum(weights):
        weights = [Fraction(1)] * len(lines)
    parts = [
        weight * Fraction(min(each.quantity, each.done_quantity)) / Fraction(each.quantity)
        for weight, each in zip(weights, lines, strict=True)
    ]
    return 100 * sum(parts, Fraction(0)) / sum(weights, Fraction(0))


@pytest.mark.parametrize(
    ("quantity", "price", "amount"),
    [
        ("1", "0.0049", "0.00"),
        ("1", "0.005", "0.01"),
        ("1", "0.015", "0.02"),
        ("3.3333", "3.3333", "11.11"),
        ("999999999999.9999", "0.0001", "100000000.00"),
    ],
)
def test_line_amount_is_rounded_half_up_once(quantity: str, price: str, amount: str) -> None:
    assert str(line_amount(Decimal(quantity), Decimal(price))) == amount


def test_amount_is_unknown_while_a_price_is_missing_or_no_line_is_there() -> None:
    assert line_amount(Decimal(1), None) is None
    assert order_amount([line("1", "0"), line("1", "0", None)]) is None
    assert order_amount([]) is None


def test_order_amount_is_the_sum_of_rounded_line_amounts() -> None:
    assert str(order_amount([line("1", "0", "0.005"), line("1", "0", "0.005")])) == "0.02"


@pytest.mark.parametrize(
    ("lines", "percent"),
    [
        ([], "0.00"),
        ([line("10", "0")], "0.00"),
        ([line("10", "5"), line("10", "0")], "25.00"),
        ([line("10", "20"), line("10", "0")], "50.00"),
        ([line("1", "1", "900"), line("1", "0", "100")], "90.00"),
        ([line("1", "1", None), line("1", "0", "100")], "50.00"),
        ([line("1", "1", "0"), line("1", "0", "0")], "50.00"),
        ([line("3", "1"), line("3", "1"), line("3", "1")], "33.33"),
        ([line("3", "2")], "66.67"),
        ([line("100000", "99999.9999")], "99.99"),
        ([line("1", "1", "5"), line("1", "0", "0")], "99.99"),
        # 1 of 160, in three thirds: 0.625 exactly.
        ([line("3", "1", "0.3333")] * 3 + [line("157", "0")], "0.63"),
    ],
)
def test_percentage_of_written_examples(lines: list[LineFacts], percent: str) -> None:
    assert str(percent_complete(lines)) == percent


@given(ORDERS)
def test_over_delivery_never_hides_a_missing_line(lines: list[LineFacts]) -> None:
    capped = [replace(each, done_quantity=min(each.quantity, each.done_quantity)) for each in lines]
    assert percent_complete(lines) == percent_complete(capped)


@given(ORDERS)
def test_order_is_100_percent_exactly_when_every_line_is_done(lines: list[LineFacts]) -> None:
    assert (percent_complete(lines) == 100) is all(each.is_fulfilled for each in lines)


@given(ORDERS)
def test_percentage_is_the_formula_rounded_half_up_once_and_cut_below_100(lines: list[LineFacts]) -> None:
    hundredths = (exact_percent(lines) * 100 + Fraction(1, 2)).__floor__()
    if hundredths == 10_000 and not all(each.is_fulfilled for each in lines):
        hundredths = 9_999
    assert percent_complete(lines) == Decimal(hundredths).scaleb(-2)


@given(ORDERS, st.integers(0, 5), DONE)
def test_doing_more_never_lowers_the_percentage(lines: list[LineFacts], index: int, more: Decimal) -> None:
    grown = list(lines)
    target = grown[index % len(grown)]
    grown[index % len(grown)] = replace(target, done_quantity=target.done_quantity + more)
    assert percent_complete(grown) >= percent_complete(lines)


@given(QUANTITIES)
def test_whole_percentages_stand_for_nothing_and_everything(quantity: Decimal) -> None:
    assert quantity_at(quantity, Decimal(0)) == 0
    assert quantity_at(quantity, Decimal(100)) == quantity


@given(QUANTITIES, st.decimals("0", "100", places=2))
def test_quantity_of_a_percentage_is_exact_to_4_places(quantity: Decimal, percent: Decimal) -> None:
    exact = Fraction(quantity) * Fraction(percent) / 100
    assert abs(Fraction(quantity_at(quantity, percent)) - exact) <= Fraction(1, 20_000)
    assert quantity_at(quantity, percent) == rounded(quantity_at(quantity, percent), 4)
