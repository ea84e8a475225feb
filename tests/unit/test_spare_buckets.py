"""How are points counted in one process alone?"""

from __future__ import annotations

from policies.spare_buckets import MICROPOINTS, SpareBuckets

SECOND = 1_000_000


def taken(
    buckets: SpareBuckets, key: str, points: int, *, returned: int = 0, at: int = 0
) -> tuple[bool, int]:
    """Return whether the points were taken, and the micropoints left, `at` seconds from the beginning."""
    return buckets.take(key, points, returned, at * SECOND)


def test_bucket_is_full_in_the_beginning_and_gives_no_more_than_it_holds() -> None:
    buckets = SpareBuckets(100, 10, most=10)
    assert taken(buckets, "a", 60) == (True, 40 * MICROPOINTS)
    assert taken(buckets, "a", 41) == (False, 40 * MICROPOINTS)
    assert taken(buckets, "a", 40) == (True, 0)
    assert taken(buckets, "b", 100) == (True, 0)


def test_time_fills_it_to_the_last_millionth_and_no_further() -> None:
    buckets = SpareBuckets(100, 7, most=10)
    assert taken(buckets, "a", 100) == (True, 0)
    for microsecond in range(1, 1_001):
        assert buckets.take("a", 0, 0, microsecond) == (True, 7 * microsecond)
    assert taken(buckets, "a", 0, at=14) == (True, 98 * MICROPOINTS)
    assert taken(buckets, "a", 0, at=15) == (True, 100 * MICROPOINTS)


def test_what_is_given_back_is_there_for_the_same_wish_and_never_overflows() -> None:
    buckets = SpareBuckets(100, 1, most=10)
    assert taken(buckets, "a", 90) == (True, 10 * MICROPOINTS)
    assert taken(buckets, "a", 50, returned=40) == (True, 0)
    assert taken(buckets, "a", 0, returned=1_000) == (True, 100 * MICROPOINTS)


def test_number_of_buckets_is_bounded_and_the_longest_unused_is_forgotten() -> None:
    buckets = SpareBuckets(100, 1, most=3)
    for key in ("a", "b", "c"):
        taken(buckets, key, 50)
    taken(buckets, "a", 1)
    taken(buckets, "d", 50)
    assert len(buckets) == 3
    assert taken(buckets, "a", 0) == (True, 49 * MICROPOINTS)
    # The forgotten one is full.
    assert taken(buckets, "b", 0) == (True, 100 * MICROPOINTS)


def test_full_buckets_are_forgotten_before_used_ones() -> None:
    buckets = SpareBuckets(100, 1, most=3)
    taken(buckets, "spent", 100)
    taken(buckets, "little", 2)
    taken(buckets, "nothing", 0)
    taken(buckets, "new", 1, at=5)
    assert len(buckets) == 2
    assert taken(buckets, "spent", 0, at=5) == (True, 5 * MICROPOINTS)


def test_crowd_of_strangers_is_not_looked_through_for_each_of_them() -> None:
    buckets = SpareBuckets(100, 1, most=2_000)
    for number in range(30_000):
        buckets.take(str(number), 50, 0, number)
    assert len(buckets) == 2_000
    assert buckets.take("29999", 0, 0, 30_000) == (True, 50 * MICROPOINTS + 1)
