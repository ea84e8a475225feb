"""What happens to an order on its way, who does it, and who may not?

Two stories as plain data: one from create to settle, one over the approval limit. The sets of personas are written by
hand from POLICY's prose, not derived from the rules: the walk (`tests.e2e.walk`) compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PROJECT = "P-001"
CUSTOMER, CONTRACTOR = "C-001", "K-001"

# Odd figures, to be found wherever they might leak.
PRICES = ("137.31", "41.77")
AMOUNT = "15819.50"
LARGE_PRICES = ("61337.31", "41.77")
LARGE_AMOUNT = "6135819.50"
QUANTITIES = ("100", "50")

ALWAYS_READING = frozenset(
    {"director", "finance", "auditor", "pm", "engineer", "buyer", "contractor", "customer"}
)
"""Who reads an order of this project, customer and contractor; the foreman once he is assigned to it."""

PRICED = frozenset({"director", "finance", "auditor", "pm", "buyer", "contractor", "customer"})
"""Who reads its prices."""

GRANTED: Mapping[str, frozenset[str]] = {
    "orderCreate": frozenset({"pm", "engineer", "buyer"}),
    "orderUpdate": frozenset({"pm", "engineer", "buyer"}),
    "orderSubmit": frozenset({"pm", "engineer", "buyer"}),
    "orderRevise": frozenset({"pm", "engineer", "buyer"}),
    "orderApprove": frozenset({"director", "pm"}),
    "orderReject": frozenset({"director", "pm"}),
    "orderRelease": frozenset({"pm"}),
    "orderAssign": frozenset({"pm"}),
    "orderStart": frozenset({"pm", "foreman", "contractor"}),
    "orderHold": frozenset({"pm", "foreman"}),
    "orderResume": frozenset({"pm", "foreman"}),
    "orderReportProgress": frozenset({"pm", "engineer", "foreman", "contractor"}),
    "orderComplete": frozenset({"pm", "foreman", "contractor"}),
    "orderAccept": frozenset({"director", "pm"}),
    "orderSettle": frozenset({"finance"}),
    "orderCancel": frozenset({"director", "pm"}),
}

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Refused:
    """An attempt that is refused before the step is taken, and the codes that say why."""

    who: str
    mutation: str
    codes: tuple[str, ...]
    given: Given = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Step:
    """Who does what, and how the order is afterwards; `is_repeatable` where the new state knows the action too."""

    who: str
    mutation: str
    state: str
    given: Given = field(default_factory=dict[str, Any])
    refused: tuple[Refused, ...] = ()
    amount: str | None = AMOUNT
    is_repeatable: bool = False
    has_foreman: bool = False


def _blocked(who: str, mutation: str, reason: str, **given: Any) -> Refused:
    return Refused(who, mutation, ("ACTION_BLOCKED", reason), given)


def _impossible(who: str, mutation: str, **given: Any) -> Refused:
    return Refused(who, mutation, ("INVALID_TRANSITION",), given)


# "lines", "assignments" and "done" are filled in by the walk, which knows the ids.
_PRICED = {"lines": PRICES}
_CREATE = Step(
    "engineer",
    "orderCreate",
    "DRAFT",
    {"title": "集水井 Sump pit", "lines": None},
    (Refused("engineer", "orderCreate", ("FORBIDDEN",), {"title": "集水井", "lines": PRICES}),),
    amount=None,
    is_repeatable=True,
)
_PRICE = Step(
    "buyer",
    "orderUpdate",
    "DRAFT",
    _PRICED,
    (
        Refused("engineer", "orderUpdate", ("FORBIDDEN",), _PRICED),
        _blocked("engineer", "orderSubmit", "LINE_WITHOUT_PRICE"),
        _impossible("pm", "orderApprove"),
    ),
    is_repeatable=True,
)
_FOREMAN: Given = {"assignments": ("foreman",)}

FROM_CREATE_TO_SETTLE = (
    _CREATE,
    _PRICE,
    Step("pm", "orderSubmit", "SUBMITTED"),
    Step(
        "director",
        "orderApprove",
        "APPROVED",
        {"note": "预算内 Within budget"},
        (_blocked("pm", "orderApprove", "OWN_DOCUMENT"), _impossible("pm", "orderRelease")),
    ),
    Step("pm", "orderRelease", "RELEASED", refused=(_impossible("buyer", "orderUpdate", lines=PRICES),)),
    Step(
        "pm",
        "orderAssign",
        "RELEASED",
        _FOREMAN,
        (Refused("foreman", "orderStart", ("NOT_FOUND",)),),
        is_repeatable=True,
        has_foreman=True,
    ),
    Step(
        "foreman",
        "orderStart",
        "IN_PROGRESS",
        refused=(_impossible("foreman", "orderComplete"),),
        has_foreman=True,
    ),
    Step(
        "foreman",
        "orderHold",
        "ON_HOLD",
        {"note": "暴雨 Heavy rain"},
        (_blocked("foreman", "orderHold", "NOTE_REQUIRED"),),
        has_foreman=True,
    ),
    Step(
        "foreman",
        "orderResume",
        "IN_PROGRESS",
        refused=(_impossible("contractor", "orderReportProgress", percent="10"),),
        has_foreman=True,
    ),
    Step(
        "contractor",
        "orderReportProgress",
        "IN_PROGRESS",
        {"percent": "40"},
        is_repeatable=True,
        has_foreman=True,
    ),
    Step(
        "foreman",
        "orderReportProgress",
        "IN_PROGRESS",
        {"done": QUANTITIES},
        (_blocked("contractor", "orderComplete", "NOT_FULFILLED"),),
        is_repeatable=True,
        has_foreman=True,
    ),
    Step("contractor", "orderComplete", "COMPLETED", has_foreman=True),
    Step(
        "pm",
        "orderAccept",
        "ACCEPTED",
        refused=(
            _impossible("finance", "orderSettle"),
            _impossible("pm", "orderCancel", note="太迟 Too late"),
        ),
        has_foreman=True,
    ),
    Step("finance", "orderSettle", "SETTLED", has_foreman=True),
)

OVER_THE_LIMIT = (
    _CREATE,
    Step("buyer", "orderUpdate", "DRAFT", {"lines": LARGE_PRICES}, amount=LARGE_AMOUNT, is_repeatable=True),
    Step("engineer", "orderSubmit", "SUBMITTED", amount=LARGE_AMOUNT),
    Step(
        "pm",
        "orderReject",
        "REJECTED",
        {"note": "单价过高 The unit price is too high"},
        (
            _blocked("pm", "orderApprove", "OVER_APPROVAL_LIMIT"),
            _blocked("pm", "orderReject", "NOTE_REQUIRED"),
        ),
        amount=LARGE_AMOUNT,
    ),
    Step("engineer", "orderRevise", "DRAFT", amount=LARGE_AMOUNT),
    Step("buyer", "orderUpdate", "DRAFT", _PRICED, is_repeatable=True),
    Step("engineer", "orderSubmit", "SUBMITTED"),
    Step("pm", "orderApprove", "APPROVED", refused=(_impossible("buyer", "orderSubmit"),)),
    Step(
        "director",
        "orderCancel",
        "CANCELLED",
        {"note": "方案变更 Scope changed"},
        (_blocked("director", "orderCancel", "NOTE_REQUIRED"),),
    ),
)
