"""How do the computed fields of costs get their values?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loaders.recosts import staleness_facts
from policies.bindings import Computed
from policies.viewer import Viewer


def _is_stale(facts: Mapping[str, Any], _viewer: Viewer) -> bool:
    return bool(facts["is_stale"])


IS_STALE = Computed(staleness_facts, _is_stale)
