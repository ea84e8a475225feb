"""Which documents does a file name?

Three tools write manifests: Apollo's `generate-persisted-query-manifest`, the Relay compiler (`persistConfig.file`) and
the client preset of GraphQL Code Generator (`persisted-documents.json`); a file of GraphQL is one document, as it stands
there to its last line break. Manifests are read strictly: an id must be the SHA-256
of its text, so that it can never come to mean another one. Members of Apollo's format that say nothing about a text are
passed over. Whether a text is sound is left to `server.document_check`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sized
from dataclasses import dataclass
from typing import Any, cast

from graphql import GraphQLError, OperationDefinitionNode, parse

from commands.documents import ID_PREFIX, ManifestDocument
from domain.errors import InvalidInput

LARGEST_BYTES = 10 * 1024 * 1024
DOCUMENTS_MOST = 5_000
NAME_LENGTH = 200
UNNAMED = "(unnamed)"

_APOLLO_FORMAT = "apollo-persisted-query-manifest"
_APOLLO_VERSION = 1
_OPERATION_TYPES = ("query", "mutation", "subscription")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_SHOWN = 80

_OTHER_ALGORITHMS = {
    32: 'It looks like MD5, which is Relay\'s default; set "algorithm": "SHA256" in persistConfig.',
    40: 'It looks like SHA-1; set hashAlgorithm: "sha256" in persistedDocuments of the client preset.',
}

Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One document as a manifest gives it, with its place there; Relay's give no name and type."""

    place: Place
    id_place: Place
    id: object
    text: object
    name: str | None = None
    type: str | None = None


def read_manifest(content: bytes) -> tuple[ManifestDocument, ...]:
    """Return the documents of a manifest in its order.

    Raises `InvalidInput` TOO_LONG, TOO_MANY, MALFORMED, REQUIRED, UNKNOWN_FORMAT, DUPLICATE, WRONG_ID or WRONG_NAME with
    the place in the manifest as its path.
    """
    if len(content) > LARGEST_BYTES:
        raise InvalidInput("TOO_LONG", f"A manifest has at most {LARGEST_BYTES:,} bytes.", ())
    entries = list(_entries(_parsed(content)))
    if not entries:
        raise InvalidInput("REQUIRED", "The manifest has no documents.", ())
    seen: dict[str, Place] = {}
    documents: list[ManifestDocument] = []
    for entry in entries:
        document = _document(entry)
        digest = document.hash.hex()
        if digest in seen:
            raise InvalidInput(
                "DUPLICATE", f"The same document stands at {'.'.join(seen[digest])}.", entry.place
            )
        seen[digest] = entry.place
        documents.append(document)
    return tuple(documents)


def read_document(content: bytes) -> ManifestDocument:
    """Return the one document that a file of GraphQL is; raise `InvalidInput` TOO_LONG, MALFORMED or REQUIRED."""
    if len(content) > LARGEST_BYTES:
        raise InvalidInput("TOO_LONG", f"A document has at most {LARGEST_BYTES:,} bytes.", ())
    text = _decoded(content, "utf-8")
    if not text.strip():
        raise InvalidInput("REQUIRED", "The file has no document.", ())
    digest = _digest(text, ())
    return _document(_Entry((), (), digest, text))


# Any: this is whatever JSON holds until it has been looked at.
def _parsed(content: bytes) -> Any:
    # Editors on Windows put a byte order mark there.
    text = _decoded(content, "utf-8-sig")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        message = f"Line {error.lineno}, column {error.colno} is no JSON: {error.msg}."
        raise InvalidInput("MALFORMED", message, ()) from error
    except (RecursionError, ValueError) as error:
        raise InvalidInput(
            "MALFORMED", "The JSON is nested too deeply or has too long a number.", ()
        ) from error


