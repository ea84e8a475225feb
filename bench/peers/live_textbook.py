"""What does the textbook's Strawberry application tell its subscribers? broadcaster over Redis, SQLAlchemy, a DataLoader.

As Strawberry's guide shows subscriptions and broadcaster's shows Redis: every subscriber is an async generator over a
channel, which reads the order of each event and looks whether its viewer may see it.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import jwt
import strawberry
import uvicorn
from broadcaster import Broadcast
from broadcaster._backends.redis import RedisBackend
from sqlalchemy import select
from sqlalchemy.ext.asyncio import async_sessionmaker
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.exceptions import ConnectionRejectionError

from bench.commits import CHANNEL
from bench.peers.textbook_rows import Sessions, managed, opened
from bench.peers.viewer import SOCKET_SETTINGS, Environment, GrantsCache, user_of
from db.tables import OrderRow
from domain.order import OrderPriority, OrderState

strawberry.enum(OrderPriority)
strawberry.enum(OrderState)


class Backend(RedisBackend):
    """broadcaster's own, which with redis-py 8 goes to sleep for good: it listens before it has subscribed."""

    async def subscribe(self, channel: str) -> None:
        """Subscribe, and listen then."""
        await self._pubsub.subscribe(channel)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it open
        self._ready.set()


class Context:
    """Whose socket it is; `orders` is everybody's, so that an event is read once for all who hear of it at a time."""

    def __init__(
        self, broadcast: Broadcast, orders: DataLoader[UUID, OrderRow | None], grants: GrantsCache
    ) -> None:
        self.broadcast = broadcast
        self.orders = orders
        self.grants = grants
        self.user_id: UUID | None = None
        # Any: the payload of `connection_init`, which Strawberry puts here.
        self.connection_params: dict[str, Any] | None = None

    async def projects(self) -> Sequence[UUID]:
        """Return what the viewer may see."""
        assert self.user_id is not None, "a socket follows nothing before it has signed in"
        return await self.grants.projects(self.user_id)


Info = strawberry.Info[Context, None]


@strawberry.type
class Event:
    type: str
    version: int


@strawberry.type
class Order:
    number: str
    title: str
    state: OrderState
    priority: OrderPriority
    amount: Decimal | None
    due_on: date | None

    @classmethod
    def of(cls, row: OrderRow) -> Order:
        return cls(
            number=row.number,
            title=row.title,
            state=row.state,
            priority=row.priority,
            amount=row.amount,
            due_on=row.due_on,
        )


@strawberry.type
class OrderChange:
    order_id: strawberry.ID
    event: Event
    order: Order


@strawberry.type
class Query:
    @strawberry.field
    def is_up(self) -> bool:
        return True


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def order_changed(self, info: Info, project_id: strawberry.ID) -> AsyncGenerator[OrderChange]:
        context = info.context
        channel = f"{CHANNEL}:{project_id.removeprefix('Project:')}"
        async with context.broadcast.subscribe(channel=channel) as subscriber:
            # broadcaster says that its subscriber may be no iterator, which it always is.
            async for event in subscriber:  # pyright: ignore[reportGeneralTypeIssues, reportUnknownVariableType]
                told = json.loads(event.message)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
                row = await context.orders.load(UUID(told["orderId"]))
                if row is None or row.project_id not in await context.projects():
                    continue
                yield OrderChange(
                    order_id=strawberry.ID(f"Order:{row.id}"),
                    event=Event(type=told["type"], version=told["version"]),
                    order=Order.of(row),
                )


class Endpoint(GraphQL[Context, None]):
    """Strawberry's ASGI application, whose sockets sign in by `connection_init`."""

    def __init__(
        self, schema: strawberry.Schema, broadcast: Broadcast, sessions: Sessions, secret: str
    ) -> None:
        super().__init__(schema, graphql_ide=None)
        self._broadcast = broadcast
        self._sessions = sessions
        self._secret = secret
        self._grants = GrantsCache(partial(managed, sessions))
        # An order changes, so what was read is not kept; who asks in the same turn of the loop shares one statement.
        self._orders = DataLoader[UUID, OrderRow | None](load_fn=self._read, cache=False)

    # Any: the two are Strawberry's Starlette request or WebSocket, and its response.
    async def get_context(self, request: Any, response: Any) -> Context:
        """Return the context of one socket."""
        return Context(self._broadcast, self._orders, self._grants)

    async def on_ws_connect(self, context: Context) -> Any:
        """Let in who has a good token; raise `ConnectionRejectionError` for everybody else."""
        given = (context.connection_params or {}).get("authorization")
        try:
            context.user_id = user_of(given, self._secret)
        except jwt.PyJWTError as error:
            raise ConnectionRejectionError from error
        return await super().on_ws_connect(context)

    async def _read(self, keys: list[UUID]) -> list[OrderRow | None]:
        async with self._sessions() as session:
            rows = await session.scalars(select(OrderRow).where(OrderRow.id.in_(set(keys))))
            found = {row.id: row for row in rows}
        return [found.get(key) for key in keys]


def main() -> None:
    """Serve until SIGTERM."""
    environment = Environment.of(os.environ)
    engine = opened(environment.pool_size)
    broadcast = Broadcast(backend=Backend(os.environ["BENCH_REDIS_URL"]))
    endpoint = Endpoint(
        strawberry.Schema(Query, subscription=Subscription),
        broadcast,
        async_sessionmaker(engine, expire_on_commit=False),
        environment.secret,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with broadcast:
            yield
        await engine.dispose()

    app = Starlette(routes=[WebSocketRoute("/graphql", endpoint)], lifespan=lifespan)
    uvicorn.run(app, port=environment.port, log_level="warning", access_log=False, **SOCKET_SETTINGS)


if __name__ == "__main__":
    main()
