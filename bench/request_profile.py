"""Where do the microseconds of a request go that aren't spent on executing its operation?

    .venv/bin/python -m bench.request_profile [--functions]

One process: bytes of a POST /graphql (a registered document, a bearer token) go into the protocol that `eoms serve` gives
to uvicorn, under uvloop and without a socket, and the answer's bytes are waited for. Three applications take turns: a
bare Starlette route that sends the same answer, EOMS with an executor that has its response ready, and EOMS whole. The
difference of the first two is what this project's front costs. Then each part of it is timed by itself.
Load over sockets, and how we stand beside others, are left to the rest of `bench/`.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import functools
import hashlib
import pstats
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import uvloop
from rich.console import Console
from rich.table import Table
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route
from starlette.types import ASGIApp
from uvicorn.server import ServerState

import server.http as graphql_http
from commands.documents import ManifestDocument, publish
from commands.transactions import transaction
from db.events import Origin
from db.migrate import upgrade
from policies.allowance import Allowance
from policies.grants import Grants
from policies.tokens import TokenMint
from resolvers.context import Context
from server.answers import Response
from server.compression import Compression
from server.cross_origin import CrossOrigin
from server.demo import load_demo
from server.execution import Executor
from server.front_door import FrontDoor
from server.http_protocol import BoundedHeadProtocol
from server.metrics import Metrics
from server.serve import set_aside_what_is_built, uvicorn_config
from server.settings import Settings
from server.stores import StoreUrls, running_stores
from tests.api import ADDRESS, Api, running_api
from tests.api_clients import added_client, client_headers

DOCUMENT = """query Tiny($id: ID!) { node(id: $id) { ... on Order { number title state plannedEnd } } }"""
WARM_UP, ROUND, ROUNDS = 500, 1_000, 7

# Any: these are methods of whatever class.
PARTS: Sequence[tuple[str, Any, str]] = (
    ("uvicorn: parse the head, begin a task", BoundedHeadProtocol, "data_received"),
    ("Starlette: errors around, application", Starlette, "__call__"),
    ("CORS", CrossOrigin, "__call__"),
    ("compression, exceptions, routes", Compression, "__call__"),
    ("request id and address", graphql_http, "facts_of"),
    ("Accept", graphql_http, "wanted_by"),
    ("body to operation", graphql_http, "asked_by"),
    ("token", TokenMint, "read"),
    ("grants", Grants, "viewer"),
    ("context", graphql_http, "open_context"),
    ("document found", FrontDoor, "_found"),
    ("document prepared", FrontDoor, "_prepared"),
    ("cost counted", FrontDoor, "_cost"),
    ("allowance", Allowance, "take"),
    ("use of the document counted", FrontDoor, "_remembered"),
    ("admission around these", FrontDoor, "admit"),
    ("executor (its response is ready)", Executor, "respond"),
    ("metrics", Metrics, "ended"),
    ("spent points counted", FrontDoor, "_priced"),
    ("rate headers", graphql_http, "rate_limit_headers"),
    ("JSON and response", graphql_http, "_response"),
    ("endpoint around these", graphql_http.GraphQLEndpoint, "__call__"),
    ("response through the middleware, bytes to uvicorn", HttpResponse, "__call__"),
)


class Wire(asyncio.Transport):
    """A connection without a socket: what is written is kept until it is asked for."""

    def __init__(self) -> None:
        super().__init__({"peername": (ADDRESS, 1234), "sockname": ("127.0.0.1", 8000)})
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass


class Line(BoundedHeadProtocol):
    """The server's end of that connection, saying when an answer is complete."""

    answered: asyncio.Future[None] | None = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.answered is not None:
            self.answered.set_result(None)


class Peer:
    """A client on one connection to an application."""

    def __init__(self, app: ASGIApp, settings: Settings, request: bytes) -> None:
        config = uvicorn_config(app, settings)
        config.load()
        self._wire = Wire()
        self._line = Line(config, ServerState(), {})
        self._line.connection_made(self._wire)
        self._request = request
        self._loop = asyncio.get_running_loop()

    async def ask(self) -> bytes:
        """Send the request; return all bytes of the answer."""
        self._wire.written.clear()
        self._line.answered = self._loop.create_future()
        self._line.data_received(self._request)
        await self._line.answered
        return b"".join(self._wire.written)

    def hang_up(self) -> None:
        self._line.connection_lost(None)


