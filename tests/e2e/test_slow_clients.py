"""What becomes of a client that sends too slowly?"""

from __future__ import annotations

import socket
import time
from collections.abc import Generator

import httpx
import pytest

from tests.e2e.server import Server, demo_data, serving

HEAD = b"POST /graphql HTTP/1.1\r\nHost: eoms\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n"
BODY = b'{"query": "{ __typename }"}'


@pytest.fixture(scope="module")
def impatient() -> Generator[Server]:
    """A server that waits a second for a body."""
    with demo_data() as data_dir, serving(data_dir, EOMS_MAX_BODY_SECONDS="1") as server:
        yield server


def answered(server: Server, *parts: bytes, pause_seconds: float) -> tuple[bytes, float]:
    """Return what comes back for bytes sent with pauses, until the server closes, and after how many seconds."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_seconds)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            if received.endswith(b"}}"):
                break
        return received, time.monotonic() - began


def test_body_that_does_not_arrive_in_time_is_408_and_the_connection_ends(impatient: Server) -> None:
    received, seconds = answered(impatient, HEAD + BODY[:10], pause_seconds=0)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"BODY_TIMEOUT"' in received
    assert b"\r\nconnection: close\r\n" in received.lower()
    assert 0.9 < seconds < 5


def test_body_in_pieces_within_the_time_is_taken(impatient: Server) -> None:
    received, _ = answered(impatient, HEAD, BODY[:10], BODY[10:], pause_seconds=0.2)
    assert received.startswith(b"HTTP/1.1 200 ")


def test_others_are_served_meanwhile(impatient: Server) -> None:
    with socket.create_connection(("127.0.0.1", impatient.port), timeout=10) as slow:
        slow.sendall(HEAD)
        response = httpx.post(f"{impatient.url}/graphql", json={"query": "{ __typename }"}, timeout=5)
        assert response.json()["data"] == {"__typename": "Query"}
