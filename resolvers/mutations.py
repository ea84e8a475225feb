"""How is a mutation resolved? One command, and its object read from the state that the command has made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from commands.execution import Command, Workbench
from domain.errors import Refusal
from loaders.records import Record
from loaders.rows import row_by_key
from resolvers.context import Context

CommandT = TypeVar("CommandT", bound=Command)


async def perform(
    context: Context,
    type_name: str,
    command: CommandT,
    handler: Callable[[Workbench, CommandT], Awaitable[UUID]],
) -> tuple[Record | None, tuple[Refusal, ...]]:
    """Run a command; return its object as the viewer may see it now, and why it was refused if it was."""
    outcome = (await context.perform(command, handler)).outcome
    if outcome.object_id is None:
        return None, outcome.refusals
    return await row_by_key(context.reads, type_name, outcome.object_id), ()
