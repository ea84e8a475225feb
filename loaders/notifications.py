"""What was somebody told because it concerns him: as a list, newest first, and as it comes?"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from sqlalchemy import ColumnElement, exists, literal_column, select
from sqlalchemy.types import Boolean

from db.tables import EventRow, NotificationRow
from loaders.cursors import SortKey
from loaders.news import FOLLOW, Announced
from loaders.questions import Listing, Parameters
from policies.bindings import AnySelect
from policies.compiler import Policy
from policies.viewer import Viewer

_EVENT, _NOTIFICATION = EventRow.__table__, NotificationRow.__table__


@dataclass(frozen=True)
class NotificationCriteria:
    """Which notifications of the viewer: all of them, or those that he has or has not read."""

    is_read: bool | None = None

    @property
    def shape(self) -> Hashable:
        """Return what the listing's SQL depends on."""
        return "notifications", self.is_read

    @property
    def values(self) -> Mapping[str, object]:
        """Return no values: there are no parameters."""
        return {}

    def listing(self, policy: Policy, parameters: Parameters) -> Listing:
        """Return the notifications, newest first. Neither column is ever hidden in one's own."""
        key = SortKey("id", _NOTIFICATION.c.id, is_descending=True)
        if self.is_read is None:
            return Listing("Notification", (key,))
        is_unread = _NOTIFICATION.c.read_at.is_(None)
        return Listing("Notification", (key,), (~is_unread if self.is_read else is_unread,))


@dataclass(frozen=True)
class NoticeQuestion:
    """What the viewer is told from now on, or behind the position `after` in the feed; `user_id` is the viewer."""

    after: int | None = None
    user_id: UUID | None = None

    subject = "Notification"
    """The type of what a message shows."""

    @property
    def shape(self) -> Hashable:
        """Return what its SQL depends on."""
        return "notices"

    @property
    def values(self) -> Mapping[str, object]:
        """Return no values: there are no parameters but the viewer's."""
        return {}

    @property
    def places(self) -> Iterator[Hashable]:
        """Yield whom all its events notify."""
        yield self._user

    def of(self, viewer: Viewer) -> Self:
        """Return the question as a viewer asks it."""
        return replace(self, user_id=viewer.user_id)

    def may_be_told(self, event: Announced) -> bool:
        """Return whether an event notifies the viewer."""
        return self._user in event.notified_ids

    def candidates(self) -> Iterator[ColumnElement[bool]]:
        """Yield the condition of `may_be_told` for the events in the log."""
        is_his = (_NOTIFICATION.c.event_id == _EVENT.c.id) & (_NOTIFICATION.c.user_id == self._user)
        yield exists(select(1).where(is_his).correlate(_EVENT))

    def entity(self, event: Announced) -> Hashable:
        """Return the event: no notification stands for another."""
        return event.event_id

    def sights(self, policy: Policy, parameters: Parameters) -> AnySelect:
        """Return (event_id, subject_id, is_seen) of the events of which the viewer is told."""
        return select(
            _NOTIFICATION.c.event_id.label("event_id"),
            _NOTIFICATION.c.id.label("subject_id"),
            literal_column("true", Boolean()).label("is_seen"),
        ).where(
            policy.rows("notification", NotificationRow),
            policy.rows("notification", NotificationRow, FOLLOW),
        )

    @property
    def _user(self) -> UUID:
        assert self.user_id is not None, "asked by a viewer"
        return self.user_id
