"""How does a server under test start, and how is made sure that it ends?

Each is a process of this run's own, ended by its own id, whatever happens in between.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
READY_SECONDS = 120
STOP_SECONDS = 30
_OURS = ("EOMS_", "DATABASE_", "REDIS_", "BENCH_", "PG", "NODE_", "GRAPHILE_", "PYTHON")


class BenchError(Exception):
    """The run can't go on; the message says why, and where to read more."""


class Child:
    """One running server."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def memory_kib(self) -> int:
        """Return how much memory it takes: its part of what it shares (PSS) where the system tells, else all of it."""
        rollup = Path(f"/proc/{self._process.pid}/smaps_rollup")
        if rollup.exists():
            lines = rollup.read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        command = ("ps", "-o", "rss=", "-p", str(self._process.pid))
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def check(self) -> None:
        """Raise `BenchError` unless it runs."""
        if self._process.poll() is not None:
            raise BenchError(f"{self.name} has ended ({self._process.returncode}).\n{self._said()}")

    def await_answer(self, url: str) -> None:
        """Wait until it answers anything at all; raise `BenchError` where it doesn't."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                httpx.get(url, timeout=5)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise BenchError(f"{self.name} does not answer after {READY_SECONDS} seconds.\n{self._said()}")

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep it from running while something else is measured."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Ask it to stop, and kill it where it doesn't."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _said(self) -> str:
        return f"{self.log} ends with\n{self.log.read_text(errors='replace')[-2_000:]}"


@contextmanager
def running(
    name: str, command: Sequence[str | Path], variables: Mapping[str, str], url: str, logs: Path
) -> Generator[Child]:
    """The server, from its first answer at `url` to the end of the block."""
    log = logs / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=ROOT,
            env=environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in the terminal is for us; we then end what we started.
            start_new_session=True,
        )
    child = Child(name, process, log)
    try:
        child.await_answer(url)
        yield child
    finally:
        child.end()


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing but these says how a server runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OURS)} | dict(variables)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
