"""Does the API tell exactly what something takes and costs, by the right day, and to the right people?"""

from __future__ import annotations

from fractions import Fraction
from itertools import count
from typing import Any

import pytest

from tests.api import Answer, Api
from tests.integration.bom_world import Json, bom, item, line, made, released
from tests.integration.lamp import REPLACED_ON, lamp

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_SCRAP = {"2100": "20", "2200": "10"}
_EXPLOSION = """
query ($id: ID!, $quantity: Decimal!, $asOf: Date, $maxLevels: Int, $first: Int!, $after: String) {
  bomRevision(id: $id) { explosion(quantity: $quantity, asOf: $asOf, maxLevels: $maxLevels) {
    quantity asOf maxLevels
    lines(first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { place parent level path quantity exactQuantity phantom hasParts item { code } line { position } }
    }
    demand(first: 100) { totalCount nodes { quantity exactQuantity pathCount hasParts item { code } } }
  } }
}
"""
_COSTS = """
query ($id: ID!, $asOf: Date) { bomRevision(id: $id) { costRollup(asOf: $asOf) {
  currency isPartial material operation coProductCredit total unitCost
  levels(first: 100) { nodes { level item { code } baseQuantity material operation coProductCredit total unitCost } }
} } }
"""


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"X{next(_NUMBERS)}-"


async def exploded(api: Api, revision_id: str, quantity: str, who: str = "engineer", **more: Any) -> Answer:
    return await api.ask(_EXPLOSION, who, id=revision_id, quantity=quantity, **{"first": 100, **more})


async def demanded(api: Api, revision_id: str, quantity: str, **more: Any) -> dict[str, str]:
    answer = await exploded(api, revision_id, quantity, **more)
    nodes = answer.data["bomRevision"]["explosion"]["demand"]["nodes"]
    return {each["item"]["code"]: each["quantity"] for each in nodes}


async def costs(api: Api, revision_id: str, who: str, **more: Any) -> Json:
    found: Json = (await api.ask(_COSTS, who, id=revision_id, **more)).data["bomRevision"]["costRollup"]
    return found


async def test_lamp_costs_what_its_source_says(company: Api, prefix: str) -> None:
    rollup = await costs(company, await lamp(company, prefix, {}), "pm", asOf="2001-01-01")
    assert (rollup["unitCost"], rollup["currency"], rollup["isPartial"]) == ("29.0500", "CNY", False)
    levels = {each["item"]["code"].removeprefix(prefix): each for each in rollup["levels"]["nodes"]}
    assert {code: (each["level"], each["unitCost"]) for code, each in levels.items()} == {
        "LA01": (0, "29.0500"),
        "B100": (1, "16.3500"),
        "A100": (1, "8.6000"),
        "1100": (2, "1.3000"),
        "1500": (2, "0.4000"),
        "1700": (2, "4.7000"),
    }


async def test_fifty_lamps_need_what_their_source_says_on_each_day(company: Api, prefix: str) -> None:
    revision_id = await lamp(company, prefix, _SCRAP)
    before = await demanded(company, revision_id, "50", asOf="2001-04-07")
    assert {code: before[prefix + code] for code in ("2100", "2200", "1400")} == {
        "2100": "1560.0000",
        "2200": "660.0000",
        "1400": "300.0000",
    }
    assert prefix + "2210" not in before
    after = await demanded(company, revision_id, "50", asOf=REPLACED_ON)
    assert after == {
        **{code: quantity for code, quantity in before.items() if code != prefix + "2200"},
        prefix + "2210": "600.0000",
    }


async def test_demand_is_the_sum_over_all_paths_page_by_page(company: Api, prefix: str) -> None:
    revision_id = await lamp(company, prefix, _SCRAP)
    lines: list[Json] = []
    after = None
    while True:
        answer = await exploded(company, revision_id, "50", asOf="2001-04-07", first=7, after=after)
        explosion = answer.data["bomRevision"]["explosion"]
        page = explosion["lines"]
        lines += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [each["place"] for each in lines] == list(range(15))
    assert page["totalCount"] == 15
    sums: dict[str, Fraction] = {}
    paths: list[list[int]] = [each["path"] for each in lines]
    for each in lines:
        above = list[int]() if each["parent"] is None else paths[int(each["parent"])]
        assert each["path"] == [*above, each["line"]["position"]]
        assert each["level"] == len(each["path"])
        sums[each["item"]["code"]] = sums.get(each["item"]["code"], 0) + Fraction(each["exactQuantity"])
    nodes = explosion["demand"]["nodes"]
    assert sums == {each["item"]["code"]: Fraction(each["exactQuantity"]) for each in nodes}
    assert {each["item"]["code"]: each["pathCount"] for each in nodes}[prefix + "1400"] == 3


