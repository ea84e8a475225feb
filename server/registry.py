"""Which text has this registered document, and how often is it used?

Documents are registered per API client (`commands.documents`). What was looked up is remembered until PostgreSQL says
that a registration came or went; while nobody listens nothing is remembered. Uses are counted here and written now and
then, so that a crash loses a few seconds of counts and no request waits for a count.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy import bindparam, select, update

from commands.transactions import transaction
from db.engine import Database
from db.sessions import ReadSession
from db.tables import ClientDocumentRow, DocumentRow
from domain.errors import EomsError
from domain.identifiers import ClientId
from policies.notices import Notices

CHANNEL = "eoms_documents"
"""The triggers of client_document notify it when a registration comes or goes."""

REMEMBERED = 10_000
REMEMBERED_CHARACTERS = 20_000_000
UNKNOWN_REMEMBERED = 10_000
UNKNOWN_SECONDS = 10.0
"""Ids that nobody registered are remembered apart and briefly: who makes some up can't push out the good ones."""

WRITE_SECONDS = 5.0
COUNTED_MOST = 100_000
"""For how many documents uses are counted while the database is away."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_Key = tuple[bytes, ClientId | None]


class Registry:
    """The registered documents; open it with `async with`, which writes the last counts at its end."""

    def __init__(self, database: Database, url: str, write_seconds: float = WRITE_SECONDS) -> None:
        self._database = database
        # A document that was just retired must not be sent, so a replica won't do.
        self._engine = database.write.execution_options(isolation_level="AUTOCOMMIT")
        self._notices = Notices(url, CHANNEL, heard=lambda _hash: self._forget(), interrupted=self._forget)
        self._write_seconds = write_seconds
        self._known: OrderedDict[_Key, str] = OrderedDict()
        self._known_characters = 0
        self._unknown: OrderedDict[_Key, float] = OrderedDict()
        self._generation = 0
        self._uses: Counter[_Key] = Counter()
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._notices.__aenter__()
        self._writing = asyncio.create_task(self._write_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writing is not None, "it is closed once, after it was opened"
        self._writing.cancel()
        with suppress(asyncio.CancelledError):
            await self._writing
        await self._write_uses()
        await self._notices.__aexit__(kind, error, trace)

    @property
    def is_listening(self) -> bool:
        """Whether changes are being heard of, so that lookups may be remembered."""
        return self._notices.is_listening

    async def text(self, digest: bytes, client_id: ClientId | None) -> str | None:
        """Return the text that a client has registered under its SHA-256, or that any has where `client_id` is null.

        Raises `Unavailable`.
        """
        key = (digest, client_id)
        if self.is_listening:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
            if self._unknown.get(key, 0) > time.monotonic():
                return None
        generation = self._generation
        found = await self._looked_up(digest, client_id)
        # A change that was told while we looked may not be in what we saw.
        if self.is_listening and generation == self._generation:
            self._remember(key, found)
        return found

    def used(self, digest: bytes, client_id: ClientId | None) -> None:
        """Count one use of a registered document, by a client or (null) by a person."""
        key = (digest, client_id)
        if key in self._uses or len(self._uses) < COUNTED_MOST:
            self._uses[key] += 1

    def _forget(self) -> None:
        self._generation += 1
        self._known.clear()
        self._known_characters = 0
        self._unknown.clear()

    def _remember(self, key: _Key, text: str | None) -> None:
        if text is None:
            self._unknown[key] = time.monotonic() + UNKNOWN_SECONDS
            self._unknown.move_to_end(key)
            while len(self._unknown) > UNKNOWN_REMEMBERED:
                self._unknown.popitem(last=False)
        elif key not in self._known:
            self._known[key] = text
            self._known_characters += len(text)
            while len(self._known) > REMEMBERED or self._known_characters > REMEMBERED_CHARACTERS:
                _, forgotten = self._known.popitem(last=False)
                self._known_characters -= len(forgotten)

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

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._write_seconds)
            await self._write_uses()

    async def _write_uses(self) -> None:
        """Add what was counted to what is written; keep it where the database doesn't take it now."""
        uses, self._uses = self._uses, Counter()
        if not uses:
            return
        try:
            await self._added(uses)
        except EomsError:
            _log.warning("uses of documents could not be written; they will be", count=uses.total())
            self._uses.update(uses)
        except BaseException:
            self._uses.update(uses)
            raise

    async def _added(self, uses: Counter[_Key]) -> None:
        now = datetime.now(UTC)
        by_document: Counter[bytes] = Counter()
        for (digest, _), count in uses.items():
            by_document[digest] += count
        async with transaction(self._database.write) as session:
            # In one order, so that two processes can't wait for each other.
            for digest in sorted(by_document):
                count = DocumentRow.calls + by_document[digest]
                changed = update(DocumentRow).where(DocumentRow.hash == digest)
                await session.orm.execute(changed.values(calls=count, last_used_at=now))
            own = [(digest, client_id) for digest, client_id in uses if client_id is not None]
            for digest, client_id in sorted(own):
                row = ClientDocumentRow
                changed = update(row).where(row.hash == digest, row.client_id == client_id)
                count = row.calls + uses[digest, client_id]
                await session.orm.execute(changed.values(calls=count, last_used_at=now))
