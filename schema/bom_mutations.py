"""What can be done to items and BOMs? Each mutation is one command; input in, payload out."""

from __future__ import annotations

import asyncio
from typing import Annotated

import strawberry

from commands.boms.drafting import create_bom, create_revision, update_revision
from commands.boms.importing import import_bom
from commands.boms.items import create_item, update_item
from commands.boms.lines import add_line, remove_line, update_line
from commands.boms.releasing import release_revision
from domain.errors import Forbidden, Refusal
from loaders.records import Record
from resolvers.context import Info
from resolvers.mutations import perform
from schema.binding import structural
from schema.bom_import import BomImportInput
from schema.bom_inputs import (
    BomCreateInput,
    BomLineAddInput,
    BomLineRemoveInput,
    BomLineUpdateInput,
    BomRevisionCreateInput,
    BomRevisionReleaseInput,
    BomRevisionUpdateInput,
    ItemCreateInput,
    ItemUpdateInput,
)
from schema.boms import BomRevision, Item
from schema.errors import UserError, user_error

_INPUT = strawberry.argument(description="What to do, and with what.")


@structural
@strawberry.type(description="Answer of every command of items.")
class ItemPayload:
    """The item as the command left it."""

    item: Item | None = strawberry.field(description="The item, null where nothing was done.")
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


@structural
@strawberry.type(description="Answer of every command of BOMs.")
class BomRevisionPayload:
    """The revision as the command left it."""

    bom_revision: BomRevision | None = strawberry.field(
        description="The revision, null where nothing was done."
    )
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")


@strawberry.type
class BomMutation:
    """The mutations of items and BOMs."""

    @strawberry.mutation(description="Take an item into the company's books.")
    async def item_create(self, info: Info, input: Annotated[ItemCreateInput, _INPUT]) -> ItemPayload:
        """Create an item."""
        return _item(*await perform(info, "Item", input.command(), create_item))

    @strawberry.mutation(description="Change an item.")
    async def item_update(self, info: Info, input: Annotated[ItemUpdateInput, _INPUT]) -> ItemPayload:
        """Update an item."""
        return _item(*await perform(info, "Item", input.command(), update_item))

    @strawberry.mutation(description="Open the BOM of an item with its first draft.")
    async def bom_create(self, info: Info, input: Annotated[BomCreateInput, _INPUT]) -> BomRevisionPayload:
        """Create a BOM."""
        return _revision(*await perform(info, "BomRevision", input.command(), create_bom))

    @strawberry.mutation(description="Open the next draft of a BOM as a copy of one of its revisions.")
    async def bom_revision_create(
        self, info: Info, input: Annotated[BomRevisionCreateInput, _INPUT]
    ) -> BomRevisionPayload:
        """Create a revision."""
        return _revision(*await perform(info, "BomRevision", input.command(), create_revision))

    @strawberry.mutation(description="Change a draft's own fields, its operations and co-products.")
    async def bom_revision_update(
        self, info: Info, input: Annotated[BomRevisionUpdateInput, _INPUT]
    ) -> BomRevisionPayload:
        """Update a revision."""
        return _revision(*await perform(info, "BomRevision", input.command(), update_revision))

    @strawberry.mutation(description="Add a line to a draft.")
    async def bom_line_add(self, info: Info, input: Annotated[BomLineAddInput, _INPUT]) -> BomRevisionPayload:
        """Add a line."""
        return _revision(*await perform(info, "BomRevision", input.command(), add_line))

    @strawberry.mutation(description="Change a line of a draft.")
    async def bom_line_update(
        self, info: Info, input: Annotated[BomLineUpdateInput, _INPUT]
    ) -> BomRevisionPayload:
        """Update a line."""
        return _revision(*await perform(info, "BomRevision", input.command(), update_line))

    @strawberry.mutation(description="Remove a line from a draft.")
    async def bom_line_remove(
        self, info: Info, input: Annotated[BomLineRemoveInput, _INPUT]
    ) -> BomRevisionPayload:
        """Remove a line."""
        return _revision(*await perform(info, "BomRevision", input.command(), remove_line))

    @strawberry.mutation(
        description="Bring a draft into force 发布; the revision in force until then is superseded from its first day on. One that an"
        " open engineering change holds is released with that."
    )
    async def bom_revision_release(
        self, info: Info, input: Annotated[BomRevisionReleaseInput, _INPUT]
    ) -> BomRevisionPayload:
        """Release a revision."""
        return _revision(*await perform(info, "BomRevision", input.command(), release_revision))

    @strawberry.mutation(
        description=(
            "Let the BOM of an item have the lines of a file 导入: all of them or, where one can't be taken, none. It makes the BOM "
            "where the item has none, replaces the lines of its newest draft, or opens the next draft from its newest revision."
        )
    )
    async def bom_import(self, info: Info, input: Annotated[BomImportInput, _INPUT]) -> BomRevisionPayload:
        """Import a BOM."""
        # Asked before the file is read, which takes more than to be refused; the command asks again.
        if not info.context.policy.may_anywhere("bom", "create"):
            raise Forbidden
        # Reading a file may take its time, in which the others have theirs.
        command = await asyncio.to_thread(input.command)
        return _revision(*await perform(info, "BomRevision", command, import_bom))


def _item(item: Record | None, refusals: tuple[Refusal, ...]) -> ItemPayload:
    errors = [user_error(refusal) for refusal in refusals]
    return ItemPayload(item=item, errors=errors)  # pyright: ignore[reportArgumentType]  (see order_payload)


def _revision(revision: Record | None, refusals: tuple[Refusal, ...]) -> BomRevisionPayload:
    errors = [user_error(refusal) for refusal in refusals]
    return BomRevisionPayload(bom_revision=revision, errors=errors)  # pyright: ignore[reportArgumentType]
