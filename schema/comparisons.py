"""What does the API tell of the difference between two revisions? Shapes of an answer that is worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from policies.bindings import Worked, catalog
from resolvers.bom_comparison import shown_line
from resolvers.boms import row_named, worked_list
from schema.binding import structural
from schema.enums import BomDifference
from schema.events import FieldChange
from schema.node import Connection

if TYPE_CHECKING:
    from schema.boms import BomCoProduct, BomLine, BomOperation, BomRevision, BomSubstitute

_BOMS = strawberry.lazy("schema.boms")
_LEFT = "As it is on the left, null where it was added."
_RIGHT = "As it is on the right, null where it was removed."
_FIELDS = "What of it differs, before on the left and after on the right; empty where it is on one side only."


# Any: a declaration stands where Strawberry and the type checker expect the field's own type.
def _resolved(resolver: Any, description: str) -> Any:
    return strawberry.field(resolver=resolver, description=description)


# Any: see above.
def _row(type_name: str, key: str, description: str) -> Any:
    return _resolved(row_named(type_name, key), description)


@structural
@strawberry.type(description="What became of a substitute 替代料.")
class BomSubstituteComparison:
    """A substitute that differs."""

    difference: BomDifference = strawberry.field(description="What became of it.")
    left: Annotated[BomSubstitute, _BOMS] | None = _row("BomSubstitute", "left_id", _LEFT)
    right: Annotated[BomSubstitute, _BOMS] | None = _row("BomSubstitute", "right_id", _RIGHT)
    field_changes: list[FieldChange] = strawberry.field(description=_FIELDS)


@structural
@strawberry.type(description="What became of a line.")
class BomLineComparison:
    """A line that differs."""

    difference: BomDifference = strawberry.field(description="What became of it.")
    left: Annotated[BomLine, _BOMS] | None = _row("BomLine", "left_id", _LEFT)
    right: Annotated[BomLine, _BOMS] | None = _row("BomLine", "right_id", _RIGHT)
    field_changes: list[FieldChange] = strawberry.field(description=_FIELDS)
    substitutes: list[BomSubstituteComparison] = strawberry.field(
        description="What became of its substitutes, first choice first; empty where it is on one side only."
    )


@structural
@strawberry.type(description="What became of an operation 工序.")
class BomOperationComparison:
    """An operation that differs."""

    difference: BomDifference = strawberry.field(description="What became of it.")
    left: Annotated[BomOperation, _BOMS] | None = _row("BomOperation", "left_id", _LEFT)
    right: Annotated[BomOperation, _BOMS] | None = _row("BomOperation", "right_id", _RIGHT)
    field_changes: list[FieldChange] = strawberry.field(description=_FIELDS)


@structural
@strawberry.type(description="What became of a co-product 联产品.")
class BomCoProductComparison:
    """A co-product that differs."""

    difference: BomDifference = strawberry.field(description="What became of it.")
    left: Annotated[BomCoProduct, _BOMS] | None = _row("BomCoProduct", "left_id", _LEFT)
    right: Annotated[BomCoProduct, _BOMS] | None = _row("BomCoProduct", "right_id", _RIGHT)
    field_changes: list[FieldChange] = strawberry.field(description=_FIELDS)


@structural
@strawberry.type(
    description="In what two revisions differ 版本对比, as far as the viewer may see them: what is hidden from him is "
    "not compared. A line is the one with the same position, days and item; else the one with the same item and position; "
    "else with the same item, which has moved; else the one in the same place, whose item has changed."
)
class BomComparison:
    """A comparison."""

    left: Annotated[BomRevision, _BOMS] | None = _row("BomRevision", "left_id", "The revision on the left.")
    right: Annotated[BomRevision, _BOMS] | None = _row(
        "BomRevision", "right_id", "The revision on the right."
    )
    field_changes: list[FieldChange] = strawberry.field(
        description="What differs of the revisions themselves: item, base quantity, days."
    )
    lines: Connection[BomLineComparison] = _resolved(
        worked_list(shown_line), "The lines that differ, by position."
    )
    operations: list[BomOperationComparison] = strawberry.field(
        description="The operations that differ, by position; the same one has the same name, or the same position."
    )
    co_products: list[BomCoProductComparison] = strawberry.field(
        description="The co-products that differ; the same one is of the same item."
    )


catalog.sources["Query", "bomComparison"] = Worked()
