"""What may happen to an engineering change 工程变更, and in which order does it release what it holds?

`TRANSITIONS` is the one table of its life cycle. A rejected change stays rejected: what it held is free for another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from graphlib import TopologicalSorter
from uuid import UUID

from domain.approval import author_blockers
from domain.errors import ActionBlocked, Blocker
from domain.life_cycle import step_of


class ChangeState(StrEnum):
    """Where an engineering change stands."""

    DRAFT = "DRAFT"
    REVIEW = "REVIEW"
    RELEASED = "RELEASED"
    REJECTED = "REJECTED"


class ChangeAction(StrEnum):
    """What can be done to an existing engineering change; each value is also the deed that the policy grants."""

    UPDATE = "update"
    SUBMIT = "submit"
    RELEASE = "release"
    REJECT = "reject"


class Demand(StrEnum):
    """What a step asks for beyond the right state; each is a blocker's code when it isn't met."""

    NOTE = "NOTE_REQUIRED"
    REVISIONS = "NO_REVISIONS"
    DRAFTS = "NOT_A_DRAFT"
    OTHER_EYES = "OWN_DOCUMENT"


@dataclass(frozen=True, slots=True)
class Transition:
    """Where an action leads from one state, the event it leaves, and what it demands."""

    target: ChangeState
    event: str
    demands: tuple[Demand, ...] = ()


_S, _A = ChangeState, ChangeAction

TRANSITIONS: Mapping[tuple[ChangeState, ChangeAction], Transition] = {
    (_S.DRAFT, _A.UPDATE): Transition(_S.DRAFT, "EngineeringChangeUpdated"),
    (_S.DRAFT, _A.SUBMIT): Transition(
        _S.REVIEW, "EngineeringChangeSubmitted", (Demand.REVISIONS, Demand.DRAFTS)
    ),
    (_S.REVIEW, _A.RELEASE): Transition(_S.RELEASED, "EngineeringChangeReleased", (Demand.OTHER_EYES,)),
    (_S.REVIEW, _A.REJECT): Transition(_S.REJECTED, "EngineeringChangeRejected", (Demand.NOTE,)),
}


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """What the rules need to know of an engineering change."""

    state: ChangeState
    revision_count: int
    draft_count: int
    """How many of its revisions are drafts."""

    submitted_by: UUID | None
    edited_by: UUID | None


def transition(facts: ChangeFacts, action: ChangeAction) -> Transition:
    """Return where `action` leads; raise `InvalidTransition` where the state doesn't know it."""
    return step_of(TRANSITIONS, "EngineeringChange", facts.state, action)


def blockers(facts: ChangeFacts, action: ChangeAction, user_id: UUID) -> list[Blocker]:
    """Return what stands in the way of `action` by somebody, besides its note, empty where nothing does.

    The state must know the action (`transition` says so).
    """
    found: list[Blocker] = []
    for demand in transition(facts, action).demands:
        match demand:
            case Demand.REVISIONS if facts.revision_count == 0:
                found.append(Blocker(demand, "The change holds no revisions."))
            case Demand.DRAFTS if facts.draft_count < facts.revision_count:
                others = facts.revision_count - facts.draft_count
                found.append(Blocker(demand, f"{others} of its revisions are no drafts any more."))
            case Demand.OTHER_EYES:
                found.extend(author_blockers((facts.submitted_by, facts.edited_by), user_id))
            case _:
                pass
    return found


def take_step(facts: ChangeFacts, action: ChangeAction, user_id: UUID, note: str | None) -> Transition:
    """Return where `action` leads once all it demands is there.

    Raises `InvalidTransition` (the state doesn't know the action) or `ActionBlocked` (with every blocker).
    """
    step = transition(facts, action)
    found = blockers(facts, action, user_id)
    if Demand.NOTE in step.demands and not (note and note.strip()):
        found.append(Blocker(Demand.NOTE, "A note that says why is required."))
    if found:
        raise ActionBlocked(action.value, found)
    return step


def children_first(made: Mapping[UUID, UUID], taken: Mapping[UUID, Collection[UUID]]) -> list[UUID]:
    """Return the revisions so that each stands behind those that make what it takes.

    `made` names the item that a revision makes, `taken` the items that it takes. No item contains itself (`commands.boms`
    refuses that when a line is written), so there is such an order.
    """
    makers: dict[UUID, list[UUID]] = {}
    for revision in sorted(made):
        makers.setdefault(made[revision], []).append(revision)
    below = {
        revision: [maker for item in sorted(set(taken[revision])) for maker in makers.get(item, ())]
        for revision in sorted(made)
    }
    return list(TopologicalSorter(below).static_order())
