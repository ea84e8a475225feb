"""What do mutations answer? The object, null where nothing was done, and the refusals."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.errors import Refusal
from loaders.records import Record
from schema.binding import structural
from schema.errors import UserError, user_error
from schema.orders import Order


@structural
@strawberry.type(description="Answer of every order command.")
class OrderPayload:
    """The order as the command left it."""

    order: Order | None = strawberry.field(description="The order, null where nothing was done.")
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


@structural
@strawberry.type(description="Answer of signing in and refreshing.")
class SessionPayload:
    """Tokens of a session."""

    access_token: str | None = strawberry.field(description="Send it as `Authorization: Bearer …`.")
    refresh_token: str | None = strawberry.field(
        description="Gives the next pair of tokens, once; a second use ends the session."
    )
    expires_at: datetime | None = strawberry.field(description="When the access token ends.")
    errors: list[UserError] = strawberry.field(description="Why there are no tokens; empty where there are.")


@structural
@strawberry.type(description="Answer of signing out.")
class SessionRevokePayload:
    """Whether a session was ended."""

    revoked: bool = strawberry.field(description="Whether the session has ended.")
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


@structural
@strawberry.type(description="Answer of marking notifications.")
class NotificationMarkReadPayload:
    """How many were marked."""

    marked_count: int = strawberry.field(description="How many were unread and are marked now.")
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


def order_payload(order: Record | None, refusals: tuple[Refusal, ...]) -> OrderPayload:
    """Return the payload. A record stands for an order: its type tells the executor so."""
    errors = [user_error(refusal) for refusal in refusals]
    return OrderPayload(order=order, errors=errors)  # pyright: ignore[reportArgumentType]
