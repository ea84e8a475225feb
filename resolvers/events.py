"""How do an event's computed fields get their values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.events import Scalar
from loaders.history import change_facts
from policies.bindings import Computed
from policies.viewer import Viewer


def _changes(facts: Mapping[str, Any], _viewer: Viewer) -> list[dict[str, str | None]]:
    return [
        {"field": field, "before": text_of(before), "after": text_of(after)}
        for field, (before, after) in sorted(facts["changes"].items())
    ]


def text_of(value: Scalar | None) -> str | None:
    """Return a value of an event as the API writes it."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


CHANGES = Computed(change_facts, _changes)
