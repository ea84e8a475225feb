"""How do an engineering change's computed fields get their values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loaders.engineering_changes import change_availabilities, change_facts
from policies.bindings import Computed
from policies.viewer import Viewer
from resolvers.actions import told


def _available_actions(facts: Mapping[str, Any], viewer: Viewer) -> list[dict[str, object]]:
    return told("EngineeringChange", change_availabilities(facts, viewer.user_id))


AVAILABLE_ACTIONS = Computed(change_facts, _available_actions)
