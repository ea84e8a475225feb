"""How does a test get a real `eoms serve`, to talk to, to stop and to kill?

    with serving(data_dir) as server:
        httpx.get(f"{server.url}/readyz")
        server.kill9()
        server.start()

A data folder of its own keeps it apart from everything else. One that holds the demo company is made once for the
whole run and copied (`demo_data`): a copy takes a fraction of a first start.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import httpx

from server.settings import Settings
from server.stores import StoreUrls, running_stores
from tests.e2e.forking import ROOT, Forks

READY_SECONDS = 60
STOP_SECONDS = 30
SHARED_VARIABLE = "TEST_STORES_DIR"
PLANNER_SETTING = "EOMS_PLANNER"
"""What the whole run says of it (tests/conftest.py) holds for the servers of tests too."""
_EOMS = (sys.executable, "-c", "from server.cli import app; app()")


class Server:
    """One `eoms serve` on one port of this machine; started, stopped and killed any number of times."""

    def __init__(self, data_dir: Path, variables: Mapping[str, str] | None = None) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = data_dir.parent / f"server-{self.port}.log"
        self.seconds_to_ready = 0.0
        self._variables = dict(variables or {})
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready; fail with its log where it does not get there."""
        assert self._process is None, "it runs already"
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_EOMS, "serve"],
                cwd=ROOT,
                env=environment(self.data_dir, EOMS_PORT=str(self.port), **self._variables),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not self.is_ready():
            seconds = time.monotonic() - began
            if self._process.poll() is not None or seconds > READY_SECONDS:
                raise AssertionError(f"not ready after {seconds:.1f} s\n{self.log.read_text()}")
            time.sleep(0.05)
        self.seconds_to_ready = time.monotonic() - began

    def stop(self) -> int:
        """Ask it to stop (SIGTERM); return its exit code."""
        self.signal(signal.SIGTERM)
        return self.ended()

    def kill9(self) -> None:
        """Kill it in the middle of whatever it does; its stores live on."""
        self.signal(signal.SIGKILL)
        self.ended()

    def signal(self, kind: signal.Signals) -> None:
        """Send the process a signal."""
        assert self._process is not None, "it does not run"
        self._process.send_signal(kind)

    def ended(self) -> int:
        """Wait until the process has ended; return its exit code."""
        assert self._process is not None, "it does not run"
        code = self._process.wait(STOP_SECONDS)
        self._process = None
        return code

    def end(self) -> None:
        """Make sure that nothing of it runs any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def is_ready(self) -> bool:
        """Return whether it answers and its stores do."""
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).is_success
        except httpx.TransportError:
            return False


@contextmanager
def serving(data_dir: Path, **variables: str) -> Generator[Server]:
    """A running server on that folder, gone at the end together with the stores that it may have left behind."""
    server = Server(data_dir, variables)
    try:
        server.start()
        yield server
    finally:
        server.end()
        stop_stores(data_dir)


@contextmanager
def demo_data() -> Generator[Path]:
    """A data folder of the caller's own with the demo company in it; removed afterwards."""
    parent = new_folder()
    try:
        data_dir = parent / "data"
        # Not shutil: root's copy must keep PostgreSQL's user as the owner.
        subprocess.run(["/bin/cp", "-a", str(_demo_template()), str(data_dir)], check=True, timeout=60)
        yield data_dir
    finally:
        shutil.rmtree(parent)


@contextmanager
def stores_of(data_dir: Path) -> Generator[StoreUrls]:
    """The embedded stores of that folder, shared with a server that runs on it."""
    with running_stores(Settings(data_dir=data_dir), _silence) as urls:
        yield urls


def stop_stores(data_dir: Path) -> None:
    """Stop what a killed server left running, unless somebody else uses it."""
    if data_dir.exists():
        with stores_of(data_dir):
            pass


def eoms(
    data_dir: Path, *arguments: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one `eoms` command to its end."""
    return _forks().run(arguments, environment(data_dir, **variables), stdin)


@cache
def _forks() -> Forks:
    return Forks(environment(Path(os.devnull)))


def environment(data_dir: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which nothing but these says how EOMS runs."""
    given = ("EOMS_", "DATABASE_", "REDIS_")
    plain = {
        name: value
        for name, value in os.environ.items()
        if name == PLANNER_SETTING or not name.upper().startswith(given)
    }
    if sys.dont_write_bytecode:
        # A reason to write none into the checkout, but not to compile all of it for each of some hundred processes.
        shared = str(Path(os.environ[SHARED_VARIABLE]) / "bytecode")
        plain |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": shared}
    return {**plain, "EOMS_DATA_DIR": str(data_dir), "COLUMNS": "200", **variables}


def new_folder() -> Path:
    """Return a new folder that PostgreSQL's user may pass through, which pytest's own folders don't let it."""
    return Path(tempfile.mkdtemp(prefix="eoms-e2e-"))


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _demo_template() -> Path:
    """Return the folder to copy, made by whichever worker comes first."""
    shared = Path(os.environ[SHARED_VARIABLE])
    template = shared / "demo-data"
    with (shared / "demo-data.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            draft = shared / "demo-draft"
            made = eoms(draft, "demo")
            assert made.returncode == 0, made.stderr
            draft.rename(template)
    return template


def _silence(_line: str) -> None:
    """Starting stores is no news in a test run."""
