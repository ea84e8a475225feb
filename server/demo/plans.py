"""Which orders has the demo company, and how far did each get?

252 orders in two years. An order's place in the row decides its project, its work, who does it and where it
stands today. How it came there is told by `server.demo.orders`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from domain.order import OrderPriority, OrderState
from server.demo.company import (
    ORGANIZATION_BY_CODE,
    PERSON_BY_USERNAME,
    PROJECT_BY_CODE,
    Organization,
    Person,
    Project,
)
from server.demo.fixed import pick
from server.demo.works import PROGRAMMES, Work

ORDER_COUNT = 252
_FIRST_DAY = date(2025, 2, 10)
_LAST_DAY = date(2026, 9, 10)

_S, _P = OrderState, OrderPriority
_Choice = TypeVar("_Choice")


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays which part in a project."""

    project: Project
    engineer: Person
    buyer: Person
    manager: Person
    foreman: Person
    worker: Person
    customers: tuple[Organization, ...]
    contractors: tuple[Organization | None, ...]
    """In turn; null stands for the project's own crew."""


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """One order: what it is, who does it, and the state in which it stands today."""

    number: str
    day: date
    cast: Cast
    customer: Organization
    contractor: Organization | None
    work: Work
    place: str
    priority: OrderPriority
    destination: OrderState
    is_priced: bool
    was_rejected: bool
    cancelled_in: OrderState

    def pick(self, what: str, bound: int) -> int:
        """Return a number from 0 up to `bound`, exclusive: this order's choice of `what`."""
        return pick(f"{self.number}.{what}", bound)

    def choice(self, what: str, among: Sequence[_Choice]) -> _Choice:
        """Return this order's choice of `what`."""
        return among[self.pick(what, len(among))]


def _cast(project: str, people: str, customers: str, contractors: str) -> Cast:
    engineer, buyer, manager, foreman, worker = (PERSON_BY_USERNAME[name] for name in people.split())
    return Cast(
        PROJECT_BY_CODE[project],
        engineer,
        buyer,
        manager,
        foreman,
        worker,
        tuple(ORGANIZATION_BY_CODE[code] for code in customers.split()),
        tuple(ORGANIZATION_BY_CODE.get(code) for code in contractors.split()),
    )


_P1 = _cast("P-001", "engineer buyer pm foreman worker", "C-001", "K-001 own K-001 own K-002")
_P2 = _cast("P-002", "pm buyer2 pm2 foreman2 worker2", "C-002", "K-002 K-002 own K-001")
_P3 = _cast("P-003", "engineer2 buyer2 pm2 foreman2 worker2", "C-001 C-001 C-002", "K-001 K-002 own")

# The lengths of the rows below have no common divisor, so that every project gets orders in every state.
_TURNS = (_P1, _P2, _P1, _P3, _P1, _P2, _P3)
_LONG_AGO = (*(_S.SETTLED,) * 6, _S.ACCEPTED, _S.COMPLETED, _S.SETTLED, _S.CANCELLED, _S.SETTLED)
_THIS_YEAR = (
    _S.IN_PROGRESS,
    _S.SETTLED,
    _S.COMPLETED,
    _S.IN_PROGRESS,
    _S.ON_HOLD,
    _S.ACCEPTED,
    _S.RELEASED,
    _S.IN_PROGRESS,
    _S.CANCELLED,
)
_LATELY = (
    _S.DRAFT,
    _S.SUBMITTED,
    _S.APPROVED,
    _S.DRAFT,
    _S.REJECTED,
    _S.RELEASED,
    _S.SUBMITTED,
    _S.CANCELLED,
)
_PRIORITIES = (_P.NORMAL, _P.NORMAL, _P.HIGH, _P.NORMAL, _P.LOW, _P.NORMAL, _P.HIGH, _P.RUSH)


def order_plans() -> list[OrderPlan]:
    """Return the plan of every order, in the order of their numbers, which is that of their creation."""
    span_days = (_LAST_DAY - _FIRST_DAY).days
    last: dict[int, int] = {}
    plans: list[OrderPlan] = []
    for index in range(ORDER_COUNT):
        day = _FIRST_DAY + timedelta(days=span_days * index // (ORDER_COUNT - 1))
        last[day.year] = last.get(day.year, 0) + 1
        plans.append(_plan(index, f"EO-{day.year}-{last[day.year]:06d}", day))
    return plans


def _plan(index: int, number: str, day: date) -> OrderPlan:
    turn, place_in_row = divmod(index, len(_TURNS))
    cast = _TURNS[place_in_row]
    programme = PROGRAMMES[cast.project.code]
    # Counted within the project, so that its works, places and contractors take turns there.
    nth = turn * _TURNS.count(cast) + _TURNS[:place_in_row].count(cast)
    return OrderPlan(
        number=number,
        day=day,
        cast=cast,
        customer=cast.customers[nth % len(cast.customers)],
        contractor=cast.contractors[nth % len(cast.contractors)],
        work=programme.works[nth % len(programme.works)],
        place=programme.places[nth // len(programme.works) % len(programme.places)],
        priority=_PRIORITIES[index % len(_PRIORITIES)],
        destination=_destination(index),
        is_priced=index % 3 != 0,
        was_rejected=index % 9 == 4,
        cancelled_in=(_S.SUBMITTED, _S.APPROVED, _S.DRAFT, _S.RELEASED)[index % 4],
    )


def _destination(index: int) -> OrderState:
    if index < ORDER_COUNT * 55 // 100:
        return _LONG_AGO[index % len(_LONG_AGO)]
    if index < ORDER_COUNT * 80 // 100:
        return _THIS_YEAR[index % len(_THIS_YEAR)]
    return _LATELY[index % len(_LATELY)]
