"""How fast can the same JSON leave this machine? Hand-written SQL by asyncpg behind a bare Starlette route.

Nothing but SQL and bytes: no token, no document, no limits; who asks is known when it starts. The predicate on
projects stays, because it decides which rows the answer has.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bench.peers.viewer import PROJECTS_OF_MANAGER, Environment

# `row_to_json` over a sub-select costs PostgreSQL less than `json_build_object`.
BOARD = """
SELECT '{"data":{"orders":{"nodes":' || coalesce(json_agg(page), '[]')::text || '}}}' FROM (
    SELECT 'Order:' || o.id AS id, o.number, o.title, o.state, o.priority, o.amount::text AS amount,
           o.due_on AS "dueOn",
           (SELECT row_to_json(c) FROM (SELECT customer.code, customer.name FROM organization customer
                                         WHERE customer.id = o.customer_id) c) AS customer,
           (SELECT row_to_json(p) FROM (SELECT project.code, project.name FROM project
                                         WHERE project.id = o.project_id) p) AS project,
           (SELECT row_to_json(n) FROM (
               SELECT coalesce(json_agg(line), '[]') AS nodes FROM (
                   SELECT l.position, l.description, l.quantity::text AS quantity, l.uom,
                          l.unit_price::text AS "unitPrice", l.done_quantity::text AS "doneQuantity"
                     FROM order_line l WHERE l.order_id = o.id ORDER BY l.position LIMIT 10) line) n) AS lines
      FROM engineering_order o
     WHERE o.project_id = ANY($1)
     ORDER BY o.id DESC LIMIT $2) page
"""
TINY = """
SELECT '{"data":{"order":' || coalesce((
    SELECT row_to_json(found)::text FROM (
        SELECT o.number, o.title, o.state, o.amount::text AS amount
          FROM engineering_order o WHERE o.id = $2 AND o.project_id = ANY($1)) found), 'null') || '}}'
"""


class _Routes:
    """The two routes; both read through one pool."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._projects: list[UUID] = []
        # Any: asyncpg brings no types.
        self._pool: Any = None

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncGenerator[None]:
        """Open the pool and look up once whose rows are read."""
        size = self._environment.pool_size
        self._pool = asyncpg.create_pool(min_size=size, max_size=size, reset=_nothing)  # pyright: ignore[reportUnknownMemberType]
        async with self._pool:
            found = await self._pool.fetch(PROJECTS_OF_MANAGER, UUID(self._environment.user_id))
            self._projects = [row["project_id"] for row in found]
            yield

    async def board(self, request: Request) -> Response:
        """Answer with the board."""
        first = int(request.query_params["first"])
        return _json(await self._pool.fetchval(BOARD, self._projects, first))

    async def tiny(self, request: Request) -> Response:
        """Answer with one order."""
        return _json(await self._pool.fetchval(TINY, self._projects, UUID(request.path_params["id"])))


async def _nothing(_connection: object) -> None:
    """Connections that only read need no reset, which would be a round trip a request."""


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def main() -> None:
    """Serve until SIGTERM."""
    environment = Environment.of(os.environ)
    routes = _Routes(environment)
    app = Starlette(
        routes=[Route("/board", routes.board), Route("/tiny/{id}", routes.tiny)], lifespan=routes.lifespan
    )
    uvicorn.run(
        app, port=environment.port, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()
