"""What may happen to an order in each state, and what keeps a step from being taken?"""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.approval import Approver, approval_blockers
from domain.errors import ActionBlocked, InvalidTransition
from domain.order import (
    REBASE_BOM,
    TRANSITIONS,
    Demand,
    OrderAction,
    OrderFacts,
    OrderState,
    blockers,
    deed,
    possible_actions,
    take_step,
    transition,
)

LIFE_CYCLE = """
    DRAFT        update           DRAFT        OrderUpdated
    DRAFT        submit           SUBMITTED    OrderSubmitted
    DRAFT        assign           DRAFT        OrderAssigned
    DRAFT        cancel           CANCELLED    OrderCancelled
    SUBMITTED    approve          APPROVED     OrderApproved
    SUBMITTED    reject           REJECTED     OrderRejected
    SUBMITTED    assign           SUBMITTED    OrderAssigned
    SUBMITTED    cancel           CANCELLED    OrderCancelled
    APPROVED     release          RELEASED     OrderReleased
    APPROVED     assign           APPROVED     OrderAssigned
    APPROVED     cancel           CANCELLED    OrderCancelled
    REJECTED     revise           DRAFT        OrderRevised
    REJECTED     cancel           CANCELLED    OrderCancelled
    RELEASED     assign           RELEASED     OrderAssigned
    RELEASED     start            IN_PROGRESS  OrderStarted
    RELEASED     cancel           CANCELLED    OrderCancelled
    IN_PROGRESS  assign           IN_PROGRESS  OrderAssigned
    IN_PROGRESS  hold             ON_HOLD      OrderHeld
    IN_PROGRESS  report_progress  IN_PROGRESS  OrderProgressReported
    IN_PROGRESS  complete         COMPLETED    OrderCompleted
    IN_PROGRESS  cancel           CANCELLED    OrderCancelled
    ON_HOLD      assign           ON_HOLD      OrderAssigned
    ON_HOLD      resume           IN_PROGRESS  OrderResumed
    ON_HOLD      cancel           CANCELLED    OrderCancelled
    COMPLETED    accept           ACCEPTED     OrderAccepted
    ACCEPTED     settle           SETTLED      OrderSettled
    DRAFT        freeze_bom       DRAFT        OrderBomFrozen
    APPROVED     freeze_bom       APPROVED     OrderBomRebased
    RELEASED     freeze_bom       RELEASED     OrderBomRebased
    IN_PROGRESS  freeze_bom       IN_PROGRESS  OrderBomRebased
    ON_HOLD      freeze_bom       ON_HOLD      OrderBomRebased
"""

AUTHOR = UUID("0198c5f2-0000-7000-8000-000000000001")
SOMEBODY = UUID("0198c5f2-0000-7000-8000-000000000002")
MANAGER = Approver(SOMEBODY, may_exceed_limit=False)
DIRECTOR = Approver(SOMEBODY, may_exceed_limit=True)

READY = OrderFacts(
    state=OrderState.DRAFT,
    amount=Decimal("100.00"),
    line_count=2,
    unpriced_line_count=0,
    unfulfilled_line_count=0,
    has_performer=True,
    submitted_by=AUTHOR,
    edited_by=AUTHOR,
    approval_limit=Decimal("100.00"),
    has_bom=True,
)
"""An order that lacks nothing for any step."""

_AMOUNTS = st.decimals("0", "1000", places=2) | st.none()
_PEOPLE = st.sampled_from([AUTHOR, SOMEBODY, None])
FACTS = st.builds(
    OrderFacts,
    state=st.sampled_from(OrderState),
    amount=_AMOUNTS,
    line_count=st.integers(0, 3),
    unpriced_line_count=st.integers(0, 3),
    unfulfilled_line_count=st.integers(0, 3),
    has_performer=st.booleans(),
    submitted_by=_PEOPLE,
    edited_by=_PEOPLE,
    approval_limit=_AMOUNTS,
    has_bom=st.booleans(),
)


