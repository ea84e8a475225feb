"""What does an event stream look like on the wire, and how does each way of ending it look?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from tests.e2e.event_streams import Event, listening, listening_by_get
from tests.protocol.event_world import PERSON, REQUEST_ID, SECRET, served, until

PERSON_ID = str(PERSON)
COMPLETE = Event("complete", None)


def refusal(code: str, message: str, **extensions: str) -> list[Event]:
    errors = [{"message": message, "extensions": {"code": code, **extensions}}]
    return [Event("next", {"errors": errors}), COMPLETE]


def failed(events: Sequence[Mapping[str, Any]]) -> list[str]:
    return [log["event"] for log in events if log["log_level"] == "error"]


async def test_answers_are_next_events_and_complete_ends_them_byte_for_byte() -> None:
    async with served() as world, world.listening("three") as stream:
        assert await stream.rest() == [
            *(Event("next", {"data": {"数": number}}) for number in (1, 2, 3)),
            COMPLETE,
        ]
        assert stream.heard.decode() == (
            ":\n\n"
            'event: next\ndata: {"data":{"数":1}}\n\n'
            'event: next\ndata: {"data":{"数":2}}\n\n'
            'event: next\ndata: {"data":{"数":3}}\n\n'
            "event: complete\ndata:\n\n"
        )
        assert not stream.was_cut
        assert world.closed == ["three"]


async def test_headers_keep_everybody_on_the_way_from_holding_events_back() -> None:
    async with served() as world, world.listening("none") as stream:
        assert dict(stream.response.headers) | {"date": "", "server": ""} == {
            "date": "",
            "server": "",
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-store",
            "x-accel-buffering": "no",
            "x-request-id": REQUEST_ID,
            "transfer-encoding": "chunked",
        }
        assert await stream.rest() == [COMPLETE]


async def test_answer_in_bytes_goes_out_as_it_is_but_in_one_line() -> None:
    async with served() as world, world.listening("text") as stream:
        assert await stream.rest() == [
            Event("next", {"data": {"number": 1.5}}),
            Event("next", {"data": {"a": "\n"}}),
            COMPLETE,
        ]
        assert stream.heard == (
            b':\n\nevent: next\ndata: {"data": {"number": 1.50}}\n\n'
            b'event: next\ndata: {    "data":  {"a": "\\n" } } \n\n'
            b"event: complete\ndata:\n\n"
        )


async def test_operation_that_could_not_be_executed_is_told_in_the_stream() -> None:
    async with served() as world, world.listening("invalid") as stream:
        assert await stream.rest() == [Event("next", {"errors": [{"message": "No such field."}]}), COMPLETE]


async def test_get_is_answered_alike_and_head_without_running_anything() -> None:
    async with served() as world:
        async with listening_by_get(world.client, world.url, {}) as stream:
            assert await stream.part() == b":\n\n"
            await until(lambda: world.running == 1)
        await until(lambda: world.closed == ["silent"])
        headed = await world.client.head(world.url)
        assert (headed.status_code, headed.content) == (200, b"")
        assert headed.headers["content-type"] == "text/event-stream; charset=utf-8"
        # Answers that were never asked for have nothing to close.
        assert world.closed == ["silent"]
        await world.client.request("HEAD", world.url, json={"answers": "three", "isBegun": True})
        await until(lambda: world.closed == ["silent", "three"])


async def test_silent_stream_is_kept_alive_by_comments() -> None:
    async with served(heartbeat_seconds=0.1) as world, world.listening("silent") as stream:
        assert [await stream.part() for _ in range(3)] == [b":\n\n"] * 3
        assert world.streams.count == 1


async def test_client_that_leaves_a_silent_stream_leaves_nothing_behind() -> None:
    async with served() as world:
        async with world.listening("silent"):
            assert (world.streams.count, world.running) == (1, 1)
        await until(lambda: world.streams.count == 0)
        assert world.closed == ["silent"]


async def test_client_that_vanishes_while_answers_come_leaves_nothing_behind() -> None:
    async with served() as world:
        _reader, writer = await world.raw(answers="endless")
        await until(lambda: world.given > 3)
        writer.transport.abort()
        await until(lambda: world.streams.count == 0)
        assert world.closed == ["endless"]


async def test_client_that_reads_nothing_is_cut_off_and_no_answer_is_made_ahead() -> None:
    async with served(write_seconds=0.3) as world:
        with capture_logs() as logs:
            reader, writer = await world.raw(answers="flood")
            await until(lambda: world.given > 0 and world.streams.count == 0)
        assert world.closed == ["flood"]
        assert [log["event"] for log in logs] == ["event_stream_client_too_slow"]
        given = world.given
        body = await reader.read()
        while part := await reader.read(1_000_000):
            body += part
        # All that was made went out, but for the one that found no room; nothing says that the response is over.
        assert body.count(b"event: next") == given - 1
        assert b"complete" not in body
        assert not body.endswith(b"0\r\n\r\n")
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_client_that_reads_slowly_gets_everything_in_its_own_time() -> None:
    async with served(write_seconds=1) as world:
        reader, writer = await world.raw(200_000, answers="flood")
        # Longer than a write may take, but no single write takes as long.
        for _ in range(4):
            await reader.readuntil(b"event: next\n")
            await reader.readexactly(1_000_000)
            await asyncio.sleep(0.4)
        assert world.streams.count == 1
        writer.transport.abort()
        await until(lambda: world.closed == ["flood"])


@pytest.mark.parametrize("answers", ["silent", "endless"])
async def test_revoked_person_is_told_at_once_and_nobody_else(answers: str) -> None:
    async with (
        served() as world,
        world.listening(answers, userId=PERSON_ID) as phone,
        world.listening(answers, userId=PERSON_ID) as desk,
        world.listening("silent", userId=str(uuid4())) as somebody_else,
    ):
        assert PERSON in world.streams.user_ids
        assert world.streams.revoke(PERSON) == 2
        for stream in (phone, desk):
            events = [event for event in await stream.rest() if event != Event("next", {"data": 1})]
            assert events == refusal("UNAUTHENTICATED", "Your rights have changed.")
            assert not stream.was_cut
        await until(lambda: world.streams.count == 1)
        assert world.closed == [answers, answers]
        assert world.streams.revoke(PERSON) == 0
        world.streams.revoke(next(iter(world.streams.user_ids)))
        assert await somebody_else.rest() == refusal("UNAUTHENTICATED", "Your rights have changed.")


async def test_stream_ends_when_the_token_runs_out() -> None:
    async with served() as world, world.listening("silent", userId=PERSON_ID, lifetime=0.2) as stream:
        assert await stream.rest() == refusal("UNAUTHENTICATED", "The token has expired.")
        await until(lambda: world.closed == ["silent"])


async def test_stream_whose_token_ran_out_on_the_way_runs_nothing() -> None:
    async with served() as world, world.listening("patient", userId=PERSON_ID, lifetime=-1) as stream:
        assert await stream.rest() == refusal("UNAUTHENTICATED", "The token has expired.")
        assert world.given == 0


async def test_person_revoked_before_the_first_event_is_told_and_nothing_runs() -> None:
    async with served() as world:
        asked = {"answers": "silent", "userId": PERSON_ID, "isRevoked": True}
        async with listening(world.client, world.url, asked) as stream:
            assert await stream.rest() == refusal("UNAUTHENTICATED", "Your rights have changed.")
        assert world.closed == []


async def test_revoked_client_that_reads_nothing_does_not_keep_its_place() -> None:
    async with served(write_seconds=0.3) as world:
        _reader, writer = await world.raw(answers="flood", userId=PERSON_ID)
        await until(lambda: world.given > 1)
        assert world.streams.revoke(PERSON) == 1
        await until(lambda: world.closed == ["flood"])
        await until(lambda: world.streams.count == 0)
        writer.transport.abort()


async def test_draining_cuts_subscriptions_off_without_complete_and_refuses_new_streams() -> None:
    async with served() as world, world.listening("silent") as silent, world.listening("endless") as busy:
        await world.streams.drain(grace_seconds=2)
        assert (world.streams.count, world.running) == (0, 0)
        assert await silent.rest() == []
        assert COMPLETE not in await busy.rest()
        assert silent.was_cut
        assert busy.was_cut
        assert await world.status("silent") == 503
        assert sorted(world.closed) == ["endless", "silent"]


async def test_draining_lets_a_single_answer_be_told() -> None:
    async with served() as world, world.listening("patient", isSingle=True) as stream:
        draining = asyncio.create_task(world.streams.drain(grace_seconds=2))
        await asyncio.sleep(0.05)
        assert not draining.done()
        world.go_on.set()
        assert await stream.rest() == [Event("next", {"data": "done"}), COMPLETE]
        await draining
        assert world.streams.count == 0


async def test_draining_waits_no_longer_than_it_may() -> None:
    async with served() as world, world.listening("silent", isSingle=True):
        with capture_logs() as logs:
            await world.streams.drain(grace_seconds=0.05)
        assert [(log["event"], log["count"]) for log in logs] == [("event_streams_left_open", 1)]


async def test_single_answer_is_told_though_its_viewer_is_revoked_and_his_token_has_run_out() -> None:
    async with (
        served() as world,
        world.listening("patient", userId=PERSON_ID, isSingle=True, lifetime=-1) as stream,
    ):
        assert world.streams.revoke(PERSON) == 0
        world.go_on.set()
        assert await stream.rest() == [Event("next", {"data": "done"}), COMPLETE]


async def test_foreseen_error_in_the_middle_keeps_its_code() -> None:
    async with served() as world, world.listening("denied") as stream:
        with capture_logs() as logs:
            assert await stream.payload() == {"data": 1}
            assert await stream.rest() == refusal("FORBIDDEN", "You may not do this.")
        assert failed(logs) == []


@pytest.mark.parametrize("answers", ["mistaken", "timed_out"])
async def test_our_own_mistake_is_told_by_its_request_id_only_and_logged(answers: str) -> None:
    async with served() as world:
        with capture_logs() as logs:
            async with world.listening(answers) as stream:
                assert await stream.payload() == {"data": 1}
                assert await stream.rest() == refusal(
                    "INTERNAL", "Something went wrong here.", requestId=REQUEST_ID
                )
        assert SECRET not in stream.heard.decode()
        assert [(log["event"], log["request_id"]) for log in logs] == [("operation_failed", REQUEST_ID)]
        assert str(logs[0]["exc_info"]) == SECRET


async def test_mistake_while_a_revoked_stream_is_closed_is_logged_and_not_told() -> None:
    async with served() as world, world.listening("stubborn", userId=PERSON_ID) as stream:
        await until(lambda: world.running == 1)
        with capture_logs() as logs:
            world.streams.revoke(PERSON)
            assert await stream.rest() == refusal("UNAUTHENTICATED", "Your rights have changed.")
        assert failed(logs) == ["operation_failed"]


@pytest.mark.parametrize("who", [{"userId": PERSON_ID}, {}], ids=["a person", "the anonymous together"])
async def test_streams_of_one_viewer_are_limited_and_each_that_ends_makes_room(who: dict[str, str]) -> None:
    async with served(max_per_viewer=2) as world:
        async with world.listening("silent", **who):
            async with world.listening("patient", **who) as finished:
                assert await world.status("silent", **who) == 429
                # Somebody else has streams of his own.
                assert await world.status("three", userId=str(uuid4())) == 200
                world.go_on.set()
                await finished.rest()
            await until(lambda: world.streams.count == 1)
            for answers in ("three", "mistaken", "denied"):
                async with world.listening(answers, **who) as stream:
                    await stream.rest()
                await until(lambda: world.streams.count == 1)
            assert await world.status("silent", **who) == 200
            await until(lambda: world.streams.count == 1)
        await until(lambda: world.streams.count == 0)


async def test_refused_stream_closes_answers_that_have_begun() -> None:
    async with served(max_per_viewer=1) as world, world.listening("silent"):
        assert await world.status("three", isBegun=True) == 429
        assert world.closed == ["three"]


async def test_server_that_cancels_a_request_leaves_nothing_behind() -> None:
    async with served() as world, world.listening("silent") as stream:
        (task,) = [task for task in asyncio.all_tasks() if "run_asgi" in repr(task.get_coro())]
        task.cancel()
        assert await stream.rest() == []
        assert stream.was_cut
        await until(lambda: world.closed == ["silent"])