class Stopwatch:
    """Microseconds of each part without those of the parts inside it."""

    def __init__(self) -> None:
        self.spent: dict[str, int] = {}
        self._inner = [0]

    @contextmanager
    def on(self, owner: Any, name: str, label: str) -> Generator[None]:
        """Time one function of a class or module for as long as the context is open."""
        function = getattr(owner, name)
        self.spent[label] = 0
        timed = self._awaited if iscoroutinefunction(function) else self._called
        setattr(owner, name, timed(function, label))
        try:
            yield
        finally:
            setattr(owner, name, function)

    # Any: whatever the function takes and gives.
    def _called(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            began = self._begin()
            try:
                return function(*arguments, **named)
            finally:
                self._end(label, began)

        return timed

    def _awaited(self, function: Callable[..., Any], label: str) -> Callable[..., Any]:
        @functools.wraps(function)
        async def timed(*arguments: Any, **named: Any) -> Any:
            began = self._begin()
            try:
                return await function(*arguments, **named)
            finally:
                self._end(label, began)

        return timed

    def _begin(self) -> int:
        self._inner.append(0)
        return time.perf_counter_ns()

    def _end(self, label: str, began: int) -> None:
        passed = time.perf_counter_ns() - began
        self.spent[label] += passed - self._inner.pop()
        self._inner[-1] += passed


class Figures(NamedTuple):
    """Microseconds of a request by the clock, and of this process's CPU."""

    clock: float
    cpu: float


async def measured(peer: Peer, times: int) -> Figures:
    """Return what one request takes, of so many in a row."""
    clock, cpu = time.perf_counter_ns(), time.process_time_ns()
    for _ in range(times):
        await peer.ask()
    passed, used = time.perf_counter_ns() - clock, time.process_time_ns() - cpu
    return Figures(passed / times / 1000, used / times / 1000)


async def compared(peers: dict[str, Peer]) -> dict[str, Figures]:
    """Return the best of rounds in which the peers take turns: whatever else the machine does makes rounds worse."""
    for peer in peers.values():
        await measured(peer, WARM_UP)
    rounds: dict[str, list[Figures]] = {name: [] for name in peers}
    for _ in range(ROUNDS):
        for name, peer in peers.items():
            rounds[name].append(await measured(peer, ROUND))
    return {
        name: Figures(*(min(each) for each in zip(*figures, strict=True))) for name, figures in rounds.items()
    }


async def parts_of(peer: Peer) -> dict[str, float]:
    """Return the microseconds of each part of a request, in its best round."""
    stopwatch = Stopwatch()
    with ExitStack() as stack:
        for label, owner, name in PARTS:
            if hasattr(owner, name):
                stack.enter_context(stopwatch.on(owner, name, label))
        rounds: list[dict[str, int]] = []
        for _ in range(ROUNDS):
            stopwatch.spent = dict.fromkeys(stopwatch.spent, 0)
            await measured(peer, ROUND)
            rounds.append(stopwatch.spent)
    return {label: min(spent[label] for spent in rounds) / ROUND / 1000 for label in stopwatch.spent}


async def request_to(api: Api) -> bytes:
    """Return the bytes of a client's request for a document that it has registered."""
    added = await added_client(api.database.write, "profiler", roles=("director",), may_send_text=False)
    async with transaction(api.database.write) as session:
        origin = Origin(None, None, ADDRESS, datetime.now(UTC))
        await publish(session, origin, added.client_id, [ManifestDocument("Tiny", DOCUMENT)])
    token = (await client_headers(api, "profiler", added.secret))["Authorization"]
    ((order_id,),) = await api.rows("SELECT id FROM engineering_order ORDER BY number LIMIT 1")
    document_id = "sha256:" + hashlib.sha256(DOCUMENT.encode()).hexdigest()
    body = orjson.dumps({"documentId": document_id, "variables": {"id": f"Order:{order_id}"}})
    head = (
        "POST /graphql HTTP/1.1\r\nHost: eoms.test\r\nContent-Type: application/json\r\n"
        f"Accept: application/graphql-response+json\r\nAuthorization: {token}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def bare(answer: bytes) -> Starlette:
    """Return an application that reads a request and sends that answer."""

    async def answered(request: Request) -> HttpResponse:
        await request.body()
        return HttpResponse(answer, media_type="application/json")

    return Starlette(routes=[Route("/graphql", answered, methods=["POST"])])


class Executed(NamedTuple):
    """What the executor gave: a response, and the points that the database counted for it."""

    response: Response
    points: int


@contextmanager
def executed_beforehand(executed: Sequence[Executed]) -> Generator[None]:
    """Have every operation answered at once with the last of these responses."""
    last = executed[-1]

    async def respond(
        _executor: Executor, _prepared: Any, _operation: Any, _variables: Any, context: Context
    ) -> Response:
        context.points = last.points
        return dict(last.response)

    with _executing(respond):
        yield


@contextmanager
def recording(executed: list[Executed]) -> Generator[None]:
    """Keep what the executor gives."""
    execute = Executor.respond

    async def respond(
        executor: Executor, prepared: Any, operation: Any, variables: Any, context: Context
    ) -> Response:
        response = await execute(executor, prepared, operation, variables, context)
        executed.append(Executed(dict(response), context.points))
        return response

    with _executing(respond):
        yield


# Any: the types of the method's parameters are its own matter.
@contextmanager
def _executing(respond: Callable[..., Any]) -> Generator[None]:
    execute = Executor.respond
    setattr(Executor, "respond", respond)  # noqa: B010  (a method of another shape)
    try:
        yield
    finally:
        setattr(Executor, "respond", execute)  # noqa: B010


async def profile(urls: StoreUrls, folder: Path, *, functions: bool) -> None:
    """Measure, and print the tables."""
    settings = Settings(
        data_dir=folder,
        database_url=urls.database_url,
        redis_url=urls.redis_url,
        rate_points=100_000_000,
        rate_points_per_second=10_000_000,
    )
    console = Console()
    async with running_api(settings) as api:
        request = await request_to(api)
        eoms = Peer(api.app, settings, request)
        responses: list[Executed] = []
        with recording(responses):
            answer = (await eoms.ask()).partition(b"\r\n\r\n")[2]
        assert orjson.loads(answer)["data"]["node"]["number"], answer
        # As `eoms serve` does when it has started.
        set_aside_what_is_built()
        whole = await compared({"whole": eoms})
        with executed_beforehand(responses):
            peers = {"bare": Peer(bare(answer), settings, request), "front": eoms}
            figures = {**await compared(peers), **whole}
            parts = await parts_of(eoms)
            if functions:
                await printed_functions(eoms)
        console.print(_summary(figures))
        console.print(_parts_table(parts))
        for peer in peers.values():
            peer.hang_up()


async def printed_functions(peer: Peer) -> None:
    """Print the functions that take most, as cProfile sees them: it makes every call dearer."""
    profiler = cProfile.Profile()
    with profiler:
        for _ in range(ROUND):
            await peer.ask()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def _summary(figures: dict[str, Figures]) -> Table:
    table = Table("application", "µs by the clock", "µs of CPU", title="One request, best of rounds")
    names = {"bare": "a bare Starlette route", "front": "EOMS, response ready", "whole": "EOMS, whole"}
    for name, label in names.items():
        table.add_row(label, f"{figures[name].clock:.1f}", f"{figures[name].cpu:.1f}")
    clock, cpu = (figures["front"][at] - figures["bare"][at] for at in (0, 1))
    table.add_row("EOMS beside the bare route and the operation", f"{clock:.1f}", f"{cpu:.1f}", style="bold")
    return table


def _parts_table(parts: dict[str, float]) -> Table:
    table = Table("part", "µs", title="Its parts (each some tenths of a microsecond dearer for being timed)")
    for label, spent in parts.items():
        table.add_row(label, f"{spent:.1f}")
    table.add_row("together", f"{sum(parts.values()):.1f}", style="bold")
    return table


def main() -> None:
    """Measure on stores of our own, gone afterwards."""
    parser = argparse.ArgumentParser(description="Where the microseconds of a request go.")
    parser.add_argument("--functions", action="store_true", help="also print what cProfile sees")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="eoms-profile-", ignore_cleanup_errors=True) as parent:
        # PostgreSQL is another user where we are root.
        Path(parent).chmod(0o755)
        folder = Path(parent) / "data"
        with running_stores(Settings(data_dir=folder), lambda _line: None) as urls:
            upgrade(urls.database_url)
            load_demo(urls.database_url, lambda _line: None)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(profile(urls, folder, functions=arguments.functions))


if __name__ == "__main__":
    main()
