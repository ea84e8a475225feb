"""Do the embedded stores start, get shared, survive kill -9 and stop, whatever happens in between?"""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from server.settings import Settings
from server.store_files import is_held
from server.stores import StoreError, running_stores

# Says what it is doing, then "up", and leaves when its input ends.
USER_PROGRAM = """
import sys
from pathlib import Path
from server.settings import Settings
from server.stores import running_stores

def say(line):
    print(line, flush=True)

with running_stores(Settings(data_dir=Path(sys.argv[1])), say):
    say("up")
    sys.stdin.read()
"""

Spawn = Callable[[Path], subprocess.Popen[str]]


@pytest.fixture
def data_dir() -> Generator[Path]:
    """Not under pytest's own folder, which closes itself to PostgreSQL's user when another run begins."""
    parent = Path(tempfile.mkdtemp(prefix="eoms-stores-"))
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture
def spawn() -> Generator[Spawn]:
    """Starts another process that uses the stores of a data folder."""
    started: list[subprocess.Popen[str]] = []

    def start(data_dir: Path) -> subprocess.Popen[str]:
        user = subprocess.Popen(
            [sys.executable, "-c", USER_PROGRAM, str(data_dir)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        started.append(user)
        return user

    yield start
    for user in started:
        with user:
            if user.poll() is None:
                user.communicate(timeout=60)


def test_first_start_creates_a_database_with_the_promised_properties(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        assert urls.database_read_url == urls.database_url
        assert _sql(urls.database_url, "SELECT current_user || ' ' || current_database()") == "eoms eoms"
        assert _sql(urls.database_url, "SELECT current_setting('server_version_num')::int / 10000") == 18
        assert (
            _sql(
                urls.database_url,
                "SELECT pg_encoding_to_char(encoding) || ' ' || datlocale FROM pg_database"
                " WHERE datname = 'eoms'",
            )
            == "UTF8 C.UTF-8"
        )
        for name, value in {"jit": "off", "fsync": "on", "data_checksums": "on", "TimeZone": "UTC"}.items():
            assert _sql(urls.database_url, f"SELECT current_setting('{name}')") == value
        assert _sql(urls.database_url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert not _alive(data_dir)


def test_second_start_keeps_what_was_written_and_is_quick(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        _write(urls.database_url, urls.redis_url, "kept")
    began = time.monotonic()
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        assert time.monotonic() - began < 1.5
        assert _read(urls.database_url, urls.redis_url) == ("kept", "kept")


def test_stores_of_a_killed_process_are_adopted_and_then_stopped(data_dir: Path, spawn: Spawn) -> None:
    killed = spawn(data_dir)
    _wait_for(killed, "up")
    before = _postmaster(data_dir)
    _kill(killed)
    assert _alive(data_dir)
    said: list[str] = []
    with running_stores(Settings(data_dir=data_dir), said.append) as urls:
        assert _postmaster(data_dir) == before
        _write(urls.database_url, urls.redis_url, "x")
    assert said == ["Stopping the stores"]
    assert not _alive(data_dir)


@pytest.mark.parametrize("moment", ["Creating the PostgreSQL 18 data folder", "Starting PostgreSQL 18"])
@pytest.mark.parametrize("delay_milliseconds", [0, 100, 300])
def test_kill_in_the_middle_of_the_first_start_harms_nothing(
    data_dir: Path, spawn: Spawn, moment: str, delay_milliseconds: int
) -> None:
    killed = spawn(data_dir)
    _wait_for(killed, moment)
    time.sleep(delay_milliseconds / 1000)
    _kill(killed)
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        _write(urls.database_url, urls.redis_url, "x")
        assert _read(urls.database_url, urls.redis_url) == ("x", "x")
    assert not _alive(data_dir)


def test_half_made_data_folder_of_a_killed_initdb_is_made_again(data_dir: Path) -> None:
    draft = data_dir / "postgres" / "draft"
    (draft / "base").mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        assert _sql(urls.database_url, "SELECT 1") == 1
    assert not draft.exists()


def test_last_of_two_users_stops_the_stores(data_dir: Path, spawn: Spawn) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore):
        other = spawn(data_dir)
        _wait_for(other, "up")
    assert _alive(data_dir)
    other.communicate(timeout=60)
    assert other.returncode == 0
    assert not _alive(data_dir)


def test_users_that_start_together_share_one_pair_of_stores(data_dir: Path, spawn: Spawn) -> None:
    users = [spawn(data_dir) for _ in range(4)]
    said = [line for user in users for line in _wait_for(user, "up")]
    assert said.count("Starting PostgreSQL 18") == 1
    assert said.count("Starting Valkey") == 1
    for user in users:
        user.communicate(timeout=60)
    assert [user.returncode for user in users] == [0, 0, 0, 0]
    assert not _alive(data_dir)


def test_two_data_folders_run_side_by_side(data_dir: Path) -> None:
    other = data_dir.with_name("other")
    with (
        running_stores(Settings(data_dir=data_dir), _ignore) as first,
        running_stores(Settings(data_dir=other), _ignore) as second,
    ):
        _write(first.database_url, first.redis_url, "first")
        _write(second.database_url, second.redis_url, "second")
        assert _read(first.database_url, first.redis_url) == ("first", "first")
        assert _read(second.database_url, second.redis_url) == ("second", "second")


def test_killed_stores_come_back_with_everything_that_was_acknowledged(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        _write(urls.database_url, urls.redis_url, "acknowledged")
        os.kill(_postmaster(data_dir), signal.SIGKILL)
        os.kill(int((data_dir / "valkey" / "valkey.pid").read_text()), signal.SIGKILL)
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        assert _read(urls.database_url, urls.redis_url) == ("acknowledged", "acknowledged")


def test_pid_file_whose_number_another_process_got_is_no_obstacle(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore):
        pid_file = data_dir / "postgres" / "18" / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        assert _sql(urls.database_url, "SELECT 1") == 1


def test_append_only_file_cut_short_by_a_crash_still_loads(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        _write(urls.database_url, urls.redis_url, "whole")
        with redis.Redis.from_url(urls.redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
            client.set("last", "cut")
    (log,) = (data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 3)
    with running_stores(Settings(data_dir=data_dir), _ignore) as urls:
        assert _read(urls.database_url, urls.redis_url) == ("whole", "whole")


def test_sockets_of_a_long_path_lie_under_tmp(data_dir: Path) -> None:
    deep = data_dir / ("deep" * 20) / ("deeper" * 20)
    with running_stores(Settings(data_dir=deep), _ignore) as urls:
        assert urls.database_url.startswith("postgresql+asyncpg://eoms@/eoms?host=/tmp/eoms-")
        _write(urls.database_url, urls.redis_url, "deep")
        assert _read(urls.database_url, urls.redis_url) == ("deep", "deep")
        sockets = Path(urls.redis_url.removeprefix("unix://")).parents[1]
    shutil.rmtree(sockets)


def test_other_users_can_enter_neither_data_nor_sockets(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir), _ignore):
        closed = ["postgres", "postgres/18", "valkey", "run/postgres", "run/valkey"]
        modes = {path: stat.S_IMODE((data_dir / path).stat().st_mode) for path in closed}
    assert modes == dict.fromkeys(closed, 0o700)


def test_data_folder_that_cannot_be_made_is_named(data_dir: Path) -> None:
    data_dir.write_text("a file")
    with (
        pytest.raises(StoreError, match=f"The data folder {data_dir} can't be made"),
        running_stores(Settings(data_dir=data_dir), _ignore),
    ):
        pass


def test_data_of_another_postgres_version_is_refused_and_kept(data_dir: Path) -> None:
    old = data_dir / "postgres" / "17"
    old.mkdir(parents=True)
    with (
        pytest.raises(StoreError, match="holds data of PostgreSQL 17, not 18"),
        running_stores(Settings(data_dir=data_dir), _ignore),
    ):
        pass
    assert old.is_dir()
    assert not _alive(data_dir)


def test_given_stores_are_used_as_they_are_and_nothing_is_started(data_dir: Path) -> None:
    settings = Settings(
        data_dir=data_dir, database_url="postgres://db/eoms", redis_url="redis://cache/3", demo=False
    )
    with running_stores(settings, _ignore) as urls:
        assert urls.database_url == "postgresql+asyncpg://db/eoms"
        assert urls.redis_url == "redis://cache/3"
    assert not data_dir.exists()


def test_only_the_store_that_was_not_given_is_started(data_dir: Path) -> None:
    with running_stores(Settings(data_dir=data_dir, database_url="postgresql://db/eoms"), _ignore) as urls:
        assert urls.database_url == "postgresql+asyncpg://db/eoms"
        with redis.Redis.from_url(urls.redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
            assert client.set("a", "b") is True
        assert not is_held(data_dir / "postgres.lock")
    assert not _alive(data_dir)


def _wait_for(user: subprocess.Popen[str], wanted: str) -> list[str]:
    """What the process said until it said that."""
    assert user.stdout is not None
    said: list[str] = []
    while not said or said[-1] != wanted:
        line = user.stdout.readline()
        assert line, f"it ended after {said}"
        said.append(line.rstrip("\n"))
    return said


def _kill(user: subprocess.Popen[str]) -> None:
    user.send_signal(signal.SIGKILL)
    user.communicate(timeout=60)


def _alive(data_dir: Path) -> bool:
    alive = {name: is_held(data_dir / f"{name}.lock") for name in ("postgres", "valkey")}
    assert len(set(alive.values())) == 1, alive
    return alive["postgres"]


def _postmaster(data_dir: Path) -> int:
    return int((data_dir / "postgres" / "18" / "postmaster.pid").read_text().splitlines()[0])


def _sql(url: str, *statements: str) -> object:
    """The first value of the last statement, if it has one."""

    async def ask() -> object:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            for statement in statements[:-1]:
                await connection.execute(text(statement))
            result = await connection.execute(text(statements[-1]))
            return result.scalar() if result.returns_rows else None

    return asyncio.run(ask())


def _write(database_url: str, redis_url: str, word: str) -> None:
    _sql(database_url, "CREATE TABLE kept (word text)", f"INSERT INTO kept VALUES ('{word}')")
    with redis.Redis.from_url(redis_url) as client:  # pyright: ignore[reportUnknownMemberType]
        client.set("kept", word)


def _read(database_url: str, redis_url: str) -> tuple[object, object]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:  # pyright: ignore[reportUnknownMemberType]
        return _sql(database_url, "SELECT word FROM kept"), client.get("kept")


def _ignore(_line: str) -> None:
    """Progress is looked at only where a test is about it."""
