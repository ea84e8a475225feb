"""Who sees engineering changes and may do what with them, and does their history prove itself?"""

from __future__ import annotations

from itertools import count

import pytest

from server.settings import Settings
from server.verify import verify_events
from tests.api import Api
from tests.integration.bom_world import Json, untouched
from tests.integration.change_world import answered, done, draft, in_review, opened, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"V{next(_NUMBERS)}-"


async def test_who_may_do_what(company: Api, prefix: str) -> None:
    revision = await draft(company, f"{prefix}A")
    change = await in_review(company, revision)
    waiting = await opened(company, await draft(company, f"{prefix}B"))
    denied = {
        "engineeringChangeCreate": (
            "director",
            "finance",
            "auditor",
            "buyer",
            "foreman",
            "worker",
            "contractor",
        ),
        "engineeringChangeUpdate": ("director", "finance", "auditor", "buyer", "foreman"),
        "engineeringChangeSubmit": ("director", "finance", "auditor", "buyer", "foreman"),
        "engineeringChangeRelease": ("engineer", "finance", "auditor", "buyer", "foreman"),
        "engineeringChangeReject": ("engineer", "finance", "auditor", "buyer", "foreman"),
    }
    for mutation, people in denied.items():
        values: Json = {"id": (change if mutation[-3:] in {"ase", "ect"} else waiting)["id"], "note": "why"}
        if mutation == "engineeringChangeCreate":
            values = {"title": "T", "reason": "R"}
        for who in people:
            async with untouched(company, who):
                answer = await answered(company, who, mutation, **values)
            assert answer.codes == ["FORBIDDEN"], (mutation, who)
    for who in ("admin", "worker", "contractor", "customer"):
        error = await refused(company, who, "engineeringChangeRelease", id=change["id"])
        assert (error["code"], who) == ("NOT_FOUND", who)


async def test_who_sees_engineering_changes(company: Api, prefix: str) -> None:
    change = await in_review(company, await draft(company, f"{prefix}A"))
    document = """query ($id: ID) {
      engineeringChange(id: $id) { number }
      engineeringChanges(first: 100, states: [REVIEW]) { totalCount nodes { number } }
    }"""
    by_number = "query ($number: String) { engineeringChange(number: $number) { id } }"
    for who in ("director", "finance", "auditor", "pm", "engineer", "buyer", "foreman"):
        seen = (await company.ask(document, who, id=change["id"])).data
        assert seen["engineeringChange"] == {"number": change["number"]}, who
        assert {"number": change["number"]} in seen["engineeringChanges"]["nodes"], who
        found = (await company.ask(by_number, who, number=change["number"])).data
        assert found["engineeringChange"] == {"id": change["id"]}, who
    for who in ("admin", "worker", "contractor", "customer"):
        seen = (await company.ask(document, who, id=change["id"])).partial
        assert seen == {
            "engineeringChange": None,
            "engineeringChanges": {"totalCount": 0, "nodes": []},
        }, who


async def test_list_is_by_state_newest_first_and_page_by_page(company: Api, prefix: str) -> None:
    changes = [await opened(company, title=f"{prefix}{nth}") for nth in range(3)]
    document = """query ($after: String, $states: [EngineeringChangeState!]) {
      engineeringChanges(first: 2, after: $after, states: $states) {
        nodes { title } pageInfo { endCursor } } }"""
    page = (await company.ask(document, "pm", states=["DRAFT"])).data["engineeringChanges"]
    assert [each["title"] for each in page["nodes"]] == [f"{prefix}2", f"{prefix}1"]
    cursor = page["pageInfo"]["endCursor"]
    rest = (await company.ask(document, "pm", states=["DRAFT"], after=cursor)).data["engineeringChanges"]
    assert rest["nodes"][0] == {"title": changes[0]["title"]}
    none = (await company.ask(document, "pm", states=[])).data["engineeringChanges"]
    assert none["nodes"] == []


async def test_history_tells_who_did_what_and_belongs_to_the_library(company: Api, prefix: str) -> None:
    revision = await draft(company, f"{prefix}A")
    change = await in_review(company, revision)
    await done(company, "director", "engineeringChangeRelease", id=change["id"], note="Good.")
    document = """query ($id: ID) { engineeringChange(id: $id) { events(first: 9) { nodes {
      type version note actor { username } aggregate { id } changes { field before after } } } } }"""
    for who in ("engineer", "pm", "buyer", "auditor"):
        nodes = (await company.ask(document, who, id=change["id"])).data["engineeringChange"]["events"][
            "nodes"
        ]
        assert [(each["type"], each["version"], each["actor"]["username"]) for each in nodes] == [
            ("EngineeringChangeCreated", 1, "engineer"),
            ("EngineeringChangeSubmitted", 2, "engineer"),
            ("EngineeringChangeReleased", 3, "director"),
        ]
        assert nodes[2]["note"] == "Good."
        assert nodes[2]["aggregate"] == {"id": change["id"]}
        assert {"field": "state", "before": "REVIEW", "after": "RELEASED"} in nodes[2]["changes"]
        first = {each["field"]: each["after"] for each in nodes[0]["changes"]}
        assert [value for field, value in first.items() if field.endswith(".revision")] == [
            revision["id"].partition(":")[2]
        ]
    seen = (await company.ask(document, "foreman", id=change["id"])).data["engineeringChange"]
    assert seen == {"events": {"nodes": []}}
    released_by = "query ($id: ID!) { events(last: 1, filter: {aggregateId: $id}) { nodes { type note } } }"
    (created,) = (await company.ask(released_by, "engineer", id=revision["id"])).data["events"]["nodes"]
    assert created == {"type": "BomRevisionCreated", "note": None}


async def test_numbers_have_no_gaps_and_every_row_says_what_its_events_say(
    company: Api, company_settings: Settings
) -> None:
    rows = await company.rows("SELECT number FROM engineering_change ORDER BY number")
    # The first one is the demo's, of another year.
    _, *numbers = [number for (number,) in rows]
    year = numbers[0][:8]
    assert numbers == [f"{year}{nth:06d}" for nth in range(1, len(numbers) + 1)]
    assert company_settings.database_url is not None
    result = await verify_events(company_settings.database_url, lambda _: None)
    assert result.findings == ()
    assert result.aggregate_counts["EngineeringChange"] == len(rows)


async def test_verification_finds_a_change_and_a_number_that_were_tampered_with(
    company: Api, company_settings: Settings
) -> None:
    change = await opened(company)
    key = change["id"].partition(":")[2]
    last = int(change["number"][-6:])
    year = int(change["number"][3:7])
    assert company_settings.database_url is not None
    await company.rows(
        "UPDATE engineering_change SET title = 'Other', number = :number WHERE id = CAST(:id AS uuid)",
        id=key,
        number=f"EC-{year}-{last + 1:06d}",
    )
    found = (await verify_events(company_settings.database_url, lambda _: None)).findings
    await company.rows(
        "UPDATE engineering_change SET title = :title, number = :number WHERE id = CAST(:id AS uuid)",
        id=key,
        title=change["title"],
        number=change["number"],
    )
    assert found == (
        f"EngineeringChange EC-{year}-{last + 1:06d}: the row differs from its events in number, title.",
        f"No engineering change has number {last} of {year}.",
        f"The highest engineering change number of {year} is {last + 1}, the last given out {last}.",
    )
