"""What is asked for? One operation, whatever brought it: a body, a query string or a message."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, cast

from domain.errors import MalformedRequest
from server.settings import Settings

_APOLLO_EXTENSION = "persistedQuery"

_TEXT, _OBJECT = (str, NoneType), (dict, NoneType)


@dataclass(frozen=True, slots=True)
class AskingLimits:
    """Bounds of what is sent, for the work that reading it makes: a document's characters, values in its variables."""

    characters: int
    values: int


def asking_limits(settings: Settings) -> AskingLimits:
    """Return the limits that the settings say."""
    return AskingLimits(settings.max_document_characters, settings.max_variable_values)


# Any: variables and extensions are whatever JSON holds until the schema's types have checked them.
@dataclass(frozen=True, slots=True)
class Asked:
    """An operation that a client asks for: its text, the id of a document that the server knows, or Apollo's hash of it.

    With a hash comes a text where the client registers it (automatic persisted queries).
    """

    text: str | None
    document_id: str | None
    apollo_hash: str | None
    operation_name: str | None
    variables: Mapping[str, Any]


def asked_of(content: object) -> Asked:
    """Return what the parameters of a request ask for; raise `MalformedRequest` naming the one that is wrong."""
    if not isinstance(content, dict):
        raise _malformed("A request is one JSON object; there is no batching.")
    parameters: dict[str, Any] = content  # pyright: ignore[reportUnknownVariableType]  # JSON's keys are strings
    for name in ("query", "documentId", "operationName"):
        if not isinstance(parameters.get(name), _TEXT):
            raise _malformed(f"`{name}` is a string.")
    for name in ("variables", "extensions"):
        if not isinstance(parameters.get(name), _OBJECT):
            raise _malformed(f"`{name}` is an object.")
    text, document_id = parameters.get("query"), parameters.get("documentId")
    extensions: dict[str, Any] = parameters.get("extensions") or {}
    apollo_hash = _apollo_hash(extensions.get(_APOLLO_EXTENSION))
    if text == "" and (document_id is not None or apollo_hash is not None):
        # graphql-ws sends nothing without a text, so clients that only name a document send an empty one.
        text = None
    if document_id is not None and (text is not None or apollo_hash is not None):
        raise _malformed("`documentId` stands alone: it says what the document is.")
    if text is None and document_id is None and apollo_hash is None:
        raise _malformed("`query` or `documentId` is required.")
    return Asked(
        text=text,
        document_id=document_id,
        apollo_hash=apollo_hash,
        operation_name=parameters.get("operationName") or None,
        variables=parameters.get("variables") or {},
    )


def check_size(asked: Asked, limits: AskingLimits) -> None:
    """Raise `MalformedRequest` DOCUMENT_TOO_LONG or TOO_MANY_VALUES where reading it would take too long."""
    if asked.text is not None and len(asked.text) > limits.characters:
        raise MalformedRequest("DOCUMENT_TOO_LONG", f"A document has at most {limits.characters} characters.")
    left = limits.values
    waiting: list[object] = [asked.variables]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            content = cast("dict[str, object] | list[object]", value)
            held: Collection[object] = content.values() if isinstance(content, dict) else content
            left -= len(held)
            if left < 0:
                raise MalformedRequest("TOO_MANY_VALUES", f"Variables hold at most {limits.values} values.")
            waiting.extend(held)


def _apollo_hash(extension: object) -> str | None:
    """Return the hash in Apollo's extension `{"version": 1, "sha256Hash": "…"}`, null where there is none."""
    match extension:
        case None:
            return None
        case {"version": 1, "sha256Hash": str(found)}:
            return found
        case _:
            raise _malformed('`extensions.persistedQuery` is {"version": 1, "sha256Hash": "…"}.')


def _malformed(message: str) -> MalformedRequest:
    return MalformedRequest("MALFORMED_REQUEST", message)
