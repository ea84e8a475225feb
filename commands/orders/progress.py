"""How is work reported? As done quantities, or as a percentage of every line; always the total so far.

Phones that were offline send late and in any order: a line keeps the report that tells of the latest moment, an older
one is recorded and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from commands.execution import Workbench
from commands.orders.aggregate import Order, OrderCommand, approver, leave, lock_order
from db.tables import Json
from domain import values
from domain.errors import InvalidInput, NotFound
from domain.fulfilment import quantity_at
from domain.order import OrderAction, take_step

_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, kw_only=True)
class LineProgress:
    """The quantity of one line that is done so far, in the line's unit."""

    line_id: UUID
    done_quantity: Decimal


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a report was made: WGS 84, degrees, accuracy in metres."""

    latitude: Decimal
    longitude: Decimal
    accuracy_meters: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class ReportProgress(OrderCommand):
    """Report what is done so far: exactly one of `percent` (0 to 100, of every line) and `lines`."""

    expected_version: int | None = None
    percent: Decimal | None = None
    lines: tuple[LineProgress, ...] | None = None
    note: str | None = None
    occurred_at: datetime | None = None
    place: Place | None = None


async def report_progress(bench: Workbench, command: ReportProgress) -> UUID:
    """Record the report; return the order's id. Raises what `lock_order` and `take_step` raise, and `InvalidInput`."""
    order = await lock_order(bench, command.order_id, OrderAction.REPORT_PROGRESS, command.expected_version)
    note = command.note and values.paragraph(command.note, values.NOTE_LENGTH, ("note",))
    step = take_step(order.facts(), OrderAction.REPORT_PROGRESS, approver(bench, order), note)
    moment = _moment(bench, order, command.occurred_at)
    reported = _reported(order, command)
    for line in order.lines:
        is_news = line.progress_at is None or line.progress_at <= moment
        if line.id in reported and is_news:
            line.done_quantity = reported[line.id]
            line.progress_at = moment
    order.add_up()
    details = _details(command.place)
    await leave(bench, order, step.event, note=note, occurred_at=moment, details=details)
    return order.row.id


def _moment(bench: Workbench, order: Order, occurred_at: datetime | None) -> datetime:
    if occurred_at is None:
        return bench.origin.now
    if not order.row.created_at <= occurred_at <= bench.origin.now + _CLOCK_SKEW:
        raise InvalidInput(
            "OUT_OF_RANGE", "Work is reported after the order's creation and not ahead.", ("occurredAt",)
        )
    return occurred_at


def _reported(order: Order, command: ReportProgress) -> dict[UUID, Decimal]:
    """Return the done quantity of each line that the report tells of."""
    if (command.percent is None) == (command.lines is None):
        raise InvalidInput("REQUIRED", "Give exactly one of percent and lines.", ("percent",))
    if command.percent is not None:
        percent = values.percent(command.percent, ("percent",))
        return {line.id: quantity_at(line.quantity, percent) for line in order.lines}
    known = {line.id for line in order.lines}
    reported: dict[UUID, Decimal] = {}
    for index, each in enumerate(command.lines or ()):
        path = ("lines", str(index))
        if each.line_id not in known:
            raise NotFound("line of this order", (*path, "lineId"))
        if each.line_id in reported:
            raise InvalidInput("DUPLICATE", "A line is reported once.", (*path, "lineId"))
        reported[each.line_id] = values.done_quantity(each.done_quantity, (*path, "doneQuantity"))
    if not reported:
        raise InvalidInput("REQUIRED", "A report tells of at least one line.", ("lines",))
    return reported


def _details(place: Place | None) -> Json:
    if place is None:
        return {}
    if abs(place.latitude) > 90 or abs(place.longitude) > 180:  # degrees of a sphere
        raise InvalidInput(
            "OUT_OF_RANGE", "Latitude is within 90 degrees, longitude within 180.", ("position",)
        )
    accuracy = place.accuracy_meters
    if accuracy is not None and not 0 <= accuracy < values.QUANTITY_LIMIT:
        raise InvalidInput(
            "OUT_OF_RANGE", "The accuracy is zero metres or more.", ("position", "accuracyMeters")
        )
    return {
        "latitude": values.plain(values.rounded(place.latitude, 6)),
        "longitude": values.plain(values.rounded(place.longitude, 6)),
        "accuracyMeters": None if accuracy is None else values.plain(values.rounded(accuracy, 1)),
    }
