"""Does a slow reader get everything in order while there is room, the newest of each entity behind that, and then his leave?"""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.outbox import FellBehind, Message, Outbox, OutboxLimits


def message(position: int, entity: str | None) -> Message:
    return Message(position, entity, json.dumps({"data": position}).encode())


async def everything(outbox: Outbox) -> list[tuple[int, int]]:
    """Return (position, how many it stands for beside itself) of what waits."""
    outbox.end()
    found = [json.loads(text) async for text in outbox]
    return [(each["data"], each.get("extensions", {}).get("replaced", 0)) for each in found]


async def test_what_waits_comes_in_order() -> None:
    outbox = Outbox(OutboxLimits(kept=3, most=3))
    for position, entity in ((1, "a"), (2, "a"), (3, "b")):
        outbox.put(message(position, entity))
    assert await everything(outbox) == [(1, 0), (2, 0), (3, 0)]


async def test_newest_stands_for_those_before_it_once_there_is_no_room() -> None:
    outbox = Outbox(OutboxLimits(kept=3, most=3))
    for position, entity in ((1, "a"), (2, "b"), (3, "a"), (4, "a")):
        outbox.put(message(position, entity))
    assert await everything(outbox) == [(2, 0), (4, 2)]


async def test_who_falls_behind_even_so_gets_nothing_more() -> None:
    outbox = Outbox(OutboxLimits(kept=1, most=2))
    for position in range(1, 4):
        outbox.put(message(position, f"order {position}"))
    outbox.put(message(4, "order 1"))
    with pytest.raises(FellBehind):
        await anext(outbox)
    assert len(outbox) == 0


async def test_reader_wakes_up_for_what_comes() -> None:
    outbox = Outbox(OutboxLimits(kept=5, most=5))
    reading = asyncio.ensure_future(anext(outbox))
    await asyncio.sleep(0)
    outbox.put(message(1, None))
    assert json.loads(await reading) == {"data": 1}
    waiting = asyncio.ensure_future(anext(outbox))
    await asyncio.sleep(0)
    outbox.end(ValueError("over"))
    with pytest.raises(ValueError, match="over"):
        await waiting


async def test_what_is_poured_is_given_the_moment_it_is_put_and_waits_behind_what_could_not_be_given() -> (
    None
):
    outbox = Outbox(OutboxLimits(kept=5, most=5))
    given: list[bytes] = []
    is_slow = False
    go_on = asyncio.Event()

    def now(text: bytes) -> bool:
        if not is_slow:
            given.append(text)
        return not is_slow

    async def soon(text: bytes) -> None:
        await go_on.wait()
        given.append(text)

    pouring = asyncio.ensure_future(outbox.pour(now, soon))
    outbox.put(message(1, "a"))
    await asyncio.sleep(0)
    outbox.put(message(2, "a"))
    assert [json.loads(text)["data"] for text in given] == [1, 2]
    is_slow = True
    outbox.put(message(3, "a"))
    await asyncio.sleep(0)
    # 3 is under way, slowly: nothing may come before it.
    is_slow = False
    outbox.put(message(4, "a"))
    outbox.put(message(5, "a"))
    assert len(given) == 2
    go_on.set()
    outbox.end()
    await asyncio.wait_for(pouring, 1)
    assert [json.loads(text)["data"] for text in given] == [1, 2, 3, 4, 5]


async def test_there_is_room_again_when_half_of_it_was_read() -> None:
    outbox = Outbox(OutboxLimits(kept=4, most=4))
    for position in range(1, 5):
        outbox.put(message(position, "a"))
    waiting = asyncio.ensure_future(outbox.room())
    for _ in range(2):
        await asyncio.sleep(0)
        assert not waiting.done()
        await anext(outbox)
    await asyncio.wait_for(waiting, 1)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.booleans()), max_size=60),
    st.integers(1, 6),
)
def test_nothing_is_lost_that_is_not_counted_and_the_newest_of_each_always_comes(
    steps: list[tuple[str | None, bool]], kept: int
) -> None:
    async def story() -> None:
        outbox = Outbox(OutboxLimits(kept=kept, most=100))
        read: list[bytes] = []
        for position, (entity, is_read) in enumerate(steps, start=1):
            outbox.put(message(position, entity))
            if is_read:
                read.append(await anext(outbox))
        told = [json.loads(text) for text in read]
        found = [(each["data"], each.get("extensions", {}).get("replaced", 0)) for each in told]
        found += await everything(outbox)
        positions = [position for position, _ in found]
        assert positions == sorted(set(positions))
        assert sum(1 + replaced for _, replaced in found) == len(steps)
        newest = {entity: position for position, (entity, _) in enumerate(steps, start=1)}
        assert set(newest.values()) <= set(positions)
        assert {position for position, (entity, _) in enumerate(steps, start=1) if entity is None} <= set(
            positions
        )

    asyncio.run(story())


async def test_who_can_not_be_sent_to_costs_whoever_puts_nothing() -> None:
    outbox = Outbox(OutboxLimits(kept=5, most=5))

    def broken(_text: bytes) -> bool:
        raise ValueError("over")

    async def soon(_text: bytes) -> None:
        raise AssertionError("nothing waits")

    pouring = asyncio.ensure_future(outbox.pour(broken, soon))
    await asyncio.sleep(0)
    outbox.put(message(1, None))
    with pytest.raises(ValueError, match="over"):
        await pouring
