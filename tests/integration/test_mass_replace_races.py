"""Is an item replaced once in many BOMs, whoever else does what at the same time?"""

from __future__ import annotations

import asyncio
from asyncio import create_task, gather, sleep
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from domain.identifiers import parse_key
from server.settings import Settings
from server.verify import verify_events
from tests.api import Api, running_api
from tests.integration.bom_world import bom, line, made, released, untouched
from tests.integration.replace_world import bom_id, generous, items, replaced, sent, states, told

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"Q{next(_NUMBERS)}-"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(company_settings: Settings) -> AsyncGenerator[Api]:
    """The application on the company of this module."""
    async with running_api(generous(company_settings)) as api:
        yield api


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other(company_settings: Settings) -> AsyncGenerator[Api]:
    """Another server on the same stores."""
    async with running_api(generous(company_settings)) as api:
        yield api


async def test_same_key_and_input_do_it_once_and_give_the_first_answer(
    company: Api, other: Api, prefix: str
) -> None:
    done, odd, named, old, new = await items(company, prefix, "DONE", "ODD", "NAMED", "OLD", "NEW")
    await released(company, await bom(company, done, line(old)))
    await bom(company, odd, line(old, "0.0001"))
    unchanged = await bom(company, named, line(odd))
    boms = [
        await bom_id(company, unchanged),
        *(each["bom"]["id"] for each in await replaced(company, old, new, dryRun=True)),
    ]
    # Any: JSON.
    values: dict[str, Any] = {"factor": "0.5", "bomIds": boms, "idempotencyKey": f"{prefix}once"}
    first = await replaced(company, old, new, **values)
    assert [each["outcome"] for each in first] == ["UNCHANGED", "REPLACED", "REFUSED"]
    # Signing in is recorded as well.
    await other.token("engineer")
    async with untouched(company, "engineer"):
        assert await replaced(company, old, new, **values) == first
        assert await replaced(other, old, new, **values) == first
        payload = (await sent(company, old, new, **{**values, "factor": "0.25"})).data["bomMassReplace"]
    assert [each["code"] for each in payload["errors"]] == ["IDEMPOTENCY_MISMATCH"]
    assert await states(company, done) == [(1, "RELEASED", [old]), (2, "DRAFT", [new])]


async def test_two_replacements_at_once_are_both_done(
    company: Api, other: Api, prefix: str, company_settings: Settings
) -> None:
    codes = [f"TOP{number}" for number in range(12)]
    *tops, a, b, c, d = await items(company, prefix, *codes, "A", "B", "C", "D")
    drawn = [await bom(company, code, line(a), line(c)) for code in tops]
    for each in drawn[::2]:
        await released(company, each)
    names = [await bom_id(company, each) for each in drawn]
    rounds = await gather(
        replaced(company, a, b, bomIds=names),
        replaced(other, c, d, bomIds=names[::-1]),
        replaced(other, a, b),
        replaced(company, c, d),
    )
    outcomes = [{each["outcome"] for each in results} for results in rounds]
    assert all(found <= {"REPLACED", "UNCHANGED"} for found in outcomes)
    for code, number in zip(tops, range(12), strict=True):
        found = await states(company, code)
        assert found[-1] == (2 if number % 2 == 0 else 1, "DRAFT", [b, d])
        assert len(found) == (2 if number % 2 == 0 else 1)
    assert company_settings.database_url is not None
    assert (await verify_events(company_settings.database_url, lambda _: None)).findings == ()


async def test_two_replacements_that_make_a_cycle_together_are_not_both_done(
    company: Api, other: Api, prefix: str
) -> None:
    one, two, old = await items(company, prefix, "ONE", "TWO", "OLD")
    first, second = await bom(company, one, line(old)), await bom(company, two, line(old))
    results = await gather(
        replaced(company, old, two, bomIds=[await bom_id(company, first)]),
        replaced(other, old, one, bomIds=[await bom_id(company, second)]),
    )
    assert sorted((each["outcome"], each["code"]) for (each,) in results) == [
        ("REFUSED", "CYCLE"),
        ("REPLACED", None),
    ]


async def test_line_that_is_added_at_the_same_time_is_not_lost(company: Api, other: Api, prefix: str) -> None:
    top, old, new, more = await items(company, prefix, "TOP", "OLD", "NEW", "MORE")
    draft = await bom(company, top, line(old))
    await gather(
        replaced(company, old, new),
        *(made(other, "pm", "bomLineAdd", id=draft["id"], line=line(more)) for _ in range(5)),
    )
    ((_, _, found),) = await states(company, top)
    assert sorted(found) == sorted([new, *[more] * 5])


async def test_bom_whose_revision_was_released_meanwhile_is_refused(company: Api, prefix: str) -> None:
    top, fine, old, new = await items(company, prefix, "TOP", "FINE", "OLD", "NEW")
    draft = await bom(company, top, line(old))
    await bom(company, fine, line(old))
    key = str(parse_key(draft["id"], "BomRevision"))
    async with company.database.write.connect() as connection:
        release = "UPDATE bom_revision SET state = 'RELEASED' WHERE id = CAST(:id AS uuid)"
        await connection.execute(text(release), {"id": key})
        replacing = create_task(replaced(company, old, new))
        await _waiting(company)
        await connection.commit()
    results = await asyncio.wait_for(replacing, 10)
    assert told(results) == [(top, "REFUSED", "NOT_A_DRAFT"), (fine, "REPLACED", None)]
    assert await states(company, top) == [(1, "RELEASED", [old])]


async def test_bom_whose_next_draft_was_opened_meanwhile_is_refused(company: Api, prefix: str) -> None:
    top, old, new = await items(company, prefix, "TOP", "OLD", "NEW")
    first = await released(company, await bom(company, top, line(old)))
    key = str(parse_key(first["id"], "BomRevision"))
    async with company.database.write.connect() as connection:
        await connection.execute(
            text("SELECT 1 FROM bom_revision WHERE id = CAST(:id AS uuid) FOR UPDATE"), {"id": key}
        )
        replacing = create_task(replaced(company, old, new))
        await _waiting(company)
        copied = """INSERT INTO bom_revision (id, bom_id, item_id, number, state, base_quantity, checksum, version, created_at, updated_at)
            SELECT gen_random_uuid(), bom_id, item_id, 2, 'DRAFT', 1, '', 1, now(), now() FROM bom_revision
            WHERE id = CAST(:id AS uuid)"""
        await connection.execute(text(copied), {"id": key})
        await connection.commit()
    assert told(await asyncio.wait_for(replacing, 10)) == [(top, "REFUSED", "VERSION_CONFLICT")]
    assert await states(company, top) == [(1, "RELEASED", [old]), (2, "DRAFT", [])]
    await company.rows(
        "DELETE FROM bom_revision WHERE number = 2 AND item_id IN (SELECT id FROM item WHERE code = :c)",
        c=top,
    )


async def _waiting(api: Api) -> None:
    """Wait until a statement waits for a row."""
    for _ in range(200):
        if await api.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            return
        await sleep(0.02)
    raise AssertionError("nobody waits")
