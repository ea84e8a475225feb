"""What does the textbook's Strawberry application answer? SQLAlchemy's async ORM, DataLoaders, Starlette.

As Strawberry's guides show it: the ASGI application with a context of one request, DataLoaders that each read one
batch, the extensions that keep parsed and validated documents. Its types are its own; the mapped classes are EOMS's,
which are plain SQLAlchemy.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import strawberry
import uvicorn
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import async_sessionmaker
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.extensions import ParserCache, ValidationCache

from bench.peers.textbook_rows import Sessions, managed, opened
from bench.peers.viewer import Environment, GrantsCache, user_of
from db.tables import OrderLineRow, OrderRow, OrganizationRow, ProjectRow
from domain.order import OrderPriority, OrderState

strawberry.enum(OrderPriority)
strawberry.enum(OrderState)


class Context:
    """Everything that belongs to one request: whose it is, and loaders that nobody shares with it."""

    def __init__(self, sessions: Sessions, projects: Sequence[UUID]) -> None:
        self.sessions = sessions
        self.projects = projects
        self.organizations = DataLoader[UUID, OrganizationRow | None](load_fn=self._organizations)
        self.project_rows = DataLoader[UUID, ProjectRow | None](load_fn=self._projects)
        self.lines = DataLoader[UUID, list[OrderLineRow]](load_fn=self._lines)

    @property
    def readable(self) -> ColumnElement[bool]:
        """Return which orders the viewer may read."""
        return OrderRow.project_id.in_(self.projects)

    async def _organizations(self, keys: list[UUID]) -> list[OrganizationRow | None]:
        async with self.sessions() as session:
            rows = await session.scalars(select(OrganizationRow).where(OrganizationRow.id.in_(keys)))
            found = {row.id: row for row in rows}
        return [found.get(key) for key in keys]

    async def _projects(self, keys: list[UUID]) -> list[ProjectRow | None]:
        async with self.sessions() as session:
            mine = ProjectRow.id.in_(self.projects)
            rows = await session.scalars(select(ProjectRow).where(ProjectRow.id.in_(keys), mine))
            found = {row.id: row for row in rows}
        return [found.get(key) for key in keys]

    async def _lines(self, keys: list[UUID]) -> list[list[OrderLineRow]]:
        found: dict[UUID, list[OrderLineRow]] = defaultdict(list)
        async with self.sessions() as session:
            query = select(OrderLineRow).where(OrderLineRow.order_id.in_(keys))
            for row in await session.scalars(query.order_by(OrderLineRow.order_id, OrderLineRow.position)):
                found[row.order_id].append(row)
        return [found[key] for key in keys]


Info = strawberry.Info[Context, None]


@strawberry.type
class Organization:
    code: str
    name: str


@strawberry.type
class Project:
    code: str
    name: str


@strawberry.type
class OrderLine:
    position: int
    description: str
    quantity: Decimal
    uom: str
    unit_price: Decimal | None
    done_quantity: Decimal


@strawberry.type
class OrderLineConnection:
    nodes: list[OrderLine]


@strawberry.type
class Order:
    row: strawberry.Private[OrderRow]
    id: strawberry.ID
    number: str
    title: str
    state: OrderState
    priority: OrderPriority
    amount: Decimal | None
    due_on: date | None

    @classmethod
    def of(cls, row: OrderRow) -> Order:
        return cls(
            row=row,
            id=strawberry.ID(f"Order:{row.id}"),
            number=row.number,
            title=row.title,
            state=row.state,
            priority=row.priority,
            amount=row.amount,
            due_on=row.due_on,
        )

    @strawberry.field
    async def customer(self, info: Info) -> Organization | None:
        if self.row.customer_id is None:
            return None
        found = await info.context.organizations.load(self.row.customer_id)
        return None if found is None else Organization(code=found.code, name=found.name)

    @strawberry.field
    async def project(self, info: Info) -> Project | None:
        found = await info.context.project_rows.load(self.row.project_id)
        return None if found is None else Project(code=found.code, name=found.name)

    @strawberry.field
    async def lines(self, info: Info, first: int) -> OrderLineConnection:
        rows = await info.context.lines.load(self.row.id)
        return OrderLineConnection(
            nodes=[
                OrderLine(
                    position=row.position,
                    description=row.description,
                    quantity=row.quantity,
                    uom=row.uom,
                    unit_price=row.unit_price,
                    done_quantity=row.done_quantity,
                )
                for row in rows[:first]
            ]
        )


@strawberry.type
class OrderConnection:
    nodes: list[Order]


@strawberry.type
class Query:
    @strawberry.field
    async def orders(self, info: Info, first: int) -> OrderConnection:
        query = select(OrderRow).where(info.context.readable).order_by(OrderRow.id.desc()).limit(first)
        async with info.context.sessions() as session:
            return OrderConnection(nodes=[Order.of(row) for row in await session.scalars(query)])

    @strawberry.field
    async def order(self, info: Info, id: strawberry.ID) -> Order | None:  # noqa: A002  (the API's name)
        query = select(OrderRow).where(OrderRow.id == UUID(id.removeprefix("Order:")), info.context.readable)
        async with info.context.sessions() as session:
            row = await session.scalar(query)
        return None if row is None else Order.of(row)


class Endpoint(GraphQL[Context, None]):
    """Strawberry's ASGI application with the viewer in its context."""

    def __init__(self, schema: strawberry.Schema, sessions: Sessions, secret: str) -> None:
        super().__init__(schema, graphql_ide=None)
        self._sessions = sessions
        self._secret = secret
        self._grants = GrantsCache(partial(managed, sessions))

    # Any: the two are Strawberry's Starlette request or WebSocket, and its response.
    async def get_context(self, request: Any, response: Any) -> Context:
        """Return the context of the token's owner; raise `jwt.PyJWTError` for a bad token."""
        assert isinstance(request, Request), "the load sends plain requests"
        user_id = user_of(request.headers.get("authorization"), self._secret)
        return Context(self._sessions, await self._grants.projects(user_id))


def main() -> None:
    """Serve until SIGTERM."""
    environment = Environment.of(os.environ)
    engine = opened(environment.pool_size)
    schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
    endpoint = Endpoint(schema, async_sessionmaker(engine, expire_on_commit=False), environment.secret)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        await engine.dispose()

    app = Starlette(routes=[Route("/graphql", endpoint)], lifespan=lifespan)
    uvicorn.run(
        app, port=environment.port, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )


if __name__ == "__main__":
    main()
