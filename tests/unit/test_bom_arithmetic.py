"""Are explosion and cost roll-up of a BOM exact, by the worked example and for any BOM?

The worked example is that of the SAS/OR documentation (ABC Lamp), as DOMAIN.md has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bom import Consumption, Line, Operation, ScrapRule, Structure, Window
from domain.cost_rollup import UNKNOWN, Cost, unit_cost
from domain.errors import InvalidInput
from domain.explosion import MOST_LEVELS, Explosion, Question, exploded

DAY = date(2001, 1, 1)
REPLACED_ON = date(2001, 4, 8)

Part = tuple[str, Consumption] | tuple[str, Consumption, Window]


def key(code: str) -> UUID:
    return UUID(bytes=code.encode().rjust(16, b"\0"))


def code(item_id: UUID) -> str:
    return item_id.bytes.lstrip(b"\0").decode()


def takes(quantity: str, **more: object) -> Consumption:
    return Consumption(Decimal(quantity), **more)  # pyright: ignore[reportArgumentType]


def structures(
    boms: Mapping[str, Sequence[Part]],
) -> dict[UUID, Structure]:
    return {
        key(item): Structure(
            key(item),
            key(item),
            Decimal(1),
            tuple(
                Line(
                    key(f"{item}.{at}"),
                    at,
                    key(part[0]),
                    part[1],
                    window=part[2] if len(part) > 2 else Window(),
                )
                for at, part in enumerate(parts, start=1)
            ),
        )
        for item, parts in boms.items()
    }


ONE = takes("1")
LAMP = structures(
    {
        "LA01": [("B100", ONE), ("S100", ONE), ("A100", ONE)],
        # 1400 stands there twice, and counts twice.
        "B100": [("1100", ONE), ("1200", ONE), ("1300", ONE), ("1400", takes("3")), ("1400", ONE)],
        "A100": [("1500", ONE), ("1600", ONE), ("1700", ONE)],
        "1100": [("2100", takes("26", scrap_percent=Decimal(20)))],
        "1500": [("1400", takes("2"))],
        "1700": [
            ("2200", takes("12", scrap_percent=Decimal(10)), Window(until=REPLACED_ON)),
            ("2210", takes("12"), Window(since=REPLACED_ON)),
            ("2300", ONE),
        ],
    }
)
LEAF_COSTS = {
    "1200": "9.25",
    "1300": "5.00",
    "1400": "0.20",
    "1600": "3.50",
    "2100": "0.05",
    "2200": "0.35",
    "2300": "0.50",
    "S100": "4.10",
}


def without_scrap(boms: Mapping[UUID, Structure]) -> dict[UUID, Structure]:
    def clean(line: Line) -> Line:
        return replace(line, consumption=replace(line.consumption, scrap_percent=Decimal(0)))

    return {
        item: replace(each, lines=tuple(clean(line) for line in each.lines)) for item, each in boms.items()
    }


def demand(explosion: Explosion) -> dict[str, Fraction]:
    return {code(each.item_id): each.quantity for each in explosion.demand}


def rolled_up(boms: Mapping[UUID, Structure], item: str, leaves: Mapping[str, str], day: date = DAY) -> Cost:
    def cost_of(item_id: UUID) -> Cost:
        if item_id in boms:
            return unit_cost(boms[item_id], day, cost_of)
        known = leaves.get(code(item_id))
        return UNKNOWN if known is None else Cost(material=Fraction(known))

    return cost_of(key(item))


@pytest.mark.parametrize(
    ("item", "cost"),
    [
        ("1100", "1.30"),
        ("B100", "16.35"),
        ("1500", "0.40"),
        ("1700", "4.70"),
        ("A100", "8.60"),
        ("LA01", "29.05"),
    ],
)
def test_lamp_costs_what_its_source_says(item: str, cost: str) -> None:
    assert rolled_up(without_scrap(LAMP), item, LEAF_COSTS).total == Fraction(cost)


def test_fifty_lamps_need_what_its_source_says() -> None:
    needed = demand(exploded(key("LA01"), LAMP, set(), Question(Fraction(50), DAY)))
    assert {item: needed[item] for item in ("2100", "2200", "1400")} == {
        "2100": 1560,
        "2200": 660,
        "1400": 300,
    }


def test_replacement_counts_from_its_day() -> None:
    before, after = (
        demand(exploded(key("LA01"), LAMP, set(), Question(Fraction(50), day)))
        for day in (date(2001, 4, 7), REPLACED_ON)
    )
    assert (before["2200"], before.get("2210")) == (660, None)
    assert (after.get("2200"), after["2210"]) == (None, 600)


def test_unknown_cost_is_left_out_and_said_so() -> None:
    cost = rolled_up(without_scrap(LAMP), "LA01", LEAF_COSTS | {"S100": "0"})
    assert (cost.total, cost.is_partial) == (Fraction("24.95"), False)
    unknown = {item: price for item, price in LEAF_COSTS.items() if item != "S100"}
    assert rolled_up(without_scrap(LAMP), "LA01", unknown) == replace(cost, is_partial=True)


@pytest.mark.parametrize(
    ("consumption", "lots", "needed"),
    [
        (takes("3"), "7", "21"),
        (takes("3", is_fixed=True), "7", "3"),
        (takes("10", scrap_percent=Decimal(20)), "1", "12"),
        (takes("10", scrap_percent=Decimal(20), scrap_rule=ScrapRule.YIELD), "1", "12.5"),
        (takes("10", scrap_percent=Decimal(20), setup_quantity=Decimal("1.5")), "1", "13.5"),
        (
            takes("10", scrap_percent=Decimal(20), setup_quantity=Decimal("1.5"), order_multiple=Decimal(5)),
            "1",
            "15",
        ),
        (takes("5", order_multiple=Decimal(5)), "3", "15"),
        (takes("3", order_multiple=Decimal(1)), "1/3", "1"),
        (takes("2", is_fixed=True, order_multiple=Decimal(6)), "100", "6"),
    ],
)
def test_line_needs_quantity_scrap_setup_and_the_next_multiple_in_this_order(
    consumption: Consumption, lots: str, needed: str
) -> None:
    assert consumption.required(Fraction(lots)) == Fraction(needed)


def test_base_lot_and_unit_are_converted_exactly() -> None:
    # Three of it take 1 kg in all, and the item is kept in tonnes.
    line = Line(key("l"), 1, key("steel"), takes("1"), factor=Fraction(1, 1000))
    structure = Structure(key("r"), key("bracket"), Decimal(3), (line,))
    explosion = exploded(key("bracket"), {key("bracket"): structure}, set(), Question(Fraction(1), DAY))
    assert demand(explosion) == {"steel": Fraction(1, 3000)}


def test_phantom_is_passed_through_and_not_demanded() -> None:
    boms = structures({"top": [("kit", takes("2"))], "kit": [("bolt", takes("4"))]})
    explosion = exploded(key("top"), boms, {key("kit")}, Question(Fraction(1), DAY))
    assert [(each.path, each.is_phantom, each.quantity) for each in explosion.lines] == [
        ((1,), True, 2),
        ((1, 1), False, 8),
    ]
    assert demand(explosion) == {"bolt": 8}


def test_tree_names_what_is_above_each_line_and_can_be_cut() -> None:
    explosion = exploded(key("LA01"), LAMP, set(), Question(Fraction(1), DAY))
    for at, each in enumerate(explosion.lines):
        assert (each.parent is None) == (each.level == 1)
        if each.parent is not None:
            above = explosion.lines[each.parent]
            assert each.parent < at
            assert (above.level, above.path) == (each.level - 1, each.path[:-1])
    cut = exploded(key("LA01"), LAMP, set(), Question(Fraction(1), DAY, max_levels=2))
    whole = [each for each in explosion.lines if each.level <= 2]
    assert [(each.path, each.quantity, each.has_parts) for each in cut.lines] == [
        (each.path, each.quantity, each.has_parts) for each in whole
    ]


def test_bom_of_fifty_levels_is_followed_and_a_deeper_one_refused() -> None:
    chain = structures({f"c{at}": [(f"c{at + 1}", ONE)] for at in range(MOST_LEVELS + 1)})
    assert len(exploded(key("c1"), chain, set(), Question(Fraction(1), DAY)).lines) == MOST_LEVELS
    for most in (MOST_LEVELS, MOST_LEVELS + 10):
        with pytest.raises(InvalidInput, match="50 levels") as refused:
            exploded(key("c0"), chain, set(), Question(Fraction(1), DAY, max_levels=most))
        assert refused.value.code == "TOO_DEEP"


def test_explosion_that_grows_too_large_is_refused_before_it_is_made() -> None:
    doubling = structures({f"c{at}": [(f"c{at + 1}", ONE)] * 2 for at in range(40)})
    with pytest.raises(InvalidInput) as refused:
        exploded(key("c0"), doubling, set(), Question(Fraction(1), DAY, most_lines=1_000))
    assert refused.value.code == "TOO_LARGE"


CODES = [f"i{at}" for at in range(8)]
QUANTITIES = st.decimals("0.0001", "999.9999", places=4)
PERCENTS = st.decimals("0", "99.99", places=2)
LINEAR = st.builds(Consumption, QUANTITIES, scrap_percent=PERCENTS, scrap_rule=st.sampled_from(ScrapRule))
ANY = st.builds(
    Consumption,
    QUANTITIES,
    st.booleans(),
    PERCENTS,
    st.sampled_from(ScrapRule),
    st.decimals("0", "10", places=2),
    st.none() | st.decimals("0.01", "100", places=2),
)


@st.composite
def boms(draw: st.DrawFn, consumption: st.SearchStrategy[Consumption]) -> dict[UUID, Structure]:
    """Items whose parts come after them, so that there is no cycle."""
    found: dict[UUID, Structure] = {}
    for at, item in enumerate(CODES[:-1]):
        parts = draw(st.lists(st.tuples(st.sampled_from(CODES[at + 1 :]), consumption), max_size=3))
        found |= structures({item: parts}) if parts else {}
    operations = st.lists(st.builds(Operation, QUANTITIES, QUANTITIES), max_size=2).map(tuple)
    return {
        item: replace(each, base_quantity=draw(QUANTITIES), operations=draw(operations))
        for item, each in found.items()
    }


@given(boms(LINEAR), st.fractions(min_value=Fraction(1, 100), max_value=1000))
def test_explosion_is_linear_without_setup_multiples_and_fixed_lines(
    boms: dict[UUID, Structure], quantity: Fraction
) -> None:
    one = demand(exploded(key("i0"), boms, set(), Question(Fraction(1), DAY)))
    many = demand(exploded(key("i0"), boms, set(), Question(quantity, DAY)))
    assert many == {item: needed * quantity for item, needed in one.items()}


@given(boms(ANY), st.sets(st.sampled_from([key(each) for each in CODES])))
def test_demand_is_the_sum_over_all_paths(boms: dict[UUID, Structure], phantoms: set[UUID]) -> None:
    explosion = exploded(key("i0"), boms, phantoms, Question(Fraction(3), DAY))
    for each in explosion.demand:
        paths = [line for line in explosion.lines if line.line.item_id == each.item_id]
        assert (each.quantity, each.path_count) == (sum(line.quantity for line in paths), len(paths))
    demanded = {each.item_id for each in explosion.demand}
    assert demanded == {line.line.item_id for line in explosion.lines} - phantoms


@given(boms(LINEAR), st.lists(QUANTITIES, min_size=len(CODES), max_size=len(CODES)))
def test_roll_up_is_demand_times_leaf_cost_and_the_work(
    boms: dict[UUID, Structure], prices: list[Decimal]
) -> None:
    leaves = {item: str(price) for item, price in zip(CODES, prices, strict=True)}
    explosion = exploded(key("i0"), boms, set(), Question(Fraction(1), DAY))
    made = [(key("i0"), Fraction(1)), *((each.item_id, each.quantity) for each in explosion.demand)]
    material = sum(
        (quantity * Fraction(leaves[code(item)]) for item, quantity in made if item not in boms), Fraction(0)
    )
    work = sum(
        (
            boms[item].lots(quantity) * sum((each.cost for each in boms[item].operations), Fraction(0))
            for item, quantity in made
            if item in boms
        ),
        Fraction(0),
    )
    cost = rolled_up(boms, "i0", leaves)
    assert (cost.material, cost.operation) == (material, work)


def test_co_products_bear_their_share_of_the_total() -> None:
    saw = replace(
        structures({"board": [("log", takes("2"))]})[key("board")],
        operations=(Operation(Decimal(30), Decimal(40)),),
        co_product_percent=Decimal(25),
        base_quantity=Decimal(10),
    )
    cost = unit_cost(saw, DAY, lambda _: Cost(material=Fraction(90)))
    assert (cost.material, cost.operation, cost.co_product_credit) == (18, 2, 5)
    assert cost.total == 15
