"""Which people, sessions and stores do the identity tests work with?

One organization, one project, and `li.wei`, who can sign in. What happens to them is done by the commands.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from commands.accounts import AddUser, add_user
from commands.sessions import Sessions
from commands.transactions import transaction
from db.engine import Database, open_database
from db.events import Origin
from db.identifiers import new_id
from db.limits import PoolLimits
from domain.identifiers import OrganizationId, ProjectId, UserId
from policies.grants import Grants
from policies.passwords import CHEAP_COST, Passwords
from policies.throttle import SignInThrottle
from policies.tokens import TokenMint

PASSWORD = "correct-horse"
ADDRESS = "192.0.2.7"
REFRESH_LIFETIME = timedelta(days=30)
PER_ACCOUNT = 5
PER_ADDRESS = 50


@dataclass(frozen=True)
class World:
    database: Database
    organization_id: OrganizationId
    project_id: ProjectId
    li_wei: UserId

    @property
    def engine(self) -> AsyncEngine:
        return self.database.write

    async def rows(self, statement: str, **parameters: Any) -> Sequence[tuple[Any, ...]]:
        """What one statement gives, committed."""
        async with self.engine.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    async def state(self) -> dict[str, Sequence[tuple[Any, ...]]]:
        """Everything that identity keeps, to show that nothing changed."""
        tables = ("app_user", "membership", "session", "refresh_token", "event", "event_outbox")
        return {table: await self.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables}

    async def event_types(self, aggregate_id: UUID) -> list[str]:
        found = await self.rows(
            "SELECT type FROM event WHERE aggregate_id = :id ORDER BY version", id=aggregate_id
        )
        return [row[0] for row in found]


def origin(*, actor_id: UUID | None = None, now: datetime | None = None) -> Origin:
    return Origin(actor_id=actor_id, request_id="r-1", address=ADDRESS, now=now or datetime.now(UTC))


@asynccontextmanager
async def opened_world(database_url: str) -> AsyncGenerator[World]:
    limits = PoolLimits(size=20)
    database = open_database(database_url, database_url, limits, limits)
    try:
        organization_id, project_id = OrganizationId(new_id()), ProjectId(new_id())
        async with database.write.begin() as connection:
            await connection.execute(
                text("INSERT INTO organization (id, code, name, kind) VALUES (:id, 'OWN', '本公司', 'OWN')"),
                {"id": organization_id},
            )
            await connection.execute(
                text("INSERT INTO project (id, code, name, currency) VALUES (:id, 'P-001', '桥', 'CNY')"),
                {"id": project_id},
            )
        command = AddUser("li.wei", "李伟", organization_id, PASSWORD)
        async with transaction(database.write) as session:
            li_wei = await add_user(session, origin(), command, Passwords(CHEAP_COST))
        yield World(database, organization_id, project_id, li_wei)
    finally:
        await database.close()


@asynccontextmanager
async def opened_sessions(world: World, database_url: str, redis_url: str) -> AsyncGenerator[Sessions]:
    """The door as a server opens it, with cheap passwords."""
    async with (
        Grants(world.database, database_url, cache_size=100, cache_seconds=60) as grants,
        redis_client(redis_url) as redis,
    ):
        yield Sessions(
            database=world.database,
            mint=TokenMint(b"s" * 32, timedelta(minutes=15)),
            passwords=Passwords(CHEAP_COST),
            throttle=SignInThrottle(redis, PER_ACCOUNT, PER_ADDRESS, window_seconds=900),
            grants=grants,
            refresh_lifetime=REFRESH_LIFETIME,
        )


@asynccontextmanager
async def redis_client(redis_url: str) -> AsyncGenerator[Redis]:
    client = Redis.from_url(redis_url)  # pyright: ignore[reportUnknownMemberType]
    try:
        yield client
    finally:
        await client.aclose()


async def eventually(is_so: Callable[[], bool], wait_seconds: float = 10) -> None:
    async with asyncio.timeout(wait_seconds):
        while not is_so():
            await asyncio.sleep(0.005)
