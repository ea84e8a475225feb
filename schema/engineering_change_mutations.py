"""What can be done to engineering changes? Each mutation is one command; input in, payload out."""

from __future__ import annotations

from typing import Annotated

import strawberry

from commands.engineering_changes.drafting import create_change, update_change
from commands.engineering_changes.steps import step_change
from domain.engineering_change import ChangeAction
from domain.errors import Refusal
from loaders.records import Record
from resolvers.context import Info
from resolvers.mutations import perform
from schema.binding import structural
from schema.engineering_change_inputs import (
    EngineeringChangeActionInput,
    EngineeringChangeCreateInput,
    EngineeringChangeUpdateInput,
)
from schema.engineering_changes import EngineeringChange
from schema.errors import UserError, user_error

_TYPE = "EngineeringChange"
_INPUT = strawberry.argument(description="What to do, and with what.")


@structural
@strawberry.type(description="Answer of every command of engineering changes.")
class EngineeringChangePayload:
    """The change as the command left it."""

    engineering_change: EngineeringChange | None = strawberry.field(
        description="The engineering change, null where nothing was done."
    )
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


@strawberry.type
class EngineeringChangeMutation:
    """The mutations of engineering changes."""

    @strawberry.mutation(description="Open an engineering change 工程变更 with drafts of BOM revisions.")
    async def engineering_change_create(
        self, info: Info, input: Annotated[EngineeringChangeCreateInput, _INPUT]
    ) -> EngineeringChangePayload:
        """Create a change."""
        return _payload(*await perform(info, _TYPE, input.command(), create_change))

    @strawberry.mutation(description="Change what an engineering change says and holds, while it is a draft.")
    async def engineering_change_update(
        self, info: Info, input: Annotated[EngineeringChangeUpdateInput, _INPUT]
    ) -> EngineeringChangePayload:
        """Update a change."""
        return _payload(*await perform(info, _TYPE, input.command(), update_change))

    @strawberry.mutation(
        description="Ask for a review 送审; what the change holds is not edited from here on. It holds drafts only."
    )
    async def engineering_change_submit(
        self, info: Info, input: Annotated[EngineeringChangeActionInput, _INPUT]
    ) -> EngineeringChangePayload:
        """Submit a change."""
        return await _step(info, input, ChangeAction.SUBMIT)

    @strawberry.mutation(
        description="Release 发布 all that a change holds, or nothing; what was in force is superseded. Nobody releases what he"
        " submitted or last edited. What keeps a revision from coming into force is told with its id in the path."
    )
    async def engineering_change_release(
        self, info: Info, input: Annotated[EngineeringChangeActionInput, _INPUT]
    ) -> EngineeringChangePayload:
        """Release a change."""
        return await _step(info, input, ChangeAction.RELEASE)

    @strawberry.mutation(
        description="Reject 驳回 a change for good, with a note that says why; what it held is free again."
    )
    async def engineering_change_reject(
        self, info: Info, input: Annotated[EngineeringChangeActionInput, _INPUT]
    ) -> EngineeringChangePayload:
        """Reject a change."""
        return await _step(info, input, ChangeAction.REJECT)


async def _step(
    info: Info, input: EngineeringChangeActionInput, action: ChangeAction
) -> EngineeringChangePayload:
    return _payload(*await perform(info, _TYPE, input.step(action), step_change))


def _payload(change: Record | None, refusals: tuple[Refusal, ...]) -> EngineeringChangePayload:
    errors = [user_error(refusal) for refusal in refusals]
    return EngineeringChangePayload(
        engineering_change=change,  # pyright: ignore[reportArgumentType]  (see order_payload)
        errors=errors,
    )
