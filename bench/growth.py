"""Does it stay fast as the tables grow, deep in a list, and for a document that was never seen?"""

from __future__ import annotations

import json
import random
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median

import httpx

from bench.answers import ASK_SECONDS
from bench.contenders import Contender, asked, eoms
from bench.load import Target
from bench.processes import BenchError
from bench.results import Comparison, Goal, Outcome, compared
from bench.rounds import loaded
from bench.rows import BOARD_ORDERS, rows_of
from bench.stage import Stage

FLAT = Goal(0.85)
"""Flat within 15%."""

DEEP = Goal(0.95)
"""As fast as the first page, but for what rounds differ by anyway."""

COLD = Goal(20, is_minimum=False)
COLD_DOCUMENTS = 60

_FIELDS = (
    *("id", "number", "title", "description", "kind", "state", "priority", "currency", "amount", "revision"),
    *("version", "percentComplete", "dueOn", "plannedStart", "plannedEnd", "actualStart", "actualEnd"),
    *("createdAt", "updatedAt"),
)
_LINE_FIELDS = (
    *("id", "position", "item", "description", "quantity", "uom", "unitPrice", "amount", "doneQuantity"),
    "progressAt",
)
_CUSTOMER_FIELDS = ("id", "code", "name")
_PROJECT_FIELDS = ("id", "code", "name", "location")
_TIMING = re.compile(r"([A-Za-z0-9_-]+);dur=([0-9.]+)")


def growth(stage: Stage) -> Outcome:
    """Return what came of it."""
    plan = stage.plan
    with ExitStack() as stack:
        servers = {size: stack.enter_context(eoms(stage.databases[size], stage.logs)) for size in plan.growth}
        boards = [_board(server, f"board of {size:,}") for size, server in servers.items()]
        largest = plan.growth[-1]
        deep = _deep(stage, servers[largest], f"deep page of {largest:,}")
        found = loaded([*boards, deep], plan, stage.report)
        cold = _cold(servers[largest])
    told = _told_timing(stage)
    smallest, *larger = (found[target.name] for target in boards)
    first = found[boards[-1].name]
    return Outcome(
        "growth",
        f"the board at {', '.join(f'{size:,}' for size in plan.growth)} orders",
        tuple(found.values()),
        (
            *(compared(each, smallest, FLAT) for each in larger),
            compared(found[deep.name], first, DEEP),
            cold.comparison,
        ),
        [
            f"The deep page begins behind nine tenths of what the manager sees of {largest:,} orders.",
            f"The same {COLD_DOCUMENTS} documents took {cold.warm_ms:.1f} ms when they were sent again.",
            f"What the server tells of a new one in debug mode, medians: {told or 'nothing'}.",
        ],
    )


def _board(server: Contender, name: str) -> Target:
    return Target(name, server.url, server.headers, [asked("board", first=BOARD_ORDERS)])


def _deep(stage: Stage, server: Contender, name: str) -> Target:
    """Return the page behind the deep order, whose cursor the API itself tells."""
    number = rows_of(stage.databases[stage.plan.growth[-1]]).deep
    query = "query Cursor($number: String!) { orders(first: 1, filter: { search: $number }) { edges { cursor } } }"
    with _client(server) as client:
        told = client.post("/graphql", json={"query": query, "variables": {"number": number}}).json()
        if "errors" in told:
            raise BenchError(f"The cursor of order {number} can't be had: {json.dumps(told['errors'])}")
        cursor = told["data"]["orders"]["edges"][0]["cursor"]
        request = asked("page", first=BOARD_ORDERS, after=cursor)
        page = client.post("/graphql", content=request.body.encode()).json()
    if "errors" in page or len(page["data"]["orders"]["nodes"]) != BOARD_ORDERS:
        raise BenchError(f"The deep page is not whole: {json.dumps(page)[:300]}")
    return Target(name, server.url, server.headers, [request])


@dataclass(frozen=True, slots=True)
class _Cold:
    comparison: Comparison
    warm_ms: float


def _cold(server: Contender) -> _Cold:
    """Return how long documents take that the server has never seen, from sending to the last byte of the answer."""
    chance = random.Random(time.time_ns())
    documents = [_document(chance) for _ in range(COLD_DOCUMENTS)]
    with _client(server) as client:
        # The connection and the board itself are warm; only the document is new.
        _timed(client, _document(chance))
        new = [_timed(client, text)[0] for text in documents]
        again = [_timed(client, text)[0] for text in documents]
    return _Cold(
        Comparison("a document never seen", median(new), min(new), max(new), COLD, "ms"), median(again)
    )


def _told_timing(stage: Stage) -> str:
    """Return what a server in debug mode says in `Server-Timing` (W3C) of documents that it has never seen."""
    chance = random.Random(time.time_ns())
    told: dict[str, list[float]] = defaultdict(list)
    with (
        eoms(stage.databases[stage.plan.growth[-1]], stage.logs, is_debugged=True) as server,
        _client(server) as client,
    ):
        for _ in range(COLD_DOCUMENTS):
            _, response = _timed(client, _document(chance))
            for name, duration in _TIMING.findall(response.headers.get("server-timing", "")):
                told[name].append(float(duration))
    return ", ".join(f"{name} {median(values):.1f} ms" for name, values in told.items())


def _client(server: Contender) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers=server.headers, timeout=ASK_SECONDS)


def _timed(client: httpx.Client, text: str) -> tuple[float, httpx.Response]:
    began = time.perf_counter()
    response = client.post("/graphql", json={"query": text})
    ms = (time.perf_counter() - began) * 1_000
    content = response.json()
    if "errors" in content:
        raise BenchError(f"A new document was refused: {json.dumps(content['errors'])[:300]}")
    return ms, response


def _document(chance: random.Random) -> str:
    """Return a board of its own: other fields in another order under other names than anybody ever asked for."""

    def some(fields: Sequence[str], count: int) -> str:
        return " ".join(f"f{chance.getrandbits(40):x}: {name}" for name in chance.sample(fields, count))

    return (
        f"{{ orders(first: {BOARD_ORDERS}) {{ nodes {{ {some(_FIELDS, 7)}"
        f" customer {{ {some(_CUSTOMER_FIELDS, 2)} }} project {{ {some(_PROJECT_FIELDS, 2)} }}"
        f" lines(first: 10) {{ nodes {{ {some(_LINE_FIELDS, 6)} }} }} }} }} }}"
    )
