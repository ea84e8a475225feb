"""Do items and BOMs come to be as they were meant, and is what can't be refused by its code, with nothing changed?"""

from __future__ import annotations

import asyncio
from fractions import Fraction
from itertools import count
from typing import Any
from uuid import UUID

import pytest

from tests.api import Api
from tests.integration.bom_world import (
    Json,
    answered,
    bom,
    item,
    line,
    made,
    not_made,
    released,
    untouched,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"T{next(_NUMBERS)}-"


async def items(api: Api, prefix: str, *codes: str) -> list[str]:
    for code in codes:
        await item(api, prefix + code)
    return [prefix + code for code in codes]


async def test_item_is_taken_in_and_changed_with_its_history(company: Api, prefix: str) -> None:
    new = await item(
        company,
        f"{prefix}PIPE",
        "pm",
        kind="PART",
        standardCost="12.5",
        units=[{"unit": "m", "factor": "0.166666666667"}],
        leadTimeDays=7,
    )
    assert new == new | {
        "kind": "PART",
        "version": 1,
        "unit": {"code": "pcs"},
        "standardCost": "12.5000",
        "currency": "CNY",
        "units": [{"unit": {"code": "m"}, "factor": "0.166666666667"}],
        "leadTimeDays": 7,
    }
    changed = await made(company, "pm", "itemUpdate", id=new["id"], expectedVersion=1, name="Pipe DN100")
    assert (changed["name"], changed["version"], changed["units"]) == ("Pipe DN100", 2, new["units"])
    conflict = await not_made(company, "pm", "itemUpdate", id=new["id"], expectedVersion=1, name="Late")
    assert (conflict["code"], conflict["currentVersion"]) == ("VERSION_CONFLICT", 2)


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"name": ""}, "REQUIRED", ["name"]),
        ({"unit": "furlong"}, "NOT_FOUND", ["unit"]),
        ({"standardCost": "-1"}, "OUT_OF_RANGE", ["standardCost"]),
        ({"standardCost": "0.00001"}, "TOO_PRECISE", ["standardCost"]),
        ({"currency": "yuan"}, "OUT_OF_RANGE", ["currency"]),
        ({"leadTimeDays": -1}, "OUT_OF_RANGE", ["leadTimeDays"]),
        ({"units": [{"unit": "m", "factor": "0"}]}, "OUT_OF_RANGE", ["units", "0", "factor"]),
        ({"units": [{"unit": "m", "factor": "1"}, {"unit": "mm", "factor": "1"}]}, "DUPLICATE", ["units"]),
        ({"units": [{"unit": "pcs", "factor": "1"}]}, "DUPLICATE", ["units"]),
    ],
)
async def test_item_that_can_not_be_is_refused(
    company: Api, prefix: str, values: dict[str, Any], code: str, path: list[str]
) -> None:
    given = {"code": f"{prefix}X", "name": "X", "unit": "pcs", **values}
    error = await not_made(company, "pm", "itemCreate", **given)
    assert (error["code"], error["path"]) == (code, path)


async def test_code_is_taken_once(company: Api, prefix: str) -> None:
    (code,) = await items(company, prefix, "A")
    error = await not_made(company, "pm", "itemCreate", code=code, name="Again", unit="pcs")
    assert (error["code"], error["path"]) == ("DUPLICATE", ["code"])


async def test_engineer_writes_no_costs_and_foreman_nothing(company: Api, prefix: str) -> None:
    for who, values in (("engineer", {"standardCost": "1"}), ("foreman", {}), ("contractor", {})):
        async with untouched(company, who):
            answer = await answered(
                company, who, "itemCreate", code=f"{prefix}X", name="X", unit="pcs", **values
            )
        assert answer.codes == ["FORBIDDEN"]


