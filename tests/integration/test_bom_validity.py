"""Is one revision of a BOM at most in force on any day, whatever is released in whatever order?"""

from __future__ import annotations

from itertools import count

import pytest

from tests.api import Api
from tests.integration.bom_world import bom, item, line, made, not_made, released

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"D{next(_NUMBERS)}-"


async def items(api: Api, prefix: str, *codes: str) -> list[str]:
    for code in codes:
        await item(api, prefix + code)
    return [prefix + code for code in codes]


async def test_overlapping_revisions_are_refused(company: Api, prefix: str) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    later = await bom(company, top, line(leaf), validFrom="2027-01-01")
    await released(company, later)
    earlier = await made(
        company, "engineer", "bomRevisionCreate", sourceId=later["id"], validFrom="2026-01-01"
    )
    error = await not_made(company, "engineer", "bomRevisionRelease", id=earlier["id"])
    assert (error["code"], error["path"]) == ("OVERLAPPING_EFFECTIVITY", ["validFrom"])
    bounded = await made(
        company, "engineer", "bomRevisionUpdate", id=earlier["id"], expectedVersion=1, validTo="2027-01-01"
    )
    assert (await released(company, bounded))["state"] == "RELEASED"


async def test_revision_takes_the_days_that_are_left_to_a_superseded_one_or_none(
    company: Api, prefix: str
) -> None:
    top, leaf = await items(company, prefix, "TOP", "LEAF")
    first = await released(company, await bom(company, top, line(leaf)))
    later = await made(company, "engineer", "bomRevisionCreate", sourceId=first["id"], validFrom="2199-01-01")
    await released(company, later)
    between = await made(
        company,
        "engineer",
        "bomRevisionCreate",
        sourceId=first["id"],
        validFrom="2150-01-01",
        validTo="2160-01-01",
    )
    # The first one is superseded, and holds until 2199: also behind these days.
    error = await not_made(company, "engineer", "bomRevisionRelease", id=between["id"])
    assert (error["code"], error["path"]) == ("OVERLAPPING_EFFECTIVITY", ["validFrom"])
    rest = await made(
        company, "engineer", "bomRevisionUpdate", id=between["id"], expectedVersion=1, validTo="2199-01-01"
    )
    await released(company, rest)
    document = "query ($id: ID!) { bomRevision(id: $id) { state validFrom validTo } }"
    windows = [
        (await company.ask(document, "engineer", id=each["id"])).data["bomRevision"]
        for each in (first, rest, later)
    ]
    assert windows == [
        {"state": "SUPERSEDED", "validFrom": None, "validTo": "2150-01-01"},
        {"state": "RELEASED", "validFrom": "2150-01-01", "validTo": "2199-01-01"},
        {"state": "RELEASED", "validFrom": "2199-01-01", "validTo": None},
    ]
