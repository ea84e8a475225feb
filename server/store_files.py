"""Where do the embedded stores keep their files, and who may enter, hold and reach them?

A data folder looks like this; starting and stopping what lives in it is left to the modules named:

    start.lock users.lock        who starts, stops and uses the stores (`server.stores`)
    postgres.lock valkey.lock    held by the store's own processes for as long as one of them lives
    postgres/18/ valkey/         the data
    run/postgres/ run/valkey/    the sockets; under /tmp where the path would be too long for one
    log/                         what the stores say

All locks are `flock`s, so the kernel drops them when their holder dies, however it dies. A store inherits its
lock through fork and exec: held means that something of it is alive, whatever a pid file says.
"""

import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

Report = Callable[[str], None]

SERVER_ACCOUNT = "embedded_postgres"
# macOS allows 104 bytes with the closing zero, Linux 108.
LONGEST_SOCKET_PATH_BYTES = 103
LONGEST_SOCKET_NAME = "postgres/.s.PGSQL.5432"
LARGEST_LOG_BYTES = 10_000_000
POLL_SECONDS = 0.01


class StoreError(Exception):
    """A store could not be started, stopped or reached; the message says which and where to look."""


@dataclass(frozen=True)
class Account:
    """The system user that PostgreSQL runs as."""

    name: str
    user_id: int
    group_id: int


@dataclass(frozen=True)
class StoreFolder:
    """One data folder, with the folders in it made and given the right owners."""

    root: Path
    sockets: Path
    account: Account | None
    """Whom PostgreSQL runs as; None is ourselves, since only root has to step down."""

    @property
    def logs(self) -> Path:
        """The folder of what the stores say."""
        return self.root / "log"

    def lock(self, name: str) -> Path:
        """The lock file of that name; `opened` opens it."""
        return self.root / f"{name}.lock"


def open_folder(root: Path, report: Report) -> StoreFolder:
    """The data folder at `root`, made if missing.

    Raises `StoreError` when it can't be made, or when somebody else owns its socket folder under /tmp.
    """
    account = _server_account() if os.geteuid() == 0 else None
    # Root lets PostgreSQL's user pass through; what lies inside is closed by itself.
    mode = 0o700 if account is None else 0o711
    try:
        for path in (root, root / "log"):
            path.mkdir(mode=mode, parents=True, exist_ok=True)
        sockets = root / "run"
        if len(os.fsencode(sockets / LONGEST_SOCKET_NAME)) > LONGEST_SOCKET_PATH_BYTES:
            sockets = _short_socket_folder(root, mode)
        sockets.mkdir(mode=mode, exist_ok=True)
        for parent, name in ((root, "valkey"), (sockets, "valkey")):
            (parent / name).mkdir(mode=0o700, exist_ok=True)
        for parent, name in ((root, "postgres"), (sockets, "postgres")):
            (parent / name).mkdir(mode=0o700, exist_ok=True)
            if account is not None:
                os.chown(parent / name, account.user_id, account.group_id)
        if account is not None:
            for path in (root / "postgres", root / "log" / "any", sockets / "postgres"):
                let_pass(path, report)
    except OSError as error:
        raise StoreError(f"The data folder {root} can't be made: {error}") from error
    return StoreFolder(root, sockets, account)


@contextmanager
def opened(path: Path) -> Generator[int]:
    """A handle of that lock file, not yet locked; whatever it locks is free again at the end."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


def try_exclusive(handle: int) -> bool:
    """Whether the lock is now ours alone; nothing waits."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def share(handle: int) -> None:
    """Hold the lock together with others."""
    fcntl.flock(handle, fcntl.LOCK_SH)


def is_held(path: Path) -> bool:
    """Whether some living process holds that lock."""
    with opened(path) as handle:
        return not try_exclusive(handle)


def released_within(path: Path, seconds: float) -> bool:
    """Whether that lock gets free in so many seconds."""
    deadline = time.monotonic() + seconds
    while is_held(path):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def fresh_log(folder: StoreFolder, name: str, account: Account | None) -> Path:
    """The log file of a store that is about to start; one that grew large is put aside first."""
    path = folder.logs / f"{name}.log"
    if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    if account is not None:
        os.chown(path, account.user_id, account.group_id)
    return path


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for an error message."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"    {line}" for line in lines[-count:])


def plain_environment() -> dict[str, str]:
    """What a store's process gets: no PGHOST, locale or preload of whoever started us changes it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def let_pass(path: Path, report: Report) -> None:
    """Let other users pass through every folder above `path`: enter, not list (o+x)."""
    for folder in path.resolve().parents:
        mode = stat.S_IMODE(folder.stat().st_mode)
        if not mode & stat.S_IXOTH:
            report(f"Letting user {SERVER_ACCOUNT} pass through {folder} (chmod o+x)")
            folder.chmod(mode | stat.S_IXOTH)


def _short_socket_folder(root: Path, mode: int) -> Path:
    """A folder under /tmp that belongs to this data folder alone.

    Not under TMPDIR: two processes on one data folder may have different ones and would never meet. The name
    can be guessed, so a folder that another user put there first is refused.
    """
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    path = Path("/tmp") / f"eoms-{os.geteuid()}-{digest}"  # noqa: S108  (owner and mode are checked below)
    path.mkdir(mode=mode, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise StoreError(
            f"{path} belongs to somebody else. Set EOMS_DATA_DIR to a folder with a shorter path."
        )
    return path


def _server_account() -> Account:
    """The user that PostgreSQL runs as when we are root, which it refuses to be; made if missing."""
    tools = (
        ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_ACCOUNT),
        ("adduser", "-S", "-D", "-H", SERVER_ACCOUNT),
    )
    for tool in tools:
        try:
            found = pwd.getpwnam(SERVER_ACCOUNT)
        except KeyError:
            if shutil.which(tool[0]):
                # Two data folders may be started at once; whoever loses finds the user made.
                subprocess.run(tool, check=False, capture_output=True)
            continue
        return Account(found.pw_name, found.pw_uid, found.pw_gid)
    try:
        found = pwd.getpwnam(SERVER_ACCOUNT)
    except KeyError as error:
        raise StoreError(
            f"PostgreSQL does not run as root, and the system user {SERVER_ACCOUNT} could not be made. "
            "Run as another user, or set DATABASE_URL."
        ) from error
    return Account(found.pw_name, found.pw_uid, found.pw_gid)
