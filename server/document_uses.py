"""How often, and when last, was each registered document used?

Uses are counted in memory and added to what the database holds when `write` is called. Counts that the database doesn't
take now are kept for the next time. Where a connection breaks in the very moment of a commit, nobody can know whether it
held, and the batch is written again: rather a use too many than a document that is taken for unused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy import Update, bindparam, func, update

from commands.transactions import transaction
from db.document_tables import ClientDocumentRow, DocumentRow
from db.engine import Database
from db.sessions import WriteSession
from domain.errors import Unavailable
from domain.identifiers import ClientId

COUNTED_MOST = 100_000
"""For how many documents, of one client or of people, uses are counted while the database is away."""

_ROWS_PER_TRANSACTION = 500
"""So that whoever publishes or retires a document doesn't wait long for its row."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_Key = tuple[bytes, ClientId | None]


@dataclass(slots=True)
class _Uses:
    calls: int
    last: datetime


class DocumentUses:
    """The uses that are not in the database yet."""

    def __init__(self, database: Database) -> None:
        self._engine = database.write
        self._uses: dict[_Key, _Uses] = {}
        self._is_behind = False

    @property
    def waiting(self) -> int:
        """Return how many uses are not written yet."""
        return sum(uses.calls for uses in self._uses.values())

    def count(self, digest: bytes, client_id: ClientId | None) -> None:
        """Count one use now, by a client or (null) by a person."""
        key = (digest, client_id)
        now = datetime.now(UTC)
        known = self._uses.get(key)
        if known is not None:
            known.calls += 1
            known.last = now
        elif len(self._uses) < COUNTED_MOST:
            self._uses[key] = _Uses(1, now)

    async def write(self) -> None:
        """Write what was counted so far, in batches; the batch that can't be written and those behind it are kept."""
        for batch in self._batches():
            counted = {key: self._uses.pop(key) for key in batch}
            try:
                async with transaction(self._engine) as session:
                    await _add(session, counted)
            except Exception as error:  # noqa: BLE001  (whatever it was, what was counted is still true)
                self._keep(counted)
                self._fell_behind(error)
                return
            except BaseException:
                self._keep(counted)
                raise
        if self._is_behind:
            _log.info("uses of documents are written again")
        self._is_behind = False

    def _fell_behind(self, error: Exception) -> None:
        """Say it once an outage; with the trace where it is no outage but our own mistake."""
        if not self._is_behind:
            is_mistake = not isinstance(error, Unavailable)
            _log.warning(
                "uses of documents can't be written now", error=type(error).__name__, exc_info=is_mistake
            )
        self._is_behind = True

    def _batches(self) -> list[list[_Key]]:
        ordered = sorted(self._uses, key=lambda key: key[0])
        return [
            ordered[at : at + _ROWS_PER_TRANSACTION] for at in range(0, len(ordered), _ROWS_PER_TRANSACTION)
        ]

    def _keep(self, counted: dict[_Key, _Uses]) -> None:
        for key, uses in counted.items():
            newer = self._uses.get(key)
            if newer is not None:
                newer.calls += uses.calls
            else:
                self._uses[key] = uses


async def _add(session: WriteSession, counted: Mapping[_Key, _Uses]) -> None:
    """Add to the rows in the order of their keys: two processes then can't wait for each other."""
    by_document: dict[bytes, _Uses] = {}
    for (digest, _), uses in counted.items():
        whole = by_document.setdefault(digest, _Uses(0, uses.last))
        whole.calls += uses.calls
        whole.last = max(whole.last, uses.last)
    own = {
        (digest, client_id): uses for (digest, client_id), uses in counted.items() if client_id is not None
    }
    connection = await session.orm.connection()
    rows = [_parameters(by_document[digest], digest) for digest in sorted(by_document)]
    await connection.execute(_ADD_TO_DOCUMENT, rows)
    if own:
        rows = [_parameters(own[key], *key) for key in sorted(own)]
        await connection.execute(_ADD_TO_REGISTRATION, rows)


def _parameters(uses: _Uses, digest: bytes, client_id: ClientId | None = None) -> dict[str, object]:
    named: dict[str, object] = {"digest": digest, "more": uses.calls, "last": uses.last}
    return named if client_id is None else {**named, "client": client_id}


def _adding(row: type[DocumentRow | ClientDocumentRow]) -> Update:
    # Another process may have written a later use before.
    last = func.greatest(row.last_used_at, bindparam("last"))
    of_document = update(row).where(row.hash == bindparam("digest"))
    return of_document.values(calls=row.calls + bindparam("more"), last_used_at=last)


_ADD_TO_DOCUMENT = _adding(DocumentRow)
_ADD_TO_REGISTRATION = _adding(ClientDocumentRow).where(ClientDocumentRow.client_id == bindparam("client"))
