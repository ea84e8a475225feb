"""In what do two revisions of BOMs differ 版本对比? Parts added, removed and changed, field by field.

Which part of one revision is which of the other, nobody has written down: a copy has ids of its own. A line is the one
that stands in the same place (position and days) with the same item; else, in turn, the one with the same item and
position (its days have changed), the one with the same item (it has moved), the one in the same place (its item has
changed). Among several that could be it, both revisions are gone through in order. So a line that has moved is a changed
one, and the comparison the other way round is this one mirrored.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

Value = StrEnum | str | int | Decimal | date | None
"""What a field holds: a relation its target's id as text."""


class Difference(StrEnum):
    """What became of a part on the way from left to right."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True)
class Part:
    """A revision, or a part of it: its id, its fields by the API's names, which of them are hidden, and its own parts."""

    id: Hashable
    fields: Mapping[str, Value]
    hidden: frozenset[str] = frozenset()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """A revision with all that counts in it; the parts of a line are its substitutes."""

    revision: Part
    lines: tuple[Part, ...] = ()
    operations: tuple[Part, ...] = ()
    co_products: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """A field that holds something else."""

    field: str
    before: Value
    after: Value


@dataclass(frozen=True, slots=True)
class PartDifference:
    """A part that is on one side only, or differs: in its fields or in parts of its own."""

    kind: Difference
    left: Part | None
    right: Part | None
    fields: tuple[FieldDifference, ...] = ()
    parts: tuple[PartDifference, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """All in which two revisions differ: lines by position, then what has none of its own in some fixed order."""

    fields: tuple[FieldDifference, ...]
    lines: tuple[PartDifference, ...]
    operations: tuple[PartDifference, ...]
    co_products: tuple[PartDifference, ...]


def compared(left: Content, right: Content) -> Comparison:
    """Return in what two revisions differ. What is hidden on either side is not compared and tells nothing."""
    return Comparison(
        _fields(left.revision, right.revision),
        _parts(left.lines, right.lines, _LINE),
        _parts(left.operations, right.operations, _OPERATION),
        _parts(left.co_products, right.co_products, _CO_PRODUCT),
    )


_Key = Callable[[Part], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Matching:
    """By what parts of one kind are matched, in turn; their order is that of `order`."""

    passes: Sequence[_Key]
    order: Callable[[Part], tuple[int, tuple[str, ...]]]
    inner: _Matching | None = None


def _by(*names: str) -> _Key:
    return lambda part: tuple(_text(part.fields.get(name)) for name in names)


def _order(number: str | None, *names: str) -> Callable[[Part], tuple[int, tuple[str, ...]]]:
    by_rest = _by(*names)

    # Any: whether a field is a number, the API's names don't say.
    def order(part: Part) -> tuple[int, tuple[str, ...]]:
        found: Any = part.fields.get(number) if number else None
        return found or 0, by_rest(part)

    return order


def _text(value: Value) -> str:
    return "" if value is None else str(value)


_PLACE = ("position", "validFrom", "validTo")
_SUBSTITUTE = _Matching((_by("item"), _by("priority")), _order("priority", "item"))
_LINE = _Matching(
    (_by(*_PLACE, "item"), _by("position", "item"), _by("item"), _by(*_PLACE)),
    _order(*_PLACE, "item"),
    _SUBSTITUTE,
)
_OPERATION = _Matching((_by("position", "name"), _by("name"), _by("position")), _order("position", "name"))
_CO_PRODUCT = _Matching((_by("item"),), _order(None, "item"))


def _fields(left: Part, right: Part) -> tuple[FieldDifference, ...]:
    hidden = left.hidden | right.hidden
    return tuple(
        FieldDifference(name, before, right.fields.get(name))
        for name, before in left.fields.items()
        if name not in hidden and before != right.fields.get(name)
    )


def _parts(left: Iterable[Part], right: Iterable[Part], matching: _Matching) -> tuple[PartDifference, ...]:
    found: list[PartDifference] = []
    for before, after in _matched(left, right, matching):
        if before is None or after is None:
            kind = Difference.ADDED if before is None else Difference.REMOVED
            found.append(PartDifference(kind, before, after))
            continue
        fields = _fields(before, after)
        parts = _parts(before.parts, after.parts, matching.inner) if matching.inner else ()
        if fields or parts:
            found.append(PartDifference(Difference.CHANGED, before, after, fields, parts))
    return tuple(found)


def _matched(
    left: Iterable[Part], right: Iterable[Part], matching: _Matching
) -> list[tuple[Part | None, Part | None]]:
    """Return each part once, with the one that it is on the other side, in an order that knows no side."""
    before, after = sorted(left, key=matching.order), sorted(right, key=matching.order)
    found: list[tuple[Part | None, Part | None]] = []
    for key in matching.passes:
        waiting: defaultdict[tuple[str, ...], deque[Part]] = defaultdict(deque)
        for part in after:
            waiting[key(part)].append(part)
        unmatched: list[Part] = []
        for part in before:
            same = waiting[key(part)]
            if same:
                found.append((part, same.popleft()))
            else:
                unmatched.append(part)
        before, after = (
            unmatched,
            sorted((each for rest in waiting.values() for each in rest), key=matching.order),
        )
    found += [*((part, None) for part in before), *((None, part) for part in after)]
    return sorted(found, key=lambda pair: sorted(matching.order(part) for part in pair if part is not None))
