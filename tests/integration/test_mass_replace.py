"""Is an item replaced in many BOMs exactly, each for itself, once, and by whoever may?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from server.settings import Settings
from tests.api import Api, running_api
from tests.integration.bom_world import bom, line, made, released, untouched
from tests.integration.change_world import in_review
from tests.integration.replace_world import bom_id, generous, items, lines, replaced, sent, states, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"R{next(_NUMBERS)}-"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(company_settings: Settings) -> AsyncGenerator[Api]:
    """The application on the company of this module."""
    async with running_api(generous(company_settings)) as api:
        yield api


async def refused(api: Api, old: str, new: str, **values: Any) -> tuple[str, list[str]]:
    """Ask for what is refused as a whole without a trace; return code and path."""
    async with untouched(api, "engineer"):
        payload = (await sent(api, old, new, **values)).data["bomMassReplace"]
    assert (payload["item"], payload["results"]) == (None, [])
    (error,) = payload["errors"]
    return error["code"], error["path"]


async def test_newest_draft_is_changed_and_else_the_next_one_opened(company: Api, prefix: str) -> None:
    drawn, kept, unused, old, new = await items(company, prefix, "DRAWN", "KEPT", "UNUSED", "OLD", "NEW")
    draft = await bom(company, drawn, line(old, "2"), line(unused))
    await released(company, await bom(company, kept, line(old, "3")))
    await bom(company, unused, line(kept))
    results = await replaced(company, old, new, factor="0.5", note="Old is out of production")
    assert told(results) == [(drawn, "REPLACED", None), (kept, "REPLACED", None)]
    changed, opened = results
    assert (changed["bomRevision"]["id"], changed["bomRevision"]["version"]) == (draft["id"], 2)
    assert [(each["item"]["code"], each["quantity"]) for each in lines(changed)] == [
        (new, "1.0000"),
        (unused, "1.0000"),
    ]
    assert (
        opened["bomRevision"]["number"],
        opened["bomRevision"]["state"],
        opened["bomRevision"]["note"],
    ) == (
        2,
        "DRAFT",
        "Old is out of production",
    )
    assert [(each["item"]["code"], each["quantity"]) for each in lines(opened)] == [(new, "1.5000")]
    assert await states(company, kept) == [(1, "RELEASED", [old]), (2, "DRAFT", [new])]
    events = "SELECT type, note FROM event WHERE aggregate_id = CAST(:id AS uuid) ORDER BY version"
    found = [await company.rows(events, id=each["bomRevision"]["id"].partition(":")[2]) for each in results]
    assert found == [
        [("BomRevisionCreated", None), ("BomItemReplaced", "Old is out of production")],
        [("BomRevisionCreated", "Old is out of production")],
    ]


async def test_dry_run_tells_the_same_and_keeps_nothing(company: Api, prefix: str) -> None:
    drawn, kept, old, new = await items(company, prefix, "DRAWN", "KEPT", "OLD", "NEW")
    await bom(company, drawn, line(old))
    await released(company, await bom(company, kept, line(old)))
    async with untouched(company, "engineer"):
        tried = await replaced(company, old, new, dryRun=True, idempotencyKey=f"{prefix}dry")
    results = await replaced(company, old, new)
    for each in (*tried, *results):
        # The next draft has an id of its own each time.
        del each["bomRevision"]["id"]
    assert tried == results


async def test_draft_that_has_it_no_more_stays_and_what_is_named_is_told_in_order(
    company: Api, prefix: str
) -> None:
    top, other, old, new = await items(company, prefix, "TOP", "OTHER", "OLD", "NEW")
    first = await released(company, await bom(company, top, line(old)))
    draft = await made(company, "engineer", "bomRevisionCreate", sourceId=first["id"])
    (only,) = draft["lines"]["nodes"]
    change = {"item": {"code": new}}
    await made(company, "engineer", "bomLineUpdate", id=draft["id"], lineId=only["id"], line=change)
    async with untouched(company, "engineer"):
        assert told(await replaced(company, old, new)) == [(top, "UNCHANGED", None)]
    second = await bom(company, other, line(old))
    names = [await bom_id(company, second), await bom_id(company, first), await bom_id(company, second)]
    results = await replaced(company, old, new, bomIds=names)
    assert told(results) == [(other, "REPLACED", None), (top, "UNCHANGED", None)]
    assert results[1]["bomRevision"]["id"] == draft["id"]
    assert await replaced(company, old, new, bomIds=[]) == []


async def test_line_ends_and_another_begins_on_the_first_day(company: Api, prefix: str) -> None:
    top, old, new, instead = await items(company, prefix, "TOP", "OLD", "NEW", "INSTEAD")
    await bom(
        company,
        top,
        line(old, "2", position=10, substitutes=[{"item": {"code": instead}, "factor": "3"}]),
        line(old, "1", position=20, validTo="2031-01-01"),
        line(old, "1", position=30, validFrom="2031-01-01"),
        line(old, "1", position=40, validTo="2030-01-01"),
    )
    (result,) = await replaced(company, old, new, factor="2", validFrom="2030-01-01")
    found = [
        (each["position"], each["item"]["code"], each["quantity"], each["validFrom"], each["validTo"])
        for each in sorted(lines(result), key=lambda each: (each["position"], each["validFrom"] or ""))
    ]
    assert found == [
        (10, old, "2.0000", None, "2030-01-01"),
        (10, new, "4.0000", "2030-01-01", None),
        (20, old, "1.0000", None, "2030-01-01"),
        (20, new, "2.0000", "2030-01-01", "2031-01-01"),
        (30, new, "2.0000", "2031-01-01", None),
        (40, old, "1.0000", None, "2030-01-01"),
    ]
    document = """query ($id: ID!) { bomRevision(id: $id) { lines(first: 9) { nodes {
      position item { code } substitutes { item { code } factor } } } } }"""
    answer = await company.ask(document, "engineer", id=result["bomRevision"]["id"])
    nodes = answer.data["bomRevision"]["lines"]["nodes"]
    factors = {each["item"]["code"]: each["substitutes"] for each in nodes if each["position"] == 10}
    assert factors == {
        old: [{"item": {"code": instead}, "factor": "3.000000000000"}],
        new: [{"item": {"code": instead}, "factor": "1.500000000000"}],
    }
    assert told(await replaced(company, old, new, validFrom="2030-01-01")) == []


async def test_line_that_has_ended_is_history(company: Api, prefix: str) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    draft = await bom(company, top, line(old, validTo="2001-04-08"))
    assert await replaced(company, old, new) == []
    name = await bom_id(company, draft)
    assert told(await replaced(company, old, new, bomIds=[name])) == [(top, "UNCHANGED", None)]


async def test_amounts_stay_in_their_unit_where_it_converts_and_are_exact(company: Api, prefix: str) -> None:
    (top,) = await items(company, prefix, "TOP")
    (old,) = await items(company, prefix, "OLD", units=[{"unit": "kg", "factor": "4"}])
    (heavy,) = await items(company, prefix, "HEAVY", unit="kg")
    (long,) = await items(company, prefix, "LONG", unit="m")
    await bom(company, top, line(old, "3", unit="kg", setupQuantity="1", orderMultiple="5"))
    (result,) = await replaced(company, old, heavy, factor="0.25", dryRun=True)
    (found,) = lines(result)
    assert (found["unit"]["code"], found["quantity"], found["setupQuantity"], found["orderMultiple"]) == (
        "kg",
        "3.0000",
        "1.0000",
        "5.0000",
    )
    (result,) = await replaced(company, old, long, factor="0.125")
    (found,) = lines(result)
    assert (found["unit"]["code"], found["quantity"], found["setupQuantity"], found["orderMultiple"]) == (
        "m",
        "1.5000",
        "0.5000",
        "2.5000",
    )


async def test_unit_in_which_an_amount_is_not_exact_gives_way_to_the_base_unit(
    company: Api, prefix: str
) -> None:
    (top,) = await items(company, prefix, "TOP")
    old, new = await items(company, prefix, "OLD", "NEW", unit="mm")
    await bom(company, top, line(old, "0.0003", unit="m"))
    (result,) = await replaced(company, old, new, factor="0.5")
    (found,) = lines(result)
    assert (found["unit"]["code"], found["quantity"]) == ("mm", "0.1500")


async def test_refused_bom_leaves_no_trace_while_the_others_are_done(company: Api, prefix: str) -> None:
    above, below, odd, taken, fine, old, new = await items(
        company, prefix, "ABOVE", "BELOW", "ODD", "TAKEN", "FINE", "OLD", "NEW"
    )
    await released(company, await bom(company, below, line(old)))
    await released(company, await bom(company, above, line(below)))
    await released(company, await bom(company, new, line(above)))
    await bom(company, odd, line(old, "0.0001"))
    await released(company, await bom(company, taken, line(old, substitutes=[{"item": {"code": new}}])))
    await bom(company, fine, line(old, "1"))
    before = {code: await states(company, code) for code in (above, below, odd, taken)}
    results = await replaced(company, old, new, factor="0.5")
    assert told(results) == [
        (below, "REFUSED", "CYCLE"),
        (odd, "REFUSED", "TOO_PRECISE"),
        (taken, "REFUSED", "DUPLICATE"),
        (fine, "REPLACED", None),
    ]
    way = " > ".join(each for each in (below, new, above, below))
    assert results[0]["message"] == f"It would contain itself: {way}."
    assert {code: await states(company, code) for code in (above, below, odd, taken)} == before
    assert await states(company, fine) == [(1, "DRAFT", [new])]
    async with untouched(company, "engineer"):
        again = await replaced(company, old, new, factor="0.5")
    assert told(again) == told(results[:3])


async def test_draft_in_review_is_refused_while_the_others_are_done(company: Api, prefix: str) -> None:
    held, free, old, new = await items(company, prefix, "HELD", "FREE", "OLD", "NEW")
    await in_review(company, await bom(company, held, line(old)))
    await bom(company, free, line(old))
    assert told(await replaced(company, old, new)) == [
        (held, "REFUSED", "IN_REVIEW"),
        (free, "REPLACED", None),
    ]
    assert await states(company, held) == [(1, "DRAFT", [old])]


async def test_item_does_not_take_its_own_place_below_itself(company: Api, prefix: str) -> None:
    top, old = await items(company, prefix, "TOP", "OLD")
    await bom(company, top, line(old))
    async with untouched(company, "engineer"):
        (result,) = await replaced(company, old, top)
    assert (result["code"], result["message"]) == ("CYCLE", f"It would contain itself: {top} > {top}.")


@pytest.mark.parametrize(
    ("factor", "quantity", "instead", "code"),
    [
        ("0.333333333333", "1", "1", "TOO_PRECISE"),
        ("100000", "99999999", "1", "OUT_OF_RANGE"),
        ("3", "1", "1", "TOO_PRECISE"),
        ("0.000001", "1000000", "999999999", "OUT_OF_RANGE"),
    ],
)
async def test_what_can_not_be_said_exactly_is_refused(
    company: Api, prefix: str, factor: str, quantity: str, instead: str, code: str
) -> None:
    top, old, new, substitute = await items(company, prefix, "TOP", "OLD", "NEW", "INSTEAD")
    substitutes = [{"item": {"code": substitute}, "factor": instead}]
    await bom(company, top, line(old, quantity, substitutes=substitutes))
    async with untouched(company, "engineer"):
        assert told(await replaced(company, old, new, factor=factor)) == [(top, "REFUSED", code)]


async def test_bom_that_would_have_too_many_lines_is_refused(
    company: Api, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    await bom(company, top, line(old), line(old))
    monkeypatch.setattr("commands.boms.replacing.LINES_LIMIT", 3)
    async with untouched(company, "engineer"):
        results = await replaced(company, old, new, validFrom="2030-01-01")
    assert told(results) == [(top, "REFUSED", "TOO_MANY")]


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"factor": "0"}, "OUT_OF_RANGE", ["factor"]),
        ({"factor": "-1"}, "OUT_OF_RANGE", ["factor"]),
        ({"factor": "0.0000000000001"}, "TOO_PRECISE", ["factor"]),
        ({"item": {}}, "REQUIRED", ["item"]),
        ({"item": {"code": "nothing"}}, "NOT_FOUND", ["item"]),
        ({"replacement": {"code": "nothing"}}, "NOT_FOUND", ["replacement"]),
        ({"bomIds": ["Bom:01980000-0000-7000-8000-000000000000"]}, "NOT_FOUND", ["bomIds", "0"]),
        ({"note": "x" * 2_001}, "TOO_LONG", ["note"]),
        ({"bomIds": ["Bom:01980000-0000-7000-8000-000000000000"] * 501}, "TOO_MANY", ["bomIds"]),
    ],
)
async def test_what_can_not_be_meant_is_refused_as_a_whole(
    company: Api, prefix: str, values: dict[str, Any], code: str, path: list[str]
) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    await bom(company, top, line(old))
    assert await refused(company, old, new, **values) == (code, path)


async def test_item_is_not_replaced_by_itself(company: Api, prefix: str) -> None:
    (old,) = await items(company, prefix, "OLD")
    assert await refused(company, old, old) == ("DUPLICATE", ["replacement"])


async def test_more_boms_than_can_be_changed_at_once_are_counted(
    company: Api, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    *tops, old, new = await items(company, prefix, "ONE", "TWO", "THREE", "OLD", "NEW")
    for code in tops:
        await bom(company, code, line(old))
    monkeypatch.setattr("commands.boms.replace_targets.BOMS_LIMIT", 2)
    async with untouched(company, "engineer"):
        payload = (await sent(company, old, new)).data["bomMassReplace"]
    (error,) = payload["errors"]
    assert (error["code"], error["path"]) == ("TOO_MANY", ["bomIds"])
    assert error["message"] == "It would be replaced in 3 BOMs, and at once it is in at most 2."


async def test_who_may_not_write_boms_replaces_nothing(company: Api, prefix: str) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    await bom(company, top, line(old))
    for who in ("buyer", "foreman", "contractor", "customer", "worker", "director"):
        async with untouched(company, who):
            answer = await sent(company, old, new, who)
        assert (who, answer.codes, answer.partial) == (who, ["FORBIDDEN"], None)


async def test_rates_go_over_without_being_shown(company: Api, prefix: str) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    work = [{"name": "Weld 焊接", "minutes": "30", "hourlyRate": "93.17"}]
    await released(company, await bom(company, top, line(old), who="pm", operations=work))
    (result,) = await replaced(company, old, new)
    document = "query ($id: ID!) { bomRevision(id: $id) { operations { hourlyRate } } }"
    key = result["bomRevision"]["id"]
    seen = await company.ask(document, "pm", id=key)
    assert seen.data["bomRevision"]["operations"] == [{"hourlyRate": "93.1700"}]
    hidden = await company.ask(document, "engineer", id=key)
    assert hidden.partial["bomRevision"]["operations"] == [{"hourlyRate": None}]
