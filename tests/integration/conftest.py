"""Which company do the order tests of a module share?

Compiling a policy's statements costs more than running them, so the tests of one module share one application where
each makes orders of its own. A module whose tests use `company` says so:

    pytestmark = pytest.mark.asyncio(loop_scope="module")
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from server.settings import Settings
from server.stores import StoreUrls
from tests.api import Api, running_api
from tests.redis_database import emptied_redis, worker_name


@pytest.fixture(scope="module")
def company_settings(
    stores: StoreUrls, demo_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Settings]:
    """Settings of servers on a demo company that the tests of one module share; dropped afterwards."""
    name = f"company_{worker_name()}"
    _run(stores, f"CREATE DATABASE {name} TEMPLATE {demo_template} STRATEGY FILE_COPY")
    try:
        yield Settings(
            data_dir=Path(tmp_path_factory.mktemp("company")),
            database_url=stores.database_url.replace("/eoms?", f"/{name}?"),
            redis_url=emptied_redis(stores),
        )
    finally:
        _run(stores, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(company_settings: Settings) -> AsyncGenerator[Api]:
    """The application on that company."""
    async with running_api(company_settings) as api:
        yield api


def _run(stores: StoreUrls, sql: str) -> None:
    async def run() -> None:
        engine = create_async_engine(stores.database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
        async with engine.connect() as connection:
            await connection.execute(text(sql))

    asyncio.run(run())
