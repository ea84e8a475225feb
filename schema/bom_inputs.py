"""What do mutations of items and BOMs take? Each input knows the command that it stands for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from commands.boms.drafting import (
    CoProductDraft,
    CreateBom,
    CreateRevision,
    OperationDraft,
    RevisionDraft,
    UpdateRevision,
)
from commands.boms.items import CreateItem, ItemDraft, ItemUnitDraft, UpdateItem
from commands.boms.lines import AddLine, LineDraft, RemoveLine, SubstituteDraft, UpdateLine
from commands.boms.releasing import ReleaseRevision
from commands.boms.vocabulary import ItemName
from domain.identifiers import parse_key
from domain.unset import UNSET
from resolvers.relations import given
from schema.enums import ItemKind, ScrapRule
from schema.filters import given_key
from schema.inputs import CommandInput, maybe

_VERSION = "The version that was read; if the object has moved on since, the answer is VersionConflict."


def _or_unset(value: Any) -> Any:
    """Return a value that can't be null as the domain says it: null counts as not given."""
    found = given(value)
    return UNSET if found is None else found


@strawberry.input(description="An item, by exactly one of id and code.")
class ItemKeyInput:
    """Which item."""

    id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Its id.")
    code: str | None = strawberry.field(default=strawberry.UNSET, description="Its code.")

    def name(self) -> ItemName:
        """Return it as commands name items."""
        return ItemName(given_key(self.id, "Item"), given(self.code))


@strawberry.input(description="Another unit in which an item is measured.")
class ItemUnitInput:
    """A unit of an item."""

    unit: str = strawberry.field(description="Code of the unit; of another dimension than the item's others.")
    factor: Decimal = strawberry.field(
        description="How many base units it is; more than zero, at most 12 places."
    )


@strawberry.input(description="The fields of an item that a person types in.")
class ItemFieldsInput(CommandInput):
    """Shared by creation and update; what is not given stays as it is."""

    code: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 40 characters, one line, unique; an item has one."
    )
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="At most 200 characters, one line; an item has one."
    )
    kind: ItemKind | None = strawberry.field(
        default=strawberry.UNSET, description="MATERIAL where nothing is said."
    )
    unit: str | None = strawberry.field(
        default=strawberry.UNSET, description="Code of its base unit; an item has one."
    )
    units: list[ItemUnitInput] | None = strawberry.field(
        default=strawberry.UNSET, description="All its other units, at most 20."
    )
    standard_cost: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Of one base unit; zero or more, at most 4 places."
    )
    currency: str | None = strawberry.field(
        default=strawberry.UNSET, description="ISO 4217; CNY where nothing is said."
    )
    lead_time_days: int | None = strawberry.field(
        default=strawberry.UNSET, description="Zero or more, in days."
    )

    def draft(self) -> ItemDraft:
        """Return the fields as the commands take them."""
        units = given(self.units)
        return ItemDraft(
            code=_or_unset(self.code),
            name=_or_unset(self.name),
            kind=_or_unset(self.kind),
            unit=_or_unset(self.unit),
            units=UNSET
            if units is None
            else tuple(ItemUnitDraft(unit=each.unit, factor=each.factor) for each in units),
            standard_cost=maybe(self.standard_cost),
            currency=_or_unset(self.currency),
            lead_time_days=maybe(self.lead_time_days),
        )


@strawberry.input(description="Takes an item into the company's books.")
class ItemCreateInput(ItemFieldsInput):
    """Input of `itemCreate`."""

    def command(self) -> CreateItem:
        """Return the command."""
        return CreateItem(draft=self.draft(), **self.common())


@strawberry.input(description="Changes an item.")
class ItemUpdateInput(ItemFieldsInput):
    """Input of `itemUpdate`."""

    id: strawberry.ID = strawberry.field(description="The item.")
    expected_version: int = strawberry.field(description=_VERSION)

    def command(self) -> UpdateItem:
        """Return the command."""
        return UpdateItem(
            item_id=parse_key(self.id, "Item"),
            expected_version=self.expected_version,
            draft=self.draft(),
            **self.common(),
        )


@strawberry.input(description="What may be taken instead of a line's item.")
class BomSubstituteInput:
    """A substitute."""

    item: ItemKeyInput = strawberry.field(description="The item.")
    factor: Decimal = strawberry.field(
        default=Decimal(1),
        description="How many of its base units stand in for one of the line's item; at most 12 places.",
    )


