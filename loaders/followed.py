"""What can be followed, and what is one event of it to a viewer?"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import RowMapping, bindparam

from loaders.news import NewsQuestion
from loaders.notifications import NoticeQuestion
from loaders.questions import Parameters
from loaders.reads import Reads

FollowQuestion = NewsQuestion | NoticeQuestion

_WORD = re.compile("(?<!^)(?=[A-Z])")


def member_of(question: FollowQuestion) -> str:
    """Return which member of a message shows its subject, in Python: `engineering_change`; `…_id` is its id."""
    return _WORD.sub("_", question.subject).lower()


async def sight_of(reads: Reads, question: FollowQuestion, event_id: UUID) -> RowMapping | None:
    """Return what `sights` says of one event, null where it is nothing to the viewer."""
    sights = question.sights(reads.policy, Parameters())
    of_event = sights.where(sights.selected_columns["event_id"] == bindparam("event"))
    rows = await reads.fetch(of_event, {**question.values, "event": event_id})
    return rows[0] if rows else None
