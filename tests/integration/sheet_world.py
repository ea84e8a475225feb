"""How do tests import and export BOMs? By files made by hand, and over HTTP like everybody."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from sheets.bom_lines import FileFormat
from sheets.cells import Cell, Column
from sheets.files import file_of
from tests.api import Api
from tests.integration.bom_world import Json, answered, untouched

IMPORT = """mutation ($input: BomImportInput!) { bomImport(input: $input) {
  bomRevision { id number version state checksum baseQuantity note
    lines(first: 100) { nodes {
      id position item { code } quantity unit { code } fixed scrapPercent scrapRule setupQuantity orderMultiple
      validFrom validTo consumable substitutes { item { code } factor }
    } } }
  errors { __typename code message path ... on VersionConflict { currentVersion }
    ... on ImportRefused { total rows { row column code message } } }
} }"""
EVENTS = """query ($id: ID!) { events(first: 50, filter: {aggregateId: $id}) {
  nodes { type version note changes { field before after } } } }"""


def csv(*rows: str, encoding: str = "utf-8") -> Json:
    """Return a CSV file of these lines of text, as the input takes it."""
    return {"format": "CSV", "content": base64.b64encode("\r\n".join(rows).encode(encoding)).decode()}


def xlsx(*rows: tuple[Cell, ...]) -> Json:
    """Return an XLSX file of these rows, the header first, as the input takes it."""
    header, *rest = rows
    return packed("XLSX", file_of(FileFormat.XLSX, [Column(str(name)) for name in header], rest))


def packed(file_format: str, content: bytes) -> Json:
    """Return a file as the input takes it."""
    return {"format": file_format, "content": base64.b64encode(content).decode()}


async def imported(api: Api, code: str, file: Json, who: str = "engineer", **values: Any) -> Json:
    """Import a file that is taken; return the revision."""
    payload = (await api.ask(IMPORT, who, input={"item": {"code": code}, **file, **values})).data["bomImport"]
    assert payload["errors"] == []
    found: Json = payload["bomRevision"]
    return found


async def not_imported(api: Api, code: str, file: Json, who: str = "engineer", **values: Any) -> Json:
    """Import a file that is refused without a trace, tried and in earnest; return the one error."""
    errors: list[Json] = []
    async with untouched(api, who):
        for dry in (True, False):
            given = {"item": {"code": code}, **file, "dryRun": dry, **values}
            payload = (await api.ask(IMPORT, who, input=given)).data["bomImport"]
            assert payload["bomRevision"] is None
            errors += payload["errors"]
    trial, deed = errors
    assert trial == deed
    return deed


async def events_of(api: Api, revision: Json) -> list[Json]:
    """Return the history of a revision."""
    found: list[Json] = (await api.ask(EVENTS, "pm", id=revision["id"])).data["events"]["nodes"]
    return found


async def export(api: Api, path: str, who: str | None = "engineer") -> httpx.Response:
    """Ask for a file of `/exports/bom-revisions/`."""
    headers = {"Authorization": f"Bearer {await api.token(who)}"} if who else {}
    return await api.client.get(f"/exports/bom-revisions/{path}", headers=headers)


async def forbidden_import(api: Api, code: str, file: Json, who: str) -> list[str]:
    """Import a file as somebody who may not; return the codes of the top-level errors, nothing having changed."""
    async with untouched(api, who):
        return (await answered(api, who, "bomImport", item={"code": code}, **file)).codes