@strawberry.input(description="A line of a BOM revision. What is not given stays as it is.")
class BomLineFieldsInput:
    """Fields of a line."""

    position: int | None = strawberry.field(
        default=strawberry.UNSET, description="Its number; behind the others, in tens, where nothing is said."
    )
    item: ItemKeyInput | None = strawberry.field(
        default=strawberry.UNSET, description="What is taken; a line has one."
    )
    quantity: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="For one base lot; more than zero, at most 4 places; a line has one.",
    )
    unit: str | None = strawberry.field(
        default=strawberry.UNSET, description="Code of its unit; the item's base unit where nothing is said."
    )
    fixed: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the quantity is taken once, whatever is made."
    )
    scrap_percent: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="Zero or more, less than 100, at most 2 places."
    )
    scrap_rule: ScrapRule | None = strawberry.field(
        default=strawberry.UNSET, description="ADD where nothing is said."
    )
    setup_quantity: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="What setting up takes in addition; zero or more, at most 4 places.",
    )
    order_multiple: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="More than zero, at most 4 places; null for none."
    )
    valid_from: date | None = strawberry.field(
        default=strawberry.UNSET, description="First day; null for always."
    )
    valid_to: date | None = strawberry.field(
        default=strawberry.UNSET, description="First day on which it holds no longer; null for never."
    )
    consumable: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether it is used up without being part of the product."
    )
    substitutes: list[BomSubstituteInput] | None = strawberry.field(
        default=strawberry.UNSET, description="All that may be taken instead, first choice first; at most 20."
    )

    def draft(self) -> LineDraft:
        """Return the fields as the commands take them."""
        item, substitutes = given(self.item), given(self.substitutes)
        return LineDraft(
            position=_or_unset(self.position),
            item=UNSET if item is None else item.name(),
            quantity=_or_unset(self.quantity),
            unit=_or_unset(self.unit),
            fixed=_or_unset(self.fixed),
            scrap_percent=_or_unset(self.scrap_percent),
            scrap_rule=_or_unset(self.scrap_rule),
            setup_quantity=_or_unset(self.setup_quantity),
            order_multiple=maybe(self.order_multiple),
            valid_from=maybe(self.valid_from),
            valid_to=maybe(self.valid_to),
            consumable=_or_unset(self.consumable),
            substitutes=UNSET
            if substitutes is None
            else tuple(SubstituteDraft(item=each.item.name(), factor=each.factor) for each in substitutes),
        )


@strawberry.input(description="Work on one base lot.")
class BomOperationInput:
    """An operation."""

    position: int | None = strawberry.field(
        default=strawberry.UNSET, description="Its number; behind the others, in tens, where nothing is said."
    )
    name: str = strawberry.field(description="What is done, at most 200 characters.")
    minutes: Decimal = strawberry.field(description="For one base lot; zero or more, at most 4 places.")
    hourly_rate: Decimal | None = strawberry.field(
        default=strawberry.UNSET,
        description="Zero or more, at most 4 places; not given, an operation of this number keeps its rate.",
    )

    def draft(self) -> OperationDraft:
        """Return it as the commands take it."""
        return OperationDraft(
            position=_or_unset(self.position),
            name=self.name,
            minutes=self.minutes,
            hourly_rate=_or_unset(self.hourly_rate),
        )


@strawberry.input(description="What comes out of a base lot beside its item.")
class BomCoProductInput:
    """A co-product."""

    item: ItemKeyInput = strawberry.field(description="What comes out.")
    quantity: Decimal = strawberry.field(description="In its base unit; more than zero, at most 4 places.")
    cost_share_percent: Decimal = strawberry.field(
        default=Decimal(0), description="How much of the cost it bears, 0 to 100 in all, at most 2 places."
    )

    def draft(self) -> CoProductDraft:
        """Return it as the commands take it."""
        return CoProductDraft(
            item=self.item.name(), quantity=self.quantity, cost_share_percent=self.cost_share_percent
        )


