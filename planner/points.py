"""What does the JSON that a statement makes cost? Counted by the statement itself, by the weights of `planner.tariff`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, literal_column

from planner.written import Written

_NUMBER = BigInteger()


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
        known = literal_column(str(self.known), _NUMBER)
        if not self.counted:
            return known
        return Written(" + ".join(["{}"] * (1 + len(self.counted))), [known, *self.counted], _NUMBER)

    def where(self, is_there: ColumnElement[bool]) -> Points:
        """Return the points of an object that may not be there."""
        if self == NOTHING:
            return self
        return Points(0, (Written("CASE WHEN ({}) THEN {} ELSE 0 END", [is_there, self.sql], _NUMBER),))

    def over(self, count: ColumnElement[Any], only: ColumnElement[bool] | None) -> Points:
        """Return the sum over the rows of an aggregate, of which `count` are meant: those for which `only` holds."""
        kept = "" if only is None else " FILTER (WHERE {})"
        template = f"coalesce(CAST(sum({{}}){kept} AS BIGINT), 0)"
        rest = [] if only is None else [only]
        counted = [Written(template, [each, *rest], _NUMBER) for each in self.counted]
        known = [Written(f"{{}} * {self.known}", [count], _NUMBER)] if self.known else []
        return Points(0, (*known, *counted))


NOTHING = Points()


def summed(points: Iterable[Points]) -> Points:
    """Return the sum of many."""
    total = NOTHING
    for each in points:
        total += each
    return total
