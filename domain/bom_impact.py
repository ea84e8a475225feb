"""What does it change to build by another BOM? What is needed of each item before and after.

What is needed is reckoned by `domain.explosion`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from domain.explosion import Demand


class DemandChange(StrEnum):
    """What becomes of the demand of an item."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True)
class DemandImpact:
    """What is needed of an item before and after, exact, in its base unit; zero where it isn't needed."""

    item_id: UUID
    before: Fraction
    after: Fraction

    @property
    def change(self) -> DemandChange:
        """Return what becomes of it."""
        if not self.before:
            return DemandChange.ADDED
        return DemandChange.CHANGED if self.after else DemandChange.REMOVED


def demand_impact(before: Iterable[Demand], after: Iterable[Demand]) -> tuple[DemandImpact, ...]:
    """Return the items of which more or less is needed, as they are met afterwards, and then those that aren't needed any more."""
    old = {each.item_id: each.quantity for each in before}
    new = {each.item_id: each.quantity for each in after}
    nothing = Fraction(0)
    found = (DemandImpact(key, old.get(key, nothing), new.get(key, nothing)) for key in {**new, **old})
    return tuple(each for each in found if each.before != each.after)