@strawberry.input(description="The fields of a BOM revision that a person types in.")
class BomRevisionFieldsInput(CommandInput):
    """Shared by creation and update; what is not given stays as it is."""

    base_quantity: Decimal | None = strawberry.field(
        default=strawberry.UNSET, description="For how much its lines are given; 1 where nothing is said."
    )
    valid_from: date | None = strawberry.field(
        default=strawberry.UNSET,
        description="First day; the day of release where another revision is in force.",
    )
    valid_to: date | None = strawberry.field(
        default=strawberry.UNSET, description="First day on which it holds no longer; null for never."
    )
    operations: list[BomOperationInput] | None = strawberry.field(
        default=strawberry.UNSET, description="All the work on a base lot, at most 200."
    )
    co_products: list[BomCoProductInput] | None = strawberry.field(
        default=strawberry.UNSET, description="All that comes out beside the item, at most 200."
    )

    def draft(self) -> RevisionDraft:
        """Return the fields as the commands take them."""
        operations, co_products = given(self.operations), given(self.co_products)
        return RevisionDraft(
            base_quantity=_or_unset(self.base_quantity),
            valid_from=maybe(self.valid_from),
            valid_to=maybe(self.valid_to),
            operations=UNSET if operations is None else tuple(each.draft() for each in operations),
            co_products=UNSET if co_products is None else tuple(each.draft() for each in co_products),
        )


@strawberry.input(description="Opens the BOM of an item with its first draft.")
class BomCreateInput(BomRevisionFieldsInput):
    """Input of `bomCreate`."""

    item: ItemKeyInput = strawberry.field(description="What is made by it; it has no BOM yet.")
    lines: list[BomLineFieldsInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Its lines, at most 2,000."
    )

    def command(self) -> CreateBom:
        """Return the command."""
        lines = tuple(each.draft() for each in given(self.lines) or ())
        return CreateBom(item=self.item.name(), draft=self.draft(), lines=lines, **self.common())


@strawberry.input(description="Opens the next draft of a BOM as a copy of one of its revisions.")
class BomRevisionCreateInput(BomRevisionFieldsInput):
    """Input of `bomRevisionCreate`."""

    source_id: strawberry.ID = strawberry.field(description="The revision that is copied.")

    def command(self) -> CreateRevision:
        """Return the command."""
        return CreateRevision(
            source_id=parse_key(self.source_id, "BomRevision"), draft=self.draft(), **self.common()
        )


@strawberry.input(description="Changes a draft's own fields.")
class BomRevisionUpdateInput(BomRevisionFieldsInput):
    """Input of `bomRevisionUpdate`."""

    id: strawberry.ID = strawberry.field(description="The revision, a draft.")
    expected_version: int = strawberry.field(description=_VERSION)

    def command(self) -> UpdateRevision:
        """Return the command."""
        return UpdateRevision(
            revision_id=parse_key(self.id, "BomRevision"),
            expected_version=self.expected_version,
            draft=self.draft(),
            **self.common(),
        )


@strawberry.input(description="What is done with one BOM revision.")
class BomRevisionActionInput(CommandInput):
    """Shared by all that names a revision."""

    id: strawberry.ID = strawberry.field(description="The revision.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_VERSION)

    def meant(self) -> dict[str, Any]:
        """Return which revision is meant, and what every command may carry."""
        return {
            "revision_id": parse_key(self.id, "BomRevision"),
            "expected_version": given(self.expected_version),
            **self.common(),
        }


@strawberry.input(description="Adds a line to a draft.")
class BomLineAddInput(BomRevisionActionInput):
    """Input of `bomLineAdd`."""

    line: BomLineFieldsInput = strawberry.field(description="The line.")

    def command(self) -> AddLine:
        """Return the command."""
        return AddLine(draft=self.line.draft(), **self.meant())


@strawberry.input(description="Changes a line of a draft.")
class BomLineUpdateInput(BomRevisionActionInput):
    """Input of `bomLineUpdate`."""

    line_id: strawberry.ID = strawberry.field(description="The line.")
    line: BomLineFieldsInput = strawberry.field(description="What of it changes.")

    def command(self) -> UpdateLine:
        """Return the command."""
        return UpdateLine(line_id=parse_key(self.line_id, "BomLine"), draft=self.line.draft(), **self.meant())


@strawberry.input(description="Removes a line from a draft.")
class BomLineRemoveInput(BomRevisionActionInput):
    """Input of `bomLineRemove`."""

    line_id: strawberry.ID = strawberry.field(description="The line.")

    def command(self) -> RemoveLine:
        """Return the command."""
        return RemoveLine(line_id=parse_key(self.line_id, "BomLine"), **self.meant())


@strawberry.input(description="Brings a draft into force.")
class BomRevisionReleaseInput(BomRevisionActionInput):
    """Input of `bomRevisionRelease`."""

    def command(self) -> ReleaseRevision:
        """Return the command."""
        return ReleaseRevision(**self.meant())
