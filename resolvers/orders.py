"""How do an order's computed fields get their values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.order import OrderAction
from loaders.actions import action_facts, availabilities
from policies.bindings import Computed
from policies.viewer import Viewer


def _available_actions(facts: Mapping[str, Any], viewer: Viewer) -> list[dict[str, object]]:
    return [
        {
            "action": mutation_name(each.action),
            "allowed": not each.reasons,
            "reasons": [{"code": reason.code, "message": reason.message} for reason in each.reasons],
        }
        for each in availabilities(facts, viewer.user_id)
    ]


def mutation_name(action: OrderAction) -> str:
    """Return the mutation that takes an action: `orderReportProgress` for `report_progress`."""
    return "order" + "".join(word.capitalize() for word in action.value.split("_"))


AVAILABLE_ACTIONS = Computed(action_facts, _available_actions)
