"""Do engineering changes release what they hold together or not at all, and only by other eyes?"""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from tests.api import Api
from tests.integration.bom_world import Json, bom, item, line, made, not_made, released, untouched
from tests.integration.change_world import change_of, done, draft, in_review, opened, refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"E{next(_NUMBERS)}-"


async def revision_of(api: Api, revision: Json) -> Json:
    document = "query ($id: ID!) { bomRevision(id: $id) { state version engineeringChange { number } } }"
    found: Json = (await api.ask(document, "engineer", id=revision["id"])).data["bomRevision"]
    return found


def allowed(change: Json) -> list[str]:
    return [each["action"] for each in change["availableActions"] if each["allowed"]]


async def test_change_goes_from_draft_by_review_to_released(company: Api, prefix: str) -> None:
    first = await released(company, await draft(company, f"{prefix}A"))
    second = await made(company, "engineer", "bomRevisionCreate", sourceId=first["id"])
    new = await draft(company, f"{prefix}B")
    change = await opened(company, second, new)
    assert (change["state"], change["version"], change["submittedBy"], change["releasedBy"]) == (
        "DRAFT",
        1,
        None,
        None,
    )
    assert change["number"].startswith("EC-")
    assert [
        (each["held"], each["revision"]["id"], each["supersedes"] and each["supersedes"]["id"])
        for each in change["revisions"]
    ] == [(True, second["id"], first["id"]), (True, new["id"], None)]
    assert allowed(change) == ["engineeringChangeUpdate", "engineeringChangeSubmit"]
    submitted = await done(company, "engineer", "engineeringChangeSubmit", id=change["id"], expectedVersion=1)
    assert (submitted["state"], submitted["submittedBy"]) == ("REVIEW", {"username": "engineer"})
    assert allowed(await change_of(company, "pm", change)) == [
        "engineeringChangeRelease",
        "engineeringChangeReject",
    ]
    done_with = await done(company, "director", "engineeringChangeRelease", id=change["id"])
    assert (done_with["state"], done_with["version"], done_with["releasedBy"]) == (
        "RELEASED",
        3,
        {"username": "director"},
    )
    assert [
        (each["revision"]["state"], each["supersedes"] and each["supersedes"]["state"])
        for each in done_with["revisions"]
    ] == [("RELEASED", "SUPERSEDED"), ("RELEASED", None)]
    assert allowed(done_with) == []
    assert await revision_of(company, second) == {
        "state": "RELEASED",
        "version": 2,
        "engineeringChange": {"number": change["number"]},
    }
    assert (await revision_of(company, first))["engineeringChange"] is None


async def test_what_is_taken_is_released_before_what_takes_it(company: Api, prefix: str) -> None:
    child = await draft(company, f"{prefix}CHILD", kind="ASSEMBLY")
    middle = await draft(company, f"{prefix}MIDDLE", line(f"{prefix}CHILD"), kind="ASSEMBLY")
    top = await draft(company, f"{prefix}TOP", line(f"{prefix}MIDDLE"), line(f"{prefix}CHILD"))
    change = await in_review(company, top, child, middle)
    after = await done(company, "pm", "engineeringChangeRelease", id=change["id"])
    assert [each["revision"]["state"] for each in after["revisions"]] == ["RELEASED"] * 3


async def test_release_that_fails_for_one_releases_none_and_names_it(company: Api, prefix: str) -> None:
    await item(company, f"{prefix}CHILD", kind="ASSEMBLY")
    good = await draft(company, f"{prefix}GOOD")
    bad = await draft(company, f"{prefix}BAD", line(f"{prefix}CHILD"))
    change = await in_review(company, good, bad)
    error = await refused(company, "director", "engineeringChangeRelease", id=change["id"])
    assert (error["__typename"], error["code"], error["path"]) == (
        "InvalidInput",
        "MISSING_CHILD_REVISION",
        ["revisions", bad["id"]],
    )
    assert error["message"] == f"{prefix}BAD revision 1: Without a released BOM: {prefix}CHILD."
    assert (await revision_of(company, good))["state"] == "DRAFT"
    # It stays in review, and is released once its reason is gone.
    await released(company, await bom(company, f"{prefix}CHILD", line(f"{prefix}GOOD-LEAF")))
    after = await done(company, "director", "engineeringChangeRelease", id=change["id"])
    assert after["state"] == "RELEASED"


async def test_release_that_would_overlap_is_refused_by_its_code(company: Api, prefix: str) -> None:
    empty = await bom(company, (await item(company, f"{prefix}EMPTY"))["code"])
    change = await in_review(company, await draft(company, f"{prefix}A"), empty)
    error = await refused(company, "director", "engineeringChangeRelease", id=change["id"])
    assert (error["code"], error["path"]) == ("REQUIRED", ["revisions", empty["id"]])


