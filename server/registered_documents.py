"""How does an operator publish, list, check and retire registered documents at the command line?

Each act is one of `server.operator_acts`. What registering is and which acts are refused is left to `commands.documents`,
what is a sound document to `server.document_check`; how it is all printed, to `server.cli_documents`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVarTuple

from graphql import GraphQLSchema
from sqlalchemy import Select, func, or_, select

from commands import documents
from commands.clients import client_id_of
from commands.documents import ID_PREFIX, ManifestDocument, Published, Registered
from db.document_tables import ClientDocumentRow, DocumentRow
from db.events import Origin
from db.sessions import WriteSession
from db.tables import ApiClientRow, UserRow
from domain.errors import EomsError, InvalidInput, NotFound
from domain.identifiers import ClientId
from server.document_check import CheckedDocument, Finding, check_documents
from server.documents import DocumentLimits
from server.field_uses import FieldOfType, selects
from server.manifests import LARGEST_BYTES, read_document, read_manifest
from server.operator_acts import done

SHORTEST_BEGINNING = 8
"""So many hexadecimal digits name a document to an operator, where no other of the client's begins with them."""

_DOCUMENT_SUFFIXES = (".graphql", ".gql")
_BEGINNING = re.compile(rf"[0-9a-f]{{{SHORTEST_BEGINNING},64}}")

_Columns = TypeVarTuple("_Columns")


