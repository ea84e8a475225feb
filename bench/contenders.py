"""Who is measured side by side, how does each start, and how is each asked for the same thing?

EOMS is a process of `eoms serve` with its default settings, but for the allowance of points, which would refuse the
load, and the length of the stream. What the peers are, and why that is fair, stands in `README.md`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from bench.documents import POSTGRAPHILE_FOLDER, all_documents, document
from bench.load import Request, Target
from bench.node import node
from bench.processes import Child, free_port, running
from bench.rows import Rows
from bench.seeded import EOMS, MANAGER, Seeded
from domain.identifiers import global_id
from server.accounts import issue_token
from server.settings import Settings

EOMS_NAME = "EOMS"
LIMIT = "hand-written SQL"
MERCURIUS = "Mercurius"
POSTGRAPHILE = "PostGraphile"
TEXTBOOK = "textbook Strawberry"
PEERS = (LIMIT, MERCURIUS, POSTGRAPHILE, TEXTBOOK)

POOL_SIZE = 10
"""Connections of each server to the database: EOMS's default for reads."""

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_READ_ONLY_CLIENT = "bench-board"

# Any: JSON as the servers answer it.
Translation = Callable[[Any], Any]


def as_it_is(data: Any) -> Any:
    """Return data that has EOMS's own form."""
    return data


@dataclass(frozen=True)
class Contender:
    """A running server; its questions by what they ask for. `translated` brings its data into EOMS's form."""

    name: str
    url: str
    child: Child
    headers: Mapping[str, str]
    questions: Mapping[str, Sequence[Request]]
    checks_token: bool
    translated: Translation = field(default=as_it_is)

    def target(self, question: str, name: str | None = None) -> Target:
        """Return it as the target of a load."""
        return Target(name or self.name, self.url, self.headers, self.questions[question])


@contextmanager
def eoms(
    database: Seeded, logs: Path, *, is_debugged: bool = False, settings: Mapping[str, str] | None = None
) -> Generator[Contender]:
    """EOMS on that database, with the documents registered; asks as the manager.

    Where it is debugged its answers tell how they were made, which takes time of its own. `settings` are those that a
    bench needs besides.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".json") as manifest:
        json.dump({each.hash: each.text for each in all_documents()}, manifest)
        manifest.flush()
        database.eoms("documents", "publish", _READ_ONLY_CLIENT, manifest.name, "--prune")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {
        **database.variables,
        "EOMS_PORT": str(port),
        "EOMS_DEMO": "false",
        "EOMS_DEBUG": str(is_debugged).lower(),
        "EOMS_READ_POOL_SIZE": str(POOL_SIZE),
        "EOMS_RATE_POINTS": "100000000",
        "EOMS_RATE_POINTS_PER_SECOND": "10000000",
        # The seed's events would all be put into the stream when the server starts.
        "EOMS_STREAM_MAX_ENTRIES": "1000",
        # Half of the seed is overdue, and noting that is a work of its own.
        "EOMS_OVERDUE_CHECK_SECONDS": "0",
        # So are the first costs of what a bench has put into the database.
        "EOMS_RECOST_WORKER": "false",
        **(settings or {}),
    }
    name = f"eoms-{database.orders}{'-debugged' if is_debugged else ''}"
    with running(name, [*EOMS, "serve"], variables, f"{url}/readyz", logs) as child:
        yield Contender(EOMS_NAME, url, child, bearer(database, MANAGER), {}, checks_token=True)


def peer_variables(database: Seeded, manager: UUID, port: int) -> dict[str, str]:
    """Return what every peer is told when it starts (`bench.peers.viewer`): where the database is, and whom it answers."""
    return {
        **database.libpq,
        "BENCH_PORT": str(port),
        "BENCH_POOL_SIZE": str(POOL_SIZE),
        "BENCH_SECRET": database.secret,
        "BENCH_USER_ID": str(manager),
        "NODE_ENV": "production",
    }


@contextmanager
def peer(name: str, database: Seeded, rows: Rows, logs: Path) -> Generator[Contender]:
    """A peer on that database; asks as the manager."""
    command, questions = {
        LIMIT: ([sys.executable, "-m", "bench.peers.limit"], _limit_questions),
        MERCURIUS: ([str(node()), "bench/peers/mercurius.mjs"], _mercurius_questions),
        POSTGRAPHILE: ([str(node()), "bench/peers/postgraphile.mjs"], _postgraphile_questions),
        TEXTBOOK: ([sys.executable, "-m", "bench.peers.textbook"], _textbook_questions),
    }[name]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    variables = {**peer_variables(database, rows.manager, port), "GRAPHILE_ENV": "production"}
    with running(name.replace(" ", "-"), command, variables, f"{url}/", logs) as child:
        yield Contender(
            name,
            url,
            child,
            {} if name == LIMIT else bearer(database, MANAGER),
            questions(rows),
            checks_token=name != LIMIT,
            translated=_from_postgraphile if name == POSTGRAPHILE else as_it_is,
        )


def bearer(database: Seeded, username: str) -> dict[str, str]:
    """Return the headers of a JSON request of that person, good for a day."""
    settings = Settings(
        data_dir=database.data_dir,
        token_secret=database.secret,  # pyright: ignore[reportArgumentType]  # pydantic takes the plain text
        access_token_minutes=1440,
    )
    token = issue_token(settings, database.database_url, username)
    return {**_JSON, "Authorization": f"Bearer {token}"}


def asked(name: str, **variables: object) -> Request:
    """Return the request of a registered document to EOMS."""
    return _post("/graphql", documentId=f"sha256:{document(name).hash}", variables=variables)


def order_id(key: UUID) -> str:
    """Return an order's global id."""
    return global_id("Order", key)


