"""Which engineering changes has the demo, as rows and events that agree? The one that brought the second control panel."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from db.change_snapshots import change_snapshot
from db.change_tables import (
    EngineeringChangeNumberRow,
    EngineeringChangeRevisionRow,
    EngineeringChangeRow,
)
from domain.engineering_change import ChangeState
from server.demo.bom_rows import BomRows, item_id
from server.demo.company import FOUNDED, PERSON_BY_USERNAME
from server.demo.fixed import fixed_id
from server.demo.history import Chain

_ITEM = "CP-500"


@dataclass(slots=True)
class ChangeRows:
    """All rows of engineering changes, and the chains of their events."""

    changes: list[EngineeringChangeRow] = field(default_factory=list[EngineeringChangeRow])
    revisions: list[EngineeringChangeRevisionRow] = field(default_factory=list[EngineeringChangeRevisionRow])
    numbers: list[EngineeringChangeNumberRow] = field(default_factory=list[EngineeringChangeNumberRow])
    chains: list[Chain] = field(default_factory=list[Chain])


def demo_changes(boms: BomRows) -> ChangeRows:
    """Return the demo's engineering changes; `boms` are its BOMs."""
    old, new = (each for each in boms.revisions if each.item_id == item_id(_ITEM))
    engineer, manager = (PERSON_BY_USERNAME[each].id for each in ("engineer", "pm"))
    created = new.created_at + timedelta(hours=1)
    submitted, released = created + timedelta(days=1), new.updated_at
    number = f"EC-{created.year}-000001"
    change = EngineeringChangeRow(
        id=fixed_id(FOUNDED, f"change.{number}"),
        number=number,
        title="Remote control of the pump station 泵站远程控制",
        reason="The operator wants to see and switch the pumps from the control centre.",
        state=ChangeState.DRAFT,
        submitted_by_id=None,
        released_by_id=None,
        edited_by_id=engineer,
        version=3,
        created_at=created,
        updated_at=released,
    )
    held = EngineeringChangeRevisionRow(
        id=fixed_id(FOUNDED, f"change.{number}.{_ITEM}"),
        change_id=change.id,
        revision_id=new.id,
        supersedes_id=old.id,
        is_held=True,
    )
    chain = Chain("EngineeringChange", change.id, None)
    draft = change_snapshot(change, [held])
    chain.add("EngineeringChangeCreated", engineer, created, before={}, after=draft)
    change.state, change.submitted_by_id = ChangeState.REVIEW, engineer
    review = change_snapshot(change, [held])
    chain.add("EngineeringChangeSubmitted", engineer, submitted, before=draft, after=review)
    change.state, change.released_by_id = ChangeState.RELEASED, manager
    after = change_snapshot(change, [held])
    chain.add("EngineeringChangeReleased", manager, released, before=review, after=after)
    return ChangeRows([change], [held], [EngineeringChangeNumberRow(year=created.year, last=1)], [chain])