class BrokenDocuments(EomsError):
    """Some documents of a manifest would not be executed, and none of it was published."""

    code = "BROKEN_DOCUMENTS"

    def __init__(self, findings: Sequence[Finding]) -> None:
        count = len({finding.document.hash for finding in findings if not finding.is_note})
        super().__init__(f"Broken documents: {count:,}. Nothing was published.")
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class Publication:
    """What publishing a manifest did, or with `--dry-run` would do; `findings` holds notes only."""

    published: Published
    retired: tuple[Registered, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ListedDocument:
    """A registration as an operator sees it.

    `calls` and `last_used_at` are the client's own. `calls_by_people` are everybody's but API clients', and
    `last_used_by_any_at` is the last use by anybody: people may send the documents of every client.
    """

    client: str
    name: str
    hash: bytes
    published_at: datetime
    retired_at: datetime | None
    calls: int
    last_used_at: datetime | None
    calls_by_people: int
    last_used_by_any_at: datetime | None


def manifest_documents(path: Path) -> list[CheckedDocument]:
    """Return the documents of a manifest, or the one of a file of GraphQL, which its name tells.

    Raises `InvalidInput` with the file's path before the place in it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInput("UNREADABLE", f"The file can't be read: {reason}.", (str(path),)) from error
    try:
        is_document = path.suffix in _DOCUMENT_SUFFIXES
        given = (read_document(content),) if is_document else read_manifest(content)
    except InvalidInput as error:
        raise InvalidInput(error.code, error.message, (str(path), *error.path)) from error
    return [CheckedDocument(str(path), each.name, each.hash, each.text) for each in given]


def publish_manifest(
    database_url: str,
    client: str,
    manifest: Sequence[CheckedDocument],
    schema: GraphQLSchema,
    limits: DocumentLimits,
    *,
    prune: bool,
    dry_run: bool,
) -> Publication:
    """Register the documents of a manifest, and with `prune` retire the client's others, all of it or nothing.

    Raises `NotFound` for the client, `BrokenDocuments` with all findings.
    """

    async def known(session: WriteSession, _origin: Origin) -> ClientId:
        return await client_id_of(session, client)

    # Checking thousands of documents takes a while: not for a client that isn't there, and not in a transaction.
    client_id = done(database_url, known)
    findings = check_documents(schema, limits, manifest)
    if not all(finding.is_note for finding in findings):
        raise BrokenDocuments(findings)

    async def act(session: WriteSession, origin: Origin) -> Publication:
        given = [ManifestDocument(document.name, document.text) for document in manifest]
        published = await documents.publish(session, origin, client_id, given)
        retired: tuple[Registered, ...] = ()
        if prune:
            kept = {document.hash for document in manifest}
            retired = await documents.retire_others(session, origin, client_id, kept)
        if dry_run:
            await session.rollback()
        return Publication(published, retired, tuple(findings))

    return done(database_url, act)


def retire_documents(database_url: str, client: str, ids: Sequence[str]) -> tuple[Registered, ...]:
    """Retire documents by their ids or beginnings of them, all or none; raise `NotFound` or `InvalidInput`."""

    async def act(session: WriteSession, origin: Origin) -> tuple[Registered, ...]:
        client_id = await client_id_of(session, client)
        held = select(ClientDocumentRow.hash).where(ClientDocumentRow.client_id == client_id)
        hashes = sorted((await session.orm.scalars(held)).all())
        return await documents.retire(session, origin, client_id, [_one_of(hashes, text) for text in ids])

    return done(database_url, act)


def list_documents(
    database_url: str,
    client: str | None = None,
    *,
    unused_for: timedelta | None = None,
    with_retired: bool = False,
) -> list[ListedDocument]:
    """Return registrations by client and name; raise `NotFound` for the client.

    With `unused_for` only what has been there that long and was used by nobody in that time.
    """

    async def act(session: WriteSession, origin: Origin) -> list[ListedDocument]:
        statement = await _of_client(session, _listing(), client)
        if not with_retired:
            statement = statement.where(ClientDocumentRow.retired_at.is_(None))
        if unused_for is not None:
            since = origin.now - unused_for
            statement = statement.where(
                ClientDocumentRow.published_at < since,
                or_(DocumentRow.last_used_at.is_(None), DocumentRow.last_used_at < since),
            )
        rows = (await session.orm.execute(statement)).all()
        return [ListedDocument(*row) for row in rows]

    return done(database_url, act)


def live_documents(database_url: str) -> list[CheckedDocument]:
    """Return every live registration with its text, by client and name."""

    async def act(session: WriteSession, _origin: Origin) -> list[CheckedDocument]:
        statement = _registrations(
            select(UserRow.username, ClientDocumentRow.name, DocumentRow.hash, DocumentRow.text)
        )
        rows = (await session.orm.execute(statement.where(ClientDocumentRow.retired_at.is_(None)))).all()
        return [CheckedDocument(*row) for row in rows]

    return done(database_url, act)


def documents_selecting(database_url: str, schema: GraphQLSchema, field: FieldOfType) -> list[ListedDocument]:
    """Return the live registrations whose documents select the field, by client and name."""
    found = {
        document.hash for document in live_documents(database_url) if selects(schema, document.text, field)
    }
    return [document for document in list_documents(database_url) if document.hash in found]


def _listing() -> Select[
    str, str, bytes, datetime, datetime | None, int, datetime | None, int, datetime | None
]:
    other = ClientDocumentRow.__table__.alias()
    by_clients = select(func.sum(other.c.calls)).where(other.c.hash == DocumentRow.hash).scalar_subquery()
    return _registrations(
        select(
            UserRow.username,
            ClientDocumentRow.name,
            ClientDocumentRow.hash,
            ClientDocumentRow.published_at,
            ClientDocumentRow.retired_at,
            ClientDocumentRow.calls,
            ClientDocumentRow.last_used_at,
            (DocumentRow.calls - by_clients).label("calls_by_people"),
            DocumentRow.last_used_at,
        )
    )


def _registrations(statement: Select[*_Columns]) -> Select[*_Columns]:
    """Return a statement over registrations, their documents and their clients' accounts, by client and name."""
    return (
        statement.select_from(ClientDocumentRow)
        .join(DocumentRow, DocumentRow.hash == ClientDocumentRow.hash)
        .join(ApiClientRow, ApiClientRow.id == ClientDocumentRow.client_id)
        .join(UserRow, UserRow.id == ApiClientRow.user_id)
        .order_by(UserRow.username, ClientDocumentRow.name, ClientDocumentRow.hash)
    )


async def _of_client(
    session: WriteSession, statement: Select[*_Columns], client: str | None
) -> Select[*_Columns]:
    if client is None:
        return statement
    return statement.where(ClientDocumentRow.client_id == await client_id_of(session, client))


def _one_of(hashes: Sequence[bytes], text: str) -> bytes:
    """Return the hash that an id or the beginning of one names."""
    beginning = text.removeprefix(ID_PREFIX)
    if _BEGINNING.fullmatch(beginning) is None:
        message = f"An id is {ID_PREFIX} and 64 hexadecimal digits, or the first {SHORTEST_BEGINNING} or more of them."
        raise InvalidInput("MALFORMED", message, (text,))
    found = [digest for digest in hashes if digest.hex().startswith(beginning)]
    if not found:
        raise NotFound("document of this client", (text,))
    if len(found) > 1:
        raise InvalidInput("AMBIGUOUS", f"{len(found)} documents of this client begin with it.", (text,))
    return found[0]
