"""What does a statement meet whose server has said good-bye before, on a line that isn't down yet?"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.engine import Database, open_database
from db.limits import PoolLimits
from db.sessions import ReadSession
from domain.errors import Unavailable
from tests.integration.live_stores import eventually

SOCKET = ".s.PGSQL.5432"
READY = b"Z\x00\x00\x00\x05I"
"""ReadyForQuery, outside of a transaction (PostgreSQL, section 54.7)."""


class HalfOpenLines:
    """Passes everything on between client and server, but for the end of the line where the server goes first."""

    def __init__(self, server: Path) -> None:
        self.opened = 0
        self.answers: int | None = None
        self.left_by_server = 0
        self._server = server
        self._open: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection."""
        self.opened += 1
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        self._open += [writer, server_writer]
        answered = asyncio.Event()
        async with asyncio.TaskGroup() as carrying:
            carrying.create_task(self._carried_there(reader, server_writer, answered, writer))
            await self._carried_back(server_reader, writer, answered)
            self.left_by_server += 1

    async def _carried_there(
        self,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        answered: asyncio.Event,
        client: asyncio.StreamWriter,
    ) -> None:
        """Carry what the client says; cut the line at what he says behind the last answer that he may have."""
        with suppress(ConnectionError):
            while content := await reader.read(65_536):
                if answered.is_set():
                    client.close()
                    server.close()
                    return
                server.write(content)
                await server.drain()

    async def _carried_back(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, answered: asyncio.Event
    ) -> None:
        count = 0
        with suppress(ConnectionError):
            while content := await reader.read(65_536):
                count += content.count(READY)
                if self.answers is not None and count >= self.answers:
                    answered.set()
                client.write(content)
                await client.drain()

    def close(self) -> None:
        for writer in self._open:
            writer.close()


class Line:
    """A database behind half-open lines."""

    def __init__(self, database: Database, lines: HalfOpenLines, direct_url: str) -> None:
        self.database = database
        self.lines = lines
        self._direct_url = direct_url

    async def end(self, backend: int) -> None:
        """End a connection at the server, and wait until its good-bye has been passed on."""
        engine = create_async_engine(self._direct_url, poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:it)"), {"it": backend})

        async def left() -> int:
            return self.lines.left_by_server

        await eventually(left, lambda count: count == 1)


@pytest_asyncio.fixture
async def line(database_url: str) -> AsyncGenerator[Line]:
    address = make_url(database_url)
    folder = str(address.query["host"])
    # Not below pytest's folder: the name of a socket has at most 107 characters.
    with tempfile.TemporaryDirectory() as between:
        lines = HalfOpenLines(Path(folder, SOCKET))
        server = await asyncio.start_unix_server(lines.serve, Path(between, SOCKET))
        url = database_url.replace(folder, between)
        database = open_database(url, url, PoolLimits(), PoolLimits())
        yield Line(database, lines, database_url)
        lines.close()
        await database.close()
        server.close()
        await server.wait_closed()


async def test_single_statement_is_sent_on_another_line(line: Line) -> None:
    statements = line.database.statements
    row = await statements.row("SELECT pg_backend_pid() AS it", ())
    assert row is not None
    await line.end(row["it"])
    again = await statements.row("SELECT $1::integer AS it", (7,))
    assert again is not None
    assert (again["it"], line.lines.opened) == (7, 2)


async def test_transaction_begins_on_another_line(line: Line) -> None:
    async with line.database.write.begin() as connection:
        backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    await line.end(backend)
    async with line.database.write.begin() as connection:
        found = (await connection.execute(text("SELECT 7"))).scalar_one()
    assert (found, line.lines.opened) == (7, 2)


@pytest.mark.parametrize("answers", range(1, 7))
@pytest.mark.parametrize("of", ["write", "read", "statements"])
async def test_line_that_is_cut_after_so_many_answers_is_told_as_unavailable(
    line: Line, of: str, answers: int
) -> None:
    """The first answer is that to signing in, and some statements are done before the last; nothing else is raised."""
    line.lines.answers = answers
    with suppress(Unavailable) if answers > 1 else pytest.raises(Unavailable):
        await asyncio.wait_for(selected(line.database, of), 10)


async def selected(database: Database, of: str) -> None:
    if of == "statements":
        await database.statements.row("SELECT 1", ())
        return
    session = ReadSession(database.read if of == "read" else database.write)
    try:
        await session.fetch(text("SELECT 1"), {})
    finally:
        await session.close()
