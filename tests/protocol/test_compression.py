"""Does an answer go out as small as the client takes it, and is it the same answer then?"""

from __future__ import annotations

import gzip
from collections.abc import AsyncGenerator, Callable
from typing import cast

import brotli  # pyright: ignore[reportMissingTypeStubs]
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from server.compression import Compression

FROM_BYTES = 100
TEXT = "订单 " * 50_000
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "br": cast("Callable[[bytes], bytes]", brotli.decompress),  # pyright: ignore[reportUnknownMemberType]
    "gzip": gzip.decompress,
}


async def whole(request: Request) -> Response:
    return Response(TEXT[: int(request.query_params["n"])], media_type="application/json")


async def in_parts(_request: Request) -> Response:
    async def parts() -> AsyncGenerator[str]:
        for _ in range(3):
            yield "x" * 200

    return StreamingResponse(parts(), media_type="application/json")


async def events(_request: Request) -> Response:
    return Response("data: " + "x" * 200, media_type="text/event-stream")


APP = Starlette(
    routes=[Route("/whole", whole), Route("/in-parts", in_parts), Route("/events", events)],
    middleware=[Middleware(Compression, from_bytes=FROM_BYTES)],
)


async def raw(path: str, accept_encoding: str) -> tuple[httpx.Headers, bytes]:
    transport = httpx.ASGITransport(app=APP)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://eoms.test") as client,
        client.stream("GET", path, headers={"Accept-Encoding": accept_encoding}) as response,
    ):
        return response.headers, b"".join([chunk async for chunk in response.aiter_raw()])


@pytest.mark.parametrize("characters", [100, 3_000, 150_000])
async def test_what_is_unpacked_is_the_answer(characters: int) -> None:
    expected = TEXT[:characters].encode()
    for accepted, unpack in UNPACK.items():
        headers, body = await raw(f"/whole?n={characters}", accepted)
        assert (headers["content-encoding"], headers["vary"]) == (accepted, "Accept-Encoding")
        assert headers["content-length"] == str(len(body))
        assert unpack(body) == expected


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0", None),
        ("identity", None),
        ("", None),
    ],
)
async def test_the_client_chooses(accepted: str, chosen: str | None) -> None:
    headers, _ = await raw("/whole?n=1000", accepted)
    assert headers.get("content-encoding") == chosen


async def test_small_answer_stays_as_it_is() -> None:
    headers, body = await raw("/whole?n=33", "br")
    assert "content-encoding" not in headers
    assert body == TEXT[:33].encode()


async def test_answer_in_parts_is_one_compressed_whole() -> None:
    for accepted, unpack in UNPACK.items():
        headers, body = await raw("/in-parts", accepted)
        assert headers["content-encoding"] == accepted
        assert unpack(body) == b"x" * 600


async def test_event_stream_is_never_held_back_by_compression() -> None:
    headers, body = await raw("/events", "br, gzip")
    assert "content-encoding" not in headers
    assert body == b"data: " + b"x" * 200
