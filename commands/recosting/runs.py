"""What is the next thing to do for the costs of what is made? Begin a run, find out whom it concerns, or compute a batch.

Each is one transaction, so that a process may end at any moment: the next one goes on where it stopped. They take turns
under one lock, so that of two that believe they are at work neither repeats what the other has done. A run takes all that
was asked for when it begins; what is asked for later is for the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from enum import Enum, auto
from typing import cast
from uuid import UUID

import structlog
from sqlalchemy import (
    Integer,
    RowMapping,
    Table,
    Update,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.recosting.collecting import collect
from commands.recosting.computing import compute_batch
from commands.transactions import transaction
from db.events import Origin
from db.identifiers import new_id
from db.recost_structures import ACTIVE
from db.recost_tables import RecostRequestRow, RecostRunRow
from db.sessions import Transaction
from domain.errors import Unavailable
from domain.recost import RunState

ATTEMPTS_LIMIT = 5
"""How often in a row a run may fail before it is given up; what it has left is taken over by the next one."""

_LOCK_KEY = 0x454F5243
"""Held by each of these transactions ("EORC" in ASCII)."""

_RUN = cast("Table", RecostRunRow.__table__)
_REQUEST = cast("Table", RecostRequestRow.__table__)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Progress(Enum):
    """Whether there is more to do."""

    MORE = auto()
    NOTHING = auto()


@dataclass(frozen=True)
class Recosting:
    """Keeps the costs of one company right, by the days of its time zone."""

    engine: AsyncEngine
    time_zone: tzinfo
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def today(self) -> date:
        """Return which day it is for the company."""
        return self.now().astimezone(self.time_zone).date()

    async def advance(self) -> Progress:
        """Do the next thing in one transaction; a failure is counted in the run and raised."""
        run: RowMapping | None = None
        try:
            async with transaction(self.engine) as session:
                await session.execute(_LOCK)
                run = (await session.execute(_ACTIVE_RUN)).mappings().first()
                return await self._advance(session, run)
        except Unavailable:
            # Nothing is wrong with the run where the database is away.
            raise
        except Exception as error:
            if run is not None:
                await self._note_failure(run["id"], error)
            raise

    async def finish(self) -> None:
        """Do all there is to do."""
        while await self.advance() is Progress.MORE:
            pass

    async def _advance(self, session: Transaction, run: RowMapping | None) -> Progress:
        origin = Origin(None, None, None, self.now())
        if run is None:
            return await self._begin(session, origin)
        if run["state"] is RunState.COLLECTING:
            await collect(session, run["id"], run["day"], origin.now)
        else:
            await compute_batch(session, run["id"], run["day"], origin)
        return Progress.MORE

    async def _begin(self, session: Transaction, origin: Origin) -> Progress:
        if not await session.scalar(_IS_PENDING):
            return Progress.NOTHING
        run_id = new_id()
        await session.execute(
            insert(_RUN),
            {
                "id": run_id,
                "state": RunState.COLLECTING,
                "day": self.today(),
                "request_count": 0,
                "total_count": 0,
                "done_count": 0,
                "changed_count": 0,
                "attempts": 0,
                "started_at": origin.now,
            },
        )
        taken = await session.execute(_TAKE, {"run": run_id})
        await session.execute(_COUNT_REQUESTS, {"run": run_id, "count": taken.rowcount})
        return Progress.MORE

    async def _note_failure(self, run_id: UUID, error: Exception) -> None:
        """Count a failure; a run that fails again and again is given up, so that the next one may do better."""
        async with transaction(self.engine) as session:
            values = {
                "run": run_id,
                "fault": type(error).__name__,
                "limit": ATTEMPTS_LIMIT,
                "now": self.now(),
            }
            row = (await session.execute(_NOTE_FAILURE, values)).first()
        if row is not None and row.state is RunState.FAILED:
            _log.error("recost_run_given_up", run_id=str(run_id), fault=type(error).__name__)


_LOCK = select(func.pg_advisory_xact_lock(literal(_LOCK_KEY)))
_ACTIVE_RUN = select(_RUN).where(_RUN.c.state.in_(ACTIVE))
_IS_PENDING = select(exists().where(_REQUEST.c.is_pending))
_TAKE = update(_REQUEST).where(_REQUEST.c.is_pending).values(run_id=bindparam("run"))
_COUNT_REQUESTS = update(_RUN).where(_RUN.c.id == bindparam("run")).values(request_count=bindparam("count"))


def _note_failure() -> Update:
    attempts = _RUN.c.attempts + 1
    is_given_up = attempts >= bindparam("limit", type_=Integer())
    return (
        update(_RUN)
        .where(_RUN.c.id == bindparam("run"), _RUN.c.state.in_(ACTIVE))
        .values(
            attempts=attempts,
            fault=bindparam("fault"),
            state=case((is_given_up, literal(RunState.FAILED, _RUN.c.state.type)), else_=_RUN.c.state),
            ended_at=case((is_given_up, bindparam("now", type_=_RUN.c.ended_at.type)), else_=None),
        )
        .returning(_RUN.c.state)
    )


_NOTE_FAILURE = _note_failure()
