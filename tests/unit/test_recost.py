"""Does taking one item after the other, leaves first, lead to the very fractions of a whole roll-up?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.identifiers import cost_id, new_id
from domain.bom import Consumption, Line, Operation, ScrapRule, Structure
from domain.cost_rollup import Cost, Price, rolled_up
from domain.errors import InvalidInput
from domain.recost import KnownCost, bought, common, figures, levels, made
from domain.values import nearest

DAY = date(2026, 5, 4)
ITEMS = [UUID(int=nth) for nth in range(1, 9)]
QUANTITIES = st.decimals("0.0001", "9999", places=4)


@st.composite
def consumptions(draw: st.DrawFn) -> Consumption:
    return Consumption(
        draw(QUANTITIES),
        draw(st.booleans()),
        draw(st.decimals("0", "99.99", places=2)),
        draw(st.sampled_from(ScrapRule)),
        draw(st.decimals("0", "10", places=4)),
        draw(st.none() | QUANTITIES),
    )


@st.composite
def companies(draw: st.DrawFn) -> tuple[dict[UUID, Structure], dict[UUID, Price]]:
    """Items whose parts come after them, some of them made, and the prices of all."""
    structures: dict[UUID, Structure] = {}
    for at, item in enumerate(ITEMS[:-1]):
        if not draw(st.booleans()):
            continue
        parts = draw(st.lists(st.tuples(st.sampled_from(ITEMS[at + 1 :]), consumptions()), max_size=4))
        factors = st.builds(Fraction, st.integers(1, 999), st.integers(1, 999))
        lines = tuple(
            Line(uuid4(), nth, part, taken, draw(factors)) for nth, (part, taken) in enumerate(parts)
        )
        structures[item] = Structure(
            uuid4(),
            item,
            draw(QUANTITIES),
            lines,
            tuple(draw(st.lists(st.builds(Operation, QUANTITIES, QUANTITIES), max_size=2))),
            draw(st.decimals("0", "100", places=2)),
        )
    amounts = st.none() | st.decimals("0", "9999", places=4)
    currencies = st.sampled_from(["CNY", "CNY", "CNY", "USD"])
    prices = {item: Price(draw(amounts), draw(currencies)) for item in ITEMS}
    return structures, prices


def step_by_step(structures: Mapping[UUID, Structure], prices: Mapping[UUID, Price]) -> dict[UUID, KnownCost]:
    """Compute every item in the order of its level, from what is kept: through what a database holds of it."""
    parts = {
        item: [line.item_id for line in each.on(DAY) if line.item_id in structures]
        for item, each in structures.items()
    }
    kept = {item: bought(price) for item, price in prices.items()}
    for item in sorted(structures, key=levels(structures, parts).__getitem__):
        found = made(structures[item], DAY, kept.__getitem__)
        material, operation, credit, denominator = common(found.cost)
        exact = (Fraction(each, denominator) for each in (material, operation, credit))
        kept[item] = KnownCost(Cost(*exact, is_partial=found.cost.is_partial), found.currency, found.is_mixed)
    return kept


@given(companies())
def test_kept_costs_are_those_of_a_whole_roll_up(
    company: tuple[dict[UUID, Structure], dict[UUID, Price]],
) -> None:
    structures, prices = company
    kept = step_by_step(structures, prices)
    for item in structures:
        shown = figures(kept[item], prices[item].currency)
        if shown.has_mixed_currencies:
            with pytest.raises(InvalidInput) as refused:
                rolled_up(item, structures, prices, DAY)
            assert (refused.value.code, shown.total) == ("MIXED_CURRENCIES", None)
            continue
        whole = rolled_up(item, structures, prices, DAY)[0].unit
        assert kept[item].cost == whole
        assert (shown.material, shown.operation, shown.co_product_credit, shown.total) == tuple(
            nearest(each, 4)
            for each in (whole.material, whole.operation, whole.co_product_credit, whole.total)
        )
        assert (shown.is_partial, shown.has_mixed_currencies) == (whole.is_partial, False)


def test_cost_of_more_digits_than_anybody_has_is_rounded_far_behind_what_is_shown() -> None:
    third = Fraction(1, 3**3000)
    structure = Structure(
        new_id(), new_id(), Decimal(1), (Line(new_id(), 1, ITEMS[0], Consumption(Decimal(1))),)
    )
    found = made(structure, DAY, lambda _: KnownCost(Cost(material=Fraction(7, 2) + third), "CNY"))
    assert found.cost.material == Fraction(7, 2)


def test_levels_stand_each_above_all_its_parts() -> None:
    top, left, right, leaf = ITEMS[:4]
    assert levels((top, left, right, leaf), {top: [left, leaf, leaf], left: [right], right: [leaf]}) == {
        leaf: 0,
        right: 1,
        left: 2,
        top: 3,
    }


def test_cycle_has_no_order() -> None:
    with pytest.raises(InvalidInput) as refused:
        levels(ITEMS[:2], {ITEMS[0]: [ITEMS[1]], ITEMS[1]: [ITEMS[0]]})
    assert refused.value.code == "CYCLE"


def test_id_of_a_cost_is_the_items_own_in_version_8() -> None:
    item_id = new_id()
    found = cost_id(item_id)
    assert (item_id.version, found.version, found.variant) == (7, 8, item_id.variant)
    assert str(found) == f"{str(item_id)[:14]}8{str(item_id)[15:]}"
