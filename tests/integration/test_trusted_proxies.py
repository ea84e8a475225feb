"""Whose X-Forwarded-For says where a client is?"""

from __future__ import annotations

from typing import Any, cast

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.serve import uvicorn_config
from server.settings import Settings, SettingsError, load_settings
from tests.api import running_api


async def where(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer the address and scheme that the application is told."""
    request = Request(scope, receive)
    assert request.client is not None
    await PlainTextResponse(f"{request.client.host} {request.url.scheme}")(scope, receive, send)


async def asked(app: ASGIApp, proxies: str, peer: str, *forwarded: str) -> httpx.Response:
    """Ask an application as uvicorn would serve it, from the address `peer`."""
    config = uvicorn_config(app, Settings(trusted_proxies=proxies))
    config.load()
    # Any: uvicorn and httpx have types of their own for the same protocol.
    served = cast("Any", config).loaded_app
    transport = httpx.ASGITransport(app=served, client=(peer, 1234))
    headers = [("X-Forwarded-For", each) for each in forwarded] + [("X-Forwarded-Proto", "https")]
    async with httpx.AsyncClient(transport=transport, base_url="http://eoms.test") as client:
        return await client.post("/graphql", headers=headers, json={"query": "{ __typename }"})


@pytest.mark.parametrize(
    ("proxies", "peer"),
    [
        ("", "10.0.0.5"),
        ("", "127.0.0.1"),
        ("10.0.0.5", "10.0.0.6"),
        ("10.0.0.0/8", "192.0.2.1"),
        ("2001:db8::/32", "2001:db9::1"),
        ("10.0.0.0/8", "::ffff:192.0.2.1"),
    ],
)
async def test_what_an_unknown_peer_says_of_itself_is_ignored(proxies: str, peer: str) -> None:
    assert (await asked(where, proxies, peer, "203.0.113.7")).text == f"{peer} http"


@pytest.mark.parametrize(
    ("proxies", "peer"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("192.0.2.1, 10.0.0.0/8", "10.200.0.1"),
        ("2001:db8::/32", "2001:db8:1::1"),
        # A socket for both kinds of addresses sees IPv4 this way.
        ("10.0.0.0/8", "::ffff:10.200.0.1"),
        ("10.0.0.5", "::ffff:10.0.0.5"),
    ],
)
async def test_trusted_proxy_is_believed(proxies: str, peer: str) -> None:
    assert (await asked(where, proxies, peer, "203.0.113.7")).text == "203.0.113.7 https"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        # What stands before the last address that no proxy of ours wrote is the client's own invention.
        (("198.51.100.1, 203.0.113.7",), "203.0.113.7"),
        (("198.51.100.1", "203.0.113.7, 10.0.0.9"), "203.0.113.7"),
        (("203.0.113.7:4711",), "203.0.113.7"),
        (("[2001:db8::7]:4711",), "2001:db8::7"),
        ((), "10.0.0.5"),
    ],
)
async def test_client_is_the_last_that_a_trusted_proxy_saw(forwarded: tuple[str, ...], address: str) -> None:
    assert (await asked(where, "10.0.0.0/8", "10.0.0.5", *forwarded)).text == f"{address} https"


async def test_anonymous_behind_a_trusted_proxy_have_an_allowance_each(settings: Settings) -> None:
    narrow = settings.model_copy(update={"rate_points": 1_000, "rate_points_per_second": 1})

    async def left(proxies: str, forwarded: str) -> int:
        response = await asked(api.app, proxies, "10.0.0.5", forwarded)
        remaining: int = response.json()["extensions"]["cost"]["remaining"]
        return remaining

    async with running_api(narrow) as api:
        # Whoever sends a text first pays for its reading, too.
        await left("10.0.0.5", "203.0.113.99")
        assert [await left("10.0.0.5", "203.0.113.7") for _ in range(3)] == [999, 998, 997]
        assert await left("10.0.0.5", "203.0.113.8") == 999
        # From here on the same header is nobody's word, and all share the bucket of the peer.
        assert [await left("", "203.0.113.7"), await left("", "203.0.113.9")] == [999, 998]


@pytest.mark.parametrize(
    "given", ["*", "localhost", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.5 10.0.0.6", "10.0.0.5,x", "::1/4096"]
)
def test_what_is_no_network_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("EOMS_TRUSTED_PROXIES", given)
    with pytest.raises(
        SettingsError,
        match=r"^EOMS_TRUSTED_PROXIES: .*addresses such as 10\.0\.0\.5, or networks such as 10\.0\.0\.0/8",
    ):
        load_settings()


def test_networks_are_kept_in_one_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EOMS_TRUSTED_PROXIES", " 10.0.0.5 ,, 2001:DB8:0::/32,")
    assert load_settings().trusted_proxies == "10.0.0.5/32,2001:db8::/32"