async def test_bom_is_opened_filled_released_and_followed_by_the_next(company: Api, prefix: str) -> None:
    top, leaf, other = await items(company, prefix, "TOP", "LEAF", "OTHER")
    draft = await bom(
        company,
        top,
        line(leaf, "4", scrapPercent="5", substitutes=[{"item": {"code": other}, "factor": "2"}]),
        who="pm",
        baseQuantity="2",
        operations=[{"name": "Weld 焊接", "minutes": "30", "hourlyRate": "80"}],
        coProducts=[{"item": {"code": other}, "quantity": "0.5", "costSharePercent": "10"}],
    )
    assert draft["operations"] == [
        {"position": 10, "name": "Weld 焊接", "minutes": "30.0000", "hourlyRate": "80.0000"}
    ]
    assert draft["coProducts"] == [
        {"item": {"code": other}, "quantity": "0.5000", "costSharePercent": "10.00"}
    ]
    (only,) = draft["lines"]["nodes"]
    assert (only["position"], only["unit"]["code"], only["substitutes"]) == (
        10,
        "pcs",
        [{"priority": 1, "item": {"code": other}, "factor": "2.000000000000"}],
    )
    longer = await made(company, "engineer", "bomLineAdd", id=draft["id"], line=line(other, "1"))
    assert [each["position"] for each in longer["lines"]["nodes"]] == [10, 20]
    shorter = await made(
        company, "engineer", "bomLineRemove", id=draft["id"], lineId=longer["lines"]["nodes"][1]["id"]
    )
    assert (shorter["lines"], shorter["checksum"]) == (draft["lines"], draft["checksum"])
    first = await released(company, draft)
    assert (first["state"], first["validFrom"]) == ("RELEASED", None)
    second = await made(company, "engineer", "bomRevisionCreate", sourceId=first["id"])
    assert (second["number"], second["state"], second["checksum"]) == (2, "DRAFT", first["checksum"])
    await released(company, second)
    document = "query ($code: String) { item(code: $code) { bomRevisions(first: 5) { nodes { number state validTo } } } }"
    both = (await company.ask(document, "engineer", code=top)).data["item"]["bomRevisions"]["nodes"]
    assert [(each["number"], each["state"]) for each in both] == [(1, "SUPERSEDED"), (2, "RELEASED")]
    assert both[0]["validTo"] is not None


async def test_released_revision_is_not_edited(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    revision = await released(company, await bom(company, top, line(leaf)))
    (only,) = revision["lines"]["nodes"]
    for mutation, values in (
        ("bomLineAdd", {"line": line(leaf)}),
        ("bomLineUpdate", {"lineId": only["id"], "line": {"quantity": "2"}}),
        ("bomLineRemove", {"lineId": only["id"]}),
        ("bomRevisionUpdate", {"expectedVersion": revision["version"], "baseQuantity": "2"}),
        ("bomRevisionRelease", {}),
    ):
        error = await not_made(company, "engineer", mutation, id=revision["id"], **values)
        assert (mutation, error["code"]) == (mutation, "NOT_A_DRAFT")


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"quantity": "0"}, "OUT_OF_RANGE", ["quantity"]),
        ({"quantity": "-1"}, "OUT_OF_RANGE", ["quantity"]),
        ({"unit": "kg"}, "NO_CONVERSION", ["unit"]),
        ({"unit": "nothing"}, "NOT_FOUND", ["unit"]),
        ({"item": {"code": "nothing"}}, "NOT_FOUND", ["item"]),
        ({"item": {}}, "REQUIRED", ["item"]),
        ({"scrapPercent": "100"}, "OUT_OF_RANGE", ["scrapPercent"]),
        ({"orderMultiple": "0"}, "OUT_OF_RANGE", ["orderMultiple"]),
        ({"setupQuantity": "-1"}, "OUT_OF_RANGE", ["setupQuantity"]),
        ({"position": 0}, "OUT_OF_RANGE", ["position"]),
        ({"position": 10}, "OVERLAPPING_EFFECTIVITY", ["position"]),
        ({"validFrom": "2026-01-02", "validTo": "2026-01-02"}, "DATES_OUT_OF_ORDER", ["validTo"]),
    ],
)
async def test_line_that_can_not_be_is_refused(
    company: Api, prefix: str, values: dict[str, Any], code: str, path: list[str]
) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    draft = await bom(company, top, line(leaf))
    error = await not_made(company, "engineer", "bomLineAdd", id=draft["id"], line=line(leaf) | values)
    assert (error["code"], error["path"]) == (code, path)


async def test_lines_of_one_position_replace_each_other_by_date(company: Api, prefix: str) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    draft = await bom(
        company,
        top,
        line(old, position=10, validTo="2026-06-01"),
        line(new, position=10, validFrom="2026-06-01"),
    )
    assert [each["item"]["code"] for each in draft["lines"]["nodes"]] == [old, new]


