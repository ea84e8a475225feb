"""When is it noted that orders have become overdue? Every few minutes, by whichever process comes first."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, tzinfo
from typing import Never, Self

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.orders.overdue import ORDERS_AT_ONCE, note_overdue
from db.events import Origin
from domain.errors import Unavailable
from policies.rules import Rulebook

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class DueWatch:
    """Notes overdue orders every `seconds`, by the days of `time_zone`, while it is open (`async with`); never for 0."""

    def __init__(self, engine: AsyncEngine, rulebook: Rulebook, time_zone: tzinfo, seconds: int) -> None:
        self._engine = engine
        self._rulebook = rulebook
        self._time_zone = time_zone
        self._seconds = seconds
        self._watching: asyncio.Task[Never] | None = None

    async def __aenter__(self) -> Self:
        if self._seconds:
            self._watching = asyncio.create_task(self._watch(), name="due watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def look(self) -> int:
        """Note every order that is overdue now; return how many there were."""
        count, noted = 0, ORDERS_AT_ONCE
        while noted == ORDERS_AT_ONCE:
            now = datetime.now(UTC)
            today = now.astimezone(self._time_zone).date()
            noted = await note_overdue(self._engine, self._rulebook, Origin(None, None, None, now), today)
            count += noted
        return count

    async def _watch(self) -> Never:
        while True:
            # Processes that were started together don't all come at once.
            await asyncio.sleep(self._seconds * random.uniform(0.5, 1))  # noqa: S311 (spreads load)
            try:
                count = await self.look()
            except Unavailable:
                _log.warning("overdue_orders_not_noted")
            except Exception:  # noqa: BLE001 (a watch that ended in silence would tell nobody ever again)
                _log.exception("due_watch_failed")
            else:
                if count:
                    _log.info("overdue_orders_noted", count=count)
