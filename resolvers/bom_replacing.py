"""How is replacing an item in many BOMs resolved? One command, and what it did with each BOM."""

from __future__ import annotations

from typing import Any

from commands.boms.replacing import ReplacedIn, ReplaceItem, replace_item, replaced_in
from domain.errors import Refusal
from loaders.records import Record
from resolvers.context import Info
from resolvers.mutations import performed


async def replace_in_boms(
    info: Info, command: ReplaceItem
) -> tuple[Record | None, list[dict[str, Any]], tuple[Refusal, ...]]:
    """Run the command; return the item, the result of each BOM as the API shows it, and why it was refused if it was."""
    item, outcome = await performed(info, "Item", command, replace_item)
    return item, [_shown(each) for each in replaced_in(outcome.told)], outcome.refusals


def _shown(result: ReplacedIn) -> dict[str, Any]:
    return {
        "bom_id": result.bom_id,
        "revision_id": result.revision_id,
        "outcome": result.outcome,
        "code": result.code,
        "message": result.message,
    }
