"""Where does a new id come from? UUID version 7: unique everywhere, and later ones sort behind earlier ones."""

from __future__ import annotations

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562, section 5.7)."""
    return uuid_utils.compat.uuid7()
