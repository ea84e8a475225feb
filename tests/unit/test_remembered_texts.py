"""How much does the registry remember, and what does it forget first?"""

from __future__ import annotations

import time

import pytest

from server.remembered_texts import Remembered, RememberedBounds, RememberedTexts, TextKey


def key(nth: int) -> TextKey:
    return (nth.to_bytes(32), None)


def kept(texts: RememberedTexts, among: int) -> list[int]:
    return [nth for nth in range(among) if texts.get(key(nth)) is not None]


def test_text_and_absence_are_remembered() -> None:
    texts = RememberedTexts(RememberedBounds())
    texts.put(key(1), "{ a }")
    texts.put(key(2), None)
    assert [texts.get(key(nth)) for nth in range(3)] == [None, Remembered("{ a }"), Remembered(None)]
    texts.clear()
    assert kept(texts, 3) == []


@pytest.mark.parametrize("bounds", [RememberedBounds(texts=3), RememberedBounds(characters=15)])
def test_longest_unused_text_is_forgotten_first(bounds: RememberedBounds) -> None:
    texts = RememberedTexts(bounds)
    for nth in range(3):
        texts.put(key(nth), "{ a }")
    texts.get(key(0))
    texts.put(key(3), "{ b }")
    assert kept(texts, 4) == [0, 2, 3]


def test_text_that_is_put_again_counts_once() -> None:
    texts = RememberedTexts(RememberedBounds(characters=10))
    for _ in range(5):
        texts.put(key(0), "{ a }")
    texts.put(key(1), "{ b }")
    assert kept(texts, 2) == [0, 1]


def test_text_longer_than_all_that_is_remembered_is_not() -> None:
    texts = RememberedTexts(RememberedBounds(characters=10))
    texts.put(key(0), "x" * 11)
    assert texts.get(key(0)) is None
    texts.put(key(1), "x" * 10)
    assert texts.get(key(1)) == Remembered("x" * 10)


def test_forgotten_everything_makes_room_for_everything() -> None:
    texts = RememberedTexts(RememberedBounds(characters=10))
    texts.put(key(0), "x" * 10)
    texts.clear()
    texts.put(key(1), "x" * 5)
    texts.put(key(2), "x" * 5)
    assert kept(texts, 3) == [1, 2]


def test_unknown_ids_are_bounded_and_push_out_no_text() -> None:
    texts = RememberedTexts(RememberedBounds(texts=1, unknown=100))
    texts.put(key(0), "{ a }")
    for nth in range(1, 1001):
        texts.put(key(nth), None)
    assert kept(texts, 1001) == [0, *range(901, 1001)]


def test_unknown_id_is_remembered_briefly() -> None:
    texts = RememberedTexts(RememberedBounds(unknown_seconds=0.05))
    texts.put(key(0), None)
    assert texts.get(key(0)) == Remembered(None)
    time.sleep(0.06)
    assert texts.get(key(0)) is None
