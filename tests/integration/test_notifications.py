"""Is everybody told of what concerns him, once, and of nothing else: in his list, with read marks, and live?"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from domain.order import OrderAction, OrderState
from server.settings import Settings
from tests.api import Api
from tests.integration.follower import following
from tests.integration.order_world import (
    Json,
    done,
    line,
    new_draft,
    order_in,
    organization,
    take,
    unchanged,
    user,
)
from tests.integration.plan_world import Both, both_paths

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = """query ($isRead: Boolean) {
  notifications(first: 100, isRead: $isRead) {
    totalCount nodes { id kind order { id } event { type } createdAt readAt }
  }
}"""
MARK = """mutation ($input: NotificationMarkReadInput!) {
  notificationMarkRead(input: $input) { markedCount errors { code path } }
}"""
FOLLOW = """subscription ($after: String) {
  viewerNotifications(after: $after) { cursor resyncRequired notification { id kind order { id state } } }
}"""
EVERYBODY = (
    *("admin", "director", "finance", "auditor", "pm", "pm2", "engineer", "buyer", "foreman", "foreman2"),
    *("worker", "worker2", "contractor", "contractor2", "customer", "customer2"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


@pytest.fixture(params=["planned", "interpreted"])
def api(both: Both, request: pytest.FixtureRequest) -> Api:
    """Return the application as it answers by plans, and as it interprets."""
    return both.planned if request.param == "planned" else both.interpreted


async def told(api: Api, who: str, order: Json, **given: Any) -> list[tuple[str, str | None]]:
    """Return kind and event of what somebody was told of an order, newest first."""
    found = (await api.ask(LIST, who, **given)).data["notifications"]["nodes"]
    return [
        (each["kind"], each["event"] and each["event"]["type"])
        for each in found
        if each["order"] and each["order"]["id"] == order["id"]
    ]


async def who_was_told(api: Api, order: Json, kind: str, event: str) -> set[str]:
    """Return the usernames, as the database has them."""
    rows = await api.rows(
        "SELECT username FROM notification JOIN app_user ON app_user.id = user_id"
        " JOIN event ON event.id = event_id WHERE 'Order:' || order_id = :order AND kind = :kind AND type = :event",
        order=order["id"],
        kind=kind,
        event=event,
    )
    return {username for (username,) in rows}


async def test_submitted_order_asks_those_who_may_approve_it(api: Api) -> None:
    order = await order_in(api, OrderState.SUBMITTED)
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderSubmitted") == {"pm", "director"}
    assert await told(api, "pm", order) == [("ACTION_REQUIRED", "OrderSubmitted")]


async def test_order_above_the_limit_asks_only_those_who_may_exceed_it(api: Api) -> None:
    order = await order_in(api, OrderState.SUBMITTED, lines=[line("1000000", "1000")])
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderSubmitted") == {"director"}


async def test_nobody_is_asked_to_approve_what_he_submitted(api: Api) -> None:
    order = await new_draft(api, "pm")
    await take(api, order, OrderAction.SUBMIT, "pm")
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderSubmitted") == {"director"}


async def test_released_order_asks_those_who_may_start_it_but_not_who_released_it(api: Api) -> None:
    order = await order_in(api, OrderState.APPROVED)
    await done(api, "pm", "orderAssign", id=order["id"], assignments=[{"userId": user("foreman")}])
    await take(api, order, OrderAction.RELEASE)
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderReleased") == {"foreman", "contractor"}
    # The contractor may not read the log; that he was told, and of which order, he sees.
    assert await told(api, "contractor", order) == [("ACTION_REQUIRED", None)]


async def test_completed_work_asks_for_acceptance_and_accepted_work_for_settlement(api: Api) -> None:
    order = await order_in(api, OrderState.ACCEPTED)
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderCompleted") == {"director"}
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderAccepted") == {"finance"}


async def test_authors_are_told_of_a_refusal(api: Api) -> None:
    order = await order_in(api, OrderState.REJECTED)
    assert await who_was_told(api, order, "REFUSED", "OrderRejected") == {"buyer"}
    assert await told(api, "buyer", order) == [("REFUSED", "OrderRejected")]


async def test_who_is_added_is_told_and_who_stays_is_not_told_again(api: Api) -> None:
    order = await new_draft(api)
    given = [{"userId": user("worker")}, {"userId": user("pm")}]
    await done(api, "pm", "orderAssign", id=order["id"], assignments=given)
    await done(api, "pm", "orderAssign", id=order["id"], assignments=[*given, {"userId": user("foreman")}])
    assert await who_was_told(api, order, "ASSIGNED", "OrderAssigned") == {"worker", "foreman"}
    assert len(await told(api, "worker", order)) == 1


async def test_dry_run_tells_nobody(api: Api) -> None:
    order = await new_draft(api)
    async with unchanged(api, "buyer", "pm"):
        await done(api, "buyer", "orderSubmit", id=order["id"], dryRun=True)
        await done(
            api, "pm", "orderAssign", id=order["id"], dryRun=True, assignments=[{"userId": user("worker")}]
        )


async def test_nobody_sees_what_another_was_told(api: Api) -> None:
    await order_in(api, OrderState.SUBMITTED)
    counts = dict(
        await api.rows(
            "SELECT username, count(*) FROM notification JOIN app_user ON app_user.id = user_id GROUP BY 1"
        )
    )
    for who in EVERYBODY:
        found = (await api.ask(LIST, who)).data["notifications"]
        assert found["totalCount"] == counts.get(who, 0)
        of_others = await api.rows(
            "SELECT 'Notification:' || notification.id FROM notification JOIN app_user ON app_user.id = user_id"
            " WHERE username <> :who LIMIT 3",
            who=who,
        )
        ids = [each for (each,) in of_others]
        assert ids
        answer = await api.ask("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", who, ids=ids)
        assert answer.data["nodes"] == [None] * len(ids)


async def test_order_that_left_ones_sight_is_null_in_what_one_was_told(api: Api) -> None:
    order = await new_draft(api)
    await done(api, "pm", "orderAssign", id=order["id"], assignments=[{"userId": user("worker2")}])
    await done(api, "pm", "orderAssign", id=order["id"], assignments=[])
    newest = (await api.ask(LIST, "worker2")).data["notifications"]["nodes"][0]
    assert (newest["kind"], newest["order"], newest["event"]) == ("ASSIGNED", None, None)


async def test_what_is_marked_is_read_and_marking_again_changes_nothing(api: Api) -> None:
    order = await order_in(api, OrderState.SUBMITTED)
    unread = (await api.ask(LIST, "director", isRead=False)).data["notifications"]["nodes"]
    newest = unread[0]["id"]
    assert unread[0]["order"]["id"] == order["id"]
    for expected in (1, 0):
        answer = await api.ask(MARK, "director", input={"ids": [newest]})
        assert answer.data["notificationMarkRead"] == {"markedCount": expected, "errors": []}
    left = (await api.ask(LIST, "director", isRead=False)).data["notifications"]["nodes"]
    assert [each["id"] for each in left] == [each["id"] for each in unread[1:]]
    assert (await api.ask(LIST, "director", isRead=True)).data["notifications"]["nodes"][0]["id"] == newest
    assert (await api.ask(MARK, "director", input={})).data["notificationMarkRead"]["markedCount"] == len(
        left
    )
    assert (await api.ask(LIST, "director", isRead=False)).data["notifications"]["totalCount"] == 0


async def test_another_cannot_mark_what_one_was_told(api: Api) -> None:
    await order_in(api, OrderState.SUBMITTED)
    mine = (await api.ask(LIST, "pm", isRead=False)).data["notifications"]["nodes"][0]["id"]
    async with unchanged(api, "director"):
        answer = await api.ask(MARK, "director", input={"ids": [mine]})
    assert answer.data["notificationMarkRead"] == {"markedCount": 0, "errors": []}


async def test_too_many_marks_and_other_ids_are_refused(api: Api) -> None:
    async with unchanged(api, "pm"):
        ids = [f"Notification:00000000-0000-0000-0000-{nth:012}" for nth in range(501)]
        answer = await api.ask(MARK, "pm", input={"ids": ids})
        assert answer.data["notificationMarkRead"] == {
            "markedCount": 0,
            "errors": [{"code": "TOO_MANY", "path": ["ids"]}],
        }
        assert (await api.ask(MARK, "pm", input={"ids": [user("pm")]})).codes == ["MALFORMED_ID"]
        assert (await api.ask(MARK, None, input={})).codes == ["UNAUTHENTICATED"]


async def test_those_concerned_are_told_live_and_others_hear_nothing(api: Api) -> None:
    async with following(api, "pm", FOLLOW) as pm, following(api, "engineer", FOLLOW) as engineer:
        order = await order_in(api, OrderState.SUBMITTED)
        ((first,),) = [await pm.count(1)]
        assert first["notification"]["kind"] == "ACTION_REQUIRED"
        assert first["notification"]["order"] == {"id": order["id"], "state": "SUBMITTED"}
        await done(api, "pm", "orderAssign", id=order["id"], assignments=[{"userId": user("engineer")}])
        (assigned,) = await engineer.count(1)
    assert assigned["notification"]["kind"] == "ASSIGNED"
    assert len(pm.news) == 1


async def test_following_goes_on_behind_a_cursor(api: Api) -> None:
    cursor = (await api.ask("{ feedCursor }", "pm")).data["feedCursor"]
    missed = await order_in(api, OrderState.SUBMITTED)
    async with following(api, "pm", FOLLOW, after=cursor) as heard:
        (first,) = await heard.count(1)
        live = await order_in(api, OrderState.SUBMITTED)
        second = (await heard.count(2))[1]
    assert [each["notification"]["order"]["id"] for each in (first, second)] == [missed["id"], live["id"]]
    async with following(api, "pm", FOLLOW, after=first["cursor"]) as heard:
        assert await heard.count(1) == [second]


async def test_contractor_that_is_exchanged_is_not_told_of_what_follows(api: Api) -> None:
    order = await new_draft(api)
    version = order["version"]
    await done(
        api,
        "pm",
        "orderUpdate",
        id=order["id"],
        expectedVersion=version,
        contractorId=organization("K-002"),
    )
    for action in (OrderAction.SUBMIT, OrderAction.APPROVE, OrderAction.RELEASE):
        await take(api, order, action)
    assert await who_was_told(api, order, "ACTION_REQUIRED", "OrderReleased") == {"contractor2"}
