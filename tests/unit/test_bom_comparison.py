"""Does a comparison tell what differs, nothing of what doesn't, and the same from both sides?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.bom_comparison import (
    Comparison,
    Content,
    Difference,
    FieldDifference,
    Part,
    PartDifference,
    Value,
    compared,
)

_MIRRORED = {
    Difference.ADDED: Difference.REMOVED,
    Difference.REMOVED: Difference.ADDED,
    Difference.CHANGED: Difference.CHANGED,
}
_DAYS = (None, date(2026, 1, 1), date(2026, 6, 1))


def line(position: int, item: str, quantity: str = "1", **more: Value) -> Part:
    fields: Mapping[str, Value] = {
        "position": position,
        "item": item,
        "quantity": Decimal(quantity),
        "validFrom": None,
        "validTo": None,
        **more,
    }
    return Part(f"{position}/{item}", fields)


def content(*lines: Part) -> Content:
    return Content(Part("revision", {"baseQuantity": Decimal(1)}), lines)


def told(left: Content, right: Content) -> list[tuple[str, object, object, dict[str, tuple[Value, Value]]]]:
    return [
        (
            each.kind.value,
            each.left and each.left.id,
            each.right and each.right.id,
            {field.field: (field.before, field.after) for field in each.fields},
        )
        for each in compared(left, right).lines
    ]


def mirrored(comparison: Comparison) -> Comparison:
    return Comparison(
        _swapped(comparison.fields),
        tuple(map(_mirrored, comparison.lines)),
        tuple(map(_mirrored, comparison.operations)),
        tuple(map(_mirrored, comparison.co_products)),
    )


def _mirrored(each: PartDifference) -> PartDifference:
    return PartDifference(
        _MIRRORED[each.kind],
        each.right,
        each.left,
        _swapped(each.fields),
        tuple(map(_mirrored, each.parts)),
    )


def _swapped(fields: tuple[FieldDifference, ...]) -> tuple[FieldDifference, ...]:
    return tuple(FieldDifference(each.field, each.after, each.before) for each in fields)


def test_line_in_its_place_is_changed_field_by_field() -> None:
    assert told(content(line(10, "A", "1")), content(line(10, "A", "2.5", fixed=True))) == [
        ("CHANGED", "10/A", "10/A", {"quantity": (Decimal(1), Decimal("2.5"))}),
    ]


def test_field_that_only_one_side_has_is_changed_too() -> None:
    found = compared(content(line(10, "A", fixed=False)), content(line(10, "A", fixed=True)))
    assert found.lines[0].fields == (FieldDifference("fixed", before=False, after=True),)


def test_moved_line_is_a_changed_position_though_another_took_its_place() -> None:
    left = content(line(10, "A"), line(20, "B"))
    right = content(line(10, "NEW"), line(20, "A"), line(30, "B"))
    assert told(left, right) == [
        ("CHANGED", "10/A", "20/A", {"position": (10, 20)}),
        ("ADDED", None, "10/NEW", {}),
        ("CHANGED", "20/B", "30/B", {"position": (20, 30)}),
    ]


def test_replaced_item_is_a_change_of_the_line_in_its_place() -> None:
    assert told(content(line(10, "A")), content(line(10, "B"))) == [
        ("CHANGED", "10/A", "10/B", {"item": ("A", "B")})
    ]


def test_dated_replacement_ends_one_line_and_adds_another() -> None:
    day = date(2026, 6, 1)
    right = content(line(10, "A", validTo=day), line(10, "B", validFrom=day))
    assert told(content(line(10, "A")), right) == [
        ("CHANGED", "10/A", "10/A", {"validTo": (None, day)}),
        ("ADDED", None, "10/B", {}),
    ]


def test_lines_of_one_item_are_matched_in_order() -> None:
    left = content(line(10, "A", "1"), line(20, "A", "2"))
    right = content(line(30, "A", "1"), line(40, "A", "2"), line(50, "A", "3"))
    assert told(left, right) == [
        ("CHANGED", "10/A", "30/A", {"position": (10, 30)}),
        ("CHANGED", "20/A", "40/A", {"position": (20, 40)}),
        ("ADDED", None, "50/A", {}),
    ]


def test_hidden_field_tells_nothing_though_it_differs() -> None:
    def work(rate: int, *, is_hidden: bool) -> Content:
        hidden = frozenset({"hourlyRate"}) if is_hidden else frozenset[str]()
        part = Part("work", {"position": 10, "name": "Weld", "hourlyRate": rate}, hidden)
        return Content(Part("revision", {}), operations=(part,))

    assert compared(work(1, is_hidden=True), work(2, is_hidden=True)).operations == ()
    assert compared(work(1, is_hidden=False), work(2, is_hidden=True)).operations == ()
    (seen,) = compared(work(1, is_hidden=False), work(2, is_hidden=False)).operations
    assert seen.fields == (FieldDifference("hourlyRate", 1, 2),)


def test_substitutes_are_compared_within_their_line() -> None:
    def taking(*instead: str) -> Content:
        parts = tuple(
            Part(f"{priority}/{item}", {"priority": priority, "item": item})
            for priority, item in enumerate(instead, start=1)
        )
        return content(replace(line(10, "A"), parts=parts))

    (found,) = compared(taking("X", "Y"), taking("Y", "Z")).lines
    assert (found.kind, found.fields) == (Difference.CHANGED, ())
    assert [
        (each.kind.value, each.left and each.left.id, each.right and each.right.id) for each in found.parts
    ] == [("REMOVED", "1/X", None), ("CHANGED", "2/Y", "1/Y"), ("ADDED", None, "2/Z")]


def _windows() -> st.SearchStrategy[list[tuple[int, date | None, date | None]]]:
    """Places as a revision may have them: of one position either one line for always or two that follow each other."""

    def places(kinds: list[int]) -> list[tuple[int, date | None, date | None]]:
        found: list[tuple[int, date | None, date | None]] = []
        for position, kind in enumerate(kinds, start=1):
            if kind == 1:
                found.append((position, None, None))
            elif kind > 1:
                day = _DAYS[kind - 1]
                found += [(position, None, day), (position, day, None)]
        return found

    return st.lists(st.integers(0, 3), max_size=5).map(places)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    lines: list[Part] = []
    for position, since, until in draw(_windows()):
        instead = draw(st.lists(st.sampled_from("WXYZ"), unique=True, max_size=3))
        parts = tuple(
            Part(item, {"priority": priority, "item": item, "factor": draw(st.integers(1, 2))})
            for priority, item in enumerate(instead, start=1)
        )
        item, quantity = draw(st.sampled_from("ABCD")), str(draw(st.integers(1, 3)))
        taken = line(position, item, quantity, validFrom=since, validTo=until)
        lines.append(replace(taken, parts=parts))
    operations = tuple(
        Part(name, {"position": position, "name": name, "minutes": draw(st.integers(0, 2))})
        for position, name in enumerate(draw(st.lists(st.sampled_from("KLM"), max_size=4)), start=1)
    )
    products = tuple(
        Part(item, {"item": item, "quantity": draw(st.integers(1, 2))})
        for item in draw(st.lists(st.sampled_from("PQR"), unique=True))
    )
    revision = Part("revision", {"baseQuantity": draw(st.integers(1, 2))})
    return Content(revision, tuple(draw(st.permutations(lines))), operations, products)


@given(contents())
def test_revision_does_not_differ_from_itself(one: Content) -> None:
    assert compared(one, one) == Comparison((), (), (), ())


@given(contents(), contents())
def test_comparison_the_other_way_round_is_mirrored(one: Content, other: Content) -> None:
    assert compared(other, one) == mirrored(compared(one, other))


@given(contents(), contents())
def test_every_line_is_told_once_or_is_the_same_on_both_sides(one: Content, other: Content) -> None:
    found = compared(one, other).lines
    lefts = [id(each.left) for each in found if each.left]
    rights = [id(each.right) for each in found if each.right]
    assert (len(set(lefts)), len(set(rights))) == (len(lefts), len(rights))
    assert len(one.lines) - len(lefts) == len(other.lines) - len(rights)
    removed = {each.left.fields["item"] for each in found if each.left and not each.right}
    added = {each.right.fields["item"] for each in found if each.right and not each.left}
    assert removed & added == set()
