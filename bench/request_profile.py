"""Where do the microseconds of a request go? Of the tiny question, and of an order that is held and resumed.

    make profile

One process: bytes of a POST /graphql (a registered document, a manager's token) go into the protocol that `eoms serve`
gives to uvicorn, under uvloop and without a socket, and the answer's bytes are waited for. A bare Starlette route that
sends the same bytes takes turns with it. Then each part is timed by itself. Load over sockets, and how we stand beside
others, are left to `make bench`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median

import orjson
import uvloop
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.documents import Document, document
from bench.machine import machine, our_versions
from bench.microseconds import Profile, print_tables, write_page
from bench.processes import ROOT
from bench.profiled_parts import COMMAND, QUERY
from bench.stopwatch import Part, Stopwatch
from bench.wire import Peer
from commands.documents import ManifestDocument, publish
from commands.transactions import transaction
from db.events import Origin
from db.migrate import upgrade
from domain.order import OrderState
from server.demo import load_demo
from server.serve import set_aside_what_is_built
from server.settings import Settings
from server.stores import StoreUrls, running_stores
from tests.api import ADDRESS, Api, running_api
from tests.api_clients import added_client
from tests.integration.order_world import order_in

_DOCUMENTS = ("tiny", "hold", "resume")
_ROUNDS = 9
_QUERIES_A_ROUND = 1_000
_COMMANDS_A_ROUND = 100

Requests = Iterator[bytes]


async def profiled(api: Api, settings: Settings) -> Sequence[Profile]:
    """Return the profiles of both kinds of requests."""
    peer = Peer(api.app, settings)
    await _register(api)
    headers = f"Authorization: Bearer {await api.token('pm')}\r\n"
    tiny, commands = await _tiny(api, headers), await _commands(api, headers)
    answer = (await peer.ask(next(tiny))).partition(b"\r\n\r\n")[2]
    assert orjson.loads(answer)["data"]["order"]["number"], answer
    changed = (await peer.ask(next(commands))).partition(b"\r\n\r\n")[2]
    assert orjson.loads(changed)["data"]["orderHold"]["order"]["state"] == OrderState.ON_HOLD.value, changed
    bare = Peer(_bare(answer), settings)
    set_aside_what_is_built()
    try:
        return (
            await _profile("One small query", peer, bare, tiny, _QUERIES_A_ROUND, QUERY),
            await _profile("One command", peer, bare, commands, _COMMANDS_A_ROUND, COMMAND),
        )
    finally:
        peer.hang_up()
        bare.hang_up()


async def _profile(
    title: str, peer: Peer, bare: Peer, requests: Requests, times: int, parts: Sequence[Part]
) -> Profile:
    """Return the medians of rounds that take turns: a bare route, the whole, and the whole in parts."""
    stopwatch = Stopwatch()
    bares: list[float] = []
    clocks: list[float] = []
    cpus: list[float] = []
    found: list[Mapping[str, float]] = []
    timed: list[float] = []
    await _asked(peer, requests, times)
    for _ in range(_ROUNDS):
        bares.append((await _asked(bare, requests, _QUERIES_A_ROUND))[0])
        clock, cpu = await _asked(peer, requests, times)
        clocks.append(clock)
        cpus.append(cpu)
        with stopwatch.on(parts), stopwatch.counting():
            timed.append((await _asked(peer, requests, times))[0])
            found.append({label: spent / times for label, spent in stopwatch.taken().items()})
    medians = {label: median(each[label] for each in found) for label in found[0]}
    medians["what runs between these"] = max(0.0, median(timed) - sum(medians.values()))
    return Profile(title, median(clocks), median(cpus), median(bares), medians)


async def _asked(peer: Peer, requests: Requests, times: int) -> tuple[float, float]:
    """Return what one request takes, of so many in a row: microseconds by the clock, and of this process's CPU."""
    sent = [next(requests) for _ in range(times)]
    clock, cpu = time.perf_counter_ns(), time.process_time_ns()
    for request in sent:
        await peer.ask(request)
    passed, used = time.perf_counter_ns() - clock, time.process_time_ns() - cpu
    return passed / times / 1000, used / times / 1000


async def _register(api: Api) -> None:
    """Register the documents, so that their ids are all that is sent."""
    client = await added_client(api.database.write, "profiler", roles=(), may_send_text=False)
    documents = [ManifestDocument(name, document(name).text) for name in _DOCUMENTS]
    async with transaction(api.database.write) as session:
        await publish(session, Origin(None, None, ADDRESS, datetime.now(UTC)), client.client_id, documents)


async def _tiny(api: Api, headers: str) -> Requests:
    order = await order_in(api, OrderState.DRAFT)
    request = _request(document("tiny"), headers, {"id": order["id"]})

    def forever() -> Requests:
        while True:
            yield request

    return forever()


async def _commands(api: Api, headers: str) -> Requests:
    """Return requests that hold and resume one order in turn."""
    order = await order_in(api, OrderState.IN_PROGRESS)

    def forever() -> Requests:
        for nth in count():
            given = {"id": order["id"], "idempotencyKey": f"profile-{nth}"}
            if nth % 2:
                yield _request(document("resume"), headers, {"input": given})
            else:
                yield _request(document("hold"), headers, {"input": {**given, "note": "Rain"}})

    return forever()


def _request(asked: Document, headers: str, variables: Mapping[str, object]) -> bytes:
    body = orjson.dumps({"documentId": f"sha256:{asked.hash}", "variables": variables})
    head = (
        "POST /graphql HTTP/1.1\r\nHost: eoms.test\r\nContent-Type: application/json\r\n"
        f"Accept: application/graphql-response+json\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _bare(answer: bytes) -> Starlette:
    """Return an application that reads a request and sends that answer."""

    async def answered(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    return Starlette(routes=[Route("/graphql", answered, methods=["POST"])])


async def _run(urls: StoreUrls, folder: Path, told: Callable[[Sequence[Profile]], Awaitable[None]]) -> None:
    settings = Settings(
        data_dir=folder,
        database_url=urls.database_url,
        redis_url=urls.redis_url,
        rate_points=100_000_000,
        rate_points_per_second=10_000_000,
    )
    async with running_api(settings) as api:
        await told(await profiled(api, settings))


def main() -> None:
    """Measure on stores of our own, gone afterwards; print the tables and write the page."""
    console = Console(highlight=False, width=110)

    async def told(profiles: Sequence[Profile]) -> None:
        print_tables(console, profiles)
        page = write_page(ROOT / "docs", profiles, machine(), our_versions())
        console.print(f"Written to {page.relative_to(ROOT)}.")

    with tempfile.TemporaryDirectory(prefix="eoms-profile-", ignore_cleanup_errors=True) as parent:
        # PostgreSQL is another user where we are root.
        Path(parent).chmod(0o755)
        folder = Path(parent) / "data"
        with running_stores(Settings(data_dir=folder), lambda _line: None) as urls:
            upgrade(urls.database_url)
            load_demo(urls.database_url, lambda _line: None)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, suppress(KeyboardInterrupt):
                runner.run(_run(urls, folder, told))


if __name__ == "__main__":
    main()