def codes_of(facts: OrderFacts, action: OrderAction, approver: Approver = MANAGER) -> list[str]:
    return [blocker.code for blocker in blockers(facts, action, approver)]


def test_the_life_cycle_is_this_table_and_nothing_else() -> None:
    written = {
        (OrderState(state), OrderAction(action)): (OrderState(target), event)
        for state, action, target, event in map(str.split, LIFE_CYCLE.strip().splitlines())
    }
    assert {key: (each.target, each.event) for key, each in TRANSITIONS.items()} == written


def test_every_state_can_be_reached_from_a_draft() -> None:
    reached, waiting = set[OrderState](), [OrderState.DRAFT]
    while waiting:
        state = waiting.pop()
        if state not in reached:
            reached.add(state)
            waiting += [each.target for (start, _), each in TRANSITIONS.items() if start is state]
    assert reached == set(OrderState)


def test_settled_and_cancelled_orders_know_no_action() -> None:
    assert {state for state in OrderState if not possible_actions(state)} == {
        OrderState.SETTLED,
        OrderState.CANCELLED,
    }


def test_only_a_draft_can_be_edited() -> None:
    assert [state for state in OrderState if (state, OrderAction.UPDATE) in TRANSITIONS] == [OrderState.DRAFT]


def test_each_event_comes_from_one_action() -> None:
    actions_by_event: dict[str, set[OrderAction]] = {}
    for (_, action), step in TRANSITIONS.items():
        actions_by_event.setdefault(step.event, set()).add(action)
    assert all(len(actions) == 1 for actions in actions_by_event.values())
    assert len(actions_by_event) == len(OrderAction) + 1


def test_bom_is_frozen_into_drafts_and_rebased_later_by_another_deed() -> None:
    deeds = {state: deed(state, OrderAction.FREEZE_BOM) for state in OrderState}
    assert [state for state, name in deeds.items() if name == "freeze_bom"] == [OrderState.DRAFT]
    assert set(deeds.values()) == {"freeze_bom", REBASE_BOM}
    assert all(
        deed(state, action) == action.value
        for state in OrderState
        for action in OrderAction
        if action is not OrderAction.FREEZE_BOM
    )


def test_demands_stand_at_exactly_these_steps() -> None:
    demanded = {
        action: demands
        for action in OrderAction
        for demands in {step.demands for (_, each), step in TRANSITIONS.items() if each is action}
        if demands
    }
    assert demanded == {
        OrderAction.SUBMIT: (Demand.LINES, Demand.PRICES),
        OrderAction.APPROVE: (Demand.APPROVER,),
        OrderAction.REJECT: (Demand.NOTE,),
        OrderAction.RELEASE: (Demand.PERFORMER,),
        OrderAction.HOLD: (Demand.NOTE,),
        OrderAction.COMPLETE: (Demand.FULFILMENT,),
        OrderAction.CANCEL: (Demand.NOTE,),
        OrderAction.FREEZE_BOM: (Demand.BOM,),
    }


@pytest.mark.parametrize(("state", "action"), list(TRANSITIONS))
def test_order_that_lacks_nothing_takes_every_step_of_its_state(
    state: OrderState, action: OrderAction
) -> None:
    step = take_step(replace(READY, state=state), action, MANAGER, "a reason")
    assert step == TRANSITIONS[state, action]


def test_refused_transition_names_the_state_and_its_actions_in_life_cycle_order() -> None:
    with pytest.raises(InvalidTransition) as caught:
        transition(replace(READY, state=OrderState.IN_PROGRESS), OrderAction.SETTLE)
    assert caught.value.state == "IN_PROGRESS"
    assert caught.value.possible_actions == (
        "assign",
        "hold",
        "report_progress",
        "complete",
        "cancel",
        "freeze_bom",
    )


