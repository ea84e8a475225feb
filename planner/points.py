"""What does the JSON that a statement makes cost? Counted by the statement itself, by the weights of `planner.tariff`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, literal_column


@dataclass(frozen=True)
class Points:
    """A number that is known beforehand, and numbers that depend on the rows."""

    known: int = 0
    counted: tuple[ColumnElement[Any], ...] = ()

    def __add__(self, other: Points) -> Points:
        return Points(self.known + other.known, self.counted + other.counted)

    @property
    def sql(self) -> ColumnElement[int]:
        """Return the sum."""
        total: ColumnElement[int] = literal_column(str(self.known), BigInteger())
        for each in self.counted:
            total = total + each
        return total

    def where(self, is_there: ColumnElement[bool]) -> Points:
        """Return the points of an object that may not be there."""
        if self == NOTHING:
            return self
        return Points(0, (case((is_there, self.sql), else_=literal_column("0", BigInteger())),))

    def over(self, count: ColumnElement[Any], only: ColumnElement[bool] | None) -> Points:
        """Return the sum over the rows of an aggregate, of which `count` are meant: those for which `only` holds."""
        sums = [func.sum(each) for each in self.counted]
        if only is not None:
            sums = [each.filter(only) for each in sums]
        counted = [func.coalesce(cast(each, BigInteger()), literal_column("0")) for each in sums]
        known = [count * literal_column(str(self.known))] if self.known else []
        return Points(0, (*known, *counted))


NOTHING = Points()


def summed(points: Iterable[Points]) -> Points:
    """Return the sum of many."""
    total = NOTHING
    for each in points:
        total += each
    return total
