"""Does the API tell where an item is used, on which level, by the right day and states, and only to whom it may?"""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from db.bom_uses import ALL_USES, DIRECT_USES
from tests.api import Answer, Api
from tests.integration.bom_world import Json, bom, item, line, made, released
from tests.integration.lamp import REPLACED_ON, lamp
from tests.integration.plan_world import sent_statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_USES = """
query ($code: String!, $direct: Boolean!, $asOf: Date, $states: [BomRevisionState!], $first: Int!, $after: String) {
  item(code: $code) {
    whereUsed(direct: $direct, asOf: $asOf, states: $states, first: $first, after: $after) {
      totalCount pageInfo { hasNextPage endCursor }
      nodes { level asSubstitute item { code } component { code } revision { number state } line { position } }
    }
  }
}
"""
_LINES = 300_000
_MADE = 20_000
_BEFORE = "2001-04-07"


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"W{next(_NUMBERS)}-"


async def asked(api: Api, code: str, who: str = "engineer", **more: Any) -> Answer:
    return await api.ask(_USES, who, code=code, **{"direct": True, "first": 100, **more})


async def uses(api: Api, code: str, who: str = "engineer", **more: Any) -> list[Json]:
    found: list[Json] = (await asked(api, code, who, **more)).data["item"]["whereUsed"]["nodes"]
    return found


async def places(api: Api, prefix: str, code: str, **more: Any) -> list[tuple[int, str, str, int]]:
    """Return level, what is made, of what, and the line's position."""
    return [
        (
            each["level"],
            each["item"]["code"].removeprefix(prefix),
            each["component"]["code"].removeprefix(prefix),
            each["line"]["position"],
        )
        for each in await uses(api, prefix + code, **more)
    ]


async def test_screw_is_used_directly_once_a_line(company: Api, prefix: str) -> None:
    await lamp(company, prefix, {})
    assert await places(company, prefix, "1400") == [
        (1, "1500", "1400", 10),
        (1, "B100", "1400", 40),
        (1, "B100", "1400", 50),
    ]
    assert await places(company, prefix, "LA01") == []


async def test_screw_is_used_on_all_levels_by_the_shortest_way(company: Api, prefix: str) -> None:
    await lamp(company, prefix, {})
    assert await places(company, prefix, "1400", direct=False) == [
        (1, "1500", "1400", 10),
        (1, "B100", "1400", 40),
        (1, "B100", "1400", 50),
        (2, "A100", "1500", 10),
        (2, "LA01", "B100", 10),
        (3, "LA01", "A100", 30),
    ]


