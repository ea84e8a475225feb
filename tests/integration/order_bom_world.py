"""How do tests freeze BOMs into orders? By the command of the API, as the engineer of the order's project."""

from __future__ import annotations

from typing import Any

from domain.order import OrderState
from tests.api import Answer, Api
from tests.integration.bom_world import bom, item, line, made, released
from tests.integration.order_world import Json, order_in, unchanged

_BOM = """
  version bomQuantity bomFrozenOn bomRevision { id }
  bomLines(first: 100) { totalCount nodes { position item { code } } }
  bomExplosion { quantity asOf demand(first: 100) { nodes { item { code } quantity exactQuantity } } }
"""
_IMPACT = """
  impact(first: 100) { totalCount nodes {
    item { code } change quantityBefore exactQuantityBefore quantityAfter exactQuantityAfter
  } }
"""
_FREEZE = f"""
mutation ($input: OrderFreezeBomInput!) {{ orderFreezeBom(input: $input) {{
  order {{ {_BOM} events(last: 1) {{ nodes {{ type note changes {{ field before after }} }} }} }}
  {_IMPACT}
  errors {{ __typename code message path ... on VersionConflict {{ currentVersion }}
    ... on ActionBlocked {{ blockers {{ code }} }} ... on InvalidTransition {{ state }} }}
}} }}
"""


async def sent(api: Api, who: str, order: Json, revision_id: str, quantity: str = "1", **more: Any) -> Answer:
    given = {"id": order["id"], "bomRevisionId": revision_id, "quantity": quantity, **more}
    return await api.ask(_FREEZE, who, input=given)


async def frozen(api: Api, order: Json, revision_id: str, quantity: str = "1", **more: Any) -> Json:
    """Freeze a BOM into an order as its engineer; return the payload."""
    payload: Json = (await sent(api, "engineer", order, revision_id, quantity, **more)).data["orderFreezeBom"]
    assert payload["errors"] == []
    return payload


async def not_frozen(
    api: Api, order: Json, revision_id: str, quantity: str = "1", who: str = "engineer", **more: Any
) -> Json:
    """Try to freeze a BOM, and be refused without a trace; return the one error."""
    async with unchanged(api, who):
        payload = (await sent(api, who, order, revision_id, quantity, **more)).data["orderFreezeBom"]
    assert (payload["order"], payload["impact"]) == (None, None)
    (error,) = payload["errors"]
    found: Json = error
    return found


async def built(api: Api, order: Json, who: str = "engineer") -> Json:
    """Return by what an order is built."""
    document = f"query ($id: ID!) {{ order(id: $id) {{ {_BOM} }} }}"
    found: Json = (await api.ask(document, who, id=order["id"])).data["order"]
    return found


def demand_of(built_order: Json) -> dict[str, str]:
    nodes = built_order["bomExplosion"]["demand"]["nodes"]
    return {each["item"]["code"]: each["quantity"] for each in nodes}


def impact_of(payload: Json) -> dict[str, tuple[str, str, str]]:
    return {
        each["item"]["code"]: (each["change"], each["quantityBefore"], each["quantityAfter"])
        for each in payload["impact"]["nodes"]
    }


async def two_levels(api: Api, prefix: str) -> tuple[Json, Json]:
    """Release a top that takes two of a part, which takes three of a leaf; return both revisions."""
    for code in ("LEAF", "OTHER"):
        await item(api, prefix + code)
    for code in ("TOP", "PART"):
        await item(api, prefix + code, kind="ASSEMBLY")
    part = await released(api, await bom(api, prefix + "PART", line(prefix + "LEAF", "3")))
    return await released(api, await bom(api, prefix + "TOP", line(prefix + "PART", "2"))), part


async def next_revision(api: Api, revision: Json, code: str, quantity: str, **more: Any) -> Json:
    """Release the next revision of a BOM of one line, which takes something else."""
    draft = await made(api, "engineer", "bomRevisionCreate", sourceId=revision["id"], **more)
    (only,) = draft["lines"]["nodes"]
    given = {"id": draft["id"], "lineId": only["id"], "line": {"item": {"code": code}, "quantity": quantity}}
    await made(api, "engineer", "bomLineUpdate", **given)
    return await released(api, draft)


async def order_in_with(api: Api, state: OrderState, revision_id: str, quantity: str) -> Json:
    """Return an order in a state that is built by a revision; see `order_world.order_in`."""
    bom_input = {"bomRevisionId": revision_id, "quantity": quantity}
    return await order_in(api, state, made_by=bom_input)
