"""How do two machines make the same ids, times and choices?

Everything comes from a name by SHA-256: no clock, no `random`, no `hash()`. What is made of it is left to
the others.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

_SITE_OPENS = time(hour=0, minute=30, tzinfo=UTC)
"""Half past eight in China, so that a day there is the same day in UTC."""

_SITE_MINUTES = 9 * 60


def fixed_id(moment: datetime, name: str) -> UUID:
    """Return a UUID of version 7's layout (RFC 9562, section 5.7), its random bits taken from the name."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    noise = int.from_bytes(hashlib.sha256(name.encode()).digest()[:10])
    high, low = noise >> 62 & 0xFFF, noise & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)


def pick(name: str, bound: int) -> int:
    """Return a number from 0 up to `bound`, exclusive, that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % bound


def working_moment(day: date, name: str) -> datetime:
    """Return a moment (UTC, whole seconds) of a day's working hours on site."""
    opening = datetime.combine(day, _SITE_OPENS)
    return opening + timedelta(
        minutes=pick(f"{name}.minute", _SITE_MINUTES), seconds=pick(f"{name}.second", 60)
    )
