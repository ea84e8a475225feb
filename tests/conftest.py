"""Which real stores does a test get?

One PostgreSQL and one Valkey serve the whole run, however many workers pytest-xdist has: every worker opens
the same data folder, and `running_stores` lets them share it. A test's database is a clone of one that was
migrated once; its Redis database is its worker's own, emptied before the test.

    def test_something(database_url: str, redis_url: str) -> None: ...
"""

import asyncio
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.migrate import upgrade
from server.demo import load_demo
from server.settings import Settings
from server.stores import StoreUrls, running_stores
from tests.api import Api, running_api
from tests.redis_database import emptied_redis, worker_name

# Under the system's folder for temporary files, not under pytest's: that one closes itself again to other
# users whenever a second pytest starts, and PostgreSQL is another user when we are root.
STORES_VARIABLE = "TEST_STORES_DIR"
PLANNER_VARIABLE = "PLANNER"
"""`PLANNER=off pytest` runs every test with the interpreter alone, but for those that say which way they mean."""

TEMPLATE = "eoms_template"
DATABASE_NUMBERS = itertools.count(1)
_POSTGRES_OPTIONS = {
    "fsync": "off",
    "full_page_writes": "off",
    # Its workers are the superuser's: a test's database that one is looking at could not be dropped.
    "autovacuum": "off",
}


# How long a machine takes that does much else says nothing of the code.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Forget the developer's own settings; make the folder that all workers inherit."""
    for name in [*os.environ]:
        if name.upper().startswith("EOMS_") or name in {"DATABASE_URL", "DATABASE_READ_URL", "REDIS_URL"}:
            del os.environ[name]
    if os.environ.get(PLANNER_VARIABLE) == "off":
        os.environ["EOMS_PLANNER"] = "false"
    # What it does in the background, it would do in the middle of any test: those that are about it say so.
    os.environ["EOMS_RECOST_WORKER"] = "false"
    if STORES_VARIABLE not in os.environ:
        os.environ[STORES_VARIABLE] = tempfile.mkdtemp(prefix="eoms-tests-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(STORES_VARIABLE)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that at the end no worker is left alone with one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def stores() -> Generator[StoreUrls]:
    """The run's PostgreSQL and Valkey. Without fsync: what a test run writes need not survive a power cut."""
    settings = Settings(data_dir=Path(os.environ[STORES_VARIABLE]) / "stores")
    with running_stores(settings, _silence, _POSTGRES_OPTIONS) as urls:
        yield urls


@pytest.fixture(scope="session")
def database_template(stores: StoreUrls) -> str:
    """The name of the migrated, empty database that tests clone."""
    lock = Path(os.environ[STORES_VARIABLE]) / "template.lock"
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not _run(stores, f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"):
            draft = f"{TEMPLATE}_draft"
            _run(stores, f"DROP DATABASE IF EXISTS {draft} WITH (FORCE)")
            _run(stores, f"CREATE DATABASE {draft}")
            upgrade(_url_of(stores, draft))
            _run(stores, f"ALTER DATABASE {draft} RENAME TO {TEMPLATE}")
    return TEMPLATE


@pytest.fixture(scope="session")
def demo_template(stores: StoreUrls, database_template: str) -> str:
    """The name of the database with the demo company that tests clone."""
    name = "eoms_demo_template"
    with (Path(os.environ[STORES_VARIABLE]) / "demo.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not _run(stores, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            draft = f"{name}_draft"
            _run(stores, f"DROP DATABASE IF EXISTS {draft} WITH (FORCE)")
            _run(stores, f"CREATE DATABASE {draft} TEMPLATE {database_template}")
            load_demo(_url_of(stores, draft), _silence)
            _run(stores, f"ALTER DATABASE {draft} RENAME TO {name}")
    return name


@pytest.fixture
def demo_database_url(stores: StoreUrls, demo_template: str) -> Generator[str]:
    """A database of the test's own with the demo company in it; dropped afterwards."""
    with _cloned_database(stores, demo_template) as url:
        yield url


@pytest.fixture
def demo_settings(demo_database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a server on the demo company."""
    return Settings(data_dir=tmp_path / "data", database_url=demo_database_url, redis_url=redis_url)


@pytest.fixture
def planning_settings(demo_settings: Settings) -> Settings:
    """The same of a server that plans, whatever the run says: for tests that speak of plans."""
    return demo_settings.model_copy(update={"planner": True})


@pytest_asyncio.fixture
async def api(demo_settings: Settings) -> AsyncGenerator[Api]:
    """The application on the demo company, see tests/api.py."""
    async with running_api(demo_settings) as api:
        yield api


@pytest_asyncio.fixture
async def planning_api(planning_settings: Settings) -> AsyncGenerator[Api]:
    """That application, planning whatever the run says."""
    async with running_api(planning_settings) as api:
        yield api


@pytest.fixture
def database_url(stores: StoreUrls, database_template: str) -> Generator[str]:
    """An empty migrated database of the test's own, for SQLAlchemy; dropped afterwards."""
    with _cloned_database(stores, database_template) as url:
        yield url


@pytest.fixture(scope="module")
def module_database_url(stores: StoreUrls, database_template: str) -> Generator[str]:
    """An empty migrated database that the tests of one module share."""
    with _cloned_database(stores, database_template) as url:
        yield url


@pytest.fixture
def redis_url(stores: StoreUrls) -> str:
    """An empty Redis database that no other running test uses."""
    return emptied_redis(stores)


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a server on the test's own database and Redis."""
    return Settings(data_dir=tmp_path / "data", database_url=database_url, redis_url=redis_url, demo=False)


@contextmanager
def _cloned_database(stores: StoreUrls, template: str) -> Generator[str]:
    name = f"test_{worker_name()}_{next(DATABASE_NUMBERS)}"
    # As files: without fsync that takes less than half as long as through the log.
    _run(stores, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield _url_of(stores, name)
    finally:
        _run(stores, f"DROP DATABASE {name} WITH (FORCE)")


def _url_of(stores: StoreUrls, database: str) -> str:
    return stores.database_url.replace("/eoms?", f"/{database}?")


def _run(stores: StoreUrls, sql: str) -> bool:
    """Whether a row came back."""

    async def ask() -> bool:
        engine = create_async_engine(stores.database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            result = await connection.execute(text(sql))
            return result.returns_rows and result.first() is not None

    return asyncio.run(ask())


def _silence(_line: str) -> None:
    """Starting stores is no news in a test run."""
