"""How is what differs between two revisions shown?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.bom_comparison import Comparison, FieldDifference, PartDifference, Value
from domain.events import scalar
from resolvers.events import text_of


def shown_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as the API shows it, but for the revisions."""
    return {
        "field_changes": _changes(comparison.fields),
        "lines": comparison.lines,
        "operations": [_shown(each) for each in comparison.operations],
        "co_products": [_shown(each) for each in comparison.co_products],
    }


def shown_line(_place: int, difference: PartDifference) -> dict[str, Any]:
    """Return what became of a line as the API shows it."""
    return {**_shown(difference), "substitutes": [_shown(each) for each in difference.parts]}


def _shown(difference: PartDifference) -> dict[str, Any]:
    left, right = difference.left, difference.right
    return {
        "difference": difference.kind,
        "left_id": left and left.id,
        "right_id": right and right.id,
        "field_changes": _changes(difference.fields),
    }


def _changes(fields: Iterable[FieldDifference]) -> list[dict[str, str | None]]:
    return [
        {"field": each.field, "before": _text(each.before), "after": _text(each.after)} for each in fields
    ]


def _text(value: Value) -> str | None:
    return None if value is None else text_of(scalar(value))
