"""What does the API tell of where an item is used?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from resolvers.boms import row_named
from schema.binding import structural

if TYPE_CHECKING:
    from schema.boms import BomLine, BomRevision, Item

_BOMS = strawberry.lazy("schema.boms")


# Any: a declaration stands where Strawberry and the type checker expect the field's own type.
def _row(type_name: str, key: str, description: str) -> Any:
    return strawberry.field(resolver=row_named(type_name, key), description=description)


@structural
@strawberry.type(description="A line that takes an item, or something that contains it 反查.")
class ItemUse:
    """A use."""

    level: int = strawberry.field(
        description="How far up it is: 1 takes the item itself. Of several ways up the shortest counts."
    )
    item: Annotated[Item, _BOMS] | None = _row("Item", "item_id", "What is made with it.")
    revision: Annotated[BomRevision, _BOMS] | None = _row("BomRevision", "revision_id", "By which revision.")
    line: Annotated[BomLine, _BOMS] | None = _row("BomLine", "line_id", "By which line of it.")
    component: Annotated[Item, _BOMS] | None = _row(
        "Item",
        "component_id",
        "What the line takes: on level 1 the item itself, else something that contains it.",
    )
    as_substitute: bool = strawberry.field(
        description="Whether the line takes that only instead of its own item 替代."
    )
