"""Are Accept headers read as RFC 9110 has them?"""

from __future__ import annotations

import pytest

from server.negotiation import preferred, weights


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ("br", {"br": 1.0}),
        ("GZIP;q=0.5, br ; q=0.250", {"gzip": 0.5, "br": 0.25}),
        ("a/b;charset=utf-8;q=0", {"a/b": 0.0}),
        ("a/b;q=2, c/d;q=nonsense", {"a/b": 1.0, "c/d": 1.0}),
        (" , ;q=1,,a/b", {"a/b": 1.0}),
    ],
)
def test_alternatives_have_their_weights(header: str, found: dict[str, float]) -> None:
    assert weights(header) == found


def test_only_the_first_fifty_alternatives_are_read() -> None:
    header = ",".join(f"a/{number}" for number in range(51))
    assert len(weights(header)) == 50
    assert "a/50" not in weights(header)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("gzip, br", "br"),
        ("gzip, br;q=0.9", "gzip"),
        ("gzip;q=0, br;q=0", None),
        ("*", None),
        ("identity", None),
        ("xbr", None),
    ],
)
def test_the_heaviest_offer_is_chosen_and_the_first_of_equals(header: str, chosen: str | None) -> None:
    assert preferred(header, ("br", "gzip")) == chosen
