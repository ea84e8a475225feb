"""How do tests make items and BOMs? By commands of the API, each given by whoever may give it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from tests.api import Api

# Any: JSON.
Json = dict[str, Any]

REVISION = """
  id number state version baseQuantity validFrom validTo checksum releasedAt item { code }
  lines(first: 100) { nodes {
    id position item { code } quantity unit { code } fixed scrapPercent scrapRule setupQuantity orderMultiple
    validFrom validTo consumable substitutes { priority item { code } factor }
  } }
  operations { position name minutes %s }
  coProducts { item { code } quantity costSharePercent }
"""
ITEM = "id code name kind version unit { code } units { unit { code } factor } %s currency leadTimeDays"
TABLES = (
    "item",
    "item_unit",
    "bom",
    "bom_revision",
    "bom_line",
    "bom_substitute",
    "bom_operation",
    "bom_co_product",
    "engineering_change",
    "engineering_change_revision",
    "engineering_change_number",
    "event",
    "idempotency",
)
_ERRORS = "errors { __typename code message path ... on VersionConflict { currentVersion } }"


def _object(mutation: str) -> str:
    return "item" if mutation.startswith("item") else "bomRevision"


def _fields(mutation: str, who: str) -> str:
    """Return what is read of the object; of money only the project's manager reads all."""
    if mutation.startswith("item"):
        return ITEM % ("standardCost" if who == "pm" else "")
    return REVISION % ("hourlyRate" if who == "pm" else "")


async def answered(api: Api, who: str, mutation: str, **values: Any) -> Any:
    """Send a command of items or BOMs; return its whole answer."""
    name, fields = _object(mutation), _fields(mutation, who)
    kind = mutation[0].upper() + mutation[1:] + "Input"
    document = (
        f"mutation ($input: {kind}!) {{ {mutation}(input: $input) {{ {name} {{ {fields} }} {_ERRORS} }} }}"
    )
    return await api.ask(document, who, input=values)


async def made(api: Api, who: str, mutation: str, **values: Any) -> Json:
    """Send a command that is carried out; return the object."""
    payload = (await answered(api, who, mutation, **values)).data[mutation]
    assert payload["errors"] == []
    found: Json = payload[_object(mutation)]
    return found


@asynccontextmanager
async def untouched(api: Api, who: str) -> AsyncGenerator[None]:
    """Prove that nothing that commands of BOMs can write was written."""
    await api.token(who)
    before = [await api.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES]
    yield
    assert [await api.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES] == before


async def not_made(api: Api, who: str, mutation: str, **values: Any) -> Json:
    """Send a command that is refused without a trace; return the one error."""
    async with untouched(api, who):
        payload = (await answered(api, who, mutation, **values)).data[mutation]
    assert payload[_object(mutation)] is None
    (error,) = payload["errors"]
    found: Json = error
    return found


async def item(api: Api, code: str, who: str = "engineer", **values: Any) -> Json:
    """Make an item, counted in pieces where nothing else is said."""
    return await made(
        api, who, "itemCreate", **{"code": code, "name": f"Item {code}", "unit": "pcs", **values}
    )


def line(code: str, quantity: str = "1", **values: Any) -> Json:
    """Return a line as inputs take it."""
    return {"item": {"code": code}, "quantity": quantity, **values}


async def bom(api: Api, code: str, *lines: Json, who: str = "engineer", **values: Any) -> Json:
    """Open a BOM."""
    return await made(api, who, "bomCreate", item={"code": code}, lines=list(lines), **values)


async def released(api: Api, revision: Json, who: str = "engineer", **values: Any) -> Json:
    """Release a revision."""
    return await made(api, who, "bomRevisionRelease", id=revision["id"], **values)
