"""What does replacing an item in many BOMs take and answer?"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import strawberry

from commands.boms.replacing import ReplaceItem
from domain.errors import Refusal
from domain.identifiers import parse_key
from loaders.records import Record
from resolvers.bom_replacing import replace_in_boms
from resolvers.boms import row_named
from resolvers.context import Info
from resolvers.relations import given
from schema.binding import structural
from schema.bom_inputs import ItemKeyInput
from schema.boms import Bom, BomRevision, Item
from schema.enums import BomReplacementOutcome
from schema.errors import UserError, user_error
from schema.inputs import CommandInput

_INPUT = strawberry.argument(description="What to do, and with what.")


@strawberry.input(
    description="Replaces an item by another one across BOMs 批量替换: in the newest draft of each, or in the next one, which is "
    "opened as a copy of its revision in force. Nothing is released."
)
class BomMassReplaceInput(CommandInput):
    """Input of `bomMassReplace`."""

    item: ItemKeyInput = strawberry.field(description="What is replaced.")
    replacement: ItemKeyInput = strawberry.field(description="What takes its place.")
    factor: Decimal = strawberry.field(
        default=Decimal(1),
        description="How many base units of the new item stand in for one of the old one; more than zero, at most 12 places.",
    )
    valid_from: date | None = strawberry.field(
        default=strawberry.UNSET,
        description="First day of the new item, on which lines of the old one end; without it lines are replaced.",
    )
    bom_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description="In which BOMs, at most 500; without it in all whose newest draft or revision in force takes the item.",
    )

    def command(self) -> ReplaceItem:
        """Return the command."""
        ids = given(self.bom_ids)
        return ReplaceItem(
            item=self.item.name(),
            replacement=self.replacement.name(),
            factor=self.factor,
            valid_from=given(self.valid_from),
            bom_ids=None if ids is None else tuple(parse_key(each, "Bom") for each in ids),
            **self.common(),
        )


# Any: a declaration stands where Strawberry and the type checker expect the field's own type.
def _row(type_name: str, key: str, description: str) -> Any:
    return strawberry.field(resolver=row_named(type_name, key), description=description)


@structural
@strawberry.type(description="What a replacement did with one BOM.")
class BomReplacementResult:
    """The result of one BOM."""

    bom: Bom | None = _row("Bom", "bom_id", "The BOM.")
    bom_revision: BomRevision | None = _row(
        "BomRevision",
        "revision_id",
        "The draft in which it was replaced, else the revision that was looked at; null where there is none.",
    )
    outcome: BomReplacementOutcome = strawberry.field(description="What was done.")
    code: str | None = strawberry.field(description="Why it was refused, a stable code.")
    message: str | None = strawberry.field(description="The same as a sentence for people.")


@structural
@strawberry.type(description="Answer of replacing an item across BOMs.")
class BomMassReplacePayload:
    """The item, and the result of each BOM."""

    item: Item | None = strawberry.field(
        description="The item that was replaced, null where nothing was done."
    )
    results: list[BomReplacementResult] = strawberry.field(
        description="What became of each BOM: in the order in which they were named, else by age."
    )
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


@strawberry.type
class BomReplacingMutation:
    """The mutation that replaces an item in many BOMs."""

    @strawberry.mutation(
        description="Replace an item by another one across BOMs 批量替换, each BOM for itself: where it can't be done, the others are."
    )
    async def bom_mass_replace(
        self, info: Info, input: Annotated[BomMassReplaceInput, _INPUT]
    ) -> BomMassReplacePayload:
        """Replace an item."""
        return _payload(*await replace_in_boms(info, input.command()))


# Any: mappings, which the executor takes for the types that the schema names.
def _payload(item: Record | None, results: Any, refusals: tuple[Refusal, ...]) -> BomMassReplacePayload:
    errors = [user_error(refusal) for refusal in refusals]
    return BomMassReplacePayload(item=item, results=results, errors=errors)  # pyright: ignore[reportArgumentType]
