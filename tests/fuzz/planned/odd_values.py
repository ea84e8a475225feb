"""Which values are likely to be told differently by two writers of JSON? Texts, numbers, days and moments at their edges."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

ValueT = TypeVar("ValueT")

TEXTS = (
    "",
    " ",
    "plain",
    "Straße",
    "工程订单 №7",
    "吊装 · 3# 锅炉房",
    "👷🏽‍♀️🏗️",
    "\U0010ffff",
    "e\u0301 and \u00e9",
    "\u05e9\u05dc\u05d5\u05dd \u202eright to left",
    '"quoted"',
    "it's",
    "back\\slash \\n \\u0041 \\",
    "/slash </script> &amp;",
    '{"id": "Order:1", "x": [null]}',
    '{"',
    '"}',
    "[1, 2]",
    "null",
    "true",
    "$1 :name %s {0}",
    "'; DROP TABLE event; --",
    "100% _ /",
    "%",
    "tab\tline\nreturn\rfeed\x0c back\x08",
    "".join(map(chr, range(1, 32))),
    "\x7f\x80\x85\x9f\xa0",
    "\u2028 and \u2029",
    "\ufeffmark \ufffd\uffff",
    "x" * 2_100,
    "长" * 300,
)
"""Nothing that the database doesn't hold: no NUL, no lone surrogate."""

_DAYS = (
    date(1, 1, 1),
    date(9999, 12, 31),
    date(1582, 10, 10),
    date(2024, 2, 29),
    date(2026, 1, 1),
    date(2026, 3, 31),
    date(2026, 12, 31),
)
_MOMENTS = (
    # The very first and the very last one the driver takes for the infinities, which have no time zone.
    datetime(1, 1, 1, microsecond=1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 2, 28, 23, 30, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=UTC),
    datetime(2026, 3, 1, 8, 15, 30, tzinfo=UTC),
    datetime(2026, 3, 1, 8, 15, 30, 1, tzinfo=UTC),
    datetime(2026, 3, 1, 8, 15, 30, 100_000, tzinfo=UTC),
    datetime(2026, 3, 1, 8, 15, 30, 123_450, tzinfo=UTC),
)


def new_key(chance: random.Random) -> UUID:
    """Return a UUID that the same chance makes again."""
    return UUID(int=chance.getrandbits(128), version=4)


def text(chance: random.Random) -> str:
    """Return a text: an odd one, a common one, or two of them in one."""
    match chance.randrange(6):
        case 0 | 1 | 2:
            return chance.choice(TEXTS)
        case 3:
            return chance.choice(TEXTS[:-2]) + chance.choice(TEXTS[:-2])
        case _:
            return f"Work {chance.randrange(20)} 工"


def number(chance: random.Random, digits: int, places: int) -> Decimal:
    """Return a number of zero or more that `numeric(digits, places)` holds as it is; a few of them come again and again."""
    largest = 10**digits - 1
    match chance.randrange(6):
        case 0:
            units = chance.choice((0, 1, 10, 10**places, largest))
        case 1:
            units = chance.randrange(largest + 1)
        case 2:
            units = chance.randrange(20) * 10**places
        case _:
            units = chance.randrange(min(largest, 10 ** (places + 5)) + 1)
    return Decimal(units).scaleb(-places)


def day(chance: random.Random) -> date:
    """Return a day, of which there are few, so that many rows share one."""
    return (
        chance.choice(_DAYS)
        if chance.random() < 0.4
        else date(2026, 1, 1) + timedelta(days=chance.randrange(12))
    )


def moment(chance: random.Random) -> datetime:
    """Return a moment in UTC, with or without a part of a second."""
    if chance.random() < 0.6:
        return chance.choice(_MOMENTS)
    whole = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(90 * 86_400))
    return whole + timedelta(microseconds=chance.choice((0, 0, 500_000, chance.randrange(1_000_000))))


def perhaps(chance: random.Random, value: ValueT, likelihood: float = 0.6) -> ValueT | None:
    """Return the value, or null."""
    return value if chance.random() < likelihood else None
