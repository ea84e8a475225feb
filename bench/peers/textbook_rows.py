"""What do both of the textbook's applications ask of the database alike? The manager's projects, by SQLAlchemy's ORM."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from db.tables import MembershipRow

Sessions = async_sessionmaker[AsyncSession]


def opened(pool_size: int) -> AsyncEngine:
    """Return an engine with a pool of that size; libpq's variables say where, since asyncpg reads them too."""
    return create_async_engine(
        "postgresql+asyncpg://", pool_size=pool_size, max_overflow=0, pool_use_lifo=True
    )


async def managed(sessions: Sessions, user_id: UUID) -> Sequence[UUID]:
    """Return the projects in which somebody is project manager."""
    held = select(MembershipRow.project_id).where(
        MembershipRow.user_id == user_id,
        MembershipRow.role == "project_manager",
        MembershipRow.project_id.is_not(None),
    )
    async with sessions() as session:
        return [project for project in await session.scalars(held) if project is not None]
