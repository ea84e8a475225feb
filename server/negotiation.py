"""What does a client want to get? The weights of an Accept or Accept-Encoding header (RFC 9110, section 12.4.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WEIGHT = re.compile(r"q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")

_CHOICES = 50
"""How many alternatives of a header are read; browsers name some ten."""


def weights(header: str) -> Mapping[str, float]:
    """Return the weight, 0 to 1, of each alternative by its name in lower case; a malformed weight counts as 1."""
    found: dict[str, float] = {}
    for choice in header.lower().split(",")[:_CHOICES]:
        name, *parameters = (part.strip() for part in choice.split(";"))
        given = (_WEIGHT.fullmatch(parameter) for parameter in parameters)
        if name:
            found[name] = next((float(match.group(1)) for match in given if match), 1.0)
    return found


def preferred(header: str, offers: Iterable[str]) -> str | None:
    """Return the offer of the highest weight, the earlier one of equals, null where none is named; wildcards don't name.

    An alternative that is refused (weight 0) is not named either.
    """
    asked = weights(header)
    named = [offer for offer in offers if asked.get(offer, 0) > 0]
    return max(named, key=lambda offer: asked[offer], default=None)