async def test_pages_follow_each_other_without_loss(company: Api, prefix: str) -> None:
    await lamp(company, prefix, {})
    found: list[str] = []
    after = None
    while True:
        answer = await asked(company, prefix + "1400", direct=False, first=4, after=after)
        page = answer.data["item"]["whereUsed"]
        found += [each["item"]["code"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert (len(found), page["totalCount"]) == (6, 6)


async def test_lines_and_revisions_count_on_their_days(company: Api, prefix: str) -> None:
    await lamp(company, prefix, {})
    assert await places(company, prefix, "2200", asOf=_BEFORE) == [(1, "1700", "2200", 10)]
    assert await places(company, prefix, "2200", asOf=REPLACED_ON) == []
    assert await places(company, prefix, "2210", asOf=_BEFORE) == []
    assert await places(company, prefix, "2210", asOf=REPLACED_ON) == [(1, "1700", "2210", 10)]


async def test_drafts_are_told_where_they_are_asked_for(company: Api, prefix: str) -> None:
    top, part, leaf = (prefix + code for code in ("TOP", "PART", "LEAF"))
    for code in (top, part, leaf):
        await item(company, code)
    first = await released(company, await bom(company, part, line(leaf)))
    await bom(company, top, line(part))
    await made(company, "engineer", "bomRevisionCreate", sourceId=first["id"])
    assert [each["revision"]["number"] for each in await uses(company, leaf, direct=False)] == [1]
    drafts = await uses(company, leaf, direct=False, states=["DRAFT", "RELEASED"])
    assert [(each["level"], each["item"]["code"], each["revision"]) for each in drafts] == [
        (1, part, {"number": 1, "state": "RELEASED"}),
        (1, part, {"number": 2, "state": "DRAFT"}),
        (2, top, {"number": 1, "state": "DRAFT"}),
    ]
    assert await uses(company, leaf, states=[]) == []


async def test_superseded_revision_is_told_on_its_days_only(company: Api, prefix: str) -> None:
    top, old, new = (prefix + code for code in ("TOP", "OLD", "NEW"))
    for code in (top, old, new):
        await item(company, code)
    first = await released(company, await bom(company, top, line(old)))
    second = await made(
        company, "engineer", "bomRevisionCreate", sourceId=first["id"], validFrom="2030-01-01"
    )
    (only,) = second["lines"]["nodes"]
    change = {"item": {"code": new}}
    await made(company, "engineer", "bomLineUpdate", id=second["id"], lineId=only["id"], line=change)
    await released(company, second)
    (before,) = await uses(company, old, asOf="2029-12-31")
    assert before["revision"] == {"number": 1, "state": "SUPERSEDED"}
    assert await uses(company, old, asOf="2030-01-01") == []
    assert await uses(company, new, asOf="2029-12-31") == []
    assert len(await uses(company, new, asOf="2030-01-01")) == 1


async def test_substitute_says_that_it_is_one_on_every_level(company: Api, prefix: str) -> None:
    top, part, leaf, instead = (prefix + code for code in ("TOP", "PART", "LEAF", "INSTEAD"))
    for code in (top, part, leaf, instead):
        await item(company, code)
    substitutes = [{"item": {"code": instead}, "factor": "2"}]
    await released(company, await bom(company, part, line(leaf, substitutes=substitutes)))
    await released(company, await bom(company, top, line(part)))
    found = await uses(company, instead, direct=False)
    assert [(each["level"], each["item"]["code"], each["asSubstitute"]) for each in found] == [
        (1, part, True),
        (2, top, False),
    ]
    assert [each["asSubstitute"] for each in await uses(company, leaf)] == [False]


async def test_fifty_levels_are_told_and_more_are_refused(company: Api, prefix: str) -> None:
    codes = [f"{prefix}L{level:02d}" for level in range(52)]
    for code in codes:
        await item(company, code)
    for above, below in zip(codes[1:], codes, strict=False):
        await released(company, await bom(company, above, line(below)))
    assert [each["level"] for each in await uses(company, codes[1], direct=False)] == list(range(1, 51))
    answer = await asked(company, codes[0], direct=False)
    assert (answer.codes, answer.partial) == (["TOO_DEEP"], {"item": {"whereUsed": None}})
    assert [each["level"] for each in await uses(company, codes[0])] == [1]


async def test_too_many_uses_are_refused(company: Api, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await lamp(company, prefix, {})
    monkeypatch.setattr("db.bom_uses.MOST_USES", 2)
    answer = await asked(company, prefix + "1400")
    assert (answer.codes, answer.partial) == (["TOO_LARGE"], {"item": {"whereUsed": None}})


@pytest.mark.parametrize(
    ("values", "code"), [({"first": 101}, "TOO_MANY_NODES"), ({"after": "nonsense"}, "MALFORMED_CURSOR")]
)
async def test_page_that_can_not_be_is_refused(
    company: Api, prefix: str, values: dict[str, Any], code: str
) -> None:
    await item(company, prefix + "LEAF")
    assert (await asked(company, prefix + "LEAF", **values)).codes == [code]


async def test_staff_is_told_and_outsiders_are_not(company: Api, prefix: str) -> None:
    await lamp(company, prefix, {})
    for who in ("pm", "engineer", "buyer", "foreman", "director"):
        assert len(await uses(company, prefix + "1400", who)) == 3
    for who in ("contractor", "customer", "worker"):
        assert (await asked(company, prefix + "1400", who)).data == {"item": None}


@pytest.mark.parametrize("is_direct", [True, False])
async def test_statements_are_as_many_for_all_items_as_for_one(
    company: Api, prefix: str, *, is_direct: bool
) -> None:
    await lamp(company, prefix, {})
    document = """query ($size: Int!, $direct: Boolean!, $search: String) { items(first: $size, search: $search) { nodes {
      whereUsed(direct: $direct, first: 2) { totalCount nodes { level item { code } line { position } } }
    } } }"""
    counts: list[int] = []
    await company.ask(document, "engineer", size=1, direct=is_direct, search=prefix)
    for size in (1, 100):
        with sent_statements() as sent:
            answer = await company.ask(document, "engineer", size=size, direct=is_direct, search=prefix)
            assert len(answer.data["items"]["nodes"]) == min(size, 15)
        counts.append(sum("bom_line" in each or "FROM item" in each for each in sent.all))
    assert counts == [4, 4]


async def test_uses_in_a_large_table_are_found_by_index(company: Api) -> None:
    """Of 300,000 lines only those are read that are used: no plan has a sequential scan of lines."""
    async with company.database.write.connect() as connection:
        # Checking 900,000 references would take most of the time; all of this is rolled back.
        for table, name in await connection.execute(text(_REFERENCES)):
            await connection.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT {name}"))
        for statement in _LARGE:
            await connection.execute(text(statement), {"made": _MADE, "lines": _LINES})
        parameters = {
            "items": f"{{00000000-0000-0000-0000-{_LINES:012x}}}",
            "day": "2026-01-01",
            "states": "{RELEASED,SUPERSEDED}",
        }
        for statement in (DIRECT_USES, ALL_USES):
            compiled = statement.compile(
                dialect=postgresql.dialect(), compile_kwargs={"render_postcompile": True}
            )
            sql = str(compiled)
            for name, value in {**compiled.params, **parameters}.items():
                sql = sql.replace(f"%({name})s", f"'{value}'")
            (plan,) = (await connection.execute(text(f"EXPLAIN (FORMAT JSON, ANALYZE) {sql}"))).one()
            shown = json.dumps(plan)
            assert "ix_bom_line_item_id" in shown
            scans = [each for each in _nodes(plan[0]["Plan"]) if each.get("Relation Name") == "bom_line"]
            assert {each["Node Type"] for each in scans} <= {
                "Index Scan",
                "Index Only Scan",
                "Bitmap Heap Scan",
            }
            assert plan[0]["Plan"]["Actual Rows"] == (1 if statement is DIRECT_USES else 5)
        await connection.rollback()


_REFERENCES = """
SELECT conrelid::regclass::text, conname FROM pg_constraint
WHERE contype = 'f' AND conrelid IN ('item'::regclass, 'bom_revision'::regclass, 'bom_line'::regclass)
"""
_ID = "('00000000-0000-0000-0000-' || lpad(to_hex(%s), 12, '0'))::uuid"
# A tree in which each of the 20,000 that are made takes 15 others.
_LARGE = (
    f"""INSERT INTO item (id, code, name, kind, unit_id, currency, version, created_at, updated_at)
    SELECT {_ID % "n"}, 'LARGE-' || n, 'Large', 'PART', gen_random_uuid(), 'CNY', 1, now(), now()
    FROM generate_series(1, CAST(:made AS int)) AS n""",
    f"""INSERT INTO bom_revision (id, bom_id, item_id, number, state, base_quantity, checksum, version, created_at, updated_at)
    SELECT {_ID % "n"}, gen_random_uuid(), {_ID % "n"}, 1, 'RELEASED', 1, '', 1, now(), now()
    FROM generate_series(1, CAST(:made AS int)) AS n""",
    f"""INSERT INTO bom_line (id, revision_id, position, item_id, quantity, unit_id, factor_numerator, factor_denominator,
      is_fixed, scrap_percent, scrap_rule, setup_quantity, is_consumable)
    SELECT {_ID % "n"}, {_ID % "(n + 13) / 15"}, n % 15 + 1, {_ID % "n"}, 1, gen_random_uuid(), 1, 1,
      false, 0, 'ADD', 0, false
    FROM generate_series(2, CAST(:lines AS int)) AS n""",
    "ANALYZE bom_line",
    "ANALYZE bom_revision",
    "ANALYZE item",
)


def _nodes(plan: Json) -> list[Json]:
    return [plan, *(inner for each in plan.get("Plans", ()) for inner in _nodes(each))]
