"""How do an order's computed fields get their values?"""

from __future__ import annotations

from typing import Any

from domain.order import OrderAction
from loaders.actions import order_actions
from resolvers.context import Info
from resolvers.relations import untyped


async def _available_actions(root: Any, info: Info) -> list[dict[str, object]]:
    return [
        {
            "action": mutation_name(each.action),
            "allowed": not each.reasons,
            "reasons": [{"code": reason.code, "message": reason.message} for reason in each.reasons],
        }
        for each in await order_actions(info.context.reads, root.key)
    ]


def mutation_name(action: OrderAction) -> str:
    """Return the mutation that takes an action: `orderReportProgress` for `report_progress`."""
    return "order" + "".join(word.capitalize() for word in action.value.split("_"))


available_actions = untyped(_available_actions)
