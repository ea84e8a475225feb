"""Does `eoms serve` do nothing for a request that nobody needs?"""

from __future__ import annotations

import gc
import logging
import shutil
import time
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest
import uvloop
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.serve import set_aside_what_is_built, uvicorn_config
from server.settings import Settings
from tests.e2e.server import new_folder, serving


@pytest.fixture
def folder() -> Generator[Path]:
    path = new_folder()
    yield path
    shutil.rmtree(path)


def test_requests_leave_no_line_in_the_log(folder: Path) -> None:
    with serving(folder / "data", EOMS_DEMO="false", EOMS_LOG_LEVEL="info") as server:
        # The relay tells that it has begun, a moment after the server is ready.
        deadline = time.monotonic() + 10
        while "relay_at_work" not in server.log.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        before = server.log.read_text()
        for _ in range(3):
            assert httpx.post(f"{server.url}/graphql", json={"query": "{ __typename }"}).status_code == 200
            assert httpx.get(f"{server.url}/nothing").status_code == 404
        assert server.log.read_text() == before


def test_loop_is_uvloop_and_requests_are_parsed_by_httptools() -> None:
    access = logging.getLogger("uvicorn.access")
    kept = access.handlers, access.propagate
    try:
        config = uvicorn_config(Starlette(), Settings())
        config.load()
        assert config.get_loop_factory() is uvloop.new_event_loop
        assert isinstance(config.http_protocol_class, type)
        assert issubclass(config.http_protocol_class, HttpToolsProtocol)
    finally:
        access.handlers, access.propagate = kept


def test_collector_looks_no_more_at_what_is_built() -> None:
    marked: list[object] = [object()]
    try:
        set_aside_what_is_built()
        assert all(each is not marked for each in gc.get_objects())
        assert gc.get_freeze_count() >= 1
    finally:
        gc.unfreeze()
