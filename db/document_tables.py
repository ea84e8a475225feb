"""What is stored of registered documents? Written and read as `db.tables` says."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Row


class DocumentRow(Row):
    """A registered GraphQL document: its exact text by its SHA-256, and how often anybody sent its id."""

    __tablename__ = "document"

    hash: Mapped[bytes] = mapped_column(primary_key=True)
    text: Mapped[str]
    created_at: Mapped[datetime]
    calls: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[datetime | None]


class ClientDocumentRow(Row):
    """A document that an API client may send, until it is retired; `calls` are the client's own."""

    __tablename__ = "client_document"
    __table_args__ = (Index("ix_client_document_hash", "hash"),)

    client_id: Mapped[UUID] = mapped_column(ForeignKey("api_client.id"), primary_key=True)
    hash: Mapped[bytes] = mapped_column(ForeignKey("document.hash"), primary_key=True)
    name: Mapped[str]
    published_at: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    calls: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[datetime | None]
