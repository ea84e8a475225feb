"""Does the fan-out bench notice when a subscriber misses something, or hears it twice? No sockets here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from bench.processes import BenchError
from bench.tally import Count, Tally, order_of

ONE, OTHER = "Order:1", "Order:2"


def test_event_is_heard_when_the_last_one_has_heard_it() -> None:
    def tell(tally: Tally) -> None:
        told = tally.expect(ONE)
        _say(tally, 0, ONE)
        assert not told.heard.done()
        assert tally.messages == 1
        _say(tally, 1, ONE)
        assert told.heard.done()
        assert tally.messages == 2

    _with_two_listeners(tell)


def test_everybody_having_heard_everything_once_is_right() -> None:
    def tell(tally: Tally) -> None:
        for nth, order in enumerate((ONE, OTHER, ONE)):
            tally.expect(order)
            _say(tally, 0, order, nth)
            _say(tally, 1, order, nth)
        tally.check()
        assert tally.messages == 0
        tally.check()

    _with_two_listeners(tell)


def test_missed_event_is_noticed() -> None:
    def tell(tally: Tally) -> None:
        tally.expect(ONE)
        _say(tally, 0, ONE)
        with pytest.raises(BenchError, match=r"^1 of 2 did not hear each of 1 events once, but 0, …$"):
            tally.check()

    _with_two_listeners(tell)


def test_event_heard_twice_is_noticed_after_all_have_heard_it() -> None:
    def tell(tally: Tally) -> None:
        tally.expect(ONE)
        for listener in (0, 1, 1):
            _say(tally, listener, ONE)
        with pytest.raises(BenchError, match=r"^1 of 2 did not hear each of 1 events once, but 2, …$"):
            tally.check()

    _with_two_listeners(tell)


def test_one_event_heard_twice_in_place_of_another_is_noticed() -> None:
    def tell(tally: Tally) -> None:
        tally.expect(ONE)
        tally.expect(OTHER)
        _say(tally, 0, ONE)
        _say(tally, 0, OTHER)
        _say(tally, 1, ONE)
        _say(tally, 1, ONE)
        with pytest.raises(BenchError, match=r"^1 of 2 did not hear each of 2 events once, but 2, …$"):
            tally.check()

    _with_two_listeners(tell)


def test_message_of_what_nobody_did_is_refused() -> None:
    def tell(tally: Tally) -> None:
        with pytest.raises(BenchError, match=r"^Nothing was done that this tells of: "):
            _say(tally, 0, ONE)

    _with_two_listeners(tell)


def test_second_text_for_one_event_is_refused() -> None:
    def tell(tally: Tally) -> None:
        tally.expect(ONE)
        _say(tally, 0, ONE, 1)
        with pytest.raises(BenchError, match=r"^Nothing was done that this tells of: "):
            _say(tally, 1, ONE, 2)

    _with_two_listeners(tell)


def test_who_waits_is_told_why_nothing_comes() -> None:
    def tell(tally: Tally) -> None:
        told = tally.expect(ONE)
        tally.fail(BenchError("The server has closed a socket"))
        with pytest.raises(BenchError, match=r"^The server has closed a socket$"):
            told.heard.result()

    _with_two_listeners(tell)


def test_message_without_an_order_is_refused() -> None:
    with pytest.raises(BenchError, match=r"^This tells of no order: "):
        order_of(b'{"id":"1","type":"next","payload":{"data":null,"errors":[]}}')


def _with_two_listeners(tell: Callable[[Tally], None]) -> None:
    async def run() -> None:
        tally = Tally()
        tally.counts += [Count(), Count()]
        tell(tally)

    asyncio.run(run())


def _say(tally: Tally, listener: int, order_id: str, nth: int = 0) -> None:
    """Let a listener hear the nth message of an order, as `bench.audience` does."""
    told = {"orderId": order_id, "event": {"version": nth}}
    text = json.dumps({"payload": {"data": {"orderChanged": told}}}).encode()
    known = tally.by_text.get(text)
    tally.hear(tally.first_heard(text, order_of(text)) if known is None else known, tally.counts[listener])
