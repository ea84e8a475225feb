"""How do tests make engineering changes? By commands of the API, each given by whoever may give it."""

from __future__ import annotations

from typing import Any

from tests.api import Answer, Api
from tests.integration.bom_world import Json, bom, item, line, untouched

CHANGE = """
  id number title reason state version createdAt updatedAt submittedBy { username } releasedBy { username }
  revisions { held revision { id state item { code } } supersedes { id state } }
  availableActions { action allowed reasons { code } }
"""
_ERRORS = """errors {
  __typename code message path
  ... on VersionConflict { currentVersion }
  ... on InvalidEngineeringChangeTransition { state possibleActions }
  ... on ActionBlocked { blockers { code } }
}"""
_INPUTS = {
    "engineeringChangeCreate": "EngineeringChangeCreateInput",
    "engineeringChangeUpdate": "EngineeringChangeUpdateInput",
}


async def answered(api: Api, who: str, mutation: str, **values: Any) -> Answer:
    """Send a command of engineering changes; return its whole answer."""
    kind = _INPUTS.get(mutation, "EngineeringChangeActionInput")
    document = (
        f"mutation ($input: {kind}!) {{ {mutation}(input: $input)"
        f" {{ engineeringChange {{ {CHANGE} }} {_ERRORS} }} }}"
    )
    return await api.ask(document, who, input=values)


async def done(api: Api, who: str, mutation: str, **values: Any) -> Json:
    """Send a command that is carried out; return the change."""
    payload = (await answered(api, who, mutation, **values)).data[mutation]
    assert payload["errors"] == []
    found: Json = payload["engineeringChange"]
    return found


async def refused(api: Api, who: str, mutation: str, **values: Any) -> Json:
    """Send a command that is refused without a trace; return the one error."""
    async with untouched(api, who):
        payload = (await answered(api, who, mutation, **values)).data[mutation]
    assert payload["engineeringChange"] is None
    (error,) = payload["errors"]
    found: Json = error
    return found


async def opened(api: Api, *revisions: Json, who: str = "engineer", **values: Any) -> Json:
    """Open a change that holds drafts."""
    given = {"title": "Thicker pipes", "reason": "They burst.", **values}
    ids = [each["id"] for each in revisions]
    return await done(api, who, "engineeringChangeCreate", revisionIds=ids, **given)


async def in_review(api: Api, *revisions: Json, who: str = "engineer") -> Json:
    """Open a change and submit it."""
    change = await opened(api, *revisions, who=who)
    return await done(api, who, "engineeringChangeSubmit", id=change["id"])


async def change_of(api: Api, who: str, change: Json) -> Json:
    """Return a change as somebody sees it now."""
    document = f"query ($id: ID) {{ engineeringChange(id: $id) {{ {CHANGE} }} }}"
    found: Json = (await api.ask(document, who, id=change["id"])).data["engineeringChange"]
    return found


async def draft(api: Api, code: str, *lines: Json, **values: Any) -> Json:
    """Return the first draft of the BOM of a new item that is made of a new leaf, or of what is given."""
    await item(api, code, **values)
    if not lines:
        await item(api, f"{code}-LEAF")
    return await bom(api, code, *(lines or (line(f"{code}-LEAF"),)))
