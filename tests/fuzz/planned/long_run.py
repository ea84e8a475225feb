"""How are many rounds played at once? Each in a database of its own, in processes that share one PostgreSQL and one Valkey."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.migrate import upgrade
from server.settings import Settings
from server.stores import StoreUrls, running_stores
from tests.fuzz.planned.rounds import Outcome, Round, played

_TEMPLATE = "planned_template"
_OPTIONS = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}
_REDIS_DATABASES = 16
_ROUNDS_A_PROCESS = 20
"""What a round has compiled stays in its process's caches: every so often a fresh one takes over."""


def outcomes(
    rounds: Iterator[Round], jobs: int, most_differences: int, say: Callable[[str], None]
) -> Iterator[tuple[Round, Outcome]]:
    """Yield what comes of each round, `jobs` of them at a time; begin none after so many differences."""
    found = 0
    running: dict[Future[Outcome], Round] = {}
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), max_tasks_per_child=_ROUNDS_A_PROCESS)
    with _stores(say) as urls, pool:
        while True:
            while len(running) < jobs and found < most_differences:
                round_ = next(rounds, None)
                if round_ is None:
                    break
                running[pool.submit(_play, round_, urls, most_differences)] = round_
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                outcome = done.result()
                found += len(outcome.differences)
                yield running.pop(done), outcome


def _play(round_: Round, urls: StoreUrls, most_differences: int) -> Outcome:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as folder, _database(urls, f"round_{round_.number}") as database_url:
        settings = Settings(
            data_dir=Path(folder),
            database_url=database_url,
            redis_url=f"{urls.redis_url}?db={round_.number % _REDIS_DATABASES}",
            demo=False,
        )
        return asyncio.run(played(round_, settings, most_differences))


@contextmanager
def _stores(say: Callable[[str], None]) -> Generator[StoreUrls]:
    with tempfile.TemporaryDirectory(prefix="eoms-planned-") as folder:
        # The database's own user has to come through.
        Path(folder).chmod(0o755)
        with running_stores(Settings(data_dir=Path(folder) / "stores"), say, _OPTIONS) as urls:
            _run(urls, f"CREATE DATABASE {_TEMPLATE}")
            upgrade(_url_of(urls, _TEMPLATE))
            yield urls


@contextmanager
def _database(urls: StoreUrls, name: str) -> Generator[str]:
    _run(urls, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    try:
        yield _url_of(urls, name)
    finally:
        _run(urls, f"DROP DATABASE {name} WITH (FORCE)")


def _url_of(urls: StoreUrls, database: str) -> str:
    return urls.database_url.replace("/eoms?", f"/{database}?")


def _run(urls: StoreUrls, sql: str) -> None:
    async def run() -> None:
        engine = create_async_engine(urls.database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.execute(text(sql))

    asyncio.run(run())
