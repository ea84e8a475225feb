"""Has everybody heard every event, and nobody twice? And when had the last one heard it?

An event's messages are the same bytes for everybody, so the first one is read and the others are only looked up. How
they come is left to `bench.audience`.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field

from bench.processes import BenchError

_SHOWN = 300


class Count:
    """What one listener has heard: how many messages, and the sum of their marks, which tells which ones."""

    __slots__ = ("count", "marks")

    def __init__(self) -> None:
        self.count = 0
        self.marks = 0


@dataclass(slots=True, eq=False)
class Told:
    """One event on its way; `left` is how many have not heard it, `heard` ends when that is nobody."""

    left: int
    # No secret: that two wrong sums agree by accident is what must not happen.
    mark: int = field(default_factory=lambda: random.getrandbits(48))
    text: bytes = b""
    heard: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Tally:
    """The events that were committed and who has heard them; of an order one event is on its way at a time."""

    def __init__(self) -> None:
        self.counts: list[Count] = []
        self.by_text: dict[bytes, Told] = {}
        self._awaited: dict[str, Told] = {}
        self._all: list[Told] = []
        self._loop = asyncio.get_running_loop()

    @property
    def messages(self) -> int:
        """Return how many messages of the events since the last check have been heard, by all together."""
        return sum(len(self.counts) - told.left for told in self._all)

    def expect(self, order_id: str) -> Told:
        """Say that the next event of an order is about to be committed."""
        assert order_id not in self._awaited, "an order's event is heard before the next is committed"
        told = self._awaited[order_id] = Told(len(self.counts))
        self._all.append(told)
        return told

    def first_heard(self, text: bytes, order_id: str) -> Told:
        """Return the event that a message tells of; raise `BenchError` where none was expected."""
        told = self._awaited.get(order_id)
        if told is None or told.text:
            raise BenchError(f"Nothing was done that this tells of: {text[:_SHOWN]!r}")
        told.text = text
        self.by_text[text] = told
        return told

    def hear(self, told: Told, count: Count) -> None:
        """Note that one more has heard it."""
        count.count += 1
        count.marks += told.mark
        told.left -= 1
        if not told.left:
            self._awaited.pop(order_of(told.text), None)
            if not told.heard.done():
                told.heard.set_result(self._loop.time())

    def fail(self, error: BaseException) -> None:
        """End the wait for everything that is on its way."""
        for told in self._awaited.values():
            if not told.heard.done():
                told.heard.set_exception(error)

    def check(self) -> None:
        """Raise `BenchError` unless everybody has heard every event once; begin anew from nothing."""
        count, marks = len(self._all), sum(told.mark for told in self._all)
        wrong = [each for each in self.counts if (each.count, each.marks) != (count, marks)]
        if wrong:
            heard = ", ".join(str(each.count) for each in wrong[:5])
            raise BenchError(
                f"{len(wrong)} of {len(self.counts)} did not hear each of {count} events once, but {heard}, …"
            )
        self.forget()

    def forget(self) -> None:
        """Begin anew from nothing, whoever has heard what."""
        for each in self.counts:
            each.count = each.marks = 0
        self._all.clear()
        self._awaited.clear()


def order_of(text: bytes) -> str:
    """Return the id of the order that a message of `orderChanged` tells of; raise `BenchError` for another one."""
    message = json.loads(text)
    try:
        order_id: str = message["payload"]["data"]["orderChanged"]["orderId"]
    except (KeyError, TypeError) as error:
        raise BenchError(f"This tells of no order: {text[:_SHOWN]!r}") from error
    return order_id
