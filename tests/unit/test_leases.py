"""What does a process pay from the points that it has taken ahead?"""

from __future__ import annotations

from policies.leases import KEPT_MICROSECONDS, SPENT_MICROSECONDS, Held, Leases
from policies.spare_buckets import MICROPOINTS

KEY = "person:li.wei"
SIZE, RATE = 1_000, 10
LATER = 2_000_000


def lent(points: int, *, left: int, room: int = SIZE, at: int = 0) -> Leases:
    """Return what a process holds that was lent points beside `left` in the bucket."""
    leases = Leases(SIZE, RATE)
    leases.begin(KEY, "lease", points, left * MICROPOINTS, room * MICROPOINTS, at)
    return leases


def test_nothing_is_paid_without_a_lease() -> None:
    assert Leases(SIZE, RATE).spend(KEY, 0, 0) is None


def test_lease_pays_until_it_has_too_few_and_tells_what_is_left_with_the_bucket() -> None:
    leases = lent(100, left=500)
    assert leases.spend(KEY, 60, 0) == (500 + 40) * MICROPOINTS
    assert leases.spend(KEY, 41, 0) is None
    assert leases.spend(KEY, 40, 0) == 500 * MICROPOINTS
    assert leases.spend("person:zhang.min", 1, 0) is None


def test_time_fills_bucket_and_lease_as_far_as_there_is_room_and_then_in_vain() -> None:
    leases = lent(100, left=500, room=605)
    assert leases.spend(KEY, 0, 300_000) == (500 + 3 + 100) * MICROPOINTS
    assert leases.spend(KEY, 0, 900_000) == 605 * MICROPOINTS
    # What was spent makes room again.
    assert leases.spend(KEY, 10, 900_000) == 595 * MICROPOINTS
    assert leases.hand_over(KEY, 1_000_000) == Held(90, "lease", 4 * MICROPOINTS)


def test_lease_is_not_spent_after_its_second_and_goes_back_a_moment_later() -> None:
    leases = lent(100, left=500, at=7)
    assert leases.spend(KEY, 1, 7 + SPENT_MICROSECONDS) is not None
    assert leases.spend(KEY, 1, 8 + SPENT_MICROSECONDS) is None
    assert leases.due(7 + KEPT_MICROSECONDS) == []
    assert leases.due(8 + KEPT_MICROSECONDS) == [KEY]
    assert leases.hand_over(KEY, LATER) == Held(99, "lease")
    assert leases.hand_over(KEY, LATER) == Held(0)
    assert leases.due(None) == []


def test_what_was_not_used_is_paid_with_again_but_never_makes_the_lease_larger() -> None:
    leases = lent(100, left=500)
    leases.spend(KEY, 80, 0)
    leases.give_back(KEY, 200)
    assert leases.spend(KEY, 101, 0) is None
    # 500 in the bucket, the lease whole again, and 120 on the way back.
    assert leases.spend(KEY, 0, 0) == (500 + 100 + 120) * MICROPOINTS
    assert leases.hand_over(KEY, LATER) == Held(220, "lease")


def test_what_is_left_is_never_told_as_more_than_a_full_bucket() -> None:
    leases = lent(100, left=900)
    leases.give_back(KEY, 50)
    assert leases.spend(KEY, 0, 0) == SIZE * MICROPOINTS


def test_what_was_not_used_goes_back_at_once_without_a_lease_and_with_it_where_there_is_one() -> None:
    leases = lent(100, left=500)
    for key in (KEY, "person:zhang.min"):
        leases.give_back(key, 5)
    assert leases.due(0) == ["person:zhang.min"]
    assert leases.due(None) == [KEY, "person:zhang.min"]
    assert leases.hand_over("person:zhang.min", LATER) == Held(5)


def test_no_two_leases_have_one_name() -> None:
    processes = Leases(SIZE, RATE), Leases(SIZE, RATE)
    assert len({leases.new_name() for leases in processes for _ in range(100)}) == 200
