"""Is this an answer that the server may give?

Status and media type as GraphQL over HTTP has them, a response as GraphQL's specification has it, data as the schema has
it, and codes that are known (`answer_codes`). Whatever else there is, is shown together with the request.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from graphql import GraphQLSchema, parse

from tests.fuzz.answer_codes import BLOCKER_CODES, DOCUMENT_CODES, REFUSAL_CODES
from tests.fuzz.data_shape import shape_of

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"

# Any: whatever JSON an answer holds.
Json = dict[str, Any]


class UnexpectedAnswerError(AssertionError):
    """The server answered what it never may; says what, and shows request and answer."""


@dataclass(frozen=True)
class Told:
    """An answer that is one: its data, null where there is none, and all codes that it tells."""

    data: Json | None
    codes: Sequence[str]
    refusals: Collection[str] = ()
    blockers: Collection[str] = ()


def told(response: httpx.Response, media_type: str, document: str, schema: GraphQLSchema) -> Told:
    """Return what an answer to a document says that fits the schema; raise `UnexpectedAnswerError`."""
    content = _content(response, document)
    found = list(response_faults(content, DOCUMENT_CODES))
    status = 200 if "data" in content or media_type == PLAIN_JSON else 400
    if response.status_code != status:
        found.append(f"status {response.status_code} and not {status}")
    if response.headers.get("content-type", "").partition(";")[0] != media_type:
        found.append(f"it is {response.headers.get('content-type')}")
    if found or content.get("data") is None:
        _raise(found, response, document)
        return Told(None, codes_of(content))
    shape = shape_of(schema, parse(document), content["data"])
    found += shape.misfits
    found += [f"unknown refusal {code}" for code in shape.refusals - REFUSAL_CODES]
    found += [f"unknown blocker {code}" for code in shape.blockers - BLOCKER_CODES]
    _raise(found, response, document)
    return Told(content["data"], codes_of(content), shape.refusals, shape.blockers)


def codes_of(content: Json) -> list[str]:
    """Return the codes of the top-level errors."""
    return [error["extensions"]["code"] for error in content.get("errors", ())]


def response_faults(content: Json, codes: Collection[str]) -> list[str]:
    """Return what is wrong with a response apart from the shape of its data (GraphQL, section 7)."""
    found = [f"{key} in a response" for key in content.keys() - {"data", "errors", "extensions"}]
    if "errors" not in content:
        return found if content.get("data") is not None else [*found, "neither data nor errors"]
    if not isinstance(content["errors"], list) or not content["errors"]:
        return [*found, "errors is no list of some"]
    # Any: JSON.
    errors: list[Any] = content["errors"]  # pyright: ignore[reportUnknownVariableType]
    return [
        *found,
        *(fault for error in errors for fault in _error_faults(error, content.get("data"), codes)),
    ]


def _error_faults(error: Any, data: object, codes: Collection[str]) -> list[str]:
    found = [f"{key} in an error" for key in error.keys() - {"message", "locations", "path", "extensions"}]
    if not isinstance(error.get("message"), str) or not error["message"]:
        found.append("an error without a message")
    code = error.get("extensions", {}).get("code")
    if code not in codes:
        found.append(f"unknown code {code}")
    found += [
        f"{place} is no place in a document"
        for place in error.get("locations", ())
        if place.keys() != {"line", "column"} or min(place.values()) < 1
    ]
    if "path" in error and any(
        value is not None for value in _at(data, error["path"], is_masked=code == "FORBIDDEN")
    ):
        found.append(f"there is something else than null at the path {error['path']}")
    return found


def _at(data: Any, path: Sequence[str | int], *, is_masked: bool) -> list[object]:
    """Return what stands at a path, nothing where the path ends early in a null; a step that isn't there stays as it is.

    The path of a masked field has no indices and goes through every item, of which those of other types lack the field.
    """
    if data is None or not path:
        return [] if data is None else [data]
    step, *rest = path
    if isinstance(step, int) and isinstance(data, list) and step < len(data):  # pyright: ignore[reportUnknownArgumentType]
        return _at(data[step], rest, is_masked=is_masked)
    if isinstance(step, str) and isinstance(data, dict) and step in data:
        return _at(data[step], rest, is_masked=is_masked)
    if is_masked and isinstance(data, list):
        items: list[Any] = data  # pyright: ignore[reportUnknownVariableType]  # JSON
        return [each for item in items for each in _at(item, path, is_masked=True)]
    return [] if is_masked else [step]


def _content(response: httpx.Response, document: str) -> Json:
    try:
        content: object = response.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise UnexpectedAnswerError(f"the answer is no JSON object\n{_shown(response, document)}")
    return content  # pyright: ignore[reportUnknownVariableType]  # JSON


def _raise(found: Sequence[str], response: httpx.Response, document: str) -> None:
    if found:
        raise UnexpectedAnswerError("; ".join(found[:5]) + f"\n{_shown(response, document)}")


def _shown(response: httpx.Response, document: str) -> str:
    return f"{response.status_code} {response.text[:3000]}\n{document}"