async def test_nobody_releases_what_he_submitted_or_last_edited(company: Api, prefix: str) -> None:
    own = await in_review(company, await draft(company, f"{prefix}A"), who="pm")
    error = await refused(company, "pm", "engineeringChangeRelease", id=own["id"])
    assert (error["code"], error["blockers"]) == ("ACTION_BLOCKED", [{"code": "OWN_DOCUMENT"}])
    (release,) = (
        each
        for each in (await change_of(company, "pm", own))["availableActions"]
        if each["action"] == "engineeringChangeRelease"
    )
    assert (release["allowed"], release["reasons"]) == (False, [{"code": "OWN_DOCUMENT"}])
    edited = await opened(company, await draft(company, f"{prefix}B"))
    await done(company, "pm", "engineeringChangeUpdate", id=edited["id"], title="By the manager")
    await done(company, "engineer", "engineeringChangeSubmit", id=edited["id"])
    error = await refused(company, "pm", "engineeringChangeRelease", id=edited["id"])
    assert error["blockers"] == [{"code": "OWN_DOCUMENT"}]
    await done(company, "director", "engineeringChangeRelease", id=edited["id"])


async def test_rejected_change_stays_rejected_and_gives_its_drafts_back(company: Api, prefix: str) -> None:
    revision = await draft(company, f"{prefix}A")
    change = await in_review(company, revision)
    for note in (None, " "):
        error = await refused(company, "director", "engineeringChangeReject", id=change["id"], note=note)
        assert (error["code"], error["blockers"]) == ("ACTION_BLOCKED", [{"code": "NOTE_REQUIRED"}])
    after = await done(company, "director", "engineeringChangeReject", id=change["id"], note="Too dear.")
    assert (after["state"], [each["held"] for each in after["revisions"]]) == ("REJECTED", [False])
    assert (await revision_of(company, revision))["engineeringChange"] is None
    for mutation in ("Update", "Submit", "Release", "Reject"):
        error = await refused(company, "pm", f"engineeringChange{mutation}", id=change["id"], note="again")
        assert error == error | {
            "__typename": "InvalidEngineeringChangeTransition",
            "code": "INVALID_TRANSITION",
            "state": "REJECTED",
            "possibleActions": [],
        }
    again = await in_review(company, revision)
    assert (await revision_of(company, revision))["engineeringChange"] == {"number": again["number"]}


async def test_draft_is_in_one_open_change(company: Api, prefix: str) -> None:
    revision, other = await draft(company, f"{prefix}A"), await draft(company, f"{prefix}B")
    change = await opened(company, revision)
    error = await refused(
        company,
        "engineer",
        "engineeringChangeCreate",
        title="Another",
        reason="Why not",
        revisionIds=[other["id"], revision["id"]],
    )
    assert (error["code"], error["path"], error["message"]) == (
        "IN_CHANGE",
        ["revisionIds", "1"],
        f"{change['number']} holds it.",
    )
    another = await opened(company, other)
    error = await refused(
        company, "engineer", "engineeringChangeUpdate", id=another["id"], addRevisionIds=[revision["id"]]
    )
    assert (error["code"], error["path"]) == ("IN_CHANGE", ["addRevisionIds", "0"])
    await done(
        company, "engineer", "engineeringChangeUpdate", id=change["id"], removeRevisionIds=[revision["id"]]
    )
    grown = await done(
        company, "engineer", "engineeringChangeUpdate", id=another["id"], addRevisionIds=[revision["id"]]
    )
    assert [each["revision"]["id"] for each in grown["revisions"]] == [other["id"], revision["id"]]


async def test_draft_in_an_open_change_is_not_released_alone_and_in_review_not_edited(
    company: Api, prefix: str
) -> None:
    revision = await draft(company, f"{prefix}A")
    change = await opened(company, revision)
    longer = await made(
        company, "engineer", "bomLineAdd", id=revision["id"], line=line(f"{prefix}A-LEAF", "2")
    )
    error = await not_made(company, "pm", "bomRevisionRelease", id=revision["id"])
    assert (error["code"], error["path"]) == ("IN_CHANGE", ["id"])
    await done(company, "engineer", "engineeringChangeSubmit", id=change["id"])
    only = longer["lines"]["nodes"][0]["id"]
    for mutation, values in (
        ("bomLineAdd", {"line": line(f"{prefix}A-LEAF")}),
        ("bomLineUpdate", {"lineId": only, "line": {"quantity": "3"}}),
        ("bomLineRemove", {"lineId": only}),
        ("bomRevisionUpdate", {"expectedVersion": longer["version"], "baseQuantity": "2"}),
        ("bomRevisionRelease", {}),
    ):
        error = await not_made(company, "pm", mutation, id=revision["id"], **values)
        assert (mutation, error["code"]) == (mutation, "IN_REVIEW")
    await done(company, "director", "engineeringChangeReject", id=change["id"], note="Not yet.")
    await made(company, "engineer", "bomLineRemove", id=revision["id"], lineId=only)
    await released(company, revision)