def _decoded(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput("MALFORMED", f"Byte {error.start + 1:,} is no UTF-8.", ()) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise InvalidInput("DUPLICATE", "This member stands twice in one object.", (_shown(name),))
        members[name] = value
    return members


def _entries(manifest: Any) -> Iterator[_Entry]:
    if not isinstance(manifest, dict):
        raise InvalidInput("UNKNOWN_FORMAT", "A manifest is a JSON object.", ())
    members = cast("dict[str, Any]", manifest)
    if "format" in members or "operations" in members:
        return _apollo_entries(members)
    return _relay_entries(members)


def _apollo_entries(members: dict[str, Any]) -> Iterator[_Entry]:
    if members.get("format") != _APOLLO_FORMAT:
        raise InvalidInput("UNKNOWN_FORMAT", f'"{_APOLLO_FORMAT}" is expected here.', ("format",))
    version = members.get("version")
    if type(version) is not int or version != _APOLLO_VERSION:
        raise InvalidInput("UNKNOWN_FORMAT", f"Version {_APOLLO_VERSION} is read.", ("version",))
    operations = members.get("operations")
    if not isinstance(operations, list):
        raise InvalidInput("MALFORMED", "A list is expected here.", ("operations",))
    _check_count(cast("list[object]", operations))
    for index, operation in enumerate(cast("list[object]", operations)):
        yield _apollo_entry(operation, ("operations", str(index)))


def _apollo_entry(operation: object, place: Place) -> _Entry:
    if not isinstance(operation, dict):
        raise InvalidInput("MALFORMED", "An object is expected here.", place)
    members = cast("dict[str, object]", operation)
    name = members.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput("MALFORMED", "The operation's name is expected here.", (*place, "name"))
    # The whole name could be as long as the manifest.
    place = (*place[:-1], f"{place[-1]} ({_shown(name)})")
    kind = members.get("type")
    if kind not in _OPERATION_TYPES:
        expected = ", ".join(_OPERATION_TYPES)
        raise InvalidInput("MALFORMED", f"One of {expected} is expected here.", (*place, "type"))
    return _Entry(place, (*place, "id"), members.get("id"), members.get("body"), name, str(kind))


def _relay_entries(members: dict[str, Any]) -> Iterator[_Entry]:
    _check_count(members)
    for key, text in members.items():
        place = (_shown(key),)
        yield _Entry(place, place, key, text)


def _check_count(entries: Sized) -> None:
    if len(entries) > DOCUMENTS_MOST:
        message = f"A manifest has at most {DOCUMENTS_MOST:,} documents, not {len(entries):,}."
        raise InvalidInput("TOO_MANY", message, ())


def _document(entry: _Entry) -> ManifestDocument:
    text = entry.text
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput("MALFORMED", "The text of a document is expected here.", entry.place)
    digest = _digest(text, entry.place)
    operations = _operations(text)
    if entry.type is not None and operations:
        _check_operation(entry, operations)
    names = [node.name.value for node in operations if node.name]
    name = ", ".join(names) or (_shown(entry.name) if entry.name else UNNAMED)
    if len(name) > NAME_LENGTH:
        raise InvalidInput(
            "TOO_LONG", f"The names of its operations have at most {NAME_LENGTH} characters.", entry.place
        )
    _check_id(entry, digest, name)
    return ManifestDocument(name, text)


def _digest(text: str, place: Place) -> str:
    """Return the SHA-256 of a text that can be stored and sent."""
    if "\0" in text:
        raise InvalidInput("MALFORMED", "The text has a null character.", place)
    try:
        return hashlib.sha256(text.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise InvalidInput("MALFORMED", "The text has half a surrogate pair.", place) from error


def _operations(text: str) -> list[OperationDefinitionNode]:
    """Return the operations of a text; none where it can't be parsed, which checking tells with the place."""
    try:
        document = parse(text, no_location=True)
    except (GraphQLError, RecursionError):
        return []
    return [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]


def _check_operation(entry: _Entry, operations: list[OperationDefinitionNode]) -> None:
    """Apollo names the one operation of each text; another name or type would only mislead whoever reads the list."""
    named = [node for node in operations if node.name and node.name.value == entry.name]
    if not named:
        raise InvalidInput("WRONG_NAME", "The text has no operation of this name.", (*entry.place, "name"))
    if named[0].operation.value != entry.type:
        message = f"The operation is a {named[0].operation.value}."
        raise InvalidInput("WRONG_NAME", message, (*entry.place, "type"))


def _check_id(entry: _Entry, digest: str, name: str) -> None:
    given = entry.id
    if not isinstance(given, str):
        raise InvalidInput("MALFORMED", "The document's id is expected here.", entry.id_place)
    plain = given.removeprefix(ID_PREFIX)
    if plain == digest:
        return
    if _SHA256.fullmatch(plain):
        why = "The id is the SHA-256 of another text; has the text been changed after it was made?"
    else:
        other = _OTHER_ALGORITHMS.get(len(plain)) if _HEX.fullmatch(plain) else None
        why = "The id must be the SHA-256 of the exact text, 64 lower-case hexadecimal digits."
        why = f"{why} {other}" if other else why
    raise InvalidInput("WRONG_ID", f"{name}: {why}", entry.id_place)


def _shown(text: str) -> str:
    """Return as much of a text as an error may quote, without control characters and half surrogate pairs."""
    printable = "".join(character if character.isprintable() else "?" for character in text[:_SHOWN])
    return printable if len(text) <= _SHOWN else f"{printable}…"
