"""Who is followed side by side in the fan-out bench, how does each start, and what do its subscribers ask for?

EOMS is `eoms serve` with its default settings, but for how many sockets one viewer may have: all are one person's here.
What the peers are, and why that is fair, stands in `README.md`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.commits import Told
from bench.contenders import EOMS_NAME, MERCURIUS, TEXTBOOK, bearer, eoms, peer_variables
from bench.documents import document
from bench.following import CLOSED, audience
from bench.node import node
from bench.processes import ROOT, BenchError, Child, free_port, running
from bench.rows import rows_of
from bench.seeded import MANAGER, Seeded
from domain.identifiers import global_id

LIMIT = "bare send_text"
PEERS = (LIMIT, MERCURIUS, TEXTBOOK)
IN_FLIGHT = 8
"""Orders that are changed at a time; so many events are on their way to everybody at once."""

_FOLDER = ROOT / "bench" / "subscriptions"
_MOST_SOCKETS = 10_000
_ORDERS = """
SELECT project_id, (array_agg(id ORDER BY id))[:$2] AS orders FROM engineering_order
 WHERE state = 'IN_PROGRESS' AND project_id = ANY($1)
 GROUP BY project_id HAVING count(*) >= $2 ORDER BY project_id LIMIT 1
"""
_STARTS: Mapping[str, tuple[Told, Sequence[str]]] = {
    LIMIT: (Told.TEXT, (sys.executable, "-m", "bench.peers.live_limit")),
    MERCURIUS: (Told.EVENT, ("node", "bench/peers/live_mercurius.mjs")),
    TEXTBOOK: (Told.PUBLISHED, (sys.executable, "-m", "bench.peers.live_textbook")),
}


@dataclass(frozen=True)
class Followed:
    """A running server, and what the process that follows it is told first (`bench.audience`)."""

    name: str
    child: Child
    # Any: addresses, ids and headers, which go as JSON.
    job: Mapping[str, Any]


@contextmanager
def side_by_side(database: Seeded, logs: Path) -> Generator[list[Followed]]:
    """EOMS and its peers, all on the same database; everybody's subscribers follow the same project."""
    rows = rows_of(database)
    found = database.fetch(_ORDERS, rows.projects, IN_FLIGHT)
    if not found:
        raise BenchError(f"No project of the manager has {IN_FLIGHT} orders at work.")
    ((project, orders),) = found
    headers = bearer(database, MANAGER)
    shared = {
        **database.libpq,
        "redis_url": database.redis_url,
        "orders": [str(order) for order in orders],
        "init": {"authorization": headers["Authorization"]},
    }
    with ExitStack() as stack:
        settings = {"EOMS_MAX_SOCKETS_PER_VIEWER": str(_MOST_SOCKETS)}
        ours = stack.enter_context(eoms(database, logs, settings=settings))
        asked = {"headers": headers, "url": ours.url, **_subscribing(ours.url, "eoms", project)}
        followed = [Followed(EOMS_NAME, ours.child, {**shared, **asked, "told": Told.BY_ITSELF})]
        for name in PEERS:
            child, url = stack.enter_context(_peer(name, database, rows.manager, logs))
            asked = _subscribing(url, "peers", project)
            followed.append(Followed(name, child, {**shared, **asked, "told": _STARTS[name][0]}))
        yield followed


# Any: JSON as the servers send it.
def told_alike(messages: Sequence[str]) -> Any:
    """Return what messages of one order tell, but for what cannot be alike: cursors, and how often it was changed before."""
    changes = [json.loads(message)["payload"]["data"]["orderChanged"] for message in messages]
    first: int = changes[0]["event"]["version"]
    for change in changes:
        change.pop("cursor", None)
        change["event"]["version"] -= first
    return changes


def check_refusal(server: Followed, logs: Path) -> None:
    """Raise `BenchError` where a forged token doesn't have the socket closed."""
    init = {"authorization": server.job["init"]["authorization"][:-4] + "AAAA"}
    with audience(f"{server.name} forged", {**server.job, "init": init}, logs) as forged:
        try:
            forged.join(1)
        except BenchError as error:
            # Whatever else goes wrong is no refusal.
            if CLOSED not in str(error):
                raise
            return
    raise BenchError(f"{server.name} lets a forged token in.")


def _subscribing(url: str, name: str, project: UUID) -> dict[str, Any]:
    variables = {"project": global_id("Project", project)}
    return {
        "socket_url": f"ws{url.removeprefix('http')}/graphql",
        "subscribe": {"query": document(name, _FOLDER).text, "variables": variables},
    }


@contextmanager
def _peer(name: str, database: Seeded, manager: UUID, logs: Path) -> Generator[tuple[Child, str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {**peer_variables(database, manager, port), "BENCH_REDIS_URL": database.redis_url}
    program, *words = _STARTS[name][1]
    command = [str(node()) if program == "node" else program, *words]
    with running(f"live-{name.replace(' ', '-')}", command, variables, f"{url}/", logs) as child:
        yield child, url
