"""Which PostgreSQL and which Redis does this process use, and who starts and stops them?

The ones that `DATABASE_URL` and `REDIS_URL` name, or embedded ones under the data folder, shared by every
process that runs on it. Two locks in the folder settle who does what:

- `start.lock` is held alone while somebody starts or stops stores.
- `users.lock` is held together by everybody who uses them. Whoever, at the end, gets it alone was the last
  user and stops the stores.

The kernel drops the locks of a killed process. Stores it left running are adopted by the next one.
"""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from server.settings import Settings
from server.store_files import (
    POLL_SECONDS,
    Report,
    StoreError,
    StoreFolder,
    open_folder,
    opened,
    share,
    try_exclusive,
)
from server.store_postgres import EmbeddedPostgres
from server.store_valkey import EmbeddedValkey

__all__ = ["StoreError", "StoreUrls", "running_stores"]

# As long as the slowest start of another process may take.
START_LOCK_SECONDS = 300


@dataclass(frozen=True)
class StoreUrls:
    """Where the stores are, for SQLAlchemy with asyncpg and for redis-py."""

    database_url: str
    database_read_url: str
    redis_url: str


@contextmanager
def running_stores(
    settings: Settings, report: Report, postgres_options: Mapping[str, str] | None = None
) -> Generator[StoreUrls]:
    """The stores, running until the end of the block and longer if others use them.

    `report` gets one line before each step that takes time. `postgres_options` are settings of the embedded
    PostgreSQL and count only for the process that starts it.
    Raises `StoreError` when an embedded store can't be started; a store named by a URL is not contacted.
    """
    if settings.database_url and settings.redis_url:
        yield _urls(settings, settings.database_url, settings.redis_url)
        return
    folder = open_folder(settings.data_dir, report)
    postgres = EmbeddedPostgres(folder, postgres_options or {})
    valkey = EmbeddedValkey(folder)
    with opened(folder.lock("users")) as users:
        with _start_lock(folder, report):
            share(users)
        try:
            # Nobody stops the stores between the two blocks, for we are a user now.
            with _start_lock(folder, report):
                if not settings.database_url:
                    postgres.start(report)
                if not settings.redis_url:
                    valkey.start(report)
            yield _urls(settings, settings.database_url or postgres.url, settings.redis_url or valkey.url)
        finally:
            with _start_lock(folder, report):
                if try_exclusive(users):
                    report("Stopping the stores")
                    valkey.stop()
                    postgres.stop()


@contextmanager
def _start_lock(folder: StoreFolder, report: Report) -> Generator[None]:
    path = folder.lock("start")
    deadline = time.monotonic() + START_LOCK_SECONDS
    with opened(path) as handle:
        if not try_exclusive(handle):
            report("Waiting for another process that starts or stops the stores")
            while not try_exclusive(handle):
                if time.monotonic() > deadline:
                    raise StoreError(f"Another process has held {path} for {START_LOCK_SECONDS} seconds.")
                time.sleep(POLL_SECONDS)
        yield


def _urls(settings: Settings, database_url: str, redis_url: str) -> StoreUrls:
    return StoreUrls(database_url, settings.database_read_url or database_url, redis_url)
