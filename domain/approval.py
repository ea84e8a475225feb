"""Who may approve a document?

Today a route has one step: somebody with the deed, up to the project's limit, above it only who may exceed limits,
and never who submitted or last edited it. Routes with several steps will answer the same question through
`approval_blockers`, from the open step of an instance instead of from the limit.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from domain.errors import Blocker


@dataclass(frozen=True, slots=True)
class Approver:
    """Who asks to approve, and whether the policy lets him exceed a project's limit."""

    user_id: UUID
    may_exceed_limit: bool


def author_blockers(authors: Collection[UUID | None], user_id: UUID) -> list[Blocker]:
    """Return what keeps somebody from deciding on a document whose authors are known: that he is one of them."""
    if user_id not in authors:
        return []
    return [Blocker("OWN_DOCUMENT", "Nobody approves what he submitted or last edited.")]


def approval_blockers(
    amount: Decimal | None, limit: Decimal | None, authors: Collection[UUID | None], approver: Approver
) -> list[Blocker]:
    """Return what keeps `approver` from approving; amounts in the project's currency, no limit means none may."""
    found = author_blockers(authors, approver.user_id)
    within = amount is not None and limit is not None and amount <= limit
    if not within and not approver.may_exceed_limit:
        found.append(
            Blocker("OVER_APPROVAL_LIMIT", "The amount is above what you may approve in this project.")
        )
    return found
