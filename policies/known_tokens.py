"""Which tokens were found to be good lately, and what do they say?

A client sends one token many times, and checking a signature takes longer than all else that is done for a small
request. Tokens are known by their SHA-256, so that nobody finds one in the memory of this process; each is known until it
expires, and the longest unused is forgotten when there are too many. What is refused is never kept, so that nobody who
has no token can push out anything. Whether a token is good is left to `policies.tokens`, whether its owner still may do
something to `policies.grants`.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import Generic, TypeVar

ClaimsT = TypeVar("ClaimsT")


class KnownTokens(Generic[ClaimsT]):
    """At most `most` tokens and what they say."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._claims: OrderedDict[bytes, tuple[ClaimsT, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._claims)

    def get(self, token: str) -> ClaimsT | None:
        """Return what a known token says, null for one that is not known or has expired."""
        digest = _digest(token)
        known = self._claims.get(digest)
        if known is None:
            return None
        claims, expires_at = known
        # RFC 7519, section 4.1.4: on or after this moment it is not accepted.
        if expires_at <= time.time():
            del self._claims[digest]
            return None
        self._claims.move_to_end(digest)
        return claims

    def put(self, token: str, claims: ClaimsT, expires_at: float) -> None:
        """Know a good token until it expires, at that POSIX time."""
        self._claims[_digest(token)] = (claims, expires_at)
        if len(self._claims) > self._most:
            self._claims.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
