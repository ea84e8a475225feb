"""How do the demo's items and BOMs become rows and events that agree?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from db.bom_snapshots import checksum, item_snapshot, revision_fields, revision_snapshot
from db.bom_tables import (
    BomCoProductRow,
    BomLineRow,
    BomOperationRow,
    BomRevisionRow,
    BomRow,
    BomSubstituteRow,
    ItemRow,
    ItemUnitRow,
)
from domain.bom import RevisionState
from domain.units import Unit, conversion
from server.demo.boms import ITEMS, REVISIONS, DemoItem, DemoLine, DemoRevision, standard_cost
from server.demo.company import CURRENCY, FOUNDED, PERSON_BY_USERNAME
from server.demo.fixed import fixed_id
from server.demo.history import Chain

_ENTERED = FOUNDED + timedelta(days=1)
"""When the items were entered, the day after the people who did it."""

_DRAWN = _ENTERED + timedelta(days=7)
_RELEASED = _DRAWN + timedelta(days=7)
_STEP = 10


@dataclass(slots=True)
class BomRows:
    """All rows of items and BOMs, and the chains of their events."""

    items: list[ItemRow] = field(default_factory=list[ItemRow])
    units: list[ItemUnitRow] = field(default_factory=list[ItemUnitRow])
    boms: dict[UUID, BomRow] = field(default_factory=dict[UUID, BomRow])
    revisions: list[BomRevisionRow] = field(default_factory=list[BomRevisionRow])
    lines: list[BomLineRow] = field(default_factory=list[BomLineRow])
    substitutes: list[BomSubstituteRow] = field(default_factory=list[BomSubstituteRow])
    operations: list[BomOperationRow] = field(default_factory=list[BomOperationRow])
    co_products: list[BomCoProductRow] = field(default_factory=list[BomCoProductRow])
    chains: list[Chain] = field(default_factory=list[Chain])


def item_id(code: str) -> UUID:
    """Return the same id on every machine."""
    return fixed_id(FOUNDED, f"item.{code}")


def revision_id(code: str, number: int) -> UUID:
    """Return the same id on every machine."""
    return fixed_id(FOUNDED, _revision_name(code, number))


def demo_boms(units: Mapping[str, Unit]) -> BomRows:
    """Return the demo's items and BOMs; `units` are the company's, by code."""
    rows = BomRows()
    for nth, item in enumerate(ITEMS):
        _enter(rows, item, units, _ENTERED + timedelta(minutes=nth))
    for nth, revision in enumerate(REVISIONS):
        _draw(rows, revision, units, nth)
    return rows


def _enter(rows: BomRows, item: DemoItem, units: Mapping[str, Unit], moment: datetime) -> None:
    row = ItemRow(
        id=item_id(item.code),
        code=item.code,
        name=item.name,
        kind=item.kind,
        unit_id=units[item.unit].id,
        standard_cost=standard_cost(item),
        currency=CURRENCY,
        lead_time_days=item.lead_time_days,
        version=1,
        created_at=moment,
        updated_at=moment,
    )
    own = [
        ItemUnitRow(
            id=fixed_id(FOUNDED, f"item.{item.code}.{code}"),
            item_id=row.id,
            unit_id=units[code].id,
            factor=Decimal(factor).quantize(Decimal("1e-12")),
        )
        for code, factor in item.units
    ]
    chain = Chain("Item", row.id, None)
    chain.add("ItemCreated", _actor("buyer"), moment, before={}, after=item_snapshot(row, own))
    rows.items.append(row)
    rows.units += own
    rows.chains.append(chain)


def _draw(rows: BomRows, demo: DemoRevision, units: Mapping[str, Unit], nth: int) -> None:
    drawn, released = (moment + timedelta(minutes=nth) for moment in (_DRAWN, _RELEASED))
    owner = item_id(demo.item)
    bom = rows.boms.setdefault(
        owner, BomRow(id=fixed_id(FOUNDED, f"bom.{demo.item}"), item_id=owner, created_at=drawn)
    )
    name = _revision_name(demo.item, demo.number)
    row = BomRevisionRow(
        id=revision_id(demo.item, demo.number),
        bom_id=bom.id,
        item_id=owner,
        number=demo.number,
        state=RevisionState.DRAFT,
        base_quantity=_quantity(demo.base_quantity),
        valid_from=demo.valid_from,
        valid_to=None,
        note=None,
        released_at=None,
        version=2,
        created_at=drawn,
        updated_at=released,
    )
    parts = _parts(demo, row.id, name, units)
    row.checksum = checksum(revision_fields(row, *parts))
    chain = Chain("BomRevision", row.id, None)
    before = revision_snapshot(row, *parts)
    chain.add("BomRevisionCreated", _actor("engineer"), drawn, before={}, after=before)
    row.state, row.released_at = RevisionState.RELEASED, released
    after = revision_snapshot(row, *parts)
    chain.add("BomRevisionReleased", _actor("pm"), released, before=before, after=after)
    if demo.valid_to is not None:
        row.state, row.valid_to = RevisionState.SUPERSEDED, demo.valid_to
        row.version, row.updated_at = 3, released + timedelta(hours=1)
        ended = revision_snapshot(row, *parts)
        chain.add("BomRevisionSuperseded", _actor("pm"), row.updated_at, before=after, after=ended)
    rows.revisions.append(row)
    lines, substitutes, operations, co_products = parts
    rows.lines += lines
    rows.substitutes += substitutes
    rows.operations += operations
    rows.co_products += co_products
    rows.chains.append(chain)


_Parts = tuple[list[BomLineRow], list[BomSubstituteRow], list[BomOperationRow], list[BomCoProductRow]]


def _parts(demo: DemoRevision, revision_id: UUID, name: str, units: Mapping[str, Unit]) -> _Parts:
    lines: list[BomLineRow] = []
    substitutes: list[BomSubstituteRow] = []
    for nth, line in enumerate(demo.lines):
        position = line.position or max((each.position for each in lines), default=0) + _STEP
        row = _line(line, revision_id, fixed_id(FOUNDED, f"{name}.line.{nth}"), position, units)
        lines.append(row)
        substitutes += [
            BomSubstituteRow(
                id=fixed_id(FOUNDED, f"{name}.line.{nth}.{code}"),
                revision_id=revision_id,
                line_id=row.id,
                priority=priority,
                item_id=item_id(code),
                factor=Decimal(factor).quantize(Decimal("1e-12")),
            )
            for priority, (code, factor) in enumerate(line.substitutes, start=1)
        ]
    operations = [
        BomOperationRow(
            id=fixed_id(FOUNDED, f"{name}.operation.{nth}"),
            revision_id=revision_id,
            position=nth * _STEP,
            name=what,
            minutes=_quantity(minutes),
            hourly_rate=_quantity(rate),
        )
        for nth, (what, minutes, rate) in enumerate(demo.operations, start=1)
    ]
    co_products = [
        BomCoProductRow(
            id=fixed_id(FOUNDED, f"{name}.co_product.{code}"),
            revision_id=revision_id,
            item_id=item_id(code),
            quantity=_quantity(quantity),
            cost_share_percent=_percent(share),
        )
        for code, quantity, share in demo.co_products
    ]
    return lines, substitutes, operations, co_products


def _line(
    demo: DemoLine, revision_id: UUID, line_id: UUID, position: int, units: Mapping[str, Unit]
) -> BomLineRow:
    item = _ITEM_BY_CODE[demo.item]
    unit = units[demo.unit or item.unit]
    own = {units[code]: Decimal(factor) for code, factor in item.units}
    factor: Fraction = conversion(unit, units[item.unit], own, ())
    return BomLineRow(
        id=line_id,
        revision_id=revision_id,
        position=position,
        item_id=item_id(demo.item),
        quantity=_quantity(demo.quantity),
        unit_id=unit.id,
        factor_numerator=Decimal(factor.numerator),
        factor_denominator=Decimal(factor.denominator),
        is_fixed=demo.is_fixed,
        scrap_percent=_percent(demo.scrap_percent),
        scrap_rule=demo.scrap_rule,
        setup_quantity=_quantity(demo.setup_quantity),
        order_multiple=None if demo.order_multiple is None else _quantity(demo.order_multiple),
        valid_from=demo.valid_from,
        valid_to=demo.valid_to,
        is_consumable=demo.is_consumable,
    )


def _revision_name(code: str, number: int) -> str:
    return f"bom.{code}.{number}"


def _quantity(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.0001"))


def _percent(text: str) -> Decimal:
    return Decimal(text).quantize(Decimal("0.01"))


def _actor(username: str) -> UUID:
    return PERSON_BY_USERNAME[username].id


_ITEM_BY_CODE = {item.code: item for item in ITEMS}