@pytest.mark.parametrize(
    ("state", "action", "lack", "code"),
    [
        (OrderState.DRAFT, OrderAction.SUBMIT, {"line_count": 0}, "NO_LINES"),
        (OrderState.DRAFT, OrderAction.SUBMIT, {"unpriced_line_count": 1}, "LINE_WITHOUT_PRICE"),
        (OrderState.APPROVED, OrderAction.RELEASE, {"has_performer": False}, "NOBODY_TO_PERFORM"),
        (OrderState.IN_PROGRESS, OrderAction.COMPLETE, {"unfulfilled_line_count": 1}, "NOT_FULFILLED"),
        (OrderState.RELEASED, OrderAction.FREEZE_BOM, {"has_bom": False}, "NO_BOM"),
        (OrderState.SUBMITTED, OrderAction.APPROVE, {"submitted_by": SOMEBODY}, "OWN_DOCUMENT"),
        (OrderState.SUBMITTED, OrderAction.APPROVE, {"edited_by": SOMEBODY}, "OWN_DOCUMENT"),
        (OrderState.SUBMITTED, OrderAction.APPROVE, {"amount": Decimal("100.01")}, "OVER_APPROVAL_LIMIT"),
        (OrderState.SUBMITTED, OrderAction.APPROVE, {"amount": None}, "OVER_APPROVAL_LIMIT"),
        (OrderState.SUBMITTED, OrderAction.APPROVE, {"approval_limit": None}, "OVER_APPROVAL_LIMIT"),
    ],
)
def test_each_lack_blocks_its_step_by_its_code(
    state: OrderState, action: OrderAction, lack: dict[str, object], code: str
) -> None:
    # replace() can't be told the types of fields that are named by a table.
    facts = replace(READY, state=state, **lack)  # pyright: ignore[reportArgumentType]
    assert codes_of(facts, action) == [code]


def test_all_blockers_are_told_at_once() -> None:
    facts = replace(READY, state=OrderState.SUBMITTED, submitted_by=SOMEBODY, amount=Decimal("100.01"))
    with pytest.raises(ActionBlocked) as caught:
        take_step(facts, OrderAction.APPROVE, MANAGER, None)
    assert [each.code for each in caught.value.blockers] == ["OWN_DOCUMENT", "OVER_APPROVAL_LIMIT"]


@pytest.mark.parametrize("note", [None, "", " \n\t"])
def test_note_of_blanks_is_no_note(note: str | None) -> None:
    with pytest.raises(ActionBlocked) as caught:
        take_step(replace(READY, state=OrderState.SUBMITTED), OrderAction.REJECT, MANAGER, note)
    assert [each.code for each in caught.value.blockers] == ["NOTE_REQUIRED"]


def test_amount_at_the_limit_may_be_approved() -> None:
    assert approval_blockers(Decimal("100.00"), Decimal("100.00"), (AUTHOR, None), MANAGER) == []


def test_director_approves_above_the_limit_and_without_one() -> None:
    assert approval_blockers(Decimal("100.01"), Decimal("100.00"), (AUTHOR,), DIRECTOR) == []
    assert approval_blockers(Decimal("100.01"), None, (AUTHOR,), DIRECTOR) == []


def test_director_does_not_approve_his_own_document() -> None:
    assert [each.code for each in approval_blockers(Decimal(1), Decimal(2), (SOMEBODY,), DIRECTOR)] == [
        "OWN_DOCUMENT"
    ]


@given(
    facts=FACTS,
    action=st.sampled_from(OrderAction),
    approver=st.sampled_from([MANAGER, DIRECTOR]),
    note=st.sampled_from([None, "", "because"]),
)
def test_step_is_taken_exactly_where_the_table_knows_it_and_nothing_blocks(
    facts: OrderFacts, action: OrderAction, approver: Approver, note: str | None
) -> None:
    step = TRANSITIONS.get((facts.state, action))
    if step is None:
        with pytest.raises(InvalidTransition):
            take_step(facts, action, approver, note)
        return
    expected = codes_of(facts, action, approver)
    expected += ["NOTE_REQUIRED"] if Demand.NOTE in step.demands and not note else []
    if expected:
        with pytest.raises(ActionBlocked) as caught:
            take_step(facts, action, approver, note)
        assert [each.code for each in caught.value.blockers] == expected
    else:
        assert take_step(facts, action, approver, note) is step
