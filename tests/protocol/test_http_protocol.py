"""Is a request's head bounded in time and size before anybody looks at it?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from server.http_protocol import BODY_IS_HERE, BoundedHeadProtocol
from server.requests import BodyLimits, HttpFailure, bounded_body

MUCH = 20_000_000


class Strict(BoundedHeadProtocol):
    """The protocol with bounds that a test can reach at once."""

    head_seconds = 0.5
    head_bytes = 1_000
    unread_seconds = 0.5


async def greet(request: Request) -> Response:
    return PlainTextResponse(f"hello {len(await request.body())}")


async def tell(request: Request) -> Response:
    """Tell more than the buffers of a connection hold, in one piece or in many."""
    if request.query_params.get("at") == "once":
        return Response(bytes(MUCH))
    return StreamingResponse(bytes(MUCH // 1_000) for _ in range(1_000))


async def read(request: Request) -> Response:
    """Read as the endpoints do, and say whether all was there from the first."""
    was_here = BODY_IS_HERE in request.scope["state"]
    try:
        body = await bounded_body(request, BodyLimits(max_bytes=100, max_seconds=0.5))
    except HttpFailure as failed:
        return PlainTextResponse(failed.code, failed.status)
    return PlainTextResponse(f"{was_here} {body.decode()}")


@asynccontextmanager
async def connected() -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    app = Starlette(
        routes=[
            Route("/", greet, methods=["GET", "POST"]),
            Route("/read", read, methods=["POST"]),
            Route("/tell", tell),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, http=Strict, lifespan="off", log_config=None))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await running


async def answer(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"hello 0")


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nX-Slow: "])
async def test_head_that_does_not_end_ends_the_connection(sent: bytes) -> None:
    async with connected() as (reader, writer):
        began = time.monotonic()
        writer.write(sent)
        assert await reader.read() == b""
        assert 0.4 < time.monotonic() - began < 5


async def test_dripping_does_not_gain_time() -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n")
        drips = 0
        with suppress(ConnectionError):
            while drips < 50 and not reader.at_eof():
                writer.write(b"X: y\r\n")
                await writer.drain()
                await asyncio.sleep(0.1)
                drips += 1
        assert drips < 50


async def test_second_request_of_a_connection_has_the_same_bounds() -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK")
        writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
        assert await reader.read() == b""


async def test_body_may_take_longer_than_the_head() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n")
        await asyncio.sleep(0.7)
        writer.write(b"x" * 2_000)
        assert (await reader.readuntil(b"hello 2000")).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\nX-Long: ", b"GET /?", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100]
)
async def test_head_that_is_too_large_is_431(start: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(start + b"z" * 600)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"z" * 600)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_head_within_its_bounds_is_taken_in_pieces_and_pipelined() -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nX-Long: " + b"z" * 700)
        await asyncio.sleep(0.1)
        writer.write(b"\r\nHost: a\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        for _ in range(3):
            assert b"HTTP/1.1 200 OK" in await answer(reader)


async def test_trailers_end_the_connection_instead_of_filling_the_memory() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
        with suppress(ConnectionError):
            for _ in range(1_000):
                writer.write(b"X-Trailer: " + b"z" * 900 + b"\r\n")
                await writer.drain()
                if reader.at_eof():
                    break
            writer.write(b"\r\n")
        with suppress(ConnectionError):
            assert b"200 OK" not in await reader.read()
        assert writer.is_closing() or reader.at_eof()


async def test_body_that_nobody_reads_can_not_be_dripped_for_ever() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /elsewhere HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx")
        assert (await reader.readuntil(b"\r\n\r\nNot Found")).startswith(b"HTTP/1.1 404 ")
        drips = 0
        with suppress(ConnectionError):
            while drips < 50 and not reader.at_eof():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
                drips += 1
        assert drips < 50


async def test_body_that_nobody_reads_does_not_lose_the_answer() -> None:
    async with connected() as (reader, writer):
        writer.write(b"POST /elsewhere HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(0.02)
            writer.write(b"x" * 50_000)
            await writer.drain()
        assert (await reader.readuntil(b"\r\n\r\nNot Found")).startswith(b"HTTP/1.1 404 ")
        # The whole request is here, so the connection can be used for the next one.
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await answer(reader)).startswith(b"HTTP/1.1 200 OK")


POST_TEN = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([POST_TEN + b"0123456789"], b"True 0123456789"),
        ([POST_TEN, b"01234", b"56789"], b"False 0123456789"),
        ([POST_TEN[:20], POST_TEN[20:] + b"0123456789"], b"True 0123456789"),
        ([POST_TEN + b"01234"], b"BODY_TIMEOUT"),
        ([POST_TEN.replace(b"10", b"101") + b"x" * 101], b"BODY_TOO_LARGE"),
    ],
)
async def test_body_is_read_whole_whenever_its_parts_arrive_but_not_waited_for_without_end(
    parts: list[bytes], expected: bytes
) -> None:
    async with connected() as (reader, writer):
        for part in parts:
            writer.write(part)
            await asyncio.sleep(0.05)
        assert await reader.readuntil(expected)


async def test_each_request_on_a_connection_has_a_body_of_its_own() -> None:
    async with connected() as (reader, writer):
        writer.write(POST_TEN + b"0123456789" + POST_TEN + b"abcde")
        await reader.readuntil(b"True 0123456789")
        writer.write(b"fghij")
        await reader.readuntil(b" abcdefghij")


@pytest.mark.parametrize("how", [b"?at=once", b""])
@pytest.mark.parametrize("head", [b"Host: a", b"Host: a\r\nConnection: close"])
async def test_who_reads_nothing_of_an_answer_is_given_up(how: bytes, head: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET /tell" + how + b" HTTP/1.1\r\n" + head + b"\r\n\r\n")
        # The client's own buffers are full soon, and nobody empties them.
        await asyncio.sleep(2)
        with suppress(ConnectionError):
            assert len(await reader.read()) < MUCH


@pytest.mark.parametrize("how", [b"?at=once", b""])
async def test_who_reads_slowly_gets_all_of_an_answer(how: bytes) -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET /tell" + how + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        for _ in range(10):
            await asyncio.sleep(0.1)
            await reader.readexactly(MUCH // 20)
        assert len(await reader.read()) >= MUCH // 2
