"""Which tokens are believed without being read again, and for how long?"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.errors import Unauthenticated
from domain.identifiers import SessionId, UserId
from policies.known_tokens import KnownTokens
from policies.tokens import TokenMint

USER = UserId(UUID("0198c5f2-0000-7000-8000-000000000001"))
SESSION = SessionId(UUID("0198c5f2-0000-7000-8000-000000000002"))
LATER = 4_000_000_000.0


class Readings:
    """How many tokens a mint has looked into."""

    def __init__(self, mint: TokenMint, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._verified = mint._verified  # pyright: ignore[reportPrivateUsage]
        monkeypatch.setattr(mint, "_verified", self._counted)

    # Any: PyJWT gives claims as whatever JSON held.
    def _counted(self, token: str) -> dict[str, Any]:
        self.count += 1
        return self._verified(token)


@pytest.fixture
def mint() -> TokenMint:
    return TokenMint(b"0123456789abcdef0123456789abcdef", timedelta(minutes=15))


def refusal(mint: TokenMint, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        mint.read(token)
    return caught.value.message


def test_token_that_comes_again_is_not_looked_into_again(
    mint: TokenMint, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = Readings(mint, monkeypatch)
    token = mint.issue(USER, SESSION, datetime.now(UTC)).token
    first = mint.read(token)
    assert mint.read(token) is first
    assert readings.count == 1


def test_known_token_is_refused_from_the_moment_it_expires(
    mint: TokenMint, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = mint.issue(USER, SESSION, datetime.now(UTC) - timedelta(minutes=15) + timedelta(seconds=2))
    mint.read(issued.token)
    end = issued.expires_at.timestamp()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: end - 0.001)
        assert mint.read(issued.token).user_id == USER
    time.sleep(max(0.0, end - time.time()))
    assert refusal(mint, issued.token) == "The access token has expired."
    assert len(mint._known) == 0  # pyright: ignore[reportPrivateUsage]


def test_refused_tokens_are_looked_into_each_time_and_never_kept(
    mint: TokenMint, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = Readings(mint, monkeypatch)
    token = mint.issue(USER, SESSION, datetime.now(UTC)).token
    mint.read(token)
    head, body, signature = token.split(".")
    # Not the last character, of which two bits mean nothing.
    other = "A" if signature[0] != "A" else "B"
    forged = [f"{head}.{body}.{other}{signature[1:]}", f"{head}.{body}.", "nonsense", token + " "]
    for _ in range(2):
        assert {refusal(mint, each) for each in forged} == {"The access token is not valid."}
    assert readings.count == 1 + 2 * len(forged)
    assert len(mint._known) == 1  # pyright: ignore[reportPrivateUsage]


def test_number_of_known_tokens_is_bounded_and_the_longest_unused_is_forgotten() -> None:
    known = KnownTokens[str](2)
    for token in ("a", "b"):
        known.put(token, token.upper(), LATER)
    assert known.get("a") == "A"
    known.put("c", "C", LATER)
    assert [known.get(token) for token in "abc"] == ["A", None, "C"]
    assert len(known) == 2


def test_token_itself_is_not_kept() -> None:
    known = KnownTokens[str](2)
    known.put("secret-token", "says", LATER)
    assert "secret-token" not in repr(vars(known))
