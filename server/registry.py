"""Which text has this registered document?

Documents are registered per API client (`commands.documents`). What was looked up is remembered until PostgreSQL says
that a registration came or went; while nobody listens nothing is remembered. Uses are counted and written now and then
(`server.document_uses`), so that a crash loses a few seconds of counts and no request waits for a count.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from sqlalchemy import bindparam, select

from db.document_tables import ClientDocumentRow, DocumentRow
from db.engine import Database
from db.sessions import ReadSession
from domain.identifiers import ClientId
from policies.notices import Notices
from server.document_uses import DocumentUses
from server.remembered_texts import RememberedBounds, RememberedTexts

CHANNEL = "eoms_documents"
"""The triggers of client_document notify it when a registration comes or goes."""

WRITE_SECONDS = 5.0


class Registry:
    """The registered documents; open it with `async with`, which writes the last counts at its end."""

    def __init__(self, database: Database, url: str, write_seconds: float = WRITE_SECONDS) -> None:
        # A document that was just retired must not be sent, so a replica won't do.
        self._engine = database.write.execution_options(isolation_level="AUTOCOMMIT")
        self._notices = Notices(url, CHANNEL, heard=lambda _hash: self._forget(), interrupted=self._forget)
        self._write_seconds = write_seconds
        self._remembered = RememberedTexts(RememberedBounds())
        self._generation = 0
        self._uses = DocumentUses(database)
        self._is_closing = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._notices.__aenter__()
        self._writing = asyncio.create_task(self._write_until_closed(), name="write uses of documents")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writing is not None, "it is closed once, after it was opened"
        # Not cancelled: a count that is just being written would have to be written once more, or never.
        self._is_closing.set()
        await self._writing
        await self._notices.__aexit__(kind, error, trace)
        self._forget()

    @property
    def is_listening(self) -> bool:
        """Whether changes are being heard of, so that lookups may be remembered."""
        return self._notices.is_listening

    def knows(self, digest: bytes, client_id: ClientId | None) -> bool:
        """Return whether `text` would answer without asking the database."""
        return self.is_listening and self._remembered.get((digest, client_id)) is not None

    async def text(self, digest: bytes, client_id: ClientId | None) -> str | None:
        """Return the text that a client has registered under its SHA-256, or that any has where `client_id` is null.

        Raises `Unavailable`.
        """
        key = (digest, client_id)
        if self.is_listening:
            remembered = self._remembered.get(key)
            if remembered is not None:
                return remembered.text
        generation = self._generation
        found = await self._looked_up(digest, client_id)
        # A change that was told while we looked may not be in what we saw.
        if self.is_listening and generation == self._generation:
            self._remembered.put(key, found)
        return found

    def used(self, digest: bytes, client_id: ClientId | None) -> None:
        """Count one use of a registered document, by a client or (null) by a person."""
        self._uses.count(digest, client_id)

    def _forget(self) -> None:
        self._generation += 1
        self._remembered.clear()

    async def _looked_up(self, digest: bytes, client_id: ClientId | None) -> str | None:
        registered = ClientDocumentRow
        statement = (
            select(DocumentRow.text)
            .join(registered, registered.hash == DocumentRow.hash)
            .where(DocumentRow.hash == bindparam("digest"), registered.retired_at.is_(None))
            .limit(1)
        )
        parameters: dict[str, object] = {"digest": digest}
        if client_id is not None:
            statement = statement.where(registered.client_id == bindparam("client_id"))
            parameters["client_id"] = client_id
        session = ReadSession(self._engine)
        try:
            rows = await session.fetch(statement, parameters)
        finally:
            await session.close()
        return rows[0]["text"] if rows else None

    async def _write_until_closed(self) -> None:
        while not await _happened(self._is_closing, self._write_seconds):
            await self._uses.write()
        await self._uses.write()


async def _happened(event: asyncio.Event, wait_seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), wait_seconds)
    except TimeoutError:
        return False
    return True
