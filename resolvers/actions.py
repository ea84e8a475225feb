"""How is told what a viewer may do with an object? By the mutations that would do it."""

from __future__ import annotations

from collections.abc import Sequence

from domain.identifiers import field_name
from loaders.actions import Availability


def mutation_of(subject: str, action: str) -> str:
    """Return the mutation that takes an action on an object of a type: `orderReportProgress` for `report_progress`."""
    return field_name(subject) + "".join(word.capitalize() for word in action.split("_"))


def told(subject: str, availabilities: Sequence[Availability]) -> list[dict[str, object]]:
    """Return what may be done with an object of a type, as `AvailableAction` has it."""
    return [
        {
            "action": mutation_of(subject, each.action),
            "allowed": not each.reasons,
            "reasons": [{"code": reason.code, "message": reason.message} for reason in each.reasons],
        }
        for each in availabilities
    ]
