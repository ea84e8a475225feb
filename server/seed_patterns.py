"""What does one of very many orders look like?

A pattern is an order with everything but what is its own: id, number, project, customer, contractor and the
moment of its import. Patterns are the same at every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from db.snapshots import order_snapshot
from db.tables import OrderLineRow, OrderRow
from domain.events import Changes, difference
from domain.fulfilment import LineFacts, line_amount, order_amount, percent_complete, quantity_at
from domain.order import OrderPriority, OrderState
from domain.values import QUANTITY_PLACES, UNIT_PRICE_PLACES, rounded
from server.demo.fixed import pick
from server.demo.works import PROGRAMMES, Material, Work

CURRENCY = "CNY"

_FIRST_YEAR = 2022
_YEAR_COUNT = 5
"""A year has 999,999 numbers, and a million orders have to fit."""

_S = OrderState
_STATES = tuple(OrderState)
_PRIORITIES = (
    OrderPriority.NORMAL,
    OrderPriority.HIGH,
    OrderPriority.LOW,
    OrderPriority.NORMAL,
    OrderPriority.RUSH,
)
_AT_WORK = frozenset((_S.IN_PROGRESS, _S.ON_HOLD))
_DONE = frozenset((_S.COMPLETED, _S.ACCEPTED, _S.SETTLED))
_PROGRAMMES = tuple(PROGRAMMES.values())
_MATERIALS = tuple(
    material for programme in _PROGRAMMES for work in programme.works for material in work.materials
)


@dataclass(frozen=True, slots=True)
class OrderPattern:
    """An order and its lines without what is an order's own; `changes` is what an event says of the rest."""

    year: int
    order: OrderRow
    lines: tuple[OrderLineRow, ...]
    changes: Changes


def order_pattern(nth: int, line_count: int) -> OrderPattern:
    """Return the n-th pattern, with so many lines; with none it is a draft, as only drafts may be."""
    state = _STATES[nth % len(_STATES)] if line_count else _S.DRAFT
    year = _FIRST_YEAR + pick(f"seed.{nth}.year", _YEAR_COUNT)
    starts_on = date(year, 1, 4) + timedelta(days=pick(f"seed.{nth}.day", 300))
    lines = tuple(_line(nth, position, state, starts_on) for position in range(1, line_count + 1))
    order = _order(nth, state, starts_on, lines)
    return OrderPattern(year, order, lines, difference({}, order_snapshot(order, lines, (), ())))


def _order(nth: int, state: OrderState, starts_on: date, lines: tuple[OrderLineRow, ...]) -> OrderRow:
    work, place = _subject(nth)
    facts = [LineFacts(line.quantity, line.done_quantity, line.unit_price) for line in lines]
    ends_on = starts_on + timedelta(days=20 + pick(f"seed.{nth}.length", 50))
    return OrderRow(
        title=f"{work.title} · {place} · 第 {nth + 1} 批 Lot {nth + 1}",
        description=None,
        kind=work.kind,
        state=state,
        priority=_PRIORITIES[pick(f"seed.{nth}.priority", len(_PRIORITIES))],
        project_id=None,
        customer_id=None,
        contractor_id=None,
        wbs_node_id=None,
        cost_code_id=None,
        planned_start=starts_on,
        planned_end=ends_on,
        due_on=ends_on + timedelta(days=14),
        actual_start=starts_on if state in _AT_WORK | _DONE else None,
        actual_end=ends_on if state in _DONE else None,
        currency=CURRENCY,
        amount=order_amount(facts),
        percent_complete=percent_complete(facts),
        revision=1,
        version=1,
        submitted_by_id=None,
        edited_by_id=None,
    )


def _line(nth: int, position: int, state: OrderState, starts_on: date) -> OrderLineRow:
    own = f"seed.{nth}.{position}"
    material = _material(nth, position)
    quantity = rounded(Decimal(10 + pick(f"{own}.quantity", 9_991)) / 10, QUANTITY_PLACES)
    percent = _percent_done(own, state)
    # In an eleventh of the drafts the buyer is still waiting for one price.
    is_unpriced = state is _S.DRAFT and position == 1 and nth % 121 == 0
    price = rounded(material.price * (90 + pick(f"{own}.price", 21)) / 100, UNIT_PRICE_PLACES)
    return OrderLineRow(
        position=position,
        item=material.item,
        description=material.description,
        quantity=quantity,
        uom=material.uom,
        unit_price=None if is_unpriced else price,
        amount=None if is_unpriced else line_amount(quantity, price),
        done_quantity=quantity_at(quantity, percent),
        progress_at=datetime.combine(starts_on + timedelta(days=position % 15), time(3), UTC)
        if percent
        else None,
    )


def _percent_done(own: str, state: OrderState) -> Decimal:
    if state in _DONE:
        return Decimal(100)
    return Decimal(pick(f"{own}.percent", 95)) if state in _AT_WORK else Decimal(0)


def _subject(nth: int) -> tuple[Work, str]:
    programme = _PROGRAMMES[nth % len(_PROGRAMMES)]
    turn = nth // len(_PROGRAMMES)
    return programme.works[turn % len(programme.works)], programme.places[turn % len(programme.places)]


def _material(nth: int, position: int) -> Material:
    return _MATERIALS[(nth * 7 + position) % len(_MATERIALS)]
