"""How does work get into the queue that outlives every process? Of pgqueuer, whose tables our migrations make.

A job is put there in the transaction of the change that makes it necessary: either both are kept or neither is. Who
takes it out is left to `server.recost_worker`. Why this library, see docs/decisions/0017.
"""

from __future__ import annotations

import asyncio
from typing import Self

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.queries import Queries

from db.sessions import Transaction

CHANNEL = "ch_pgqueuer"
"""The NOTIFY channel that says there is a job."""

# Said in full: what the library is not told, it reads from the environment, under names such as FUNCTION or CHANNEL.
_SETTINGS = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel(CHANNEL),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
)


def queries_over(driver: Driver) -> Queries:
    """Return the library's statements over a connection of some kind."""
    return Queries(driver, QueryBuilderEnvironment(_SETTINGS), QueryQueueBuilder(_SETTINGS))


async def enqueue(session: Transaction, entrypoint: str) -> None:
    """Ask for a job to be done once this transaction has committed.

    Not told apart from others that wait (`dedupe_key`): whoever did so would wait for the others' commits.
    """
    await queries_over(_InTransaction(session)).enqueue(entrypoint, None)


class _InTransaction(Driver):
    """The library's driver over a transaction of ours, as far as putting in a job needs one."""

    def __init__(self, session: Transaction) -> None:
        self._session = session

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self._session.rows(query, args)]

    async def execute(self, query: str, *args: object) -> str:
        raise NotImplementedError

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        raise NotImplementedError

    async def notify(self, channel: str, payload: str) -> None:
        raise NotImplementedError

    @property
    def shutdown(self) -> asyncio.Event:
        raise NotImplementedError

    @property
    def tm(self) -> TaskManager:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave the transaction to its owner."""
