"""Does a file become the lines of a BOM: every row of it or, with all that is wrong, none?"""

from __future__ import annotations

import asyncio
from datetime import date
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest

from tests.api import Api
from tests.integration.bom_world import Json, bom, item, line, made, released, untouched
from tests.integration.change_world import draft, in_review
from tests.integration.sheet_world import (
    IMPORT,
    csv,
    events_of,
    forbidden_import,
    imported,
    not_imported,
    packed,
    xlsx,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"S{next(_NUMBERS)}-"


async def items(api: Api, prefix: str, *codes: str) -> list[str]:
    for code in codes:
        await item(api, prefix + code)
    return [prefix + code for code in codes]


def row(revision: Json, index: int) -> Json:
    found: Json = revision["lines"]["nodes"][index]
    return found


async def test_file_opens_the_bom_of_an_item_with_all_that_its_columns_say(company: Api, prefix: str) -> None:
    top, one, two, three = await items(company, prefix, "TOP", "ONE", "TWO", "THREE")
    draft = await imported(
        company,
        top,
        csv(
            "position,item,quantity,unit,fixed,scrapPercent,scrapRule,setupQuantity,orderMultiple,validFrom,validTo,"
            "consumable,substitutes",
            f"10,{one},1.5,pcs,true,2.5,yield,3,4,2026-01-31,2026/12/1,是,",
            f'20,{two},2,,,,,,,,,,"2 {three}\n0.5 {one}"',
            ",,,,",
        ),
        baseQuantity="4",
        note="From the drawing 图纸",
    )
    assert (draft["number"], draft["version"], draft["state"]) == (1, 1, "DRAFT")
    assert (draft["baseQuantity"], draft["note"]) == ("4.0000", "From the drawing 图纸")
    assert row(draft, 0) == {
        "id": row(draft, 0)["id"],
        "position": 10,
        "item": {"code": one},
        "quantity": "1.5000",
        "unit": {"code": "pcs"},
        "fixed": True,
        "scrapPercent": "2.50",
        "scrapRule": "YIELD",
        "setupQuantity": "3.0000",
        "orderMultiple": "4.0000",
        "validFrom": "2026-01-31",
        "validTo": "2026-12-01",
        "consumable": True,
        "substitutes": [],
    }
    second = row(draft, 1)
    assert (second["fixed"], second["scrapRule"], second["orderMultiple"], second["validTo"]) == (
        False,
        "ADD",
        None,
        None,
    )
    assert second["substitutes"] == [
        {"item": {"code": three}, "factor": "2.000000000000"},
        {"item": {"code": one}, "factor": "0.500000000000"},
    ]
    assert [event["type"] for event in await events_of(company, draft)] == ["BomRevisionCreated"]


async def test_example_of_the_documents_fits_the_demo_company(company: Api, prefix: str) -> None:
    (top,) = await items(company, prefix, "TOP")
    example = Path(__file__).parents[2] / "docs" / "exchange-example.csv"
    draft = await imported(company, top, packed("CSV", example.read_bytes()))
    assert [
        (each["position"], each["item"]["code"], each["quantity"], each["unit"]["code"])
        for each in draft["lines"]["nodes"]
    ] == [
        (10, "MT-C10", "4.8000", "m"),
        (20, "MT-P12", "0.3600", "m²"),
        (30, "PT-B16", "16.0000", "pcs"),
        (40, "MT-WIR", "0.6000", "kg"),
        (50, "PT-VLV", "2.0000", "pcs"),
        (50, "PT-BFV", "2.0000", "pcs"),
    ]


async def test_file_as_excel_in_china_saves_it_is_read(company: Api, prefix: str) -> None:
    top, pipe = await items(company, prefix, "总成", "钢管")
    draft = await imported(
        company,
        top,
        csv(
            "位置,物料编码,物料名称,数量,单位,固定,损耗率,损耗规则,准备量,订货倍数,生效日期,失效日期,耗材",
            f"10,{pipe},无缝钢管,2.5,pcs,FALSE,5,ADD,,,2026/1/5,,TRUE",
            encoding="gb18030",
        ),
    )
    only = row(draft, 0)
    assert (only["item"]["code"], only["quantity"], only["scrapPercent"]) == (pipe, "2.5000", "5.00")
    assert (only["validFrom"], only["consumable"], only["fixed"]) == ("2026-01-05", True, False)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
async def test_encodings_and_delimiters_say_the_same(
    company: Api, prefix: str, encoding: str, delimiter: str
) -> None:
    top, leaf = await items(company, prefix, "顶", "叶")
    draft = await imported(
        company,
        top,
        csv(delimiter.join(("物料编码", "数量")), delimiter.join((leaf, "1")), encoding=encoding),
    )
    assert [each["item"]["code"] for each in draft["lines"]["nodes"]] == [leaf]


async def test_numbers_and_days_of_a_workbook_are_those_that_were_typed(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    await item(company, f"{prefix[1:-1]}00700")
    draft = await imported(
        company,
        top,
        xlsx(
            ("item", "quantity", "validFrom", "fixed", "orderMultiple"),
            (leaf, Decimal("0.1"), date(2026, 1, 31), True, None),
            (leaf, Decimal("12345678901.2345"), None, False, Decimal("2.675")),
            (None, None, None, None, None),
            (Decimal(f"{prefix[1:-1]}00700"), "999999999999.9999", "2026-02-01", "否", ""),
        ),
    )
    found = [
        (each["quantity"], each["validFrom"], each["fixed"], each["orderMultiple"])
        for each in draft["lines"]["nodes"]
    ]
    assert found == [
        ("0.1000", "2026-01-31", True, None),
        ("12345678901.2345", None, False, "2.6750"),
        ("999999999999.9999", "2026-02-01", False, None),
    ]


async def test_newest_draft_gets_the_lines_and_its_event_tells_what_changed(
    company: Api, prefix: str
) -> None:
    top, one, two, three = await items(company, prefix, "TOP", "ONE", "TWO", "THREE")
    draft = await bom(company, top, line(one, "1"), line(two, "2", substitutes=[{"item": {"code": three}}]))
    file = csv(
        "position,item,quantity,substitutes", f"10,{one},5,", f"20,{two},2,1 {three}", f"30,{three},7,"
    )
    changed = await imported(company, top, file, expectedVersion=1, note="ECR 7")
    assert (changed["id"], changed["version"]) == (draft["id"], 2)
    assert [row(changed, at)["id"] for at in (0, 1)] == [each["id"] for each in draft["lines"]["nodes"]]
    newest, _first = await events_of(company, changed)
    assert (newest["type"], newest["note"]) == ("BomLinesImported", "ECR 7")
    own, new = (f"lines.{row(changed, at)['id'].partition(':')[2]}" for at in (0, 2))
    fields = {each["field"] for each in newest["changes"]}
    assert {f"{own}.quantity", f"{new}.item", "checksum"} <= fields
    assert {each for each in fields if not each.startswith((own, new))} == {"checksum"}
    assert {each for each in fields if each.startswith(own)} == {f"{own}.quantity"}


async def test_import_that_changes_nothing_leaves_no_trace(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    file = csv("item,quantity", f"{leaf},3")
    draft = await imported(company, top, file)
    async with untouched(company, "engineer"):
        assert await imported(company, top, file) == draft
        assert await imported(company, top, file, baseQuantity="1") == draft
    first = await released(company, draft)
    async with untouched(company, "engineer"):
        again = await imported(company, top, file)
    assert (again["id"], again["state"], again["version"]) == (draft["id"], "RELEASED", first["version"])


async def test_next_draft_is_opened_where_there_is_none(company: Api, prefix: str) -> None:
    top, leaf, other = await items(company, prefix, "TOP", "LEAF", "OTHER")
    share = [{"item": {"code": other}, "quantity": "1", "costSharePercent": "10"}]
    first = await released(company, await bom(company, top, line(leaf), baseQuantity="2", coProducts=share))
    second = await imported(company, top, csv("item,quantity", f"{leaf},9"), note="Why")
    assert (second["number"], second["state"], second["version"], second["note"]) == (2, "DRAFT", 1, "Why")
    assert (second["baseQuantity"], row(second, 0)["quantity"]) == ("2.0000", "9.0000")
    document = "query ($id: ID!) { bomRevision(id: $id) { checksum coProducts { costSharePercent } } }"
    told = (await company.ask(document, "engineer", id=second["id"])).data["bomRevision"]
    assert (told["coProducts"], told["checksum"] != first["checksum"]) == (
        [{"costSharePercent": "10.00"}],
        True,
    )
    third = await imported(company, top, csv("item,quantity", f"{leaf},10"))
    assert (third["id"], third["version"]) == (second["id"], 2)


async def test_of_two_at_once_one_opens_the_next_draft_and_the_other_writes_into_it(
    company: Api, prefix: str
) -> None:
    for turn in range(4):
        top, leaf = await items(company, f"{prefix}{turn}", "TOP", "LEAF")
        await released(company, await bom(company, top, line(leaf)))
        files = [csv("item,quantity", f"{leaf},{quantity}") for quantity in (2, 3)]
        both = await asyncio.gather(*(imported(company, top, file) for file in files))
        assert len({each["id"] for each in both}) == 1
        assert sorted((each["number"], each["version"]) for each in both) == [(2, 1), (2, 2)]


async def test_every_faulty_row_is_told_and_nothing_is_taken(company: Api, prefix: str) -> None:
    top, leaf, other = await items(company, prefix, "TOP", "LEAF", "OTHER")
    await bom(company, top, line(leaf, "1"))
    error = await not_imported(
        company,
        top,
        csv(
            "position,item,quantity,unit,fixed,scrapPercent,scrapRule,validFrom,validTo,substitutes",
            f"10,{leaf},1,,,,,,,",
            "20,nothing,1,,,,,,,",
            f"30,{leaf},0,,,,,,,",
            f'40,{leaf},"1,000",,,,,,,',
            f"50,{leaf},-1,,maybe,,,,,",
            f"60,{leaf},1,kg,,,,,,",
            f"70,{leaf},1,furlong,,,,,,",
            f"80,{leaf},1,,,100,,,,",
            f"90,{leaf},1,,,,HALF,,,",
            f"100,{leaf},1,,,,,2026-02-30,,",
            f"110,{leaf},1,,,,,2026-02-02,2026-02-02,",
            f"10,{other},1,,,,,,,",
            f"130,{leaf},0.00001,,,,,,,",
            f"0,{leaf},1,,,,,,,",
            f"1.5,{leaf},1,,,,,,,",
            "160,,1,,,,,,,",
            f"170,{leaf},,,,,,,,",
            f"180,{leaf},1,,,,,,,1 {leaf}",
            f'190,{leaf},1,,,,,,,"1 {other}\n2 {other}"',
            f"200,{leaf},1,,,,,,,{other}",
            f"210,{leaf},1,,,,,,,1 nothing",
            f"220,{leaf},1,,,,,,,,,surplus",
            f"230,{'x' * 41},1,,,,,,,",
        ),
    )
    assert (error["__typename"], error["code"], error["path"]) == (
        "ImportRefused",
        "IMPORT_REFUSED",
        ["content"],
    )
    assert [(each["row"], each["column"], each["code"]) for each in error["rows"]] == [
        (3, "item", "NOT_FOUND"),
        (4, "quantity", "OUT_OF_RANGE"),
        (5, "quantity", "MALFORMED"),
        (6, "fixed", "MALFORMED"),
        (7, "unit", "NO_CONVERSION"),
        (8, "unit", "NOT_FOUND"),
        (9, "scrapPercent", "OUT_OF_RANGE"),
        (10, "scrapRule", "MALFORMED"),
        (11, "validFrom", "MALFORMED"),
        (12, "validTo", "DATES_OUT_OF_ORDER"),
        (13, "position", "OVERLAPPING_EFFECTIVITY"),
        (14, "quantity", "TOO_PRECISE"),
        (15, "position", "OUT_OF_RANGE"),
        (16, "position", "TOO_PRECISE"),
        (17, "item", "REQUIRED"),
        (18, "quantity", "REQUIRED"),
        (19, "item", "DUPLICATE"),
        (20, "substitutes", "DUPLICATE"),
        (21, "substitutes", "MALFORMED"),
        (22, "substitutes", "NOT_FOUND"),
        (23, None, "TOO_MANY"),
        (24, "item", "TOO_LONG"),
    ]
    assert error["total"] == 22
    assert error["message"] == "The file has 22 mistakes in 22 rows; nothing was taken from it."


async def test_of_many_faults_the_first_are_told_and_all_are_counted(company: Api, prefix: str) -> None:
    (top,) = await items(company, prefix, "TOP")
    error = await not_imported(company, top, csv("item,quantity", *("nothing,x" for _ in range(300))))
    assert (len(error["rows"]), error["rows"][-1]["row"], error["total"]) == (200, 201, 300)


async def test_rows_that_make_a_cycle_are_named_with_the_way(company: Api, prefix: str) -> None:
    a, b, c, leaf = await items(company, prefix, "A", "B", "C", "LEAF")
    await bom(company, a, line(b))
    await bom(company, b, line(c))
    file = csv("item,quantity,substitutes", f"{leaf},1,", f"{a},1,", f"{leaf},1,1 {b}", f"{c},1,")
    error = await not_imported(company, c, file)
    assert [(each["row"], each["column"], each["code"], each["message"]) for each in error["rows"]] == [
        (3, "item", "CYCLE", f"It would contain itself: {c} > {a} > {b} > {c}."),
        (4, "substitutes", "CYCLE", f"It would contain itself: {c} > {b} > {c}."),
        (5, "item", "CYCLE", f"It would contain itself: {c} > {c}."),
    ]


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"item": {"code": "nothing"}}, "NOT_FOUND", ["item"]),
        ({"item": {}}, "REQUIRED", ["item"]),
        ({"baseQuantity": "0"}, "OUT_OF_RANGE", ["baseQuantity"]),
        ({"expectedVersion": 7}, "VERSION_CONFLICT", ["expectedVersion"]),
        ({"note": "x" * 2_001}, "TOO_LONG", ["note"]),
    ],
)
async def test_input_that_can_not_be_is_refused(
    company: Api, prefix: str, values: Json, code: str, path: list[str]
) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    await bom(company, top, line(leaf))
    error = await not_imported(company, top, csv("item,quantity", f"{leaf},2"), **values)
    assert (error["code"], error["path"]) == (code, path)


