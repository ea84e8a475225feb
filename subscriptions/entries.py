"""What travels to listeners about a committed event?

Ids and positions only, never a field's value: what a listener may see is decided when he is told, by the
rights he has then. How entries travel is left to `subscriptions.stream_store` and `subscriptions.stream`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from uuid import UUID

import orjson

from loaders.places import cursor_of


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A committed event at its place in the one total order (1, 2, 3, … without gaps)."""

    position: int
    event_id: UUID
    type: str
    aggregate_type: str
    aggregate_id: UUID
    project_id: UUID | None
    version: int
    notified_ids: tuple[UUID, ...] = ()
    """Who is told of it because it concerns him."""

    @property
    def cursor(self) -> str:
        """Return what a client sends as `after` to go on behind this entry."""
        return cursor_of(self.position)


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries `first` to `last`, both included, are not delivered; `event_feed` still has them.

    `first` is 1 where nobody knows what was delivered before.
    """

    first: int
    last: int
    is_anew: bool = False
    """Whether the feed tells of another database from here on, such as one that was restored."""


def encode(entry: FeedEntry) -> str:
    """Return the entry as the text that is kept in the stream."""
    project_id = entry.project_id
    fields: list[str | int | list[str] | None] = [
        entry.position,
        str(entry.event_id),
        entry.type,
        entry.aggregate_type,
        str(entry.aggregate_id),
        None if project_id is None else str(project_id),
        entry.version,
        [str(user_id) for user_id in entry.notified_ids],
    ]
    return orjson.dumps(fields).decode()


def decode(text: str) -> FeedEntry:
    """Return the entry that `encode` wrote; raise ValueError for anything else."""
    match cast("object", orjson.loads(text)):
        case [
            int(position),
            str(event_id),
            str(type_),
            str(aggregate_type),
            str(aggregate_id),
            str() | None as project_id,
            int(version),
            list() as notified,  # pyright: ignore[reportUnknownVariableType]  (of whatever JSON holds)
        ]:
            return FeedEntry(
                position=position,
                event_id=UUID(event_id),
                type=type_,
                aggregate_type=aggregate_type,
                aggregate_id=UUID(aggregate_id),
                project_id=None if project_id is None else UUID(project_id),
                version=version,
                notified_ids=tuple(UUID(str(each)) for each in cast("list[object]", notified)),
            )
        case _:
            raise ValueError("not an entry of the feed")
