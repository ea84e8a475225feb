"""Does a BOM leave as a file with what its reader may see, and to nobody else?"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette

from policies.compiler import Policies
from policies.rules import Rulebook, load_rules
from server.exports import EXPLOSION_LINES, Exports
from sheets.cells import Table
from sheets.xlsx_files import read_xlsx
from tests.api import Api
from tests.integration.bom_world import Json, bom, item, line, released, untouched
from tests.integration.sheet_world import export

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_COLUMNS = [
    *(
        "position",
        "item",
        "itemName",
        "quantity",
        "unit",
        "fixed",
        "scrapPercent",
        "scrapRule",
        "setupQuantity",
    ),
    *("orderMultiple", "validFrom", "validTo", "consumable", "substitutes"),
]
_COSTS = ["standardCost", "currency"]


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"E{next(_NUMBERS)}-"


def table(response: httpx.Response) -> list[list[str]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(response.content.decode("utf-8-sig"), newline=""), strict=True))


def workbook(response: httpx.Response) -> Table:
    assert response.status_code == 200, response.text
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    assert response.headers["content-type"] == kind
    return read_xlsx(response.content)


def codes(response: httpx.Response) -> list[str]:
    found: list[dict[str, Any]] = response.json()["errors"]
    return [each["extensions"]["code"] for each in found]


async def pump(api: Api, prefix: str) -> Json:
    """Make a BOM that has something in every column."""
    await item(api, f"{prefix}泵")
    await item(api, f"{prefix}BOLT", "pm", name="=1+1", standardCost="12.5")
    await item(api, f"{prefix}NUT", "pm", name='Nut "M8", 螺母')
    return await bom(
        api,
        f"{prefix}泵",
        line(
            f"{prefix}BOLT",
            "2.5",
            fixed=True,
            scrapPercent="5",
            scrapRule="YIELD",
            setupQuantity="1",
            orderMultiple="4",
            validFrom="2026-01-31",
            validTo="2027-01-01",
            consumable=True,
            substitutes=[{"item": {"code": f"{prefix}NUT"}, "factor": "0.5"}],
        ),
        line(f"{prefix}NUT", "3"),
    )


async def test_csv_has_a_column_for_all_that_a_line_says(company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    response = await export(company, f"{revision['id']}.csv", "buyer")
    bolt = [
        *("10", f"{prefix}BOLT", "'=1+1", "2.5000", "pcs", "true", "5.00", "YIELD", "1.0000", "4.0000"),
        *("2026-01-31", "2027-01-01", "true", f"0.5 {prefix}NUT", "12.5000", "CNY"),
    ]
    nut = [
        *("20", f"{prefix}NUT", 'Nut "M8", 螺母', "3.0000", "pcs", "false", "0.00", "ADD", "0.0000"),
        *("", "", "", "false", "", "", "CNY"),
    ]
    assert table(response) == [_COLUMNS + _COSTS, bolt, nut]
    name = f"{prefix}_-r1.csv"
    assert response.headers["content-disposition"] == (
        f"attachment; filename=\"{name}\"; filename*=UTF-8''{prefix}%E6%B3%B5-r1.csv"
    )
    assert response.headers["cache-control"] == "no-store"
    assert "ratelimit" in response.headers


async def test_workbook_has_numbers_days_and_texts_that_are_no_formulas(company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    header, bolt, nut = workbook(await export(company, f"{revision['id']}.xlsx", "buyer"))
    assert header == _COLUMNS + _COSTS
    assert bolt == [
        *(Decimal(10), f"{prefix}BOLT", "=1+1", Decimal("2.5"), "pcs", True, Decimal(5), "YIELD"),
        *(Decimal(1), Decimal(4), date(2026, 1, 31), date(2027, 1, 1), True, f"0.5 {prefix}NUT"),
        *(Decimal("12.5"), "CNY"),
    ]
    assert nut[:4] == [Decimal(20), f"{prefix}NUT", 'Nut "M8", 螺母', Decimal(3)]


async def test_file_hides_what_the_api_hides(company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    for who in ("buyer", "pm", "director"):
        assert table(await export(company, f"{revision['id']}.csv", who))[0] == _COLUMNS + _COSTS
    for who in ("engineer", "foreman"):
        for ending in ("csv", "xlsx"):
            response = await export(company, f"{revision['id']}.{ending}", who)
            header = table(response)[0] if ending == "csv" else workbook(response)[0]
            assert header == _COLUMNS
            assert b"12.5" not in response.content


async def test_revision_is_named_by_its_global_id_or_its_id_alone(company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    alone = revision["id"].partition(":")[2]
    assert table(await export(company, f"{alone}.csv")) == table(
        await export(company, f"{revision['id']}.csv")
    )


async def test_who_may_not_read_it_is_told_that_there_is_none(company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    nothing = UUID(int=7)
    for path in ("{}.csv", "{}.xlsx", "{}/explosion.csv?quantity=1"):
        for who in ("contractor", "customer", "admin"):
            response = await export(company, path.format(revision["id"]), who)
            assert (response.status_code, codes(response)) == (404, ["NOT_FOUND"])
            absent = await export(company, path.format(nothing), who)
            assert absent.json() == response.json()
        stranger = await export(company, path.format(revision["id"]), None)
        assert (stranger.status_code, codes(stranger)) == (401, ["UNAUTHENTICATED"])
        assert stranger.headers["www-authenticate"].startswith("Bearer")


@pytest_asyncio.fixture(loop_scope="module")
async def cautious(company: Api) -> AsyncGenerator[Api]:
    """The company under rules by which engineers read BOMs and take none away."""
    known = load_rules()
    kept = tuple(rule for rule in known.rules if (rule.role, rule.deed) != ("engineer", "export"))
    gate = company.app.state.gate
    runtime = replace(gate._runtime, policies=Policies(Rulebook(replace(known, rules=kept))))
    app = Starlette(routes=[*Exports(gate._front_door, runtime, 10).routes])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://eoms.test") as client:
        yield replace(company, client=client)


async def test_who_may_read_but_not_export_it_is_told_so(cautious: Api, company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    for path in (f"{revision['id']}.csv", f"{revision['id']}/explosion.xlsx?quantity=1"):
        async with untouched(company, "engineer"):
            response = await export(cautious, path, "engineer")
        assert (response.status_code, codes(response)) == (403, ["FORBIDDEN"])
        assert prefix.encode() not in response.content
        assert (await export(cautious, path, "buyer")).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("Order:{id}.csv", 400, "MALFORMED_ID"),
        ("nonsense.csv", 400, "MALFORMED_ID"),
        ("{id}.pdf", 404, "NOT_FOUND"),
        ("{id}/explosion.pdf", 404, "NOT_FOUND"),
        ("{id}/explosion.csv", 400, "MALFORMED_ARGUMENT"),
        ("{id}/explosion.csv?quantity=many", 400, "MALFORMED_ARGUMENT"),
        ("{id}/explosion.csv?quantity=0", 400, "OUT_OF_RANGE"),
        ("{id}/explosion.csv?quantity=nan", 400, "OUT_OF_RANGE"),
        ("{id}/explosion.csv?quantity=1&asOf=today", 400, "MALFORMED_ARGUMENT"),
        ("{id}/explosion.csv?quantity=1&maxLevels=all", 400, "MALFORMED_ARGUMENT"),
        ("{id}/explosion.csv?quantity=1&maxLevels=51", 400, "OUT_OF_RANGE"),
    ],
)
async def test_what_can_not_be_asked_is_refused(
    company: Api, prefix: str, path: str, status: int, code: str
) -> None:
    revision = await pump(company, prefix)
    response = await export(company, path.format(id=revision["id"].partition(":")[2]))
    assert (response.status_code, codes(response)) == (status, [code])


async def test_more_than_a_page_of_lines_is_told_whole(company: Api, prefix: str) -> None:
    for code in ("TOP", "LEAF"):
        await item(company, prefix + code)
    revision = await bom(company, f"{prefix}TOP", *(line(f"{prefix}LEAF", str(at)) for at in range(1, 151)))
    rows = table(await export(company, f"{revision['id']}.csv"))
    assert [row[3] for row in rows[1:]] == [f"{at}.0000" for at in range(1, 151)]


async def test_explosion_tells_every_path_with_exact_and_rounded_quantities(
    company: Api, prefix: str
) -> None:
    for code, kind in (("TOP", "ASSEMBLY"), ("SUB", "PHANTOM"), ("LEAF", "PART")):
        await item(company, prefix + code, "pm", kind=kind, standardCost="7.25")
    sub = await bom(company, f"{prefix}SUB", line(f"{prefix}LEAF", "10"), baseQuantity="3")
    await released(company, sub)
    top = await bom(
        company, f"{prefix}TOP", line(f"{prefix}SUB", "1"), line(f"{prefix}LEAF", "2", validFrom="2030-01-01")
    )
    header = ["level", "path", "item", "itemName", "quantity", "exactQuantity", "unit", "phantom", "hasParts"]
    path = f"{top['id']}/explosion.csv?quantity=1&asOf=2029-12-31"
    response = await export(company, path)
    rows = [
        ["1", "10", f"{prefix}SUB", f"Item {prefix}SUB", "1.0000", "1", "pcs", "true", "true"],
        ["2", "10 > 10", f"{prefix}LEAF", f"Item {prefix}LEAF", "3.3333", "10/3", "pcs", "false", "false"],
    ]
    assert table(response) == [header, *rows]
    assert f'filename="{prefix}TOP-r1-explosion-2029-12-31.csv"' in response.headers["content-disposition"]
    told = table(await export(company, path, "buyer"))
    assert told == [header + _COSTS, *([*row, "7.2500", "CNY"] for row in rows)]
    later = workbook(await export(company, f"{top['id']}/explosion.xlsx?quantity=2&asOf=2030-01-01"))
    assert [(row[1], row[2], row[4]) for row in later[1:]] == [
        ("10", f"{prefix}SUB", Decimal(2)),
        ("10 > 10", f"{prefix}LEAF", Decimal("6.6667")),
        ("20", f"{prefix}LEAF", Decimal(4)),
    ]
    flat = table(await export(company, f"{path}&maxLevels=1"))
    assert [row[1] for row in flat[1:]] == ["10"]


async def test_explosion_larger_than_its_limit_is_refused(company: Api, prefix: str) -> None:
    names = [f"{prefix}{level}" for level in range(5)]
    for code in names:
        await item(company, code)
    tops = [
        await released(company, await bom(company, above, *(line(below) for _ in range(12))))
        for above, below in zip(names[3::-1], names[:0:-1], strict=True)
    ]
    assert EXPLOSION_LINES < 12 + 12**2 + 12**3 + 12**4
    response = await export(company, f"{tops[-1]['id']}/explosion.csv?quantity=1")
    assert (response.status_code, codes(response)) == (400, ["TOO_LARGE"])


async def test_exports_are_paid_from_the_caller_s_points(company: Api, prefix: str) -> None:
    revision = await pump(company, prefix)
    left = [
        int((await export(company, path, "finance")).headers["ratelimit"].split("r=")[1].split(";")[0])
        for path in (f"{revision['id']}.csv", f"{revision['id']}/explosion.csv?quantity=1")
    ]
    assert left[0] - left[1] >= 400
