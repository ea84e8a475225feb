"""Which documents may an API client send?

System commands over the registry of persisted documents, given by an operator. A document is its text, known by the
text's SHA-256 and stored once; what a client has of it is a registration, which is retired and may be revived, and never
removed, so that its uses stay counted. Each command locks the client's row, and then all its registrations, records one
event of the client where anything changed, and works in the caller's transaction. Whether a text is sound is left to
`server.document_check`, finding it again to `server.registry`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from commands.clients import AGGREGATE, locked_client
from db.document_tables import ClientDocumentRow, DocumentRow
from db.events import Happening, Origin, record
from db.sessions import WriteSession
from db.tables import ApiClientRow, Json
from domain.errors import InvalidInput, NotFound
from domain.identifiers import ClientId

NAMED_IN_EVENT_MOST = 100
"""An event names so many documents; of more it tells their number and a digest, with which a manifest can be compared."""

ID_PREFIX = "sha256:"
_ROWS_PER_STATEMENT = 500


@dataclass(frozen=True, slots=True)
class ManifestDocument:
    """A document to be registered, with the name that people know it by."""

    name: str
    text: str

    @property
    def hash(self) -> bytes:
        """Return the SHA-256 of the text in UTF-8, by which it is sent."""
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Registered:
    """A document that a client has registered."""

    name: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did with each document, in the order given; a revived one was retired before."""

    new: tuple[Registered, ...]
    revived: tuple[Registered, ...]
    unchanged: tuple[Registered, ...]


def document_id(digest: bytes) -> str:
    """Return the id under which a document is sent (GraphQL over HTTP, appendix on persisted documents)."""
    return ID_PREFIX + digest.hex()


async def publish(
    session: WriteSession, origin: Origin, client_id: ClientId, documents: Iterable[ManifestDocument]
) -> Published:
    """Register documents for a client and return what was done; its other documents stay. Raise `NotFound`."""
    given = {document.hash: document for document in documents}
    client = await locked_client(session, client_id)
    held = await _registrations(session, client_id)
    new = [digest for digest in given if digest not in held]
    revived = [digest for digest in given if digest in held and held[digest].retired_at is not None]
    await _store(session, origin, client_id, {digest: given[digest] for digest in sorted(new)})
    for digest in revived:
        held[digest].retired_at = None
        held[digest].published_at = origin.now
    # What is told is what is kept: a name given to a document that is there already names nothing anew.
    published = Published(
        new=tuple(Registered(given[digest].name, digest) for digest in new),
        revived=tuple(_registered(held[digest]) for digest in revived),
        unchanged=tuple(
            _registered(row) for digest in given if (row := held.get(digest)) and digest not in revived
        ),
    )
    changed = (*published.new, *published.revived)
    if changed:
        counts = {"new": len(new), "revived": len(revived)}
        await _record(session, origin, client, "DocumentsPublished", counts, changed)
    return published


async def retire(
    session: WriteSession, origin: Origin, client_id: ClientId, hashes: Collection[bytes]
) -> tuple[Registered, ...]:
    """Retire these documents of a client, all or none, and return them.

    Raises `NotFound` for the client and for what it never registered, or `InvalidInput` ALREADY_RETIRED.
    """
    client = await locked_client(session, client_id)
    held = await _registrations(session, client_id)
    for digest in hashes:
        if digest not in held:
            raise NotFound("document of this client", (document_id(digest),))
        if held[digest].retired_at is not None:
            raise InvalidInput("ALREADY_RETIRED", "This document is retired already.", (document_id(digest),))
    return await _retire(session, origin, client, [held[digest] for digest in dict.fromkeys(hashes)])


async def retire_others(
    session: WriteSession, origin: Origin, client_id: ClientId, kept: Collection[bytes]
) -> tuple[Registered, ...]:
    """Retire the documents of a client that are not among `kept`, and return them, sorted by name; raise `NotFound`."""
    client = await locked_client(session, client_id)
    held = await _registrations(session, client_id)
    others = [row for digest, row in held.items() if row.retired_at is None and digest not in kept]
    return await _retire(session, origin, client, sorted(others, key=lambda row: (row.name, row.hash)))


async def _retire(
    session: WriteSession, origin: Origin, client: ApiClientRow, rows: Sequence[ClientDocumentRow]
) -> tuple[Registered, ...]:
    for row in rows:
        row.retired_at = origin.now
    retired = tuple(_registered(row) for row in rows)
    if retired:
        await _record(session, origin, client, "DocumentsRetired", {"retired": len(retired)}, retired)
    return retired


async def _registrations(session: WriteSession, client_id: ClientId) -> dict[bytes, ClientDocumentRow]:
    """Return all registrations of a client by hash, locked until the transaction ends.

    Locked by hash, as `server.document_uses` does when it writes counts: neither then waits for what the other holds while
    it holds what the other waits for.
    """
    of_client = select(ClientDocumentRow).where(ClientDocumentRow.client_id == client_id)
    in_order = of_client.order_by(ClientDocumentRow.hash).with_for_update(key_share=True)
    rows = await session.orm.scalars(in_order.execution_options(populate_existing=True))
    return {row.hash: row for row in rows}


async def _store(
    session: WriteSession, origin: Origin, client_id: ClientId, documents: Mapping[bytes, ManifestDocument]
) -> None:
    """Insert documents, sorted by hash, and their registrations."""
    for batch in _batches(documents):
        texts = [
            {
                "hash": digest,
                "text": documents[digest].text,
                "created_at": origin.now,
                "calls": 0,
                "last_used_at": None,
            }
            for digest in batch
        ]
        # Another client may have the very same document.
        await session.orm.execute(insert(DocumentRow).values(texts).on_conflict_do_nothing())
        registrations = [
            {
                "client_id": client_id,
                "hash": digest,
                "name": documents[digest].name,
                "published_at": origin.now,
                "retired_at": None,
                "calls": 0,
                "last_used_at": None,
            }
            for digest in batch
        ]
        await session.orm.execute(insert(ClientDocumentRow).values(registrations))


async def _record(
    session: WriteSession,
    origin: Origin,
    client: ApiClientRow,
    event_type: str,
    counts: Mapping[str, int],
    documents: Sequence[Registered],
) -> None:
    client.version += 1
    await session.orm.flush()
    details: Json = {**counts, **_told(documents)}
    await record(
        session,
        origin,
        Happening(AGGREGATE, client.id, client.version, event_type, None, changes={}, details=details),
    )


def _told(documents: Sequence[Registered]) -> Json:
    """Return `documents.<hash>`: name, or for too many the SHA-256 of their sorted hashes, one after the other."""
    if len(documents) <= NAMED_IN_EVENT_MOST:
        return {f"documents.{document.hash.hex()}": document.name for document in documents}
    together = b"".join(sorted(document.hash for document in documents))
    return {"digest": hashlib.sha256(together).hexdigest()}


def _registered(row: ClientDocumentRow) -> Registered:
    return Registered(row.name, row.hash)


def _batches(hashes: Iterable[bytes]) -> list[list[bytes]]:
    ordered = list(hashes)
    return [ordered[at : at + _ROWS_PER_STATEMENT] for at in range(0, len(ordered), _ROWS_PER_STATEMENT)]