async def test_co_products_bear_at_most_all_of_the_cost(company: Api, prefix: str) -> None:
    top, one, two = await items(company, prefix, "TOP", "ONE", "TWO")
    shares = [
        {"item": {"code": code}, "quantity": "1", "costSharePercent": share}
        for code, share in ((one, "60"), (two, "40.01"))
    ]
    error = await not_made(company, "engineer", "bomCreate", item={"code": top}, coProducts=shares)
    assert (error["code"], error["path"]) == ("OUT_OF_RANGE", ["coProducts"])


async def test_release_needs_released_boms_of_what_is_assembled(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    sub = (await item(company, f"{prefix}SUB", kind="ASSEMBLY"))["code"]
    draft = await bom(company, top, line(sub), line(leaf))
    error = await not_made(company, "engineer", "bomRevisionRelease", id=draft["id"])
    assert (error["code"], error["message"]) == ("MISSING_CHILD_REVISION", f"Without a released BOM: {sub}.")
    await released(company, await bom(company, sub, line(leaf)))
    assert (await released(company, draft))["state"] == "RELEASED"


async def test_cycle_is_refused_at_any_depth_naming_the_way(company: Api, prefix: str) -> None:
    a, b, c = await items(company, prefix, "A", "B", "C")
    draft = await bom(company, a, line(b))
    await bom(company, b, line(c))
    itself = await not_made(company, "engineer", "bomLineAdd", id=draft["id"], line=line(a))
    assert (itself["code"], itself["message"]) == ("CYCLE", f"It would contain itself: {a} > {a}.")
    error = await not_made(company, "engineer", "bomCreate", item={"code": c}, lines=[line(a)])
    assert (error["code"], error["message"]) == ("CYCLE", f"It would contain itself: {c} > {a} > {b} > {c}.")


async def test_of_two_who_make_a_cycle_together_one_is_refused(company: Api, prefix: str) -> None:
    for turn in range(5):
        a, b = await items(company, f"{prefix}{turn}", "A", "B")
        drafts = [await bom(company, a), await bom(company, b)]
        answers = await asyncio.gather(
            *(
                answered(company, "engineer", "bomLineAdd", id=draft["id"], line=line(code))
                for draft, code in zip(drafts, (b, a), strict=True)
            )
        )
        errors = [each["code"] for answer in answers for each in answer.data["bomLineAdd"]["errors"]]
        assert errors == ["CYCLE"]


async def test_two_engineers_lose_nothing_of_each_other(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    draft = await bom(company, top)
    answers = await asyncio.gather(
        *(
            answered(company, who, "bomLineAdd", id=draft["id"], line=line(leaf), expectedVersion=1)
            for who in ("engineer", "pm")
        )
    )
    payloads = [answer.data["bomLineAdd"] for answer in answers]
    assert sorted(len(each["errors"]) for each in payloads) == [0, 1]
    (conflict,) = next(each["errors"] for each in payloads if each["errors"])
    assert (conflict["code"], conflict["currentVersion"]) == ("VERSION_CONFLICT", 2)
    # Who doesn't say what he has read adds to what is there.
    await asyncio.gather(
        *(answered(company, "engineer", "bomLineAdd", id=draft["id"], line=line(leaf)) for _ in range(4))
    )
    document = "query ($id: ID!) { bomRevision(id: $id) { version lines(first: 9) { nodes { position } } } }"
    found = (await company.ask(document, "engineer", id=draft["id"])).data["bomRevision"]
    assert found == {"version": 6, "lines": {"nodes": [{"position": at} for at in (10, 20, 30, 40, 50)]}}


async def test_what_lines_reckon_with_stays_while_one_does(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    pipe = await item(company, f"{prefix}PIPE", units=[{"unit": "m", "factor": "0.25"}])
    await bom(company, top, line(pipe["code"], "3", unit="m"), line(leaf))
    changes: list[Json] = [{"unit": "kg"}, {"units": []}, {"units": [{"unit": "m", "factor": "0.5"}]}]
    for change in changes:
        error = await not_made(company, "engineer", "itemUpdate", id=pipe["id"], expectedVersion=1, **change)
        assert (error["code"], error["path"]) == ("IN_USE", ["units"])
    renamed = await made(
        company,
        "engineer",
        "itemUpdate",
        id=pipe["id"],
        expectedVersion=1,
        name="Pipe",
        units=[{"unit": "m", "factor": "0.25"}],
    )
    assert (renamed["name"], renamed["version"]) == ("Pipe", 2)


async def test_of_two_who_take_the_same_name_one_is_refused(company: Api, prefix: str) -> None:
    (leaf,) = await items(company, prefix, "LEAF")
    for turn in range(5):
        code = f"{prefix}{turn}"
        for mutation, values in (
            ("itemCreate", {"code": code, "name": "Twice", "unit": "pcs"}),
            ("bomCreate", {"item": {"code": code}, "lines": [line(leaf)]}),
        ):
            answers = await asyncio.gather(
                *(answered(company, "engineer", mutation, **values) for _ in range(2))
            )
            errors = [each["code"] for answer in answers for each in answer.data[mutation]["errors"]]
            assert errors == ["DUPLICATE"]


async def test_substitute_is_no_way_around_a_cycle(company: Api, prefix: str) -> None:
    a, b, c = await items(company, prefix, "A", "B", "C")
    await bom(company, a, line(c, substitutes=[{"item": {"code": b}}]))
    error = await not_made(company, "engineer", "bomCreate", item={"code": b}, lines=[line(a)])
    assert (error["code"], error["message"]) == ("CYCLE", f"It would contain itself: {b} > {a} > {b}.")


async def test_nothing_is_its_own_substitute(company: Api, prefix: str) -> None:
    top, one, two = await items(company, prefix, "TOP", "ONE", "TWO")
    draft = await bom(company, top, line(one, substitutes=[{"item": {"code": two}}]))
    (only,) = draft["lines"]["nodes"]
    error = await not_made(
        company, "engineer", "bomLineUpdate", id=draft["id"], lineId=only["id"], line={"item": {"code": two}}
    )
    assert (error["code"], error["path"]) == ("DUPLICATE", ["item"])
    twice = [{"item": {"code": two}}, {"item": {"code": two}}]
    error = await not_made(
        company, "engineer", "bomLineUpdate", id=draft["id"], lineId=only["id"], line={"substitutes": twice}
    )
    assert (error["code"], error["path"]) == ("DUPLICATE", ["substitutes", "1", "item"])


async def test_item_has_a_history_that_shows_costs_to_whom_they_are_shown(company: Api, prefix: str) -> None:
    new = await item(company, f"{prefix}A", "pm", standardCost="12.5")
    document = """query ($id: ID!) { events(first: 5, filter: {aggregateId: $id}) {
      nodes { type aggregate { id } changes { field after } } } }"""
    for who, cost in (("pm", "12.5000"), ("engineer", None)):
        (event,) = (await company.ask(document, who, id=new["id"])).data["events"]["nodes"]
        assert (event["type"], event["aggregate"]) == ("ItemCreated", {"id": new["id"]})
        assert {"field": "standardCost", "after": cost} in event["changes"]
        assert {"field": "code", "after": new["code"]} in event["changes"]
    assert (await company.ask(document, "contractor", id=new["id"])).data["events"]["nodes"] == []


async def test_conversion_of_many_places_stays_exact(company: Api, prefix: str) -> None:
    (top,) = await items(company, prefix, "TOP")
    turf = await item(
        company, f"{prefix}TURF", unit="roll", units=[{"unit": "m²", "factor": "0.123456789013"}]
    )
    draft = await bom(company, top, line(turf["code"], "2", unit="mu"))
    ((numerator, denominator),) = await company.rows(
        "SELECT factor_numerator, factor_denominator FROM bom_line WHERE id = :id",
        id=UUID(draft["lines"]["nodes"][0]["id"].partition(":")[2]),
    )
    assert Fraction(numerator) / Fraction(denominator) == Fraction("666.666666666667") * Fraction(
        "0.123456789013"
    )


async def test_checksum_tells_nothing_of_rates(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    cheap = {"operations": [{"name": "Weld", "minutes": "30", "hourlyRate": "80"}]}
    draft = await bom(company, top, line(leaf), who="pm", **cheap)
    dear = {"operations": [{"name": "Weld", "minutes": "30", "hourlyRate": "90"}]}
    raised = await made(company, "pm", "bomRevisionUpdate", id=draft["id"], expectedVersion=1, **dear)
    assert (raised["version"], raised["checksum"]) == (2, draft["checksum"])
    longer = {"operations": [{"name": "Weld", "minutes": "31"}]}
    other = await made(company, "pm", "bomRevisionUpdate", id=draft["id"], expectedVersion=2, **longer)
    assert other["checksum"] != draft["checksum"]