async def test_expected_version_is_zero_where_there_is_no_bom(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    error = await not_imported(company, top, csv("item,quantity", f"{leaf},2"), expectedVersion=1)
    assert (error["code"], error["currentVersion"]) == ("VERSION_CONFLICT", 0)


async def test_who_may_not_write_boms_imports_none_whatever_the_file_is(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    for who in ("buyer", "foreman", "contractor", "director"):
        for file in (csv("item,quantity", f"{leaf},2"), csv("nonsense")):
            assert await forbidden_import(company, top, file, who) == ["FORBIDDEN"]
    answer = await company.ask(IMPORT, None, input={"item": {"code": top}, **csv("item,quantity")})
    assert answer.codes == ["UNAUTHENTICATED"]


async def test_trial_shows_the_revision_and_keeps_nothing(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    file = csv("item,quantity", f"{leaf},2")
    async with untouched(company, "engineer"):
        tried = await imported(company, top, file, dryRun=True)
    assert (tried["number"], row(tried, 0)["quantity"]) == (1, "2.0000")


async def test_key_gives_the_first_answer_again(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    key = f"{prefix}key"
    first = await imported(company, top, csv("item,quantity", f"{leaf},2"), idempotencyKey=key)
    await made(company, "engineer", "bomLineAdd", id=first["id"], line=line(leaf))
    async with untouched(company, "engineer"):
        again = await imported(company, top, csv("item,quantity", f"{leaf},2"), idempotencyKey=key)
    assert (again["id"], again["version"]) == (first["id"], 2)
    error = await not_key(company, top, csv("item,quantity", f"{leaf},3"), key)
    assert error == "IDEMPOTENCY_MISMATCH"


async def not_key(api: Api, code: str, file: Json, key: str) -> str:
    given = {"item": {"code": code}, **file, "idempotencyKey": key}
    async with untouched(api, "engineer"):
        (error,) = (await api.ask(IMPORT, "engineer", input=given)).data["bomImport"]["errors"]
    found: str = error["code"]
    return found


async def test_draft_in_review_takes_no_file(company: Api, prefix: str) -> None:
    held = await draft(company, f"{prefix}HELD")
    await in_review(company, held)
    (leaf,) = await items(company, prefix, "OTHER")
    error = await not_imported(company, f"{prefix}HELD", csv("item,quantity", f"{leaf},2"))
    assert (error["code"], error["path"]) == ("IN_REVIEW", ["id"])