async def test_thirds_stay_exact_through_levels_and_are_rounded_once(company: Api, prefix: str) -> None:
    top, middle, leaf = (prefix + code for code in ("TOP", "MIDDLE", "LEAF"))
    await item(company, leaf)
    for code in (top, middle):
        await item(company, code, kind="ASSEMBLY")
    await released(company, await bom(company, middle, line(leaf, "1"), baseQuantity="3"))
    draft = await bom(company, top, line(middle, "2"))
    answer = await exploded(company, draft["id"], "1")
    assert answer.data["bomRevision"]["explosion"]["demand"]["nodes"] == [
        {
            "item": {"code": middle},
            "quantity": "2.0000",
            "exactQuantity": "2",
            "pathCount": 1,
            "hasParts": True,
        },
        {
            "item": {"code": leaf},
            "quantity": "0.6667",
            "exactQuantity": "2/3",
            "pathCount": 1,
            "hasParts": False,
        },
    ]


async def test_phantom_is_passed_through_and_levels_can_be_cut(company: Api, prefix: str) -> None:
    top, kit, bolt = (prefix + code for code in ("TOP", "KIT", "BOLT"))
    await item(company, bolt)
    await item(company, kit, kind="PHANTOM")
    await item(company, top, kind="ASSEMBLY")
    await released(company, await bom(company, kit, line(bolt, "4")))
    draft = await bom(company, top, line(kit, "2"))
    assert await demanded(company, draft["id"], "3") == {bolt: "24.0000"}
    answer = await exploded(company, draft["id"], "3", maxLevels=1)
    (only,) = answer.data["bomRevision"]["explosion"]["lines"]["nodes"]
    assert (only["item"], only["phantom"], only["hasParts"]) == ({"code": kit}, True, True)


async def test_parts_are_made_by_the_revision_in_force_on_the_day(company: Api, prefix: str) -> None:
    top, part, old, new = (prefix + code for code in ("TOP", "PART", "OLD", "NEW"))
    for code in (old, new):
        await item(company, code)
    for code in (top, part):
        await item(company, code, kind="ASSEMBLY")
    first = await released(company, await bom(company, part, line(old)))
    second = await made(
        company, "engineer", "bomRevisionCreate", sourceId=first["id"], validFrom="2030-01-01"
    )
    (only,) = second["lines"]["nodes"]
    await made(
        company,
        "engineer",
        "bomLineUpdate",
        id=second["id"],
        lineId=only["id"],
        line={"item": {"code": new}},
    )
    await released(company, second)
    draft = await bom(company, top, line(part))
    assert old in await demanded(company, draft["id"], "1", asOf="2029-12-31")
    assert new in await demanded(company, draft["id"], "1", asOf="2030-01-01")


async def test_work_and_co_products_are_in_the_cost(company: Api, prefix: str) -> None:
    plank, beam, chips = (prefix + code for code in ("PLANK", "BEAM", "CHIPS"))
    await item(company, plank, "pm", standardCost="45")
    await item(company, chips)
    await item(company, beam, kind="ASSEMBLY")
    draft = await bom(
        company,
        beam,
        line(plank, "4"),
        who="pm",
        baseQuantity="2",
        operations=[{"name": "Glue 胶合", "minutes": "30", "hourlyRate": "40"}],
        coProducts=[{"item": {"code": chips}, "quantity": "1", "costSharePercent": "25"}],
    )
    rollup = await costs(company, draft["id"], "pm")
    assert {name: rollup[name] for name in ("material", "operation", "coProductCredit", "total")} == {
        "material": "180.0000",
        "operation": "20.0000",
        "coProductCredit": "50.0000",
        "total": "150.0000",
    }
    assert (rollup["unitCost"], rollup["isPartial"]) == ("75.0000", False)


