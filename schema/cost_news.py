"""What is a change of a cost to somebody who follows costs?"""

from __future__ import annotations

import strawberry

from schema.binding import structural
from schema.boms import Item
from schema.events import Event


@structural
@strawberry.type(description="A change of an item's rolled-up cost, told live.")
class ItemCostChange:
    """One message of `itemCostChanged`."""

    cursor: str = strawberry.field(
        description="Where the live feed stands with this message: behind it nothing is lost and nothing comes twice."
    )
    resync_required: bool = strawberry.field(
        description="Whether changes before this message were missed: read again what you show. Then the rest is null."
    )
    item_id: strawberry.ID | None = strawberry.field(
        description="Of which item this tells, null where changes were missed."
    )
    event: Event | None = strawberry.field(
        description="What happened to its cost, null where the viewer may not read the log."
    )
    item: Item | None = strawberry.field(
        description="The item as it is now, with its `rolledCost`, as the viewer may see it."
    )
