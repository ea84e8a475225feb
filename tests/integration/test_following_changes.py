"""Does whoever follows engineering changes hear each piece of news once, after a break too, and nobody else any?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

import pytest
import pytest_asyncio

from loaders.places import cursor_of
from server.settings import Settings
from tests.api import Api
from tests.integration.bom_world import Json
from tests.integration.change_world import done, draft, in_review, opened
from tests.integration.follower import SECONDS, Heard, following
from tests.integration.plan_world import Both, both_paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

_NUMBERS = count(1)
CHANGES = """subscription ($ids: [ID!], $after: String) {
  engineeringChanged(ids: $ids, after: $after) {
    cursor resyncRequired engineeringChangeId event { type note changes { field } }
    engineeringChange { id number state revisions { revision { state } } availableActions { allowed } }
  }
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest.fixture(params=["planned", "interpreted"])
def api(both: Both, request: pytest.FixtureRequest) -> Api:
    """Return the application as it reads messages by plans, and as it interprets them."""
    return both.planned if request.param == "planned" else both.interpreted


async def new_change(api: Api) -> Json:
    """Return a new change, of which everybody who follows changes here has heard."""
    revision = await draft(api, f"F{next(_NUMBERS)}")
    async with following(api, "director", CHANGES) as witness:
        change = await opened(api, revision)
        await heard_of(witness, change)
    return change


async def heard_of(heard: Heard, change: Json) -> None:
    async with asyncio.timeout(SECONDS):
        while change["id"] not in {each["engineeringChangeId"] for each in heard.news}:
            await asyncio.sleep(0.01)


async def settled(api: Api, heard: Heard) -> None:
    """Wait until whatever was to be heard has been."""
    await new_change(api)
    await asyncio.sleep(0.2)
    assert heard.task is not None
    assert not heard.task.done()


def told(heard: Heard) -> list[Any]:
    return [
        (each["event"] and each["event"]["type"], each["engineeringChange"]["state"]) for each in heard.news
    ]


async def test_who_comes_back_hears_what_he_missed_once_and_then_what_follows(api: Api) -> None:
    change = await new_change(api)
    async with following(api, "pm", CHANGES, ids=[change["id"]]) as first:
        await done(api, "engineer", "engineeringChangeUpdate", id=change["id"], title="Heard")
        (seen,) = await first.count(1)
    await done(api, "engineer", "engineeringChangeSubmit", id=change["id"])
    async with following(api, "pm", CHANGES, ids=[change["id"]], after=seen["cursor"]) as again:
        await again.count(1)
        await done(api, "director", "engineeringChangeRelease", id=change["id"], note="Good.")
        await again.count(2)
        await settled(api, again)
    assert told(first) == [("EngineeringChangeUpdated", "DRAFT")]
    assert told(again) == [
        ("EngineeringChangeSubmitted", "REVIEW"),
        ("EngineeringChangeReleased", "RELEASED"),
    ]
    last = again.news[-1]
    assert (last["event"]["note"], last["engineeringChange"]["revisions"]) == (
        "Good.",
        [{"revision": {"state": "RELEASED"}}],
    )
    assert len({each["cursor"] for each in (seen, *again.news)}) == 3


async def test_orders_and_engineering_changes_are_followed_apart(api: Api) -> None:
    async with following(api, "director") as orders, following(api, "director", CHANGES) as changes:
        change = await new_change(api)
        await heard_of(changes, change)
        await settled(api, changes)
    assert orders.news == []
    assert {each["engineeringChangeId"].partition(":")[0] for each in changes.news} == {"EngineeringChange"}


async def test_foreman_hears_without_the_log_and_outsiders_nothing(api: Api) -> None:
    async with (
        following(api, "foreman", CHANGES) as foreman,
        following(api, "contractor", CHANGES) as contractor,
        following(api, "worker", CHANGES) as worker,
        following(api, "director", CHANGES) as witness,
    ):
        change = await in_review(api, await draft(api, f"F{next(_NUMBERS)}"))
        await witness.count(2)
        await foreman.count(2)
        await settled(api, foreman)
    assert [each["event"] for each in foreman.news[:2]] == [None, None]
    assert foreman.news[1]["engineeringChange"]["number"] == change["number"]
    assert contractor.news == worker.news == []


async def test_planner_and_interpreter_tell_the_same(both: Both) -> None:
    change = await new_change(both.planned)
    async with (
        following(both.planned, "pm", CHANGES, ids=[change["id"]]) as planned,
        following(both.interpreted, "pm", CHANGES, ids=[change["id"]]) as interpreted,
    ):
        await done(both.planned, "engineer", "engineeringChangeSubmit", id=change["id"])
        for heard in (planned, interpreted):
            await heard.count(1)
    assert planned.answers == interpreted.answers


async def test_who_was_away_too_long_is_told_to_read_again(company_settings: Settings) -> None:
    async with (
        both_paths(company_settings, resumable_events=1) as short,
        following(short.planned, "pm", CHANGES, after=cursor_of(0)) as heard,
    ):
        (missed,) = await heard.count(1)
    assert missed == {
        "cursor": missed["cursor"],
        "resyncRequired": True,
        "engineeringChangeId": None,
        "event": None,
        "engineeringChange": None,
    }


async def test_too_many_ids_and_ids_of_something_else_are_refused(api: Api) -> None:
    key = "EngineeringChange:0198c5f2-0000-7000-8000-000000000000"
    for ids, code in (
        ([key] * 501, "TOO_MANY_VALUES"),
        ([key.replace("EngineeringChange", "Order")], "MALFORMED_ID"),
    ):
        async with following(api, "pm", CHANGES, ids=ids) as heard:
            async with asyncio.timeout(SECONDS):
                while not heard.answers:
                    await asyncio.sleep(0.01)
        (answer,) = heard.answers
        assert [each["extensions"]["code"] for each in answer["errors"]] == [code]
