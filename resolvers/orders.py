"""How do an order's computed fields get their values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.order import OrderAction
from loaders.actions import action_facts, availabilities
from policies.bindings import Computed
from policies.viewer import Viewer
from resolvers.actions import mutation_of, told


def _available_actions(facts: Mapping[str, Any], viewer: Viewer) -> list[dict[str, object]]:
    return told("Order", availabilities(facts, viewer.user_id))


def mutation_name(action: OrderAction) -> str:
    """Return the mutation that takes an action: `orderReportProgress` for `report_progress`."""
    return mutation_of("Order", action)


AVAILABLE_ACTIONS = Computed(action_facts, _available_actions)
