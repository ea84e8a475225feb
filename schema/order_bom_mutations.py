"""What can be done to the BOM of an order? Freeze one into it; what that changes is told with the order."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import strawberry

from commands.orders.freezing import EVENT, FreezeBom, freeze_bom
from domain.identifiers import parse_key
from resolvers.boms import row_named
from resolvers.context import Info
from resolvers.mutations import performed
from resolvers.order_boms import IMPACT, event_of
from resolvers.relations import given
from schema.binding import structural
from schema.enums import DemandChange
from schema.errors import UserError, user_error
from schema.inputs import OrderActionInput
from schema.node import Connection
from schema.orders import Order

if TYPE_CHECKING:
    from schema.boms import Item

_INPUT = strawberry.argument(description="What to do, and with what.")
_BEFORE = "How much was needed before, in base units of the item, 4 places, rounded half-up."
_AFTER = "How much is needed now, in base units of the item, 4 places, rounded half-up."
_EXACT = "The same exactly, in lowest terms: a whole number or a fraction such as `10/3`."


# Any: a declaration stands where Strawberry and the type checker expect the field's own type.
def _resolved(resolver: Any, description: str) -> Any:
    return strawberry.field(resolver=resolver, description=description)


@strawberry.input(description="Freezes a BOM revision into an order.")
class OrderFreezeBomInput(OrderActionInput):
    """Input of `orderFreezeBom`."""

    bom_revision_id: strawberry.ID = strawberry.field(
        description="The revision, released; or superseded, as it was until then."
    )
    quantity: Decimal = strawberry.field(
        description="How many base units of its item the order makes; more than zero, at most 4 places."
    )
    as_of: date | None = strawberry.field(
        default=strawberry.UNSET,
        description="By the lines and revisions of which day; without it today's, or those of the nearest day on which the revision holds.",
    )

    def command(self) -> FreezeBom:
        """Return the command."""
        return FreezeBom(
            order_id=parse_key(self.id, "Order"),
            revision_id=parse_key(self.bom_revision_id, "BomRevision"),
            quantity=self.quantity,
            as_of=given(self.as_of),
            expected_version=given(self.expected_version),
            **self.common(),
        )


@structural
@strawberry.type(description="What becomes of the demand of one item, on all paths together.")
class DemandImpact:
    """An item of which more or less is needed."""

    item: Annotated[Item, strawberry.lazy("schema.boms")] | None = _resolved(
        row_named("Item", "item_id"), "The item."
    )
    change: DemandChange = strawberry.field(description="What becomes of it.")
    quantity_before: Decimal = strawberry.field(description=_BEFORE)
    exact_quantity_before: str = strawberry.field(description=_EXACT)
    quantity_after: Decimal = strawberry.field(description=_AFTER)
    exact_quantity_after: str = strawberry.field(description=_EXACT)


@structural
@strawberry.type(description="Answer of freezing a BOM into an order.")
class OrderBomPayload:
    """The order as the command left it, and what that changes."""

    order: Order | None = strawberry.field(description="The order, null where nothing was done.")
    impact: Connection[DemandImpact] | None = _resolved(
        IMPACT, "Of which items more or less is needed than before; null where nothing was done."
    )
    errors: list[UserError] = strawberry.field(description="Why nothing was done; empty where it was.")
    event_id: strawberry.Private[UUID | None] = None
    """Which event tells what was changed, null where nothing was."""


@strawberry.type
class OrderBomMutation:
    """The mutation of an order's BOM."""

    @strawberry.mutation(
        description="Build a draft by a BOM revision 冻结物料清单, with all that is below it as it is on one day; or, of an order "
        "that is approved and not done yet, by another one than was frozen into it. With `dryRun` it tells what that would change."
    )
    async def order_freeze_bom(
        self, info: Info, input: Annotated[OrderFreezeBomInput, _INPUT]
    ) -> OrderBomPayload:
        """Freeze a BOM."""
        order, outcome = await performed(info, "Order", input.command(), freeze_bom)
        return OrderBomPayload(
            order=order,  # pyright: ignore[reportArgumentType]  (see order_payload)
            errors=[user_error(refusal) for refusal in outcome.refusals],
            event_id=event_of(outcome.told.get(EVENT)),
        )
