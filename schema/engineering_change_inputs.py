"""What do mutations of engineering changes take? Each input knows the command that it stands for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import strawberry

from commands.engineering_changes.drafting import CreateChange, UpdateChange
from commands.engineering_changes.steps import StepChange
from domain.engineering_change import ChangeAction
from domain.identifiers import parse_key
from domain.unset import UNSET
from resolvers.relations import given
from schema.inputs import CommandInput

_VERSION = "The version that was read; if the change has moved on since, the answer is VersionConflict."
_TITLE = "At most 200 characters, one line."
_REASON = "Why it is made, at most 10,000 characters."


def _keys(ids: list[strawberry.ID] | None) -> tuple[UUID, ...]:
    return tuple(parse_key(each, "BomRevision") for each in given(ids) or ())


@strawberry.input(description="Opens an engineering change.")
class EngineeringChangeCreateInput(CommandInput):
    """Input of `engineeringChangeCreate`."""

    title: str = strawberry.field(description=_TITLE)
    reason: str = strawberry.field(description=_REASON)
    revision_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Drafts of BOM revisions, each of another BOM, that no open change holds; at most 100.",
    )

    def command(self) -> CreateChange:
        """Return the command."""
        return CreateChange(
            title=self.title, reason=self.reason, revision_ids=_keys(self.revision_ids), **self.common()
        )


@strawberry.input(description="What is done with one engineering change.")
class EngineeringChangeActionInput(CommandInput):
    """Input of every step, and what the others add to."""

    id: strawberry.ID = strawberry.field(description="The engineering change.")
    expected_version: int | None = strawberry.field(default=strawberry.UNSET, description=_VERSION)

    def meant(self) -> dict[str, Any]:
        """Return which change is meant, and what every command may carry."""
        return {
            "change_id": parse_key(self.id, "EngineeringChange"),
            "expected_version": given(self.expected_version),
            **self.common(),
        }

    def step(self, action: ChangeAction) -> StepChange:
        """Return the command that takes `action`."""
        return StepChange(action=action, **self.meant())


@strawberry.input(description="Changes a draft of an engineering change. What is not given stays as it is.")
class EngineeringChangeUpdateInput(EngineeringChangeActionInput):
    """Input of `engineeringChangeUpdate`."""

    title: str | None = strawberry.field(default=strawberry.UNSET, description=_TITLE)
    reason: str | None = strawberry.field(default=strawberry.UNSET, description=_REASON)
    add_revision_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Drafts to take in, each of another BOM, that no open change holds; 100 in all.",
    )
    remove_revision_ids: list[strawberry.ID] | None = strawberry.field(
        default=strawberry.UNSET, description="Revisions to take out, which happens first."
    )

    def command(self) -> UpdateChange:
        """Return the command."""
        title, reason = given(self.title), given(self.reason)
        return UpdateChange(
            title=UNSET if title is None else title,
            reason=UNSET if reason is None else reason,
            added_ids=_keys(self.add_revision_ids),
            removed_ids=_keys(self.remove_revision_ids),
            **self.meant(),
        )
