"""How does a BOM come to be, how does its next revision, and how are a draft's own fields changed?

What an hour of work costs may only be written by who is granted to: the deeds `create` and `update` on `bom.cost`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select

from commands.boms.cycles import refuse_cycles
from commands.boms.lines import POSITION_STEP, LineDraft, put_lines
from commands.boms.revision import Revision, RevisionCommand, demand_draft, leave, lock_bom, lock_revision
from commands.boms.vocabulary import ItemName, item_named
from commands.execution import Command, Workbench
from db.bom_tables import (
    BomCoProductRow,
    BomOperationRow,
    BomRevisionRow,
    BomRow,
    ItemRow,
)
from db.identifiers import new_id
from db.kept_rows import KeptTable
from domain import values
from domain.bom import RevisionState
from domain.errors import Forbidden, InvalidInput
from domain.unset import UNSET, NotGiven

PARTS_LIMIT = 200
"""How many operations, and how many co-products, a revision has at most."""

_WHOLE = Decimal(100)
_BOM = KeptTable(BomRow)


@dataclass(frozen=True, kw_only=True)
class OperationDraft:
    """Work on one base lot; its rate stays where it is not given and the revision has an operation of this position."""

    position: int | NotGiven = UNSET
    name: str
    minutes: Decimal
    hourly_rate: Decimal | NotGiven = UNSET


@dataclass(frozen=True, kw_only=True)
class CoProductDraft:
    """What comes out beside the item."""

    item: ItemName
    quantity: Decimal
    cost_share_percent: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class RevisionDraft:
    """The fields of a revision that a person types in; what is not given stays as it is."""

    base_quantity: Decimal | NotGiven = UNSET
    valid_from: date | NotGiven | None = UNSET
    valid_to: date | NotGiven | None = UNSET
    operations: tuple[OperationDraft, ...] | NotGiven = UNSET
    co_products: tuple[CoProductDraft, ...] | NotGiven = UNSET


@dataclass(frozen=True, kw_only=True)
class CreateBom(Command):
    """Open the BOM of an item with its first draft."""

    item: ItemName
    draft: RevisionDraft
    lines: tuple[LineDraft, ...] = ()
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreateRevision(Command):
    """Open the next draft of a BOM as a copy of one of its revisions."""

    source_id: UUID
    draft: RevisionDraft
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class UpdateRevision(RevisionCommand):
    """Change a draft. Given operations and co-products replace all that it has."""

    draft: RevisionDraft


async def create_bom(bench: Workbench, command: CreateBom) -> UUID:
    """Open a BOM; return the id of its first revision."""
    if not bench.policy.may_anywhere("bom", "create"):
        raise Forbidden
    item_id = await item_named(bench, command.item, ("item",))
    bom_id = await open_bom(bench, item_id)
    revision = new_revision(bench, bom_id, item_id, 1)
    await _apply(bench, revision, command.draft, "create")
    await put_lines(bench, revision, command.lines, ("lines",))
    revision.row.note = values.note(command.note)
    await leave(bench, revision, "BomRevisionCreated", revision.row.note)
    await refuse_cycles(bench, item_id, ("lines",))
    return revision.row.id


async def create_revision(bench: Workbench, command: CreateRevision) -> UUID:
    """Open the next draft; return its id."""
    source = await lock_revision(bench, command.source_id, "create", None)
    revision = await next_draft(bench, source)
    await _apply(bench, revision, command.draft, "create")
    revision.row.note = values.note(command.note)
    await leave(bench, revision, "BomRevisionCreated", revision.row.note)
    return revision.row.id


async def update_revision(bench: Workbench, command: UpdateRevision) -> UUID:
    """Change a draft; return its id."""
    revision = await lock_revision(bench, command.revision_id, "update", command.expected_version)
    demand_draft(revision)
    await _apply(bench, revision, command.draft, "update")
    await leave(bench, revision, "BomRevisionUpdated", values.note(command.note))
    return revision.row.id


async def next_draft(bench: Workbench, source: Revision) -> Revision:
    """Return the next draft of a BOM, which is not written yet: a copy of one of its revisions, without its days."""
    await lock_bom(bench, source.row.bom_id)
    newest = await bench.session.scalar(
        select(func.max(BomRevisionRow.number)).where(BomRevisionRow.bom_id == source.row.bom_id)
    )
    assert newest is not None, "the source is a revision of the BOM"
    revision = new_revision(bench, source.row.bom_id, source.row.item_id, newest + 1)
    revision.row.base_quantity = source.row.base_quantity
    revision.copy(source)
    return revision


async def open_bom(bench: Workbench, item_id: UUID) -> UUID:
    """Return the id of a new BOM; of two who make one of the same item, the second one is refused."""
    await bench.session.execute(select(ItemRow.id).where(ItemRow.id == item_id).with_for_update())
    known = await bench.session.scalar(select(BomRow.id).where(BomRow.item_id == item_id))
    if known is not None:
        raise InvalidInput("DUPLICATE", "This item has a BOM; make its next revision.", ("item",))
    bom = BomRow(id=new_id(), item_id=item_id, created_at=bench.origin.now)
    await _BOM.write(bench.session, _BOM.addition, [_BOM.values(bom)])
    return bom.id


def new_revision(bench: Workbench, bom_id: UUID, item_id: UUID, number: int) -> Revision:
    """Return a draft without lines, which is not written yet."""
    now = bench.origin.now
    return Revision(
        BomRevisionRow(
            id=new_id(),
            bom_id=bom_id,
            item_id=item_id,
            number=number,
            state=RevisionState.DRAFT,
            base_quantity=Decimal("1.0000"),
            version=0,
            created_at=now,
            updated_at=now,
        )
    )


async def _apply(bench: Workbench, revision: Revision, draft: RevisionDraft, deed: str) -> None:
    """Put the given fields into the revision; raise `InvalidInput`, `NotFound` or `Forbidden`."""
    row = revision.row
    if draft.base_quantity is not UNSET:
        row.base_quantity = values.quantity(draft.base_quantity, ("baseQuantity",))
    if draft.valid_from is not UNSET:
        row.valid_from = draft.valid_from
    if draft.valid_to is not UNSET:
        row.valid_to = draft.valid_to
    values.window(row.valid_from, row.valid_to, ("validTo",))
    if draft.operations is not UNSET:
        writes_rates = any(each.hourly_rate is not UNSET for each in draft.operations)
        if writes_rates and not bench.policy.may_anywhere("bom.cost", deed):
            raise Forbidden("You may not write rates.")
        revision.operations = _operations(revision, draft.operations)
    if draft.co_products is not UNSET:
        revision.co_products = await _co_products(bench, revision, draft.co_products)


def _operations(revision: Revision, drafts: Sequence[OperationDraft]) -> list[BomOperationRow]:
    """Return the operations as they shall be; one whose position is known keeps its row."""
    _demand_few(drafts, "operations")
    known = {each.position: each for each in revision.operations}
    found: dict[int, BomOperationRow] = {}
    for index, draft in enumerate(drafts):
        path = ("operations", str(index))
        last = max(found, default=0)
        place = (
            (last // POSITION_STEP + 1) * POSITION_STEP
            if draft.position is UNSET
            else values.position(draft.position, (*path, "position"))
        )
        if place in found:
            raise InvalidInput("DUPLICATE", f"Position {place} is there twice.", (*path, "position"))
        row = known.get(place) or BomOperationRow(
            id=new_id(), revision_id=revision.row.id, position=place, hourly_rate=Decimal("0.0000")
        )
        row.name = values.line(draft.name, values.TITLE_LENGTH, (*path, "name"))
        row.minutes = values.done_quantity(draft.minutes, (*path, "minutes"))
        if draft.hourly_rate is not UNSET:
            row.hourly_rate = values.unit_price(draft.hourly_rate, (*path, "hourlyRate"))
        found[place] = row
    return [found[place] for place in sorted(found)]


async def _co_products(
    bench: Workbench, revision: Revision, drafts: Sequence[CoProductDraft]
) -> list[BomCoProductRow]:
    """Return the co-products as they shall be; an item that is among them already keeps its row."""
    _demand_few(drafts, "coProducts")
    known = {each.item_id: each for each in revision.co_products}
    found: dict[UUID, BomCoProductRow] = {}
    for index, draft in enumerate(drafts):
        path = ("coProducts", str(index))
        item_id = await item_named(bench, draft.item, (*path, "item"))
        if item_id in found or item_id == revision.row.item_id:
            raise InvalidInput("DUPLICATE", "It is the item itself, or named twice.", (*path, "item"))
        row = known.get(item_id) or BomCoProductRow(id=new_id(), revision_id=revision.row.id, item_id=item_id)
        row.quantity = values.quantity(draft.quantity, (*path, "quantity"))
        row.cost_share_percent = values.percent(draft.cost_share_percent, (*path, "costSharePercent"))
        found[item_id] = row
    if sum(each.cost_share_percent for each in found.values()) > _WHOLE:
        raise InvalidInput("OUT_OF_RANGE", "The shares are more than 100%.", ("coProducts",))
    return [*found.values()]


def _demand_few(drafts: Sequence[object], name: str) -> None:
    if len(drafts) > PARTS_LIMIT:
        raise InvalidInput("TOO_MANY", f"At most {PARTS_LIMIT} of them.", (name,))
