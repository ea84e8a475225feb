"""Would the server execute these documents?

Each is prepared as a request's text is (`server.documents`), within the same limits. What would be refused is a finding;
what still works but shouldn't stay is a note: something deprecated, or introspection, which outsiders may not use. What
an operation costs depends on its variables and is left to the request.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphql import GraphQLError, GraphQLSchema, NoSchemaIntrospectionCustomRule, validate
from graphql.validation import NoDeprecatedCustomRule

from commands.documents import document_id
from server.documents import DocumentLimits, Documents, Prepared
from server.settings import Settings

_NOTES_MOST = 20
"""Of one document: a text may use one deprecated field very often."""


@dataclass(frozen=True, slots=True)
class CheckedDocument:
    """A document to be checked, and whose it is: a client's name, or a manifest's path."""

    source: str
    name: str
    hash: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a document, or (`is_note`) only worth knowing; `place` is (line, column), from 1."""

    document: CheckedDocument
    code: str
    message: str
    place: tuple[int, int] | None
    is_note: bool = False

    def __str__(self) -> str:
        where = ":".join(map(str, self.place)) if self.place else "-"
        kind = "note: " if self.is_note else ""
        document = self.document
        named = f"{document.source} {document.name} {document_id(document.hash)}"
        return f"{named} {where} {kind}{self.code} {self.message}"


def limits_of(settings: Settings) -> DocumentLimits:
    """Return the bounds of one document that the settings name."""
    return DocumentLimits(
        tokens=settings.max_document_tokens,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        root_fields=settings.max_root_fields,
    )


def check_documents(
    schema: GraphQLSchema, limits: DocumentLimits, documents: Iterable[CheckedDocument]
) -> list[Finding]:
    """Return all findings and notes, in the order of the documents and of the places in each."""
    known = Documents(schema, limits)
    return [finding for document in documents for finding in _findings(known, document)]


def _findings(known: Documents, document: CheckedDocument) -> Iterator[Finding]:
    prepared = known.prepare(document.text, is_stranger=False)
    if isinstance(prepared, Prepared):
        yield from _notes(known.schema, document, prepared)
        return
    for error in prepared:
        code = str((error.extensions or {})["code"])
        yield Finding(document, code, error.message, _place(error))


def _notes(schema: GraphQLSchema, document: CheckedDocument, prepared: Prepared) -> Iterator[Finding]:
    def noted(rule: type[NoDeprecatedCustomRule | NoSchemaIntrospectionCustomRule]) -> list[GraphQLError]:
        return validate(schema, prepared.document, [rule], max_errors=_NOTES_MOST)[:_NOTES_MOST]

    for error in noted(NoDeprecatedCustomRule):
        yield Finding(document, "DEPRECATED", error.message, _place(error), is_note=True)
    for error in noted(NoSchemaIntrospectionCustomRule):
        message = "Outsiders, most API clients among them, may not introspect."
        yield Finding(document, "INTROSPECTION", message, _place(error), is_note=True)


def _place(error: GraphQLError) -> tuple[int, int] | None:
    if not error.locations:
        return None
    return error.locations[0].line, error.locations[0].column
