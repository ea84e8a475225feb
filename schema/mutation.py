"""What can be done? Each mutation is one command; input in, payload out."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry import UNSET

from commands.orders.assigning import assign_order
from commands.orders.drafting import create_order, update_order
from commands.orders.progress import report_progress
from commands.orders.steps import step_order
from domain.identifiers import parse_key
from domain.order import OrderAction
from resolvers import notifications, sessions
from resolvers.context import Info
from resolvers.mutations import perform
from resolvers.relations import given
from schema.bom_mutations import BomMutation
from schema.bom_replacing import BomReplacingMutation
from schema.engineering_change_mutations import EngineeringChangeMutation
from schema.errors import user_error
from schema.inputs import (
    OrderActionInput,
    OrderAssignInput,
    OrderCreateInput,
    OrderProgressInput,
    OrderReviseInput,
    OrderUpdateInput,
)
from schema.order_bom_mutations import OrderBomMutation
from schema.payloads import (
    NotificationMarkReadPayload,
    OrderPayload,
    SessionPayload,
    SessionRevokePayload,
    order_payload,
)

_INPUT = strawberry.argument(description="What to do, and with what.")


@strawberry.input(description="Signs in.")
class SessionCreateInput:
    """Input of `sessionCreate`."""

    username: str = strawberry.field(description="The person's username.")
    password: str = strawberry.field(description="His password.")


@strawberry.input(description="Exchanges a refresh token for the next tokens.")
class SessionRefreshInput:
    """Input of `sessionRefresh`."""

    refresh_token: str = strawberry.field(description="The newest refresh token of the session.")


@strawberry.input(description="Signs out.")
class SessionRevokeInput:
    """Input of `sessionRevoke`."""

    refresh_token: str | None = strawberry.field(
        default=UNSET, description="A refresh token of the session to end; without it, the session that asks."
    )


@strawberry.input(description="Marks notifications as read.")
class NotificationMarkReadInput:
    """Input of `notificationMarkRead`."""

    ids: list[strawberry.ID] | None = strawberry.field(
        default=UNSET, description="Which ones, at most 500; without it all that are unread."
    )


@strawberry.type(description="What can be done.")
class Mutation(OrderBomMutation, BomMutation, BomReplacingMutation, EngineeringChangeMutation):
    """The root of mutations."""

    @strawberry.mutation(description="Sign in with username and password.")
    async def session_create(
        self, info: Info, input: Annotated[SessionCreateInput, _INPUT]
    ) -> SessionPayload:
        """Open a session."""
        tokens, refusal = await sessions.sign_in(info.context, input.username, input.password)
        return SessionPayload(**tokens, errors=[user_error(refusal)] if refusal else [])

    @strawberry.mutation(
        description="Exchange a refresh token for the next tokens. A second use ends the session."
    )
    async def session_refresh(
        self, info: Info, input: Annotated[SessionRefreshInput, _INPUT]
    ) -> SessionPayload:
        """Continue a session."""
        tokens, refusal = await sessions.refresh(info.context, input.refresh_token)
        return SessionPayload(**tokens, errors=[user_error(refusal)] if refusal else [])

    @strawberry.mutation(description="Sign out. Takes effect on the next request and on open subscriptions.")
    async def session_revoke(
        self, info: Info, input: Annotated[SessionRevokeInput, _INPUT]
    ) -> SessionRevokePayload:
        """End a session."""
        refusal = await sessions.revoke(info.context, given(input.refresh_token))
        return SessionRevokePayload(revoked=refusal is None, errors=[user_error(refusal)] if refusal else [])

    @strawberry.mutation(description="Mark what the viewer was told as read. Doing it again changes nothing.")
    async def notification_mark_read(
        self, info: Info, input: Annotated[NotificationMarkReadInput, _INPUT]
    ) -> NotificationMarkReadPayload:
        """Mark notifications."""
        ids = given(input.ids)
        keys = None if ids is None else [parse_key(each, "Notification") for each in ids]
        count, refusal = await notifications.mark_read(info.context, keys)
        return NotificationMarkReadPayload(
            marked_count=count, errors=[user_error(refusal)] if refusal else []
        )

    @strawberry.mutation(description="Open a draft in a project.")
    async def order_create(self, info: Info, input: Annotated[OrderCreateInput, _INPUT]) -> OrderPayload:
        """Create an order."""
        return order_payload(*await perform(info, "Order", input.command(), create_order))

    @strawberry.mutation(description="Change a draft.")
    async def order_update(self, info: Info, input: Annotated[OrderUpdateInput, _INPUT]) -> OrderPayload:
        """Update an order."""
        return order_payload(*await perform(info, "Order", input.command(), update_order))

    @strawberry.mutation(description="Say what is done so far.")
    async def order_report_progress(
        self, info: Info, input: Annotated[OrderProgressInput, _INPUT]
    ) -> OrderPayload:
        """Report progress."""
        return order_payload(*await perform(info, "Order", input.command(), report_progress))

    @strawberry.mutation(description="Say who is assigned.")
    async def order_assign(self, info: Info, input: Annotated[OrderAssignInput, _INPUT]) -> OrderPayload:
        """Assign people."""
        return order_payload(*await perform(info, "Order", input.command(), assign_order))

    @strawberry.mutation(description="Take a rejected order back to draft, as its next revision.")
    async def order_revise(self, info: Info, input: Annotated[OrderReviseInput, _INPUT]) -> OrderPayload:
        """Revise an order."""
        return await _step(info, input, OrderAction.REVISE)

    @strawberry.mutation(description="Submit a draft for approval 提交.")
    async def order_submit(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.SUBMIT)

    @strawberry.mutation(
        description="Approve a submitted order 批准; never one's own, within the project's limit unless granted beyond it."
    )
    async def order_approve(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.APPROVE)

    @strawberry.mutation(description="Reject a submitted order 驳回; needs a note.")
    async def order_reject(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.REJECT)

    @strawberry.mutation(
        description="Release an approved order for work 下达; somebody must be there to do it."
    )
    async def order_release(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.RELEASE)

    @strawberry.mutation(description="Start work 开工.")
    async def order_start(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.START)

    @strawberry.mutation(description="Stop work for a while 暂停; needs a note.")
    async def order_hold(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.HOLD)

    @strawberry.mutation(description="Go on with work 复工.")
    async def order_resume(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.RESUME)

    @strawberry.mutation(description="Say that all work is done 完工; every line must be.")
    async def order_complete(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.COMPLETE)

    @strawberry.mutation(description="Accept completed work 验收.")
    async def order_accept(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.ACCEPT)

    @strawberry.mutation(description="Settle an accepted order 结算.")
    async def order_settle(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.SETTLE)

    @strawberry.mutation(description="Give an order up before completion 取消; needs a note.")
    async def order_cancel(self, info: Info, input: Annotated[OrderActionInput, _INPUT]) -> OrderPayload:
        """Take the step."""
        return await _step(info, input, OrderAction.CANCEL)


async def _step(info: Info, input: OrderActionInput, action: OrderAction) -> OrderPayload:
    return order_payload(*await perform(info, "Order", input.step(action), step_order))
