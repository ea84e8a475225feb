"""What travels to listeners about a committed event, and how is a place in the feed named outside?

Ids and positions only, never a field's value: what a listener may see is decided when he is told, by the
rights he has then. How entries travel is left to `subscriptions.stream_store` and `subscriptions.stream`.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import orjson

from domain.errors import MalformedRequest

_CURSOR_VERSION = b"F1"
_POSITION_BYTES = 8
_LAST_POSITION = 2**63 - 1


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

    @property
    def cursor(self) -> str:
        """Return what a client sends as `after` to go on behind this entry."""
        return cursor_of(self.position)


@dataclass(frozen=True, slots=True)
class Gap:
    """Entries `first` to `last`, both included, are not delivered; `event_feed` still has them.

    `first` is 1 where nothing before `last` can be relied on.
    """

    first: int
    last: int


def encode(entry: FeedEntry) -> str:
    """Return the entry as the text that is kept in the stream."""
    project_id = entry.project_id
    fields: list[str | int | None] = [
        entry.position,
        str(entry.event_id),
        entry.type,
        entry.aggregate_type,
        str(entry.aggregate_id),
        None if project_id is None else str(project_id),
        entry.version,
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
        ]:
            return FeedEntry(
                position=position,
                event_id=UUID(event_id),
                type=type_,
                aggregate_type=aggregate_type,
                aggregate_id=UUID(aggregate_id),
                project_id=None if project_id is None else UUID(project_id),
                version=version,
            )
        case _:
            raise ValueError("not an entry of the feed")


def cursor_of(position: int) -> str:
    """Return the opaque cursor of a position; 0 is before the first event."""
    named = _CURSOR_VERSION + position.to_bytes(_POSITION_BYTES, "big")
    return base64.urlsafe_b64encode(named + _checksum(named)).decode().rstrip("=")


def position_of(cursor: str) -> int:
    """Return the position that a cursor names; raise `MalformedRequest` (MALFORMED_CURSOR) for other text.

    The checksum catches a damaged cursor. It is no signature: a made-up position shows nobody more than he
    may see.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    named = raw[: len(_CURSOR_VERSION) + _POSITION_BYTES]
    position = int.from_bytes(named[len(_CURSOR_VERSION) :], "big")
    # Comparing with the cursor itself also refuses other spellings of the same bytes.
    if position > _LAST_POSITION or cursor_of(position) != cursor:
        raise MalformedRequest("MALFORMED_CURSOR", "This is not a cursor of the event feed.")
    return position


def _checksum(named: bytes) -> bytes:
    return zlib.crc32(named).to_bytes(4, "big")
