"""How is a place in the feed named outside, and where does the feed end?

A cursor is a position with the beginning of a SHA-256 over it. That is no signature: a made-up position shows nobody more
than he may see. It catches what was damaged or belongs to something else.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from sqlalchemy import ColumnElement, LargeBinary, Text, func, literal_column, select

from db.tables import FeedRow
from domain.errors import MalformedRequest
from loaders.reads import Reads

_VERSION = b"F2"
_POSITION_BYTES = 8
_CHECK_BYTES = 4
_LAST_POSITION = 2**63 - 1

_NEWEST = select(func.coalesce(func.max(FeedRow.position), 0)).scalar_subquery()


def cursor_of(position: int) -> str:
    """Return the opaque cursor of a position; 0 is before the first event."""
    named = _VERSION + position.to_bytes(_POSITION_BYTES, "big")
    return base64.urlsafe_b64encode(named + _check(named)).decode().rstrip("=")


def position_of(cursor: str) -> int:
    """Return the position that a cursor names; raise `MalformedRequest` (MALFORMED_CURSOR) for other text."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    named = raw[: len(_VERSION) + _POSITION_BYTES]
    position = int.from_bytes(named[len(_VERSION) :], "big")
    # Comparing with the cursor itself also refuses other spellings of the same bytes.
    if position > _LAST_POSITION or cursor_of(position) != cursor:
        raise MalformedRequest("MALFORMED_CURSOR", "This is not a cursor of the event feed.")
    return position


def newest_cursor() -> ColumnElement[str]:
    """Return the SQL of the cursor of the newest place: everything at it or before it is in the same snapshot."""
    version = literal_column(f"'{_VERSION.decode()}'::bytea", LargeBinary())
    named = version.op("||")(func.int8send(_NEWEST))
    check = func.substr(func.sha256(named), 1, _CHECK_BYTES)
    return func.translate(func.encode(named.op("||")(check), "base64"), "+/=", "-_", type_=Text())


async def feed_cursor(reads: Reads) -> str:
    """Return the cursor of the newest place in a reader's snapshot."""
    return (await reads.fetch(select(newest_cursor().label("cursor"))))[0]["cursor"]


def _check(named: bytes) -> bytes:
    return hashlib.sha256(named).digest()[:_CHECK_BYTES]
