"""How does an operator's act at the command line run? In one transaction that leaves its events without an actor or address.

What the acts are is left to `server.accounts`, `server.clients` and `server.registered_documents`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from commands.transactions import transaction
from db.events import Origin
from db.sessions import WriteSession
from db.tables import OrganizationRow, ProjectRow
from domain.errors import NotFound
from domain.identifiers import OrganizationId, ProjectId

_Done = TypeVar("_Done")


@asynccontextmanager
async def operator_transaction(database_url: str) -> AsyncGenerator[WriteSession]:
    """Give a session that is committed when the block ends, on a connection that is closed then."""
    engine = create_async_engine(database_url, poolclass=NullPool, hide_parameters=True)
    try:
        async with transaction(engine) as session:
            yield session
    finally:
        await engine.dispose()


def done(database_url: str, act: Callable[[WriteSession, Origin], Awaitable[_Done]]) -> _Done:
    """Carry one act out in a transaction of its own and return what it returns."""

    async def run() -> _Done:
        async with operator_transaction(database_url) as session:
            return await act(session, operator_origin())

    return asyncio.run(run())


def operator_origin() -> Origin:
    """Return that the system's operator does something now."""
    return Origin(actor_id=None, request_id=None, address=None, now=datetime.now(UTC))


async def organization_id_of(session: WriteSession, code: str) -> OrganizationId:
    """Return the id of the organization with this code; raise `NotFound`."""
    found = await session.orm.scalar(select(OrganizationRow.id).where(OrganizationRow.code == code))
    if found is None:
        raise NotFound("organization", ("organization",))
    return OrganizationId(found)


async def role_of(session: WriteSession, text: str) -> tuple[str, ProjectId | None]:
    """Return the role and the project, null for globally, that `role` or `role@project code` names; raise `NotFound`."""
    name, is_in_project, code = text.partition("@")
    if not is_in_project:
        return name, None
    found = await session.orm.scalar(select(ProjectRow.id).where(ProjectRow.code == code))
    if found is None:
        raise NotFound("project", ("role",))
    return name, ProjectId(found)
