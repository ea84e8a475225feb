"""What may happen to an engineering change in each state, and in which order does it release what it holds?"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.engineering_change import (
    TRANSITIONS,
    ChangeAction,
    ChangeFacts,
    ChangeState,
    blockers,
    children_first,
    take_step,
    transition,
)
from domain.errors import ActionBlocked, InvalidTransition

AUTHOR, OTHER, EDITOR = (UUID(int=nth) for nth in (1, 2, 3))
READY = ChangeFacts(ChangeState.DRAFT, 2, 2, None, EDITOR)
IN_REVIEW = replace(READY, state=ChangeState.REVIEW, submitted_by=AUTHOR)

LIFE = {
    (ChangeState.DRAFT, ChangeAction.UPDATE): (ChangeState.DRAFT, "EngineeringChangeUpdated"),
    (ChangeState.DRAFT, ChangeAction.SUBMIT): (ChangeState.REVIEW, "EngineeringChangeSubmitted"),
    (ChangeState.REVIEW, ChangeAction.RELEASE): (ChangeState.RELEASED, "EngineeringChangeReleased"),
    (ChangeState.REVIEW, ChangeAction.REJECT): (ChangeState.REJECTED, "EngineeringChangeRejected"),
}


def test_life_is_as_the_domain_has_it() -> None:
    assert {key: (step.target, step.event) for key, step in TRANSITIONS.items()} == LIFE


@pytest.mark.parametrize("state", ChangeState)
@pytest.mark.parametrize("action", ChangeAction)
def test_what_a_state_does_not_know_is_refused_with_what_it_knows(
    state: ChangeState, action: ChangeAction
) -> None:
    if (state, action) in LIFE:
        assert transition(replace(READY, state=state), action).target is LIFE[state, action][0]
        return
    with pytest.raises(InvalidTransition) as caught:
        transition(replace(READY, state=state), action)
    known = tuple(each.value for each in ChangeAction if (state, each) in LIFE)
    assert (caught.value.subject, caught.value.state, caught.value.possible_actions) == (
        "EngineeringChange",
        state.value,
        known,
    )


def codes(facts: ChangeFacts, action: ChangeAction, user_id: UUID) -> list[str]:
    return [each.code for each in blockers(facts, action, user_id)]


def test_review_needs_revisions_that_are_drafts() -> None:
    submit = ChangeAction.SUBMIT
    assert codes(READY, submit, AUTHOR) == []
    assert codes(replace(READY, revision_count=0, draft_count=0), submit, AUTHOR) == ["NO_REVISIONS"]
    assert codes(replace(READY, draft_count=1), submit, AUTHOR) == ["NOT_A_DRAFT"]


def test_release_needs_other_eyes_than_those_that_submitted_or_edited() -> None:
    release = ChangeAction.RELEASE
    assert codes(IN_REVIEW, release, OTHER) == []
    assert codes(IN_REVIEW, release, AUTHOR) == codes(IN_REVIEW, release, EDITOR) == ["OWN_DOCUMENT"]
    # Whoever submitted it may take it back by rejecting it.
    assert codes(IN_REVIEW, ChangeAction.REJECT, AUTHOR) == []


@pytest.mark.parametrize("note", [None, "", " \n"])
def test_rejection_says_why(note: str | None) -> None:
    with pytest.raises(ActionBlocked) as caught:
        take_step(IN_REVIEW, ChangeAction.REJECT, OTHER, note)
    assert [each.code for each in caught.value.blockers] == ["NOTE_REQUIRED"]
    assert take_step(IN_REVIEW, ChangeAction.REJECT, OTHER, "Why").target is ChangeState.REJECTED


@given(st.lists(st.integers(0, 30), unique=True, max_size=15))
def test_what_is_taken_stands_before_what_takes_it(numbers: list[int]) -> None:
    # Items are made of later ones only, so that none contains itself.
    made = {UUID(int=1_000 + each): UUID(int=each) for each in numbers}
    taken = {
        revision: [UUID(int=each) for each in range(31) if each > item.int and each % 3 != item.int % 3]
        for revision, item in made.items()
    }
    found = children_first(made, taken)
    assert sorted(found) == sorted(made)
    for place, revision in enumerate(found):
        below = {each for each, item in made.items() if item in taken[revision]}
        assert below <= set(found[:place])


def test_item_of_no_revision_in_the_change_counts_for_nothing() -> None:
    top, child = UUID(int=11), UUID(int=12)
    made = {top: UUID(int=1), child: UUID(int=2)}
    taken = {top: [UUID(int=2), UUID(int=99), UUID(int=2)], child: [UUID(int=98)]}
    assert children_first(made, taken) == [child, top]