async def test_buyer_sees_materials_engineer_no_cost_and_outsiders_nothing(company: Api, prefix: str) -> None:
    revision_id = await lamp(company, prefix, {})
    answer = await company.ask(_COSTS, "buyer", id=revision_id, asOf="2001-01-01")
    rollup = answer.partial["bomRevision"]["costRollup"]
    assert (rollup["material"], rollup["operation"], rollup["total"], rollup["unitCost"]) == (
        "29.0500",
        None,
        None,
        None,
    )
    hidden = {tuple(error["path"]) for error in answer.errors}
    below = ("bomRevision", "costRollup")
    assert {path for path in hidden if "levels" not in path} == {
        (*below, name) for name in ("operation", "coProductCredit", "total", "unitCost")
    }
    answer = await company.ask(_COSTS, "engineer", id=revision_id, asOf="2001-01-01")
    assert "29.05" not in str(answer.partial)
    assert set(answer.codes) == {"FORBIDDEN"}
    rollup = answer.partial["bomRevision"]["costRollup"]
    assert (rollup["material"], rollup["isPartial"]) == (None, True)
    for who in ("contractor", "worker"):
        answer = await exploded(company, revision_id, "1", who=who)
        assert answer.data == {"bomRevision": None}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"quantity": "0"}, "OUT_OF_RANGE"),
        ({"quantity": "-1"}, "OUT_OF_RANGE"),
        ({"quantity": "1000000000000"}, "OUT_OF_RANGE"),
        ({"quantity": "0.00001"}, "TOO_PRECISE"),
        ({"maxLevels": 0}, "OUT_OF_RANGE"),
        ({"maxLevels": 51}, "OUT_OF_RANGE"),
        ({"first": 101}, "TOO_MANY_NODES"),
        ({"after": "nonsense"}, "MALFORMED_CURSOR"),
        ({"after": "WyJwbGFjZSIsIi0xIl0"}, "MALFORMED_CURSOR"),
    ],
)
async def test_what_can_not_be_exploded_is_refused(
    company: Api, prefix: str, values: dict[str, Any], code: str
) -> None:
    await item(company, prefix + "LEAF")
    await item(company, prefix + "TOP", kind="ASSEMBLY")
    draft = await bom(company, prefix + "TOP", line(prefix + "LEAF"))
    answer = await exploded(company, draft["id"], **{"quantity": "1", **values})
    assert answer.codes == [code]


async def test_cost_in_two_currencies_is_refused(company: Api, prefix: str) -> None:
    await item(company, prefix + "LEAF", "pm", standardCost="1", currency="EUR")
    await item(company, prefix + "TOP", kind="ASSEMBLY")
    draft = await bom(company, prefix + "TOP", line(prefix + "LEAF"))
    answer = await company.ask(_COSTS, "pm", id=draft["id"])
    assert answer.codes == ["MIXED_CURRENCIES"]


async def test_explosion_that_is_too_large_is_refused_before_it_is_made(company: Api, prefix: str) -> None:
    await item(company, f"{prefix}0")
    last: Json = {}
    # Each takes the one before it twice, by two lines: the tree of the last one has 2¹⁹ - 2 of them.
    for nth in range(1, 19):
        await item(company, f"{prefix}{nth}", kind="ASSEMBLY")
        twice = (line(f"{prefix}{nth - 1}"), line(f"{prefix}{nth - 1}"))
        last = await bom(company, f"{prefix}{nth}", *twice)
        if nth < 18:
            await released(company, last)
    answer = await exploded(company, last["id"], "1")
    assert answer.codes == ["TOO_LARGE"]
    cut = (await exploded(company, last["id"], "1", maxLevels=10)).data["bomRevision"]["explosion"]
    assert cut["lines"]["totalCount"] == 2**11 - 2


async def test_explosion_of_more_than_fifty_levels_is_refused(company: Api, prefix: str) -> None:
    await item(company, f"{prefix}0")
    chain: list[Json] = []
    for nth in range(1, 52):
        await item(company, f"{prefix}{nth}", kind="ASSEMBLY")
        chain.append(await bom(company, f"{prefix}{nth}", line(f"{prefix}{nth - 1}")))
        await released(company, chain[-1])
    explosion = (await exploded(company, chain[-2]["id"], "1")).data["bomRevision"]["explosion"]
    assert explosion["lines"]["totalCount"] == 50
    answer = await exploded(company, chain[-1]["id"], "1")
    assert answer.codes == ["TOO_DEEP"]
