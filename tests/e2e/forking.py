"""How does a test run a command without waiting until Python has imported the same libraries once more?

A process imports them once and forks for each command. What is ours is imported by the command itself, so that what it
needs and in which order is as in real life. Servers are started plainly, see `tests.e2e.server`.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 120
_LIBRARIES = (
    "alembic.command",
    "asyncpg",
    "graphql",
    "httpx",
    "redis.asyncio",
    "rich.progress",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "sqlalchemy.ext.asyncio",
    "strawberry.federation",
    "structlog",
    "typer",
    "uvicorn",
)
_STREAMS = ("stdin", "stdout", "stderr")


class Forks:
    """The process that forks; it ends with the one that made it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-c", "from tests.e2e.forking import run_each_line; run_each_line()"),
            cwd=ROOT,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        atexit.register(self._process.communicate)

    def run(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `eoms` in an environment of its own to its end."""
        sending, hearing = self._process.stdin, self._process.stdout
        assert sending is not None
        assert hearing is not None
        with tempfile.TemporaryDirectory(prefix="eoms-fork-") as name:
            folder = Path(name)
            (folder / "stdin").write_text(stdin)
            sending.write(f"{json.dumps([name, [*arguments], dict(environment)])}\n")
            sending.flush()
            if not select.select([hearing], [], [], SECONDS)[0]:
                os.killpg(self._process.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired([*arguments], SECONDS)
            code = int(hearing.readline())
            told, complained = ((folder / each).read_text() for each in ("stdout", "stderr"))
        return subprocess.CompletedProcess([*arguments], code, told, complained)


def run_each_line() -> None:
    """Fork for each command that is asked for on stdin; tell its exit code on stdout."""
    for each in _LIBRARIES:
        importlib.import_module(each)
    # What is never looked at again, no fork copies.
    gc.freeze()
    for line in sys.stdin:
        folder, arguments, environment = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(Path(folder), arguments, environment)
            return
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
    """Be the command, as if Python had just been started for it."""
    for number, each in enumerate(_STREAMS):
        file = os.open(folder / each, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, number)
        os.close(file)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    importlib.import_module("server.cli").app()
