"""Does a subscriber hear each change once, in order, after a break too, and nothing that isn't his?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from domain.errors import TIMEOUT, Unavailable
from loaders.places import cursor_of
from server.settings import Settings
from subscriptions.cohort import Cohort, Member
from tests.api import Api
from tests.integration.follower import SECONDS, Heard, following
from tests.integration.order_world import done, draft, organization, project
from tests.integration.plan_world import Both, both_paths, sent_statements

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest.fixture(params=["planned", "interpreted"])
def api(both: Both, request: pytest.FixtureRequest) -> Api:
    """Return the application as it reads messages by plans, and as it interprets them."""
    return both.planned if request.param == "planned" else both.interpreted


async def new_order(api: Api, **given: Any) -> dict[str, Any]:
    """Return a new order, of which everybody who follows orders here has heard."""
    async with following(api, "director") as witness:
        order = await done(api, "pm", "orderCreate", **draft(**given))
        await witness.told_of(order)
    return order


async def changed(api: Api, order_id: str, **values: Any) -> None:
    """Change an order as it is now, as its manager."""
    found = await api.ask("query ($id: ID!) { order(id: $id) { version } }", "pm", id=order_id)
    version = found.data["order"]["version"]
    await done(api, "pm", "orderUpdate", id=order_id, expectedVersion=version, **values)


async def renamed(api: Api, order_id: str, title: str) -> None:
    await changed(api, order_id, title=title)


async def settled(api: Api, heard: Heard) -> None:
    """Wait until whatever was to be heard has been: cohorts are told in turn, each a moment after the other."""
    await new_order(api)
    await asyncio.sleep(0.2)
    assert heard.task is not None
    assert not heard.task.done()


def types(news: Sequence[Any]) -> list[str | None]:
    return [each["event"] and each["event"]["type"] for each in news]


async def test_who_comes_back_hears_what_he_missed_once_and_then_what_follows(api: Api) -> None:
    order = await new_order(api)
    async with following(api, "pm", orderIds=[order["id"]]) as first:
        await renamed(api, order["id"], "one")
        (seen,) = await first.count(1)
    for title in ("two", "three"):
        await renamed(api, order["id"], title)
    async with following(api, "pm", orderIds=[order["id"]], after=seen["cursor"]) as again:
        await again.count(2)
        await renamed(api, order["id"], "four")
        await again.count(3)
        await settled(api, again)
        assert types(again.news) == ["OrderUpdated"] * 3
    cursors = [each["cursor"] for each in (seen, *again.news)]
    assert len(set(cursors)) == 4


async def test_cursor_of_a_query_misses_nothing_of_what_comes_after_it(api: Api) -> None:
    order = await new_order(api)
    # Until the relay has given the order its place, the cursor of the query is before it.
    async with following(api, "pm", orderIds=[order["id"]]) as witness:
        await renamed(api, order["id"], "witnessed")
        await witness.count(1)
    query = "query ($id: ID!) { feedCursor order(id: $id) { number } }"
    cursor = (await api.ask(query, "pm", id=order["id"])).data["feedCursor"]
    await renamed(api, order["id"], "after the query")
    async with following(api, "pm", orderIds=[order["id"]], after=cursor) as heard:
        await heard.count(1)
        await settled(api, heard)
    assert types(heard.news) == ["OrderUpdated"]


async def test_who_was_away_too_long_is_told_to_read_again_and_hears_on(company_settings: Settings) -> None:
    async with both_paths(company_settings, resumable_events=3) as short:
        api = short.planned
        order = await new_order(api)
        async with following(api, "pm", orderIds=[order["id"]], after=cursor_of(0)) as heard:
            (missed,) = await heard.count(1)
            assert missed == {
                "cursor": missed["cursor"],
                "resyncRequired": True,
                "orderId": None,
                "event": None,
                "order": None,
            }
            await renamed(api, order["id"], "heard")
            _, news = await heard.count(2)
        assert (news["resyncRequired"], news["orderId"]) == (False, order["id"])


async def test_cursor_of_a_place_that_is_not_there_yet_is_told_to_read_again(api: Api) -> None:
    async with following(api, "pm", after=cursor_of(10**12)) as heard:
        (missed,) = await heard.count(1)
    assert missed["resyncRequired"]


@pytest.mark.parametrize(
    "cursor", ["", "F2", cursor_of(7)[:-1], cursor_of(7).swapcase(), "x" * 5_000, "\u0000"]
)
async def test_forged_cursor_is_refused(api: Api, cursor: str) -> None:
    async with following(api, "pm", after=cursor) as heard:
        async with asyncio.timeout(SECONDS):
            while not heard.answers:
                await asyncio.sleep(0.01)
    (answer,) = heard.answers
    assert [each["extensions"]["code"] for each in answer["errors"]] == ["MALFORMED_CURSOR"]
    assert answer.get("data") is None


async def test_order_that_leaves_somebodys_sight_is_said_so_once_and_one_that_comes_appears(api: Api) -> None:
    order = await new_order(api, contractorId=organization("K-001"))
    async with following(api, "contractor") as losing, following(api, "contractor2") as winning:
        await changed(api, order["id"], contractorId=organization("K-002"))
        await renamed(api, order["id"], "no business of the first any more")
        await winning.count(2)
        await changed(api, order["id"], contractorId=organization("K-001"))
        await losing.count(2)
        await settled(api, losing)
    assert [(each["orderId"], each["order"] and each["order"]["number"]) for each in losing.of(order)] == [
        (order["id"], None),
        (order["id"], order["number"]),
    ]
    assert [each["order"] and each["order"]["number"] for each in winning.of(order)] == [
        order["number"],
        order["number"],
        None,
    ]
    assert [each["event"] for each in losing.of(order)] == [None, None]


async def test_who_comes_back_is_told_what_left_his_sight_meanwhile_by_todays_rights(api: Api) -> None:
    order = await new_order(api, contractorId=organization("K-001"))
    async with following(api, "contractor", orderIds=[order["id"]]) as heard:
        await renamed(api, order["id"], "his")
        (seen,) = await heard.count(1)
    await renamed(api, order["id"], "his, and not told any more")
    await changed(api, order["id"], contractorId=organization("K-002"))
    await renamed(api, order["id"], "not his")
    async with following(api, "contractor", orderIds=[order["id"]], after=seen["cursor"]) as again:
        await again.count(1)
        await settled(api, again)
    assert [(each["orderId"], each["order"]) for each in again.news] == [(order["id"], None)]


async def test_states_tell_what_comes_into_them_and_what_goes(api: Api) -> None:
    order = await new_order(api)
    async with (
        following(api, "pm", states=["SUBMITTED"], projectId=project("P-001")) as heard,
        following(api, "pm", orderIds=[order["id"]]) as witness,
    ):
        await renamed(api, order["id"], "a draft")
        # An order is told as it is when it is read.
        await witness.count(1)
        await done(api, "pm", "orderSubmit", id=order["id"])
        await witness.count(2)
        await done(api, "pm", "orderCancel", id=order["id"], note="why")
        await heard.count(2)
        await settled(api, heard)
    assert [each["order"]["state"] for each in heard.of(order)] == ["SUBMITTED", "CANCELLED"]
    assert types(heard.of(order)) == ["OrderSubmitted", "OrderCancelled"]


async def test_those_with_the_same_eyes_share_one_reading_and_others_do_not(both: Both) -> None:
    api = both.planned
    order = await new_order(api)
    async with (
        following(api, "director") as one,
        following(api, "director") as two,
        following(api, "pm") as other,
    ):
        assert api.app.state.gate.cohort_count == 2
        with sent_statements() as sent:
            await renamed(api, order["id"], "shared")
            for each in (one, two, other):
                await each.count(1)
    assert len([sql for sql in sent.planned if "news" in sql or "_rank" in sql]) == 2
    assert one.answers == two.answers
    assert api.app.state.gate.cohort_count == 0


async def test_planner_and_interpreter_tell_the_same(both: Both) -> None:
    everybody = (
        "director",
        "auditor",
        "pm",
        "engineer",
        "buyer",
        "foreman",
        "worker",
        "contractor",
        "customer",
    )
    async with both_followers(both, everybody) as pairs:
        order = await new_order(both.planned, contractorId=organization("K-001"))
        steps: Sequence[dict[str, Any]] = ({"title": "one"}, {"contractorId": organization("K-002")})
        for number, values in enumerate(steps, start=2):
            await changed(both.planned, order["id"], **values)
            # Each is told as the order is when it is read.
            for who in ("director", "contractor"):
                for heard in pairs[who]:
                    await heard.count(number)
        await settled(both.planned, pairs["director"][0])
    for who, (planned, interpreted) in pairs.items():
        assert planned.of(order) == interpreted.of(order), who
    assert [len(planned.answers) > 0 for planned, _ in pairs.values()].count(True) >= 6


@asynccontextmanager
async def both_followers(
    both: Both, everybody: Sequence[str]
) -> AsyncGenerator[dict[str, tuple[Heard, Heard]]]:
    async with AsyncExitStack() as stack:
        found: dict[str, tuple[Heard, Heard]] = {}
        for who in everybody:
            found[who] = (
                await stack.enter_async_context(following(both.planned, who)),
                await stack.enter_async_context(following(both.interpreted, who)),
            )
        yield found


async def test_those_who_follow_different_orders_each_hear_of_their_own(api: Api) -> None:
    one, two = await new_order(api), await new_order(api)
    async with (
        following(api, "pm", orderIds=[one["id"]]) as first,
        following(api, "pm", orderIds=[two["id"]]) as second,
    ):
        await renamed(api, one["id"], "one")
        await renamed(api, two["id"], "two")
        await settled(api, second)
    assert [each["orderId"] for each in first.news] == [one["id"]]
    assert [each["orderId"] for each in second.news] == [two["id"]]


async def test_who_is_stopped_twice_while_he_catches_up_is_not_left_in_the_books(api: Api) -> None:
    gate = api.app.state.gate
    before = gate.listener_count, gate.cohort_count
    async with api.database.write.begin() as connection:
        # What he missed is read as long as this lasts, and stopping that takes a moment.
        await connection.execute(text("LOCK TABLE event_feed IN ACCESS EXCLUSIVE MODE"))
        async with following(api, "pm", after=cursor_of(0)) as heard:
            assert heard.task is not None
            assert gate.listener_count == before[0] + 1
            await asyncio.sleep(0.1)
            for _ in range(2):
                heard.task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait([heard.task])
    assert (gate.listener_count, gate.cohort_count) == before


@pytest.mark.parametrize("error", [Unavailable(code=TIMEOUT), ValueError("no")])
async def test_one_whose_rights_can_not_be_looked_up_costs_those_who_hear_with_him_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    order = await new_order(api)
    look_up = Cohort._check  # pyright: ignore[reportPrivateUsage]
    unlucky: list[Member] = []

    async def failing(self: Cohort, member: Member) -> None:
        unlucky.append(member)
        if member is unlucky[0]:
            raise error
        await look_up(self, member)

    async with (
        following(api, "pm", orderIds=[order["id"]]) as first,
        following(api, "pm", orderIds=[order["id"]]) as second,
    ):
        assert api.app.state.gate.cohort_count == 1
        monkeypatch.setattr(Cohort, "_check", failing)
        await renamed(api, order["id"], "heard by one of them")
        await second.count(1)
        await settled(api, second)
    assert types(second.news) == ["OrderUpdated"]
    assert first.task is not None
    assert not first.answers
    assert first.task.exception() is error
