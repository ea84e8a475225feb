"""Does a browser get to know whose answer it may read, and does everybody else get the same as ever?"""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.cross_origin import CrossOrigin

HOME, ELSEWHERE = "https://home.test", "https://elsewhere.test"


async def plain(_request: Request) -> Response:
    return Response("plain")


async def varied(_request: Request) -> Response:
    return Response("varied", headers={"Vary": "Accept-Encoding"})


def app(middleware: type[CORSMiddleware]) -> Starlette:
    """Return the same application behind ours or behind Starlette's."""
    return Starlette(
        routes=[Route("/plain", plain), Route("/varied", varied)],
        middleware=[
            Middleware(
                middleware,
                allow_origins=(HOME,),
                allow_methods=("GET",),
                allow_headers=("Authorization",),
                expose_headers=("ETag",),
            )
        ],
    )


async def answer(
    middleware: type[CORSMiddleware], method: str, path: str, headers: Mapping[str, str]
) -> tuple[int, dict[str, str], bytes]:
    transport = httpx.ASGITransport(app=app(middleware))
    async with httpx.AsyncClient(transport=transport, base_url="http://eoms.test") as client:
        response = await client.request(method, path, headers=dict(headers))
        return response.status_code, dict(response.headers), response.content


async def test_answer_without_an_origin_says_that_it_would_vary() -> None:
    assert (await answer(CrossOrigin, "GET", "/plain", {}))[1]["vary"] == "Origin"
    assert (await answer(CrossOrigin, "GET", "/varied", {}))[1]["vary"] == "Accept-Encoding, Origin"


@pytest.mark.parametrize("path", ["/plain", "/varied", "/nothing"])
@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {}),
        ("POST", {}),
        ("OPTIONS", {}),
        ("GET", {"Origin": HOME}),
        ("GET", {"Origin": ELSEWHERE}),
        ("OPTIONS", {"Origin": HOME, "Access-Control-Request-Method": "GET"}),
        ("OPTIONS", {"Origin": ELSEWHERE, "Access-Control-Request-Method": "GET"}),
        ("OPTIONS", {"Access-Control-Request-Method": "GET"}),
    ],
)
async def test_every_answer_is_starlettes(path: str, method: str, headers: Mapping[str, str]) -> None:
    assert await answer(CrossOrigin, method, path, headers) == await answer(
        CORSMiddleware, method, path, headers
    )
