"""Which costs change without a command? Those of items whose lines or revisions begin or end on a day that has come.

And those that nobody has asked for: of items that were loaded in bulk. It is looked for both, once for each day and every
process; also whether something waits that no job is left to do, whatever became of the one that was.
"""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from sqlalchemy import Table, bindparam, exists, select, text
from sqlalchemy.dialects.postgresql import insert

from commands.recosting.asking import RECOST, ask_for_recost
from commands.recosting.runs import Recosting
from commands.transactions import transaction
from db.events import Origin
from db.job_queue import enqueue
from db.recost_structures import ACTIVE, DUE, GIVEN_UP, NEVER_COMPUTED, WATCHED
from db.recost_tables import RecostRequestRow, RecostRunRow, RecostWatchRow
from domain.recost import Cause

KEPT_DAYS = 7
"""For how many days it is kept which steps a run took, and what the queue has to say of its jobs."""

_WATCH = cast("Table", RecostWatchRow.__table__)


async def watch_days(recosting: Recosting) -> int:
    """Ask for what became due since this was last looked for; return for how many items."""
    now, today = recosting.now(), recosting.today()
    origin = Origin(None, None, None, now)
    async with transaction(recosting.engine) as session:
        since = await session.scalar(WATCHED)
        due = []
        if since is None:
            await session.execute(insert(_WATCH).on_conflict_do_nothing(), {"id": 1, "day": today})
        elif since < today:
            due = [row.item_id for row in await session.execute(DUE, {"since": since, "day": today})]
            await session.execute(_WATCHED_UP_TO, {"up_to": today})
        await ask_for_recost(session, origin, Cause.DAY, due)
    return len(due)


async def watch_missing(recosting: Recosting) -> int:
    """Ask for what is made and was never computed, and not asked for either; return for how many items.

    So is what a run has left that was given up: what was wrong with it may be mended by now.
    """
    origin = Origin(None, None, None, recosting.now())
    async with transaction(recosting.engine) as session:
        waits = await session.scalar(_WAITS)
        found = await session.execute(NEVER_COMPUTED, {"day": recosting.today()})
        given_up = await session.execute(GIVEN_UP)
        missing = [] if waits else [row.item_id for row in (*found, *given_up)]
        await ask_for_recost(session, origin, Cause.MISSING, missing)
    return len(missing)


async def renew_job(recosting: Recosting) -> bool:
    """Put a job into the queue where something waits and none is there; return whether that was so."""
    async with transaction(recosting.engine) as session:
        is_lost = await session.scalar(_IS_LOST, {"entrypoint": RECOST})
        if is_lost:
            await enqueue(session, RECOST)
    return bool(is_lost)


async def forget_old(recosting: Recosting) -> None:
    """Remove what nobody asks about any more: steps of runs that have ended well, and the queue's own log."""
    async with transaction(recosting.engine) as session:
        before = {"before": recosting.now() - timedelta(days=KEPT_DAYS)}
        await session.execute(_FORGET_STEPS, before)
        await session.execute(_FORGET_JOBS, before)


_REQUEST, _RUN = RecostRequestRow.__table__, RecostRunRow.__table__
_WATCHED_UP_TO = _WATCH.update().values(day=bindparam("up_to"))
_WAITS = select(exists().where(_REQUEST.c.is_pending) | exists().where(_RUN.c.state.in_(ACTIVE)))
_IS_LOST = _WAITS.where(
    text(
        "NOT EXISTS (SELECT FROM pgqueuer WHERE entrypoint = :entrypoint AND status IN ('queued', 'picked'))"
    )
)
_FORGET_STEPS = text(
    "DELETE FROM recost_step USING recost_run"
    " WHERE recost_run.id = run_id AND recost_run.state = 'DONE' AND recost_run.ended_at < :before"
)
_FORGET_JOBS = text("DELETE FROM pgqueuer_log WHERE created < :before")
