"""What comes of a step of an order's life, and was it foretold?

A step takes nothing but a note, so that `availableActions` can say to each person exactly what will come of it: it is done,
or it is refused with these codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fuzz.answers import Told
from tests.fuzz.voices import Json, Voices

STEPS = (
    "orderSubmit",
    "orderApprove",
    "orderReject",
    "orderRevise",
    "orderRelease",
    "orderStart",
    "orderHold",
    "orderResume",
    "orderComplete",
    "orderAccept",
    "orderSettle",
    "orderCancel",
)
"""Commands that take nothing but a note."""

ONWARD: Mapping[str, tuple[str, str]] = {
    "DRAFT": ("buyer", "orderSubmit"),
    "SUBMITTED": ("director", "orderApprove"),
    "REJECTED": ("buyer", "orderRevise"),
    "APPROVED": ("pm", "orderRelease"),
    "RELEASED": ("pm", "orderStart"),
    "IN_PROGRESS": ("pm", "orderComplete"),
    "ON_HOLD": ("pm", "orderResume"),
    "COMPLETED": ("pm", "orderAccept"),
    "ACCEPTED": ("finance", "orderSettle"),
}
"""Who brings an order on its way from each state, and by which step."""

VERDICT = "{ verdict: order { id version state } refusals: errors { code ... on ActionBlocked { blockers { code } } } }"
"""What a command tells of what came of it."""

_OFFERED = "query ($id: ID!) { order(id: $id) { availableActions { action allowed reasons { code } } } }"


def foretold(voices: Voices, order_id: str, who: str) -> dict[str, list[str]]:
    """Return the codes that each step will be refused with, none where it will be done."""
    order = voices.ask(who, _OFFERED, id=order_id)["order"]
    if order is None:
        return {step: ["NOT_FOUND"] for step in STEPS}
    offered = {each["action"]: each for each in order["availableActions"]}
    reasons = {step: [reason["code"] for reason in offered[step]["reasons"]] for step in STEPS}
    assert all(offered[step]["allowed"] == (reasons[step] == []) for step in STEPS), offered
    return reasons


def take(voices: Voices, order_id: str, step: str, who: str) -> Json | None:
    """Take a step and get what was foretold; return the order as the step made it, null where it was refused."""
    expected = foretold(voices, order_id, who)[step]
    answer = voices.tell(who, f"mutation {{ it: {_called(step, order_id)} }}")
    outcome = list(answer.codes) if answer.data is None else _refusals(answer.data["it"])
    assert outcome == expected, f"{who}, {step}: {outcome} and not {expected}"
    return answer.data["it"]["verdict"] if answer.data is not None else None


def try_all(voices: Voices, order_id: str, who: str) -> None:
    """Try every step as a dry run, and get what was foretold of each."""
    expected = foretold(voices, order_id, who)
    # A denial takes the whole answer with it, so it comes alone; the others go together.
    denied = [step for step in STEPS if expected[step] == ["FORBIDDEN"]]
    others = [step for step in STEPS if step not in denied]
    if denied:
        told = _tried(voices, order_id, who, denied[:1])
        assert (told.data, told.codes) == (None, ["FORBIDDEN"]), f"{who}, {denied[0]}: {told}"
    if others:
        told = _tried(voices, order_id, who, others)
        assert told.data is not None, f"{who}: {told}"
        outcomes = {step: _refusals(told.data[step]) for step in others}
        assert outcomes == {step: expected[step] for step in others}, f"{who} at {order_id}"


def _tried(voices: Voices, order_id: str, who: str, steps: list[str]) -> Told:
    fields = " ".join(f"{step}: {_called(step, order_id, 'dryRun: true')}" for step in steps)
    return voices.tell(who, f"mutation {{ {fields} }}")


def _called(step: str, order_id: str, more: str = "") -> str:
    return f'{step}(input: {{id: "{order_id}", note: "Why", {more}}}) {VERDICT}'


# Any: JSON.
def _refusals(payload: Mapping[str, Any]) -> list[str]:
    """Return the codes of a payload, those of its blockers where the step was blocked."""
    return [
        code
        for refusal in payload["refusals"]
        for code in ([blocker["code"] for blocker in refusal.get("blockers", ())] or [refusal["code"]])
    ]
