"""Which functions stand for which part of a request? From the bytes that come in to the bytes that go out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.applications import Starlette
from starlette.responses import Response

import server.http as graphql_http
from bench.stopwatch import Part
from commands.execution import Clerk, CommandRun
from db.statements import Statements
from planner.plans import Payloads, Plans
from policies.allowance import Allowance
from policies.grants import Grants
from policies.tokens import TokenMint
from server.compression import Compression
from server.cross_origin import CrossOrigin
from server.execution import Executor
from server.front_door import FrontDoor
from server.http_protocol import BoundedHeadProtocol
from server.metrics import Metrics

# Any, and by their names: asyncpg says nothing of its types.
_Connection: Any = import_module("asyncpg.connection").Connection
_Prepared: Any = import_module("asyncpg.prepared_stmt").PreparedStatement

_HTTP = "HTTP: uvicorn and Starlette"
_OURS = "our middleware: origins, compression, request id"
_BODY = "body to operation"
_WHO = "token and grants"
_ADMISSION = "admission: document, cost, allowance"
_ANSWER = "JSON, headers, metrics"
_DATABASE = "PostgreSQL and asyncpg"

_AROUND: Sequence[Part] = (
    Part(_HTTP, BoundedHeadProtocol, "data_received"),
    Part(_HTTP, Starlette, "__call__"),
    Part(_HTTP, Response, "__call__"),
    Part(_OURS, CrossOrigin, "__call__"),
    Part(_OURS, Compression, "__call__"),
    Part(_OURS, graphql_http, "facts_of"),
    Part("the endpoint", graphql_http.GraphQLEndpoint, "__call__"),
    Part(_BODY, graphql_http, "wanted_by"),
    Part(_BODY, graphql_http, "asked_by"),
    Part(_WHO, TokenMint, "read"),
    Part(_WHO, Grants, "viewer"),
    Part(_WHO, graphql_http, "open_context"),
    Part(_ADMISSION, FrontDoor, "admit"),
    Part(_ADMISSION, Allowance, "take"),
    Part(_ANSWER, FrontDoor, "respond"),
    Part(_ANSWER, Metrics, "ended"),
    Part(_ANSWER, graphql_http, "rate_limit_headers"),
    Part(_ANSWER, graphql_http, "_response"),
)
_DRIVER: Sequence[Part] = tuple(
    Part(_DATABASE, owner, name)
    for owner, names in (
        (_Connection, ("execute", "fetch", "fetchrow", "prepare")),
        (_Prepared, ("fetch", "fetchrow")),
    )
    for name in names
)
_SQLALCHEMY: Sequence[Part] = tuple(
    Part("SQLAlchemy", owner, name)
    for owner, names in (
        (AsyncConnection, ("execute", "exec_driver_sql", "commit", "rollback", "close")),
        (AsyncEngine, ("connect",)),
    )
    for name in names
)

QUERY: Sequence[Part] = (
    *_AROUND,
    Part("the executor", Executor, "respond"),
    Part("variables, arguments, plan found", Plans, "ready"),
    Part("connection taken and given back", Statements, "row"),
    *_DRIVER,
)
"""Parts of a query that is planned."""

COMMAND: Sequence[Part] = (
    *(Part("HTTP, admission and answer", part.owner, part.name) for part in _AROUND),
    Part("graphql-core and Strawberry", Executor, "respond"),
    Part("the command: rules, facts, event", Clerk, "run"),
    Part("the command: rules, facts, event", CommandRun, "settle"),
    Part("the payload's plan", Payloads, "ready"),
    *_SQLALCHEMY,
    *_DRIVER,
)
"""Parts of a command whose payload is planned."""
