"""How is a mutation resolved? One command, and its object read from the state that the command has made."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from orjson import Fragment

from commands.execution import Command, Outcome, Workbench
from domain.errors import Refusal
from loaders.records import Record, WrittenRecord
from loaders.rows import row_by_key
from planner.arguments import Unplannable
from planner.plan import Ready
from resolvers.context import Context, Info
from resolvers.plan_mistakes import logged_mistakes

CommandT = TypeVar("CommandT", bound=Command)


async def perform(
    info: Info,
    type_name: str,
    command: CommandT,
    handler: Callable[[Workbench, CommandT], Awaitable[UUID]],
) -> tuple[Record | None, tuple[Refusal, ...]]:
    """Run a command; return its object as the viewer may see it now, and why it was refused if it was."""
    record, outcome = await performed(info, type_name, command, handler)
    return record, outcome.refusals


async def performed(
    info: Info,
    type_name: str,
    command: CommandT,
    handler: Callable[[Workbench, CommandT], Awaitable[UUID]],
) -> tuple[Record | None, Outcome]:
    """Run a command; return its object as the viewer may see it now, and all that came of it."""
    context = info.context
    outcome = (await context.perform(command, handler)).outcome
    if outcome.object_id is None:
        return None, outcome
    written = await _written(context, str(info.path.key), type_name, outcome.object_id)
    return written or await row_by_key(context.reads, type_name, outcome.object_id), outcome


async def _written(context: Context, root_key: str, type_name: str, key: UUID) -> WrittenRecord | None:
    """Return the object as JSON, null where loaders have to read it."""
    if context.payloads is None:
        return None
    trace = context.trace
    try:
        began = time.perf_counter()
        with logged_mistakes(context.facts.request_id):
            ready = context.payloads.ready(root_key, type_name, key)
        trace.sql, trace.planned_seconds = ready.plan.statement.sql, ready.plan.seconds
        trace.took("plan", began)
        *contents, points = await _values(context, ready)
        if None in contents:
            return None
        read = time.perf_counter()
        with logged_mistakes(context.facts.request_id):
            written = {
                key: Fragment(ready.plan.answer(data, context.signed_in, key))
                for key, data in zip(ready.plan.keys, contents, strict=True)
            }
        trace.took("finish", read)
    except Unplannable as reason:
        trace.reason = str(reason)
        return None
    trace.path = "planned"
    context.points += points
    return WrittenRecord(type_name, key, written)


# Any: columns are JSON as bytes, and last what they cost.
async def _values(context: Context, ready: Ready) -> Sequence[Any]:
    began = time.perf_counter()
    try:
        row = await context.reads.session.row(ready.plan.statement.sql, ready.arguments)
    finally:
        context.trace.took("statement", began)
    assert row is not None, "the root is one row"
    return tuple(row.values())
