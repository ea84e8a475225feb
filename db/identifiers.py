"""Where does an id come from? UUID version 7: unique everywhere, and later ones sort behind earlier ones."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat

_VERSION, _CUSTOM = 0xF << 76, 8 << 76
"""Where a UUID says its version, and version 8 there."""


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562, section 5.7)."""
    return uuid_utils.compat.uuid7()


def cost_id(item_id: UUID) -> UUID:
    """Return the id of an item's cost: the item's own in version 8 (RFC 9562, section 5.8), so that either tells the other."""
    return UUID(int=item_id.int & ~_VERSION | _CUSTOM)
