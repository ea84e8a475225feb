"""Do events give an aggregate's state again, and does their chain show what was tampered with?"""

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import FIRST_HASH, EventBody, Scalar, chained_hash, difference, fold, scalar, timestamp
from domain.order import OrderState

NAMES = st.sampled_from(["title", "amount", "lines.1.quantity", "lines.2.quantity", "单价"])
# A field keeps its type; of numbers, none that Python takes for true or false.
SCALARS = st.text(max_size=5) | st.integers(2, 5) | st.booleans()
SNAPSHOTS = st.dictionaries(NAMES, SCALARS)
MOMENT = datetime(2026, 3, 31, 8, 0, 0, 5, tzinfo=UTC)
KEY = UUID("0198c5f2-7a10-7000-8000-0123456789ab")

EVENT = EventBody(
    id=KEY,
    aggregate_type="Order",
    aggregate_id=UUID(int=1),
    version=1,
    type="OrderCreated",
    occurred_at=MOMENT,
    recorded_at=MOMENT,
    actor_id=None,
    project_id=None,
    changes={"title": [None, "泵站"]},
    note=None,
    details={},
    request_id=None,
    address=None,
)

OTHER_VALUES: Mapping[str, object] = {
    "id": UUID(int=2),
    "aggregate_type": "User",
    "aggregate_id": UUID(int=2),
    "version": 2,
    "type": "OrderUpdated",
    "occurred_at": MOMENT + timedelta(microseconds=1),
    "recorded_at": MOMENT + timedelta(microseconds=1),
    "actor_id": UUID(int=2),
    "project_id": UUID(int=2),
    "changes": {"title": [None, "泵房"]},
    "note": "",
    "details": {"latitude": None},
    "request_id": "r",
    "address": "192.0.2.1",
}


def test_difference_names_what_changed_before_and_after_sorted_by_field() -> None:
    before: dict[str, Scalar] = {"title": "A", "amount": "1.00", "kept": 1}
    after: dict[str, Scalar] = {"title": "B", "dueOn": "2026-03-31", "kept": 1}
    assert list(difference(before, after).items()) == [
        ("amount", ["1.00", None]),
        ("dueOn", [None, "2026-03-31"]),
        ("title", ["A", "B"]),
    ]


@given(st.lists(SNAPSHOTS, max_size=6))
def test_folding_differences_gives_the_last_snapshot_again(snapshots: list[dict[str, Scalar]]) -> None:
    chain = [difference(before, after) for before, after in pairwise([{}, *snapshots])]
    folded = fold(chain)
    expected = snapshots[-1] if snapshots else {}
    assert folded == expected
    assert {name: type(value) for name, value in folded.items()} == {
        name: type(value) for name, value in expected.items()
    }


@given(SNAPSHOTS)
def test_nothing_changed_makes_no_changes(snapshot: dict[str, Scalar]) -> None:
    assert difference(snapshot, dict(snapshot)) == {}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (OrderState.DRAFT, "DRAFT"),
        ("text", "text"),
        (7, 7),
        (True, True),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.00"), "0.00"),
        (date(2026, 3, 31), "2026-03-31"),
        (MOMENT, "2026-03-31T08:00:00.000005Z"),
        (MOMENT.astimezone(timezone(timedelta(hours=8))), "2026-03-31T08:00:00.000005Z"),
        (KEY, "0198c5f2-7a10-7000-8000-0123456789ab"),
    ],
)
def test_each_sort_of_value_has_one_scalar(
    value: OrderState | str | int | Decimal | date | UUID, told: Scalar
) -> None:
    assert scalar(value) == told
    assert type(scalar(value)) is type(told)


def test_moments_are_written_in_utc_with_microseconds() -> None:
    assert timestamp(datetime(2026, 3, 31, 16, tzinfo=timezone(timedelta(hours=8)))) == (
        "2026-03-31T08:00:00.000000Z"
    )


def test_hash_of_a_known_event_is_what_it_always_was() -> None:
    # Changing this value means that every chain ever written fails its verification.
    assert chained_hash(FIRST_HASH, EVENT).hex() == (
        "84e5723277865072db39ef3b2e6f184fe0a55b4386067fcef43724bc909f6d22"
    )


def test_every_field_of_an_event_has_another_value_here() -> None:
    assert set(OTHER_VALUES) == {field.name for field in fields(EventBody)}


@pytest.mark.parametrize("name", list(OTHER_VALUES))
def test_hash_covers_every_field(name: str) -> None:
    changed = replace(EVENT, **{name: OTHER_VALUES[name]})  # pyright: ignore[reportArgumentType]  # by name
    assert chained_hash(FIRST_HASH, changed) != chained_hash(FIRST_HASH, EVENT)


def test_hash_covers_the_event_before() -> None:
    first = chained_hash(FIRST_HASH, EVENT)
    tampered = chained_hash(FIRST_HASH, replace(EVENT, note="never said"))
    following = replace(EVENT, version=2)
    assert chained_hash(first, following) != chained_hash(tampered, following)


def test_order_of_changes_does_not_matter_to_the_hash() -> None:
    one = replace(EVENT, changes={"a": [None, 1], "b": [None, 2]})
    other = replace(EVENT, changes={"b": [None, 2], "a": [None, 1]})
    assert chained_hash(FIRST_HASH, one) == chained_hash(FIRST_HASH, other)


def test_same_moment_in_another_zone_has_the_same_hash() -> None:
    moved = replace(EVENT, recorded_at=MOMENT.astimezone(timezone(timedelta(hours=-5))))
    assert chained_hash(FIRST_HASH, moved) == chained_hash(FIRST_HASH, EVENT)