@pytest.mark.parametrize(
    ("values", "code", "path"),
    [
        ({"title": " "}, "REQUIRED", ["title"]),
        ({"title": "x" * 201}, "TOO_LONG", ["title"]),
        ({"reason": "\n"}, "REQUIRED", ["reason"]),
        ({"reason": "x" * 10_001}, "TOO_LONG", ["reason"]),
        ({"note": "x" * 2_001}, "TOO_LONG", ["note"]),
        (
            {"revisionIds": ["BomRevision:0198c5f2-0000-7000-8000-000000000000"]},
            "NOT_FOUND",
            ["revisionIds", "0"],
        ),
        (
            {"revisionIds": ["BomRevision:0198c5f2-0000-7000-8000-000000000000"] * 101},
            "TOO_MANY",
            ["revisionIds"],
        ),
    ],
)
async def test_change_that_can_not_be_is_refused(
    company: Api, values: dict[str, Any], code: str, path: list[str]
) -> None:
    given = {"title": "Change", "reason": "Because", **values}
    error = await refused(company, "engineer", "engineeringChangeCreate", **given)
    assert (error["code"], error["path"]) == (code, path)


async def test_change_holds_one_draft_of_each_bom(company: Api, prefix: str) -> None:
    first = await draft(company, f"{prefix}A")
    second = await made(company, "engineer", "bomRevisionCreate", sourceId=first["id"])
    for ids, place in (([first["id"], second["id"]], "1"), ([first["id"]] * 2, "1")):
        error = await refused(
            company, "engineer", "engineeringChangeCreate", title="T", reason="R", revisionIds=ids
        )
        assert (error["code"], error["path"]) == ("DUPLICATE", ["revisionIds", place])
    change = await opened(company, first)
    swapped = await done(
        company,
        "engineer",
        "engineeringChangeUpdate",
        id=change["id"],
        addRevisionIds=[second["id"]],
        removeRevisionIds=[first["id"]],
    )
    assert [each["revision"]["id"] for each in swapped["revisions"]] == [second["id"]]


async def test_only_drafts_are_taken_in_and_only_what_is_in_is_taken_out(company: Api, prefix: str) -> None:
    revision = await released(company, await draft(company, f"{prefix}A"))
    error = await refused(
        company, "engineer", "engineeringChangeCreate", title="T", reason="R", revisionIds=[revision["id"]]
    )
    assert (error["code"], error["path"]) == ("NOT_A_DRAFT", ["revisionIds", "0"])
    change = await opened(company)
    error = await refused(
        company, "engineer", "engineeringChangeUpdate", id=change["id"], removeRevisionIds=[revision["id"]]
    )
    assert (error["code"], error["path"]) == ("NOT_FOUND", ["removeRevisionIds", "0"])
    error = await refused(company, "engineer", "engineeringChangeSubmit", id=change["id"])
    assert (error["code"], error["blockers"]) == ("ACTION_BLOCKED", [{"code": "NO_REVISIONS"}])


async def test_update_that_changes_nothing_leaves_nothing_and_a_stale_one_is_told(
    company: Api, prefix: str
) -> None:
    change = await opened(company, await draft(company, f"{prefix}A"))
    same = await done(company, "engineer", "engineeringChangeUpdate", id=change["id"], title=change["title"])
    assert same["version"] == 1
    await done(company, "engineer", "engineeringChangeUpdate", id=change["id"], title="Thin pipes")
    error = await refused(
        company, "engineer", "engineeringChangeUpdate", id=change["id"], title="Late", expectedVersion=1
    )
    assert (error["code"], error["currentVersion"]) == ("VERSION_CONFLICT", 2)


async def test_dry_run_of_a_release_tells_all_and_keeps_nothing(company: Api, prefix: str) -> None:
    revision = await draft(company, f"{prefix}A")
    change = await in_review(company, revision)
    async with untouched(company, "director"):
        tried = await done(company, "director", "engineeringChangeRelease", id=change["id"], dryRun=True)
    assert tried["revisions"][0]["revision"]["state"] == "RELEASED"
    assert (await change_of(company, "director", change))["state"] == "REVIEW"


async def test_same_key_makes_one_change(company: Api, prefix: str) -> None:
    revision = await draft(company, f"{prefix}A")
    change = await opened(company, revision, idempotencyKey=f"{prefix}key")
    assert await opened(company, revision, idempotencyKey=f"{prefix}key") == change
