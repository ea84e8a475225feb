"""What must a guest of a soak have heard? What of the event table is his, and behind the cursor with which he came."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress

from tests.e2e.rows import fetched
from tests.e2e.soak import SEEN, Guest, Soak, Wish


class Truth:
    """The event table as everybody may see it, read when nobody writes any more."""

    def __init__(self, told: dict[tuple[str, str], list[int]], orders: dict[int, str]) -> None:
        self.orders = orders
        """Of which order each event is, by its place."""

        self._told = told

    @classmethod
    async def read(cls, database_url: str, wishes: Sequence[Wish]) -> Truth:
        """Return the truth about everybody who may have any of these wishes."""
        asked = {(who, wish.told): f"({SEEN[who]}) AND ({wish.told})" for who in SEEN for wish in wishes}
        rows = await fetched(
            database_url,
            f"SELECT f.position, 'Order:' || o.id, {', '.join(asked.values())}"
            " FROM event_feed f JOIN event e ON e.id = f.event_id"
            " JOIN engineering_order o ON o.id = e.aggregate_id ORDER BY f.position",
        )
        told: dict[tuple[str, str], list[int]] = {each: [] for each in asked}
        for position, _, *answers in rows:
            for each, is_told in zip(asked, answers, strict=True):
                if is_told:
                    told[each].append(position)
        return cls(told, {position: order for position, order, *_ in rows})

    def of(self, guest: Guest) -> list[int]:
        """Return the places of all that a guest has to hear if he stays."""
        told = self._told[guest.who, guest.wish.told]
        return told[bisect_right(told, guest.after) :]

    async def await_heard(self, guests: Sequence[Guest | None], seconds: float) -> None:
        """Wait until everybody who is there has heard as much as is his, or for so long; guests may go and come meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while any(guest and len(guest.positions) < len(self.of(guest)) for guest in guests):
                    await asyncio.sleep(0.2)

    def check(self, soak: Soak, stayed: Sequence[Guest | None]) -> None:
        """Compare everybody with it, those who are gone up to the last that they heard."""
        assert {position: self.orders.get(position) for position in soak.orders} == soak.orders
        there = [(guest, self.of(guest)) for guest in stayed if guest is not None]
        gone = [(guest, _until(self.of(guest), guest.last)) for guest in soak.gone]
        for guest, expected in (*there, *gone):
            heard = guest.positions.tolist()
            lost, stolen = sorted({*expected} - {*heard}), sorted({*heard} - {*expected})
            assert heard == expected, (guest.who, guest.wish, lost, stolen)


def _until(positions: list[int], last: int) -> list[int]:
    return positions[: bisect_right(positions, last)]
