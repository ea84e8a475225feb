"""What becomes of an answer in which null would stand where the schema has none?

Rules that nobody would write make one: whoever reads an order may not read which project it belongs to. Then the
interpreter says how far the null goes, and the answer must be the one that it gives alone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
import pytest_asyncio

from domain.order import OrderState
from policies.compiler import Policies
from policies.rules import Rule, Rulebook, load_rules
from server.live import Gate
from server.settings import Settings
from tests.api import Api
from tests.integration.order_world import draft, order_in, send
from tests.integration.plan_world import Both, both_paths, paths_of, points, written

pytestmark = pytest.mark.asyncio(loop_scope="module")

GAP = "interpreted: null stands where the schema has none"
HIDDEN = "project_manager"
"""Who reads orders, but no longer their project; everybody else does."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    known = load_rules()
    hiding = Rule(HIDDEN, "order.project", "read", "project", "deny")
    rulebook = Rulebook(replace(known, rules=(*known.rules, hiding)))
    async with both_paths(company_settings) as both:
        for api in (both.planned, both.interpreted):
            gate: Gate = api.app.state.gate
            gate._runtime = replace(gate._runtime, policies=Policies(rulebook))  # pyright: ignore[reportPrivateUsage]  # nobody else swaps it
        yield both


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def released(both: Both) -> dict[str, str]:
    return await order_in(both.interpreted, OrderState.RELEASED)


async def left_to_the_interpreter(both: Both, document: str) -> str:
    """Return what both answer, as text; fail unless the planner found a gap."""
    before = paths_of(both.planned).get(GAP, 0)
    answer, _ = await both.pair(document, "pm")
    assert paths_of(both.planned)[GAP] == before + 1
    return written(answer)
