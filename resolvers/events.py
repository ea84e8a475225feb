"""How do an event's computed fields get their values?"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from domain.events import Scalar
from loaders.records import Record
from loaders.rows import row_by_key
from resolvers.context import Info
from resolvers.relations import untyped


def _event_aggregate(root: Any, info: Info) -> Awaitable[Record | None] | None:
    reads = info.context.reads
    type_name = root["aggregate_type"]
    return row_by_key(reads, type_name, root["aggregate_id"]) if type_name in reads.catalog.types else None


def _event_changes(root: Any) -> list[dict[str, str | None]]:
    return [
        {"field": field, "before": _text(before), "after": _text(after)}
        for field, (before, after) in sorted(root["changes"].items())
    ]


def _text(value: Scalar | None) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


event_aggregate = untyped(_event_aggregate)
event_changes = untyped(_event_changes)
