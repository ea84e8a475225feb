"""What is the state of an engineering change, as its events tell it? See `db.snapshots`."""

from __future__ import annotations

from collections.abc import Iterable

from db.change_tables import EngineeringChangeRevisionRow, EngineeringChangeRow
from db.snapshots import Fields, Value, snapshot, under
from domain.events import Snapshot


def change_fields(change: EngineeringChangeRow, revisions: Iterable[EngineeringChangeRevisionRow]) -> Fields:
    """Return an engineering change with the revisions in it (`revisions.<id of the place in it>.…`)."""
    fields: dict[str, Value] = {
        "number": change.number,
        "title": change.title,
        "reason": change.reason,
        "state": change.state,
        "submittedBy": change.submitted_by_id,
        "releasedBy": change.released_by_id,
        "editedBy": change.edited_by_id,
    }
    for each in revisions:
        fields |= under(
            f"revisions.{each.id}",
            {"revision": each.revision_id, "supersedes": each.supersedes_id, "held": each.is_held},
        )
    return fields


def change_snapshot(
    change: EngineeringChangeRow, revisions: Iterable[EngineeringChangeRevisionRow]
) -> Snapshot:
    """Return an engineering change as its events tell it."""
    return snapshot(change_fields(change, revisions))
