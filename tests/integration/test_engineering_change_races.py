"""What is left of engineering changes when many do something with the same drafts at once, on two servers?"""

from __future__ import annotations

from asyncio import gather
from collections import Counter
from collections.abc import AsyncGenerator, Iterable
from itertools import count

import pytest
import pytest_asyncio

from server.settings import Settings
from server.verify import verify_events
from tests.api import Answer, Api, running_api
from tests.integration import bom_world
from tests.integration.bom_world import Json, line, made
from tests.integration.change_world import answered, change_of, done, draft, in_review, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURNS = 6
_NUMBERS = count(1)


@pytest.fixture
def prefix() -> str:
    """Return what the codes of one test begin with: all tests here share a company."""
    return f"R{next(_NUMBERS)}-"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(company: Api, company_settings: Settings) -> AsyncGenerator[tuple[Api, Api]]:
    """Two servers on the same stores."""
    async with running_api(company_settings) as other:
        for who in ("engineer", "pm", "director"):
            await other.token(who)
        yield company, other


def outcome(answer: Answer) -> str:
    """Return what came of a command: `done`, or the code of its refusal."""
    (payload,) = answer.data.values()
    return payload["errors"][0]["code"] if payload["errors"] else "done"


def outcomes(answers: Iterable[Answer]) -> Counter[str]:
    return Counter(map(outcome, answers))


async def state_of(api: Api, revision: Json) -> str:
    document = "query ($id: ID!) { bomRevision(id: $id) { state } }"
    found: str = (await api.ask(document, "pm", id=revision["id"])).data["bomRevision"]["state"]
    return found


async def proved(settings: Settings) -> None:
    assert settings.database_url is not None
    assert (await verify_events(settings.database_url, lambda _: None)).findings == ()


