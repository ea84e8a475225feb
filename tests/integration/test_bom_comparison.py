"""Does the API tell in what two revisions differ, and nothing of what the viewer may not read?"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from domain.identifiers import global_id
from tests.api import Answer, Api
from tests.integration.bom_world import Json, bom, item, line, made, released
from tests.integration.plan_world import paths_of, sent_statements

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
_COMPARISON = """
query ($left: ID!, $right: ID!) { bomComparison(left: $left, right: $right) {
  left { number } right { number }
  fieldChanges { field before after }
  lines(first: 100) { totalCount nodes {
    difference left { position } right { position } fieldChanges { field before after }
    substitutes { difference left { item { code } } right { item { code } } fieldChanges { field before after } }
  } }
  operations { difference left { name } right { name } fieldChanges { field before after } }
  coProducts { difference left { item { code } } right { item { code } } fieldChanges { field before after } }
} }
"""
_RATES = "operations { left { hourlyRate } right { hourlyRate } }"


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"C{next(_NUMBERS)}-"


async def asked(api: Api, left: str, right: str, who: str = "engineer") -> Answer:
    return await api.ask(_COMPARISON, who, left=left, right=right)


async def compared(api: Api, left: str, right: str, who: str = "engineer") -> Json:
    found: Json = (await asked(api, left, right, who)).data["bomComparison"]
    return found


async def two_revisions(api: Api, prefix: str, **work: Any) -> tuple[Json, Json]:
    """Return a released revision of a BOM with all that one can have, and its copy."""
    for code in ("TOP", "A", "B", "X", "Y", "CHIPS"):
        await item(api, prefix + code)
    first = await released(
        api,
        await bom(
            api,
            prefix + "TOP",
            line(prefix + "A", "2", substitutes=[{"item": {"code": prefix + "X"}}]),
            line(prefix + "B", "1"),
            who="pm",
            operations=[{"name": "Weld 焊接", "minutes": "30", "hourlyRate": "80", **work}],
            coProducts=[{"item": {"code": prefix + "CHIPS"}, "quantity": "1", "costSharePercent": "10"}],
        ),
        who="pm",
    )
    return first, await made(api, "pm", "bomRevisionCreate", sourceId=first["id"])


def nothing(left: int, right: int) -> Json:
    return {
        "left": {"number": left},
        "right": {"number": right},
        "fieldChanges": [],
        "lines": {"totalCount": 0, "nodes": []},
        "operations": [],
        "coProducts": [],
    }


async def test_revision_does_not_differ_from_itself_nor_from_its_copy(company: Api, prefix: str) -> None:
    first, second = await two_revisions(company, prefix)
    assert await compared(company, first["id"], first["id"], "pm") == nothing(1, 1)
    assert await compared(company, first["id"], second["id"], "pm") == nothing(1, 2)


async def test_all_that_changed_is_told_field_by_field(company: Api, prefix: str) -> None:
    first, second = await two_revisions(company, prefix)
    one, two = second["lines"]["nodes"]
    key = {"id": second["id"]}
    instead = [{"item": {"code": prefix + "Y"}}, {"item": {"code": prefix + "X"}, "factor": "2"}]
    await made(
        company,
        "pm",
        "bomLineUpdate",
        **key,
        lineId=one["id"],
        line={"position": 30, "quantity": "2.5", "scrapPercent": "5", "fixed": True, "substitutes": instead},
    )
    await made(company, "pm", "bomLineRemove", **key, lineId=two["id"])
    await made(company, "pm", "bomLineAdd", **key, line=line(prefix + "Y", "7", position=10))
    version = (await made(company, "pm", "bomLineAdd", **key, line=line(prefix + "B", "1", position=20)))[
        "version"
    ]
    await made(
        company,
        "pm",
        "bomRevisionUpdate",
        **key,
        expectedVersion=version,
        baseQuantity="2",
        validFrom="2030-01-01",
        operations=[
            {"position": 10, "name": "Weld 焊接", "minutes": "45"},
            {"name": "Paint 涂装", "minutes": "1"},
        ],
        coProducts=[{"item": {"code": prefix + "CHIPS"}, "quantity": "1", "costSharePercent": "20"}],
    )
    found = await compared(company, first["id"], second["id"])
    assert found["fieldChanges"] == [
        {"field": "baseQuantity", "before": "1.0000", "after": "2.0000"},
        {"field": "validFrom", "before": None, "after": "2030-01-01"},
    ]
    assert found["lines"]["totalCount"] == 2
    moved, added = found["lines"]["nodes"]
    assert (moved["difference"], moved["left"], moved["right"]) == (
        "CHANGED",
        {"position": 10},
        {"position": 30},
    )
    assert moved["fieldChanges"] == [
        {"field": "position", "before": "10", "after": "30"},
        {"field": "quantity", "before": "2.0000", "after": "2.5000"},
        {"field": "fixed", "before": "false", "after": "true"},
        {"field": "scrapPercent", "before": "0.00", "after": "5.00"},
    ]
    x, y = ({"item": {"code": prefix + code}} for code in ("X", "Y"))
    changed = [
        {"field": "priority", "before": "1", "after": "2"},
        {"field": "factor", "before": "1.000000000000", "after": "2.000000000000"},
    ]
    assert sorted(moved["substitutes"], key=lambda each: each["difference"]) == [
        {"difference": "ADDED", "left": None, "right": y, "fieldChanges": []},
        {"difference": "CHANGED", "left": x, "right": x, "fieldChanges": changed},
    ]
    assert (added["difference"], added["left"], added["right"]) == ("ADDED", None, {"position": 10})
    weld, paint = found["operations"]
    assert weld["fieldChanges"] == [{"field": "minutes", "before": "30.0000", "after": "45.0000"}]
    assert (paint["difference"], paint["left"], paint["right"]) == ("ADDED", None, {"name": "Paint 涂装"})
    (chips,) = found["coProducts"]
    assert chips["fieldChanges"] == [{"field": "costSharePercent", "before": "10.00", "after": "20.00"}]


async def test_replaced_item_is_told_by_its_id_and_revisions_of_two_boms_compare(
    company: Api, prefix: str
) -> None:
    one, other, a, b = (prefix + code for code in ("ONE", "OTHER", "A", "B"))
    ids = {code: (await item(company, code))["id"] for code in (one, other, a, b)}
    left, right = await bom(company, one, line(a)), await bom(company, other, line(b))
    found = await compared(company, left["id"], right["id"])
    assert found["fieldChanges"] == [{"field": "item", "before": ids[one], "after": ids[other]}]
    (changed,) = found["lines"]["nodes"]
    assert changed["fieldChanges"] == [{"field": "item", "before": ids[a], "after": ids[b]}]
    mirrored = await compared(company, right["id"], left["id"])
    assert mirrored["fieldChanges"] == [{"field": "item", "before": ids[other], "after": ids[one]}]


async def test_rates_are_compared_only_for_whom_they_are_not_hidden_from(company: Api, prefix: str) -> None:
    first, second = await two_revisions(company, prefix)
    await made(
        company,
        "pm",
        "bomRevisionUpdate",
        id=second["id"],
        expectedVersion=second["version"],
        operations=[{"position": 10, "name": "Weld 焊接", "minutes": "30", "hourlyRate": "93.17"}],
    )
    (seen,) = (await compared(company, first["id"], second["id"], "pm"))["operations"]
    assert seen["fieldChanges"] == [{"field": "hourlyRate", "before": "80.0000", "after": "93.1700"}]
    for who in ("engineer", "buyer", "foreman"):
        assert await compared(company, first["id"], second["id"], who) == nothing(1, 2)
    await made(
        company,
        "pm",
        "bomRevisionUpdate",
        id=second["id"],
        expectedVersion=second["version"] + 1,
        operations=[{"position": 10, "name": "Weld 焊接", "minutes": "31", "hourlyRate": "93.17"}],
    )
    document = _COMPARISON.replace("operations {", f"{_RATES} operations {{", 1)
    answer = await company.ask(document, "engineer", left=first["id"], right=second["id"])
    (shown,) = answer.partial["bomComparison"]["operations"]
    assert [each["field"] for each in shown["fieldChanges"]] == ["minutes"]
    assert (shown["left"]["hourlyRate"], shown["right"]["hourlyRate"]) == (None, None)
    assert set(answer.codes) == {"FORBIDDEN"}
    assert "93.17" not in str(answer.content)
    assert "80.00" not in str(answer.content)


async def test_outsiders_and_unknown_revisions_get_null(company: Api, prefix: str) -> None:
    first, second = await two_revisions(company, prefix)
    for who in ("contractor", "customer", "worker"):
        assert (await asked(company, first["id"], second["id"], who)).data == {"bomComparison": None}
    unknown = first["id"][:-4] + "0000"
    assert (await asked(company, first["id"], unknown)).data == {"bomComparison": None}
    assert (await asked(company, unknown, first["id"])).data == {"bomComparison": None}
    lines = global_id("BomLine", await company_line(company, first))
    answer = await asked(company, first["id"], lines)
    assert (answer.codes, answer.partial) == (["MALFORMED_ID"], {"bomComparison": None})


async def company_line(api: Api, revision: Json) -> Any:
    (found,) = await api.rows(
        "SELECT id FROM bom_line WHERE revision_id = CAST(:id AS uuid) ORDER BY position LIMIT 1",
        id=revision["id"].partition(":")[2],
    )
    return found[0]


async def test_comparison_is_paid_like_what_is_worked_out(company: Api, prefix: str) -> None:
    first, second = await two_revisions(company, prefix)
    document = "query ($left: ID!, $right: ID!) { bomComparison(left: $left, right: $right) { fieldChanges { field } } }"
    answer = await company.ask(document, "engineer", left=first["id"], right=second["id"])
    cost = answer.content["extensions"]["cost"]
    assert (cost["requested"], cost["actual"]) == (101, 101)


async def test_comparison_is_worked_out_by_as_many_statements_for_100_lines_as_for_one(
    company: Api, prefix: str
) -> None:
    top, many, leaf, instead = (prefix + code for code in ("TOP", "MANY", "LEAF", "INSTEAD"))
    for code in (top, many, leaf, instead):
        await item(company, code)
    substitutes = [{"item": {"code": instead}}]
    empty = await bom(company, prefix + "TOP")
    one = await made(company, "engineer", "bomRevisionCreate", sourceId=empty["id"])
    one = await made(
        company, "engineer", "bomLineAdd", id=one["id"], line=line(leaf, substitutes=substitutes)
    )
    large = await bom(company, many, *(line(leaf, substitutes=substitutes) for _ in range(100)))
    document = """query ($left: ID!, $right: ID!) { bomComparison(left: $left, right: $right) {
      lines(first: 100) { nodes { difference right { quantity substitutes { factor } } } }
    } }"""
    counts: list[int] = []
    await company.ask(document, "engineer", left=empty["id"], right=one["id"])
    for right in (one, large):
        with sent_statements() as sent:
            answer = await company.ask(document, "engineer", left=empty["id"], right=right["id"])
        assert {each["difference"] for each in answer.data["bomComparison"]["lines"]["nodes"]} == {"ADDED"}
        counts.append(sum("FROM bom_" in each for each in sent.all))
    assert counts == [7, 7]
    assert paths_of(company)["interpreted: a field is worked out in Python"] >= 3
