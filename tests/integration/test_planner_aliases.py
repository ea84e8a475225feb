"""Does every name that a client may give to a field come back as it was given, whatever it means in SQL or in a plan?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from server.settings import Settings
from tests.integration.plan_world import Both, both_paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "a" * 200
ALIASES = (
    *("select", "from", "where", "table", "user", "order", "null", "true", "limit", "union", "DROP", "AS"),
    *(
        "q1",
        "q2",
        "_key",
        "_rank",
        "_sort_0",
        "_hidden_fields",
        "root",
        "one",
        "data",
        "n",
        "m0",
        "m1",
        "s0_size",
    ),
    *("j", "c", "r", "key", "k", "v", "x", "json", "row_to_json", "ordinality", "type", "points", "data_0"),
    *(
        "__x",
        "__",
        "_",
        "_0",
        "Mixed",
        "mixed",
        "MIXED",
        "q1_",
        "a" * 63,
        "b" * 64,
        LONG,
        f"{LONG}b",
        f"{LONG}B",
    ),
)
PLACES = (
    'query {{ order(number: "EO-2025-000001") {{ {0}: number }} }}',
    'query {{ order(number: "EO-2025-000001") {{ {0}: project {{ {0}: code }} }} }}',
    "query {{ {0}: orders(first: 2) {{ {0}: nodes {{ {0}: title }} }} }}",
    "query {{ orders(first: 2) {{ {0}: edges {{ {0}: cursor node {{ {0}: state id }} }} }} }}",
    "query {{ orders(first: 1) {{ {0}: pageInfo {{ {0}: endCursor }} }} }}",
    "query {{ orders(last: 1) {{ {0}: totalCount nodes {{ {0}: lines(first: 2) {{ {0}: nodes {{ {0}: uom }} }} }} }} }}",
    "query {{ orders(first: 2) {{ nodes {{ {0}: assignments {{ {0}: user {{ {0}: name }} }} }} }} }}",
    "query {{ orders(first: 1) {{ nodes {{ {0}: availableActions {{ {0}: action }} }} }} }}",
    "query {{ {0}: viewer {{ {0}: roles {{ {0}: role }} }} }}",
    "query {{ {0}: orderStatistics(groupBy: [PROJECT]) {{ {0}: groups {{ {0}: project {{ {0}: code }} }} }} }}",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest.mark.parametrize("place", PLACES)
async def test_name_of_a_field_may_be_any_wherever_it_stands(both: Both, place: str) -> None:
    for alias in ("r", "_rank", LONG):
        answer = await both.same(place.format(alias), "pm")
        assert f"'{alias}': " in str(answer.data)


async def test_names_that_differ_in_case_or_beyond_what_a_column_may_have_stay_apart(both: Both) -> None:
    members = " ".join(
        f"{alias}: {field}" for alias, field in zip(ALIASES, ["number", "title"] * 40, strict=False)
    )
    answer = await both.same(f'{{ order(number: "EO-2025-000001") {{ {members} }} }}', "pm")
    found = answer.data["order"]
    assert tuple(found) == ALIASES
    assert set(list(found.values())[::2]) == {"EO-2025-000001"}
    assert len({*list(found.values())[1::2]}) == 1


async def test_root_fields_may_have_the_names_of_a_plan_together(both: Both) -> None:
    names = ("root", "r", "j", "c", "q1", "data", "_rank", "_key", "one", "n")
    fields = " ".join(
        f'{name}: order(number: "EO-2025-00000{nth}") {{ number }}' for nth, name in enumerate(names)
    )
    answer = await both.same(f"{{ {fields} }}", "director")
    assert [found and found["number"] for found in answer.data.values()] == [
        None,
        *(f"EO-2025-00000{nth}" for nth in range(1, 10)),
    ]
