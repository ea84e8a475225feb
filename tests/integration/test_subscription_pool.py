"""Does a subscriber who waits keep anything from others?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from server.asking import asked_of
from server.live import Gate
from server.settings import Settings
from server.websocket_protocol import SocketOperation
from tests.api import ADDRESS, Api, running_api
from tests.integration.follower import texts

_FOLLOW = "subscription { orderChanged { order { number } } }"
_HOLD = 'mutation ($id: ID!) { orderHold(input: { id: $id, note: "rain" }) { errors { code } } }'
_IDLE = """
SELECT count(*) FROM pg_stat_activity
WHERE state LIKE 'idle in transaction%' AND datname = current_database()
"""


async def follow(api: Api, who: str, document: str = _FOLLOW) -> AsyncGenerator[bytes]:
    gate: Gate = api.app.state.gate
    passport = await gate.authenticate({"authorization": f"Bearer {await api.token(who)}"})
    operation = SocketOperation(asked_of({"query": document}), "test", ADDRESS)
    return texts(gate.answers(passport.holder, operation))


async def test_waiting_subscribers_hold_no_connection(api: Api) -> None:
    # More than the pool has connections; worker sees none of these orders, so his entries are passed over.
    streams = [await follow(api, "director") for _ in range(15)] + [
        await follow(api, "worker") for _ in range(15)
    ]
    news = [asyncio.ensure_future(anext(stream)) for stream in streams]
    answer = await api.ask("{ orders(first: 1, filter: { states: [IN_PROGRESS] }) { nodes { id } } }", "pm")
    order_id = answer.data["orders"]["nodes"][0]["id"]
    await api.rows("DELETE FROM assignment")
    # Whoever subscribes starts at the end of the feed, once his generator runs.
    while api.app.state.gate.listener_count < len(streams):
        await asyncio.sleep(0.01)
    assert (await api.ask(_HOLD, "pm", id=order_id)).data == {"orderHold": {"errors": []}}
    async with asyncio.timeout(20):
        heard = await asyncio.gather(*news[:15])
    assert {"errors" in json.loads(answer) for answer in heard} == {False}
    await asyncio.sleep(0.2)
    assert await api.rows(_IDLE) == [(0,)]
    for task in news[15:]:
        task.cancel()
    await asyncio.gather(*news[15:], return_exceptions=True)
    for stream in streams:
        await stream.aclose()


async def test_an_event_that_many_follow_is_read_in_turns_and_ends_no_subscription(
    demo_settings: Settings,
) -> None:
    # Two connections for all: without turns those behind in the queue would wait too long for one, and end.
    narrow = demo_settings.model_copy(
        update={"read_pool_size": 2, "pool_timeout_seconds": 0.3, "rate_points": 1_000_000}
    )
    document = """subscription {
      alias: orderChanged { order { number events(first: 50) { nodes { type actor { name } } } } }
    }"""
    async with running_api(narrow) as api:
        streams = [
            await follow(api, "director", document.replace("alias", f"each{nth}")) for nth in range(150)
        ]
        news = [asyncio.ensure_future(anext(stream)) for stream in streams]
        query = "{ orders(first: 1, filter: { states: [IN_PROGRESS] }) { nodes { id } } }"
        order_id = (await api.ask(query, "pm")).data["orders"]["nodes"][0]["id"]
        while api.app.state.gate.listener_count < len(streams):
            await asyncio.sleep(0.01)
        assert (await api.ask(_HOLD, "pm", id=order_id)).data == {"orderHold": {"errors": []}}
        assert (await api.ask(query, "pm")).errors == []
        async with asyncio.timeout(60):
            heard = await asyncio.gather(*news)
        assert [set(json.loads(answer)) for answer in heard] == [{"data"}] * 150
        assert [set(json.loads(answer)["data"]) for answer in heard] == [{f"each{nth}"} for nth in range(150)]
        for stream in streams:
            await stream.aclose()
