"""How does a system command run? In one transaction that commits at the end or leaves nothing behind.

For commands that no viewer gives: signing in, and what an operator types at the command line. The commands of
viewers run in `commands.execution`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from db.faults import translated
from db.sessions import WriteSession


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncGenerator[WriteSession]:
    """Give a session that is committed when the block ends, and rolled back when anything is raised in it."""
    session = WriteSession(engine)
    try:
        with translated():
            yield session
            await session.orm.flush()
        await session.commit()
    except BaseException:
        await session.rollback()
        raise
