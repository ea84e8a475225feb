"""Is import after export the identity, for every BOM that there can be and for both kinds of files?"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import Api
from tests.integration.bom_world import Json, bom, item, made, released, untouched
from tests.integration.sheet_world import csv, export, imported, packed

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_CODES = (
    "=1+1",
    "+A",
    "-A",
    "@SUM(A1)",
    "'=1",
    "''",
    "＝全角",
    "螺母 M8",
    'Nut "M8"',
    "a,b;c",
    "2 inch pipe",
    "007",
    "1E5",
    "TRUE",
    "2026-01-31",
    "_x0041_<&>",
    "https://eoms.test",
)
_UNITS = ("pcs", "m", "mm")
_DAYS = (date(1899, 12, 31), date(1900, 2, 28), date(2024, 2, 29), date(2026, 1, 31), date(9999, 12, 30))

quantities = st.decimals(Decimal("0.0001"), Decimal("999999999999.9999"), places=4)


def _given(value: Any) -> str | None:
    return None if value is None else format(value, "f")


@st.composite
def lines(draw: st.DrawFn) -> list[Json]:
    """Draw the lines of a revision as `bomCreate` takes them, each with something in most of its fields."""
    found: list[Json] = []
    for place in range(1, draw(st.integers(0, 6)) + 1):
        since = draw(st.none() | st.sampled_from(_DAYS))
        until = draw(st.none() if since is None else st.none() | st.just(since + timedelta(days=1)))
        code, *others = draw(st.lists(st.sampled_from(_CODES), min_size=1, max_size=4, unique=True))
        found.append(
            {
                "position": place * draw(st.sampled_from([1, 7, 1_000])) + draw(st.just(place)),
                "item": {"code": code},
                "quantity": _given(draw(quantities)),
                "unit": draw(st.sampled_from(_UNITS)),
                "fixed": draw(st.booleans()),
                "scrapPercent": _given(draw(st.decimals(0, Decimal("99.99"), places=2))),
                "scrapRule": draw(st.sampled_from(["ADD", "YIELD"])),
                "setupQuantity": _given(draw(st.just(Decimal(0)) | quantities)),
                "orderMultiple": _given(draw(st.none() | quantities)),
                "validFrom": since and since.isoformat(),
                "validTo": until and until.isoformat(),
                "consumable": draw(st.booleans()),
                "substitutes": [
                    {
                        "item": {"code": each},
                        "factor": _given(draw(st.decimals(Decimal("1e-12"), 10**6, places=12))),
                    }
                    for each in others
                ],
            }
        )
    return list({each["position"]: each for each in found}.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stocked(company: Api) -> Api:
    """The company with an item of each odd code."""
    for code in _CODES:
        await item(company, code, name=code, units=[{"unit": "m", "factor": "0.123456789012"}])
    return company


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=lines())
async def test_import_after_export_is_identity(stocked: Api, drawn: list[Json]) -> None:
    code = (await item(stocked, f"X{next(_NUMBERS)}"))["code"]
    draft = await bom(stocked, code, *drawn, baseQuantity="2.5")
    for kind in ("CSV", "XLSX"):
        file = packed(kind, (await export(stocked, f"{draft['id']}.{kind.lower()}", "buyer")).content)
        async with untouched(stocked, "engineer"):
            same = await imported(stocked, code, file)
        assert (same["id"], same["checksum"]) == (draft["id"], draft["checksum"])
        # Not because nothing is compared: emptied, the draft is filled again with just what it had.
        emptied = await imported(stocked, code, csv("item,quantity"))
        assert emptied["lines"]["nodes"] == []
        filled = await imported(stocked, code, file)
        assert filled["checksum"] == draft["checksum"]
        assert _without_ids(filled) == _without_ids(draft)


async def test_file_of_a_released_revision_opens_no_other(stocked: Api) -> None:
    code = (await item(stocked, "Z1"))["code"]
    first = await released(stocked, await bom(stocked, code, {"item": {"code": "007"}, "quantity": "3"}))
    file = packed("XLSX", (await export(stocked, f"{first['id']}.xlsx", "pm")).content)
    async with untouched(stocked, "engineer"):
        assert (await imported(stocked, code, file))["id"] == first["id"]
    second = await made(stocked, "engineer", "bomRevisionCreate", sourceId=first["id"])
    async with untouched(stocked, "engineer"):
        assert (await imported(stocked, code, file))["id"] == second["id"]


def _without_ids(revision: Json) -> list[Json]:
    return [
        {
            name: [{"item": each["item"], "factor": each["factor"]} for each in value]
            if name == "substitutes"
            else value
            for name, value in line.items()
            if name != "id"
        }
        for line in revision["lines"]["nodes"]
    ]