def eoms_questions(rows: Rows) -> dict[str, Sequence[Request]]:
    """Return the board and the tiny question to EOMS."""
    return {
        "board": [asked("board", first=20)],
        "tiny": [asked("tiny", id=order_id(key)) for key in rows.tiny],
    }


def _limit_questions(rows: Rows) -> dict[str, Sequence[Request]]:
    return {
        "board": [Request("/board?first=20")],
        "tiny": [Request(f"/tiny/{key}") for key in rows.tiny],
    }


def _mercurius_questions(rows: Rows) -> dict[str, Sequence[Request]]:
    def ask(name: str, **variables: object) -> Request:
        return _post("/graphql", query=document(name).hash, persisted=True, variables=variables)

    return {
        "board": [ask("board", first=20)],
        "tiny": [ask("tiny", id=order_id(key)) for key in rows.tiny],
    }


def _postgraphile_questions(rows: Rows) -> dict[str, Sequence[Request]]:
    def ask(name: str, **variables: object) -> Request:
        hashed = document(name, POSTGRAPHILE_FOLDER).hash
        return _post("/graphql", documentId=hashed, variables=variables)

    return {
        "board": [ask("board", first=20)],
        "tiny": [ask("tiny", id=str(key)) for key in rows.tiny],
    }


def _textbook_questions(rows: Rows) -> dict[str, Sequence[Request]]:
    def ask(name: str, **variables: object) -> Request:
        return _post("/graphql", query=document(name).text, variables=variables)

    return {
        "board": [ask("board", first=20)],
        "tiny": [ask("tiny", id=order_id(key)) for key in rows.tiny],
    }


def _post(path: str, **body: object) -> Request:
    return Request(path, json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def _from_postgraphile(data: Any) -> Any:
    """Return PostGraphile's data in EOMS's form: its names and ids are those of tables."""
    if "engineeringOrder" in data:
        return {"order": data["engineeringOrder"]}
    nodes = [
        {
            "id": order_id(node["rowId"]),
            **{key: value for key, value in node.items() if key not in {"rowId", "orderLinesByOrderId"}},
            "lines": node["orderLinesByOrderId"],
        }
        for node in data["engineeringOrders"]["nodes"]
    ]
    return {"orders": {"nodes": nodes}}
