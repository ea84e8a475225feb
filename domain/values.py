"""Which values can a field hold?

Bounds of text, quantities and money, checked once where a command begins. Every check raises `InvalidInput` with the
path of the value and returns it ready to store. Money and quantities are exact `Decimal`; a float never comes near.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction

from domain.errors import InvalidInput

CODE_LENGTH = 40
TITLE_LENGTH = 200
UOM_LENGTH = 20
NOTE_LENGTH = 2_000
DESCRIPTION_LENGTH = 10_000
IDEMPOTENCY_KEY_LENGTH = 100

AMOUNT_PLACES = 2
UNIT_PRICE_PLACES = 4
QUANTITY_PLACES = 4
PERCENT_PLACES = 2
AMOUNT_LIMIT = Decimal(10) ** 15
"""Exclusive bound of one amount, in units of the currency."""

FACTOR_PLACES = 12
DAYS_LIMIT = 10_000
POSITION_LIMIT = 1_000_000
QUANTITY_LIMIT = Decimal(10) ** 12
"""Exclusive bound of quantities and unit prices."""

# Control characters but tab, line feed and carriage return; lone surrogates; and the marks that turn the direction
# of writing, with which a title can pretend to be another.
_UNWELCOME = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_HALF = Fraction(1, 2)
_WIDE = Context(prec=1_000)
"""Digits enough for whatever quantities multiply to on fifty levels."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_LINE_BREAK = re.compile(r"[\t\r\n\u2028\u2029]")


def rounded(value: Decimal, places: int) -> Decimal:
    """Return `value` rounded half-up to `places`: the one rounding, done at the edge."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def nearest(value: Fraction, places: int) -> Decimal:
    """Return the decimal of so many places that is nearest to an exact value, half-up: the one rounding, done at the edge."""
    scale = 10**places
    steps, rest = divmod(abs(value) * scale, 1)
    whole = int(steps) + (rest >= _HALF)
    return Decimal(whole if value >= 0 else -whole).scaleb(-places, _WIDE)


def plain(value: Decimal) -> str:
    """Return the value in plain notation, never with an exponent."""
    return format(value, "f")


def line(text: str, limit: int, path: tuple[str, ...]) -> str:
    """Return one line of text without blanks around it, not empty, at most `limit` characters."""
    stripped = paragraph(text, limit, path).strip()
    if not stripped:
        raise InvalidInput("REQUIRED", "A text is required here.", path)
    if _LINE_BREAK.search(stripped):
        raise InvalidInput("CONTROL_CHARACTER", "The text must be on one line.", path)
    return stripped


def paragraph(text: str, limit: int, path: tuple[str, ...]) -> str:
    """Return text of several lines, at most `limit` characters, without control characters."""
    if len(text) > limit:
        raise InvalidInput("TOO_LONG", f"At most {limit} characters.", path)
    if _UNWELCOME.search(text):
        raise InvalidInput("CONTROL_CHARACTER", "The text has control characters.", path)
    return text


def quantity(value: Decimal, path: tuple[str, ...]) -> Decimal:
    """Return a quantity above zero with at most 4 places."""
    return _bounded(value, QUANTITY_PLACES, QUANTITY_LIMIT, path, zero=False)


def done_quantity(value: Decimal, path: tuple[str, ...]) -> Decimal:
    """Return a quantity of zero or more with at most 4 places."""
    return _bounded(value, QUANTITY_PLACES, QUANTITY_LIMIT, path, zero=True)


def unit_price(value: Decimal, path: tuple[str, ...]) -> Decimal:
    """Return a price per unit, zero or more, with at most 4 places, in the project's currency."""
    return _bounded(value, UNIT_PRICE_PLACES, QUANTITY_LIMIT, path, zero=True)


def factor(value: Decimal, path: tuple[str, ...]) -> Decimal:
    """Return how many of one thing another one is: above zero, with at most 12 places."""
    return _bounded(value, FACTOR_PLACES, QUANTITY_LIMIT, path, zero=False)


def scrap_percent(value: Decimal, path: tuple[str, ...]) -> Decimal:
    """Return a share that is lost: zero or more, less than 100 percent, with at most 2 places."""
    return _bounded(value, PERCENT_PLACES, Decimal(100), path, zero=True)


def position(value: int, path: tuple[str, ...]) -> int:
    """Return a place on paper, from 1."""
    if not 1 <= value <= POSITION_LIMIT:
        raise InvalidInput("OUT_OF_RANGE", f"A position is from 1 to {POSITION_LIMIT}.", path)
    return value


def days(value: int, path: tuple[str, ...]) -> int:
    """Return a number of days, zero or more."""
    if not 0 <= value < DAYS_LIMIT:
        raise InvalidInput(
            "OUT_OF_RANGE", f"A number of days is at least 0 and less than {DAYS_LIMIT}.", path
        )
    return value


def currency(code: str, path: tuple[str, ...]) -> str:
    """Return a currency's code, three capital letters as in ISO 4217."""
    if not _CURRENCY.fullmatch(code):
        raise InvalidInput("OUT_OF_RANGE", "A currency is three capital letters, such as CNY.", path)
    return code


def note(text: str | None) -> str | None:
    """Return why something is done, null where nobody said."""
    return text and paragraph(text, NOTE_LENGTH, ("note",))


def window(since: date | None, until: date | None, path: tuple[str, ...]) -> None:
    """Raise where nothing is left between the first day and the first day that is none any more."""
    if since is not None and until is not None and until <= since:
        raise InvalidInput("DATES_OUT_OF_ORDER", "It would hold on no day.", path)


def amount(value: Decimal | None, path: tuple[str, ...]) -> Decimal | None:
    """Return an amount that was derived, null where it isn't known; it may be too large though its parts are not."""
    if value is not None and value >= AMOUNT_LIMIT:
        raise InvalidInput("OUT_OF_RANGE", "The amount is too large.", path)
    return value


def percent(value: Decimal, path: tuple[str, ...]) -> Decimal:
    """Return a percentage from 0 to 100 with at most 2 places."""
    return _bounded(value, PERCENT_PLACES, Decimal("100.01"), path, zero=True)


def dates_in_order(start: date | None, end: date | None, path: tuple[str, ...]) -> None:
    """Raise where both dates are given and the end is before the start."""
    if start is not None and end is not None and end < start:
        raise InvalidInput("DATES_OUT_OF_ORDER", "The end is before the start.", path)


def _bounded(value: Decimal, places: int, limit: Decimal, path: tuple[str, ...], *, zero: bool) -> Decimal:
    if not value.is_finite():
        raise InvalidInput("OUT_OF_RANGE", "A finite number is expected.", path)
    if value < 0 or (value == 0 and not zero):
        least = "zero or more" if zero else "more than zero"
        raise InvalidInput("OUT_OF_RANGE", f"The value must be {least}.", path)
    if value >= limit:
        raise InvalidInput("OUT_OF_RANGE", "The value is too large.", path)
    exact = value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    if exact != value:
        raise InvalidInput("TOO_PRECISE", f"At most {places} decimal places.", path)
    # Without a sign: the database knows no negative zero, and an event would tell of another value than the row.
    return exact.copy_abs()
