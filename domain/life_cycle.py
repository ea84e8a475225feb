"""Which actions does a state know, and what does a step of a life cycle lead to?

A life cycle is a table that says (state, action) → step; each aggregate has its own (`domain.order`,
`domain.engineering_change`) with what its steps demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from domain.errors import InvalidTransition

StateT = TypeVar("StateT", bound=StrEnum)
ActionT = TypeVar("ActionT", bound=StrEnum)
StepT = TypeVar("StepT")


def known_actions(
    table: Mapping[tuple[StateT, ActionT], StepT], actions: Iterable[ActionT], state: StateT
) -> tuple[ActionT, ...]:
    """Return those of `actions` that a state knows, in their order."""
    return tuple(action for action in actions if (state, action) in table)


def step_of(
    table: Mapping[tuple[StateT, ActionT], StepT], subject: str, state: StateT, action: ActionT
) -> StepT:
    """Return the step that `action` is from `state`; raise `InvalidTransition`, of the type `subject`, where there is none."""
    found = table.get((state, action))
    if found is None:
        possible = known_actions(table, type(action), state)
        raise InvalidTransition(action.value, state.value, [each.value for each in possible], subject)
    return found
