"""Are uses told once, on the least level, in one order, for any BOMs?"""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.explosion import MOST_LEVELS
from domain.where_used import Use as UseOf
from domain.where_used import UsedAt, Uses

Edge = tuple[int, int]


def key(number: int) -> UUID:
    return UUID(int=number)


def use(component: int, made: int, nth: int = 0) -> UseOf:
    return UseOf(
        key(component), key(made), key(made), key(1_000 * made + component + nth), f"{made:03d}", 1, 10
    )


def edges_of(found: list[UsedAt]) -> list[tuple[int, int, int]]:
    return [(each.level, each.use.component_id.int, each.use.made_id.int) for each in found]


def test_item_on_two_levels_is_told_on_the_lower_one() -> None:
    uses = Uses([use(1, 2), use(2, 3), use(1, 3)])
    assert edges_of(uses.of(key(1), direct=False)) == [(1, 1, 2), (1, 1, 3), (2, 2, 3)]
    assert edges_of(uses.of(key(1), direct=True)) == [(1, 1, 2), (1, 1, 3)]


def test_what_contains_itself_is_told_once() -> None:
    uses = Uses([use(1, 2), use(2, 1)])
    assert edges_of(uses.of(key(1), direct=False)) == [(1, 1, 2), (2, 2, 1)]


def test_fifty_levels_are_told_and_more_are_refused() -> None:
    uses = Uses([use(each, each + 1) for each in range(MOST_LEVELS + 1)])
    assert len(uses.of(key(1), direct=False)) == MOST_LEVELS
    with pytest.raises(InvalidInput) as refused:
        uses.of(key(0), direct=False)
    assert refused.value.code == "TOO_DEEP"
    assert len(uses.of(key(0), direct=True)) == 1


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.randoms())
def test_every_use_above_an_item_is_told_once_on_its_least_level(edges: set[Edge], chance: Random) -> None:
    drawn = [use(*edge) for edge in edges]
    expected = Uses(drawn).of(key(0), direct=False)
    chance.shuffle(drawn)
    assert Uses(drawn).of(key(0), direct=False) == expected
    level_of = {0: 0}
    while True:
        more = {
            made: level_of[component] + 1
            for component, made in sorted(edges, key=lambda edge: level_of.get(edge[0], 99))
            if component in level_of and made not in level_of
        }
        if not more:
            break
        least = min(more.values())
        level_of |= {made: level for made, level in more.items() if level == least}
    assert sorted((each.use.component_id.int, each.use.made_id.int) for each in expected) == sorted(
        edge for edge in edges if edge[0] in level_of
    )
    assert all(each.level == level_of[each.use.component_id.int] + 1 for each in expected)
