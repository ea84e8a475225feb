"""Is this the person's password?

Argon2id (RFC 9106) in threads, only a few at a time: each verification takes memory and a core, and a crowd
that signs in must not take both from everybody else. Who may try, and how often, is left to
`policies.throttle`.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from domain.errors import InvalidInput, Unavailable

LENGTH_LEAST = 8
LENGTH_MOST = 200

_SALT_BYTES = 16
_HASH_BYTES = 32

_Result = TypeVar("_Result")
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one verification costs; the second recommendation of RFC 9106, section 4."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


STANDARD_COST = PasswordCost()

CHEAP_COST = PasswordCost(passes=1, memory_kib=8, lanes=1)
"""For tests and for passwords that everybody knows, never for a person's."""


def checked_password(password: str, path: tuple[str, ...] = ("password",)) -> str:
    """Return a password that may be set; raise `InvalidInput` TOO_SHORT, TOO_LONG or CONTROL_CHARACTER."""
    if len(password) < LENGTH_LEAST:
        raise InvalidInput("TOO_SHORT", f"At least {LENGTH_LEAST} characters.", path)
    if len(password) > LENGTH_MOST:
        raise InvalidInput("TOO_LONG", f"At most {LENGTH_MOST} characters.", path)
    # Control characters and lone surrogates: what one keyboard can't type again.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise InvalidInput("CONTROL_CHARACTER", "The password has control characters.", path)
    return password


class Passwords:
    """Hashes and verifies, at most `concurrency` at once with at most `waiting_limit` in the queue."""

    def __init__(
        self, cost: PasswordCost = STANDARD_COST, *, concurrency: int = 2, waiting_limit: int = 200
    ) -> None:
        self._hasher = PasswordHasher(
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._nobody = _hash_of_nobody(cost)
        self._turns = asyncio.Semaphore(concurrency)
        self._waiting_limit = waiting_limit
        self._waiting_count = 0

    async def hash(self, password: str) -> str:
        """Return the encoded hash of a `checked_password`; raise `Unavailable` where too many wait."""
        return await self._in_turn(lambda: self._hasher.hash(_normal(password)))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Return whether the password is the one behind `stored`; raise `Unavailable` where too many wait.

        For an unknown user `stored` is null, and the answer no takes as long as it does for a known one.
        """
        is_possible = len(password) <= LENGTH_MOST and not any("\ud800" <= c <= "\udfff" for c in password)
        candidate = _normal(password) if is_possible else ""
        target = self._nobody if stored is None or not is_possible else stored
        return await self._in_turn(lambda: self._verified(candidate, target))

    def needs_rehash(self, stored: str) -> bool:
        """Return whether `stored` was made at another cost than a new hash would be."""
        return self._hasher.check_needs_rehash(stored)

    def _verified(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError):
            # The text of the error would quote the hash.
            _log.warning("a stored password hash is damaged; its owner can't sign in")
            return False

    async def _in_turn(self, work: Callable[[], _Result]) -> _Result:
        if self._waiting_count >= self._waiting_limit:
            raise Unavailable("Too many people are signing in right now; try again.")
        self._waiting_count += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting_count -= 1
        # A caller who gives up can't stop the thread: the turn is over when the thread is.
        running = asyncio.ensure_future(asyncio.to_thread(work))
        running.add_done_callback(lambda _: self._turns.release())
        return await asyncio.shield(running)


def _normal(password: str) -> str:
    """Two keyboards may send different code points for the same characters (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFC", password)


def _hash_of_nobody(cost: PasswordCost) -> str:
    """Return an encoded hash that no password has and that costs as much as any other to refuse."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
        for length in (_SALT_BYTES, _HASH_BYTES)
    )
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${digest}"