async def test_of_two_changes_that_take_the_same_draft_one_has_it(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        shared, *own = [await draft(servers[0], f"{prefix}{turn}{each}") for each in "ABC"]
        # Each names them in another order, which is not the order of the locks.
        ids = [[shared["id"], own[0]["id"]], [own[1]["id"], shared["id"]]]
        answers = await gather(
            *(
                answered(api, who, "engineeringChangeCreate", title="T", reason="R", revisionIds=each)
                for api, who, each in zip(servers, ("engineer", "pm"), ids, strict=True)
            )
        )
        assert outcomes(answers) == {"done": 1, "IN_CHANGE": 1}
    await proved(company_settings)


async def test_of_two_who_release_at_once_one_does(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        change = await in_review(
            servers[0], *[await draft(servers[0], f"{prefix}{turn}{each}") for each in "AB"]
        )
        answers = await gather(
            *(
                answered(api, who, "engineeringChangeRelease", id=change["id"])
                for api, who in zip(servers, ("director", "pm"), strict=True)
            )
        )
        assert outcomes(answers) == {"done": 1, "INVALID_TRANSITION": 1}
        assert (await change_of(servers[0], "pm", change))["version"] == 3
    await proved(company_settings)


async def test_releasing_and_rejecting_at_once_leaves_one_of_them(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        revision = await draft(servers[0], f"{prefix}{turn}")
        change = await in_review(servers[0], revision)
        answers = await gather(
            answered(servers[turn % 2], "director", "engineeringChangeRelease", id=change["id"]),
            answered(servers[1 - turn % 2], "pm", "engineeringChangeReject", id=change["id"], note="No."),
        )
        assert outcomes(answers) == {"done": 1, "INVALID_TRANSITION": 1}
        after = (await change_of(servers[0], "pm", change))["state"]
        assert (after, await state_of(servers[0], revision)) in {
            ("RELEASED", "RELEASED"),
            ("REJECTED", "DRAFT"),
        }
    await proved(company_settings)


async def test_changes_of_the_same_boms_are_released_one_after_the_other(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        firsts = [await draft(servers[0], f"{prefix}{turn}{each}") for each in "ABC"]
        await done_with(servers[0], await in_review(servers[0], *firsts))
        changes: list[Json] = []
        for order in (firsts, firsts[::-1]):
            drafts = [
                await made(servers[0], "engineer", "bomRevisionCreate", sourceId=each["id"]) for each in order
            ]
            changes.append(await in_review(servers[0], *drafts))
        answers = await gather(
            *(
                answered(api, "director", "engineeringChangeRelease", id=change["id"])
                for api, change in zip(servers, changes, strict=True)
            )
        )
        # The second one replaces what the first one has released on this very day.
        assert outcomes(answers) == {"done": 2}
        states = [
            [each["revision"]["state"] for each in (await change_of(servers[0], "pm", change))["revisions"]]
            for change in changes
        ]
        assert sorted(states) == [["RELEASED"] * 3, ["SUPERSEDED"] * 3]
    await proved(company_settings)


async def test_what_is_written_while_it_is_submitted_is_in_what_is_reviewed(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        revision = await draft(servers[0], f"{prefix}{turn}")
        leaf = line(f"{prefix}{turn}-LEAF", "2")
        change = await opened(servers[0], revision)
        written, submitted = await gather(
            bom_world.answered(servers[turn % 2], "pm", "bomLineAdd", id=revision["id"], line=leaf),
            answered(servers[1 - turn % 2], "engineer", "engineeringChangeSubmit", id=change["id"]),
        )
        assert outcome(submitted) == "done"
        assert outcome(written) in {"done", "IN_REVIEW"}
        await done_with(servers[0], change)
        ((lines,),) = await servers[0].rows(
            "SELECT count(*) FROM bom_line WHERE revision_id = CAST(:id AS uuid)",
            id=revision["id"].partition(":")[2],
        )
        assert lines == (2 if outcome(written) == "done" else 1)
    await proved(company_settings)


async def test_held_draft_is_not_written_while_it_is_released(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        revision = await draft(servers[0], f"{prefix}{turn}")
        leaf = line(f"{prefix}{turn}-LEAF", "2")
        change = await in_review(servers[0], revision)
        written, released = await gather(
            bom_world.answered(servers[turn % 2], "pm", "bomLineAdd", id=revision["id"], line=leaf),
            answered(servers[1 - turn % 2], "director", "engineeringChangeRelease", id=change["id"]),
        )
        assert outcome(released) == "done"
        assert outcome(written) in {"IN_REVIEW", "NOT_A_DRAFT"}
        ((lines,),) = await servers[0].rows(
            "SELECT count(*) FROM bom_line WHERE revision_id = CAST(:id AS uuid)",
            id=revision["id"].partition(":")[2],
        )
        assert lines == 1
    await proved(company_settings)


async def test_draft_that_is_released_alone_meanwhile_is_in_no_change(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    for turn in range(TURNS):
        revision, other = [await draft(servers[0], f"{prefix}{turn}{each}") for each in "AB"]
        change = await opened(servers[0], other)
        alone, taken = await gather(
            bom_world.answered(servers[turn % 2], "pm", "bomRevisionRelease", id=revision["id"]),
            answered(
                servers[1 - turn % 2],
                "engineer",
                "engineeringChangeUpdate",
                id=change["id"],
                addRevisionIds=[revision["id"]],
            ),
        )
        assert {outcome(alone), outcome(taken)} in ({"done", "IN_CHANGE"}, {"done", "NOT_A_DRAFT"})
        assert (outcome(alone) == "IN_CHANGE") == (outcome(taken) == "done")
        expected = {"done": ["DRAFT", "DRAFT"], "NOT_A_DRAFT": ["DRAFT"]}[outcome(taken)]
        held = (await change_of(servers[0], "pm", change))["revisions"]
        assert [each["revision"]["state"] for each in held] == expected
    await proved(company_settings)


async def test_changes_opened_at_once_are_numbered_without_gap_or_double(
    servers: tuple[Api, Api], company_settings: Settings, prefix: str
) -> None:
    attempts = [
        {"title": "" if nth % 5 == 3 else f"{prefix}{nth}", "dryRun": nth % 5 == 1} for nth in range(20)
    ]
    answers = await gather(
        *(
            answered(servers[nth % 2], "engineer", "engineeringChangeCreate", reason="R", **attempt)
            for nth, attempt in enumerate(attempts)
        )
    )
    assert outcomes(answers) == {"done": 16, "REQUIRED": 4}
    # What is verified is, among others, that numbers have no gaps.
    await proved(company_settings)


async def done_with(api: Api, change: Json) -> Json:
    """Release a change by other eyes than those that made it."""
    return await done(api, "director", "engineeringChangeRelease", id=change["id"])
