"""What do all objects have in common, and what shape does a list have?"""

from __future__ import annotations

from typing import Generic, TypeVar

import strawberry

from loaders.rows import Connection as Listed
from resolvers.relations import untyped
from schema.binding import structural

NodeT = TypeVar("NodeT")


@strawberry.interface(description="An object with a global id.")
class Node:
    """Everything that can be asked for by id."""

    id: strawberry.ID = strawberry.field(description="Global id.")


@structural
@strawberry.type(description="Where a page of a list stands.")
class PageInfo:
    """Relay's page information."""

    has_next_page: bool = strawberry.field(description="Whether more rows stand behind this page.")
    has_previous_page: bool = strawberry.field(description="Whether more rows stand before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first row.")
    end_cursor: str | None = strawberry.field(description="Cursor of the page's last row.")


@strawberry.type(description="One row of a page, with its cursor.")
class Edge(Generic[NodeT]):
    """Relay's edge."""

    cursor: str = strawberry.field(
        description="Opaque; give it as `after` or `before` to read on from this row."
    )
    node: NodeT = strawberry.field(description="The row.")


async def _nodes(root: Listed) -> object:
    return (await root.page()).records


async def _edges(root: Listed) -> object:
    page = await root.page()
    return [
        Edge(cursor=cursor, node=record) for cursor, record in zip(page.cursors, page.records, strict=True)
    ]


async def _page_info(root: Listed) -> PageInfo:
    page = await root.page()
    return PageInfo(
        has_next_page=page.has_next,
        has_previous_page=page.has_previous,
        start_cursor=page.cursors[0] if page.cursors else None,
        end_cursor=page.cursors[-1] if page.cursors else None,
    )


async def _total_count(root: Listed) -> int:
    return await root.total()


@strawberry.type(description="A list, read page by page. Give exactly one of first and last, at most 100.")
class Connection(Generic[NodeT]):
    """Relay's connection, with `nodes` beside `edges`; nothing is read that isn't asked for."""

    nodes: list[NodeT] = strawberry.field(resolver=untyped(_nodes), description="The page's rows.")
    edges: list[Edge[NodeT]] = strawberry.field(
        resolver=untyped(_edges), description="The page's rows with cursors."
    )
    page_info: PageInfo = strawberry.field(resolver=untyped(_page_info), description="Where the page stands.")
    total_count: int = strawberry.field(
        resolver=untyped(_total_count),
        description="How many rows the whole list has; costs only when asked for.",
    )
