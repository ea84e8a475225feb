"""How is marking notifications resolved?"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from commands import notifications
from domain.errors import Refusal
from resolvers.context import Context


async def mark_read(context: Context, ids: Sequence[UUID] | None) -> tuple[int, Refusal | None]:
    """Mark them; return how many were unread, or why none was marked."""
    viewer, runtime = context.signed_in, context.runtime
    await context.settle()
    try:
        count = await notifications.mark_read(
            runtime.database.write, viewer, runtime.policies.of(viewer.shape), ids, context.origin().now
        )
    except Refusal as refusal:
        return 0, refusal
    return count, None
