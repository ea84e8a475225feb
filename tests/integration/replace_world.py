"""How do tests replace an item in many BOMs, and see what came of it?"""

from __future__ import annotations

from typing import Any

from server.settings import Settings
from tests.api import Answer, Api
from tests.integration.bom_world import Json, item

_LINE = "position item { code } quantity unit { code } setupQuantity orderMultiple validFrom validTo"
_REPLACE = f"""
mutation ($input: BomMassReplaceInput!) {{ bomMassReplace(input: $input) {{
  item {{ code }}
  results {{
    bom {{ id item {{ code }} }} outcome code message
    bomRevision {{ id number state version note lines(first: 9) {{ nodes {{ {_LINE} }} }} }}
  }}
  errors {{ __typename code message path }}
}} }}
"""


def generous(settings: Settings) -> Settings:
    """Return settings by which the tests of a module may ask together what one person may not."""
    rates = {"rate_points": 100_000_000, "rate_points_per_second": 10_000_000}
    return settings.model_copy(update=rates)


async def items(api: Api, prefix: str, *codes: str, **values: Any) -> list[str]:
    for code in codes:
        await item(api, prefix + code, **values)
    return [prefix + code for code in codes]


async def sent(api: Api, old: str, new: str, who: str = "engineer", **values: Any) -> Answer:
    command = {"item": {"code": old}, "replacement": {"code": new}, **values}
    return await api.ask(_REPLACE, who, input=command)


async def replaced(api: Api, old: str, new: str, who: str = "engineer", **values: Any) -> list[Json]:
    """Replace an item; return the results."""
    payload = (await sent(api, old, new, who, **values)).data["bomMassReplace"]
    assert (payload["errors"], payload["item"]) == ([], {"code": old})
    found: list[Json] = payload["results"]
    return found


def told(results: list[Json]) -> list[tuple[str, str, str | None]]:
    return [(each["bom"]["item"]["code"], each["outcome"], each["code"]) for each in results]


def lines(result: Json) -> list[Json]:
    found: list[Json] = result["bomRevision"]["lines"]["nodes"]
    return found


async def bom_id(api: Api, revision: Json) -> str:
    document = "query ($id: ID!) { bomRevision(id: $id) { bom { id } } }"
    found: str = (await api.ask(document, "engineer", id=revision["id"])).data["bomRevision"]["bom"]["id"]
    return found


async def states(api: Api, code: str) -> list[tuple[int, str, list[str]]]:
    """Return the revisions of an item's BOM with what they take."""
    document = """query ($code: String) { item(code: $code) { bomRevisions(first: 9) { nodes {
      number state lines(first: 9) { nodes { item { code } } } } } } }"""
    nodes = (await api.ask(document, "engineer", code=code)).data["item"]["bomRevisions"]["nodes"]
    return [
        (each["number"], each["state"], [line["item"]["code"] for line in each["lines"]["nodes"]])
        for each in nodes
    ]
