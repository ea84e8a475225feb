"""How is the process put together? Stores, policy, schema and endpoints, opened and closed in order."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from commands.sessions import Sessions
from db.engine import Database, PoolLimits, open_database
from policies.compiler import Policies
from policies.grants import Grants
from policies.passwords import Passwords
from policies.readers import default_rulebook
from policies.throttle import SignInThrottle
from policies.tokens import TokenMint
from resolvers.context import Runtime
from schema.build import build_schema, graphql_schema
from server.documents import DocumentLimits, Documents
from server.execution import Executor
from server.health import Health
from server.http import REQUEST_ID_HEADER, GraphQLEndpoint
from server.live import Gate
from server.settings import Settings, token_secret
from server.stores import StoreUrls
from server.websocket import Sockets
from server.websocket_connection import SocketLimits
from subscriptions.feed import Feed
from subscriptions.relay import Relay, newest_position
from subscriptions.stream import StreamBackend
from subscriptions.stream_store import open_client


def create_app(settings: Settings, urls: StoreUrls) -> Starlette:
    """Return the application; its stores are opened when it starts and closed when it stops.

    Raises `CatalogError` or `RulesError` where schema and policy don't agree: such a server doesn't start.
    """
    executor = _executor(settings)
    database = _database(settings, urls)
    redis = open_client(urls.redis_url)
    feed = Feed(
        StreamBackend(urls.redis_url, newest_position=lambda: newest_position(database.write)),
        queue_size=settings.subscriber_queue_size,
    )
    runtime = _runtime(settings, urls, database, redis, feed)
    gate = Gate(executor, runtime)
    sockets = Sockets(
        gate,
        SocketLimits(
            max_operations=settings.max_operations_per_socket,
            max_message_bytes=settings.max_body_bytes,
            init_seconds=settings.connection_init_seconds,
        ),
        settings.origins,
    )
    # Whoever loses a right loses his sockets; those that still have one come back and are asked again.
    runtime.grants.on_change(sockets.revoke)
    runtime.grants.on_gap(lambda: [sockets.revoke(user_id) for user_id in sockets.user_ids])
    health = Health(database, redis)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            stack.push_async_callback(redis.aclose)
            await stack.enter_async_context(runtime.grants)
            await stack.enter_async_context(feed)
            await stack.enter_async_context(
                Relay(urls.database_url, urls.redis_url, stream_max_entries=settings.stream_max_entries)
            )
            yield

    app = Starlette(
        routes=[
            Route(
                "/graphql",
                GraphQLEndpoint(executor, runtime, settings.max_body_bytes).answer,
                methods=["GET", "POST"],
            ),
            WebSocketRoute("/graphql", sockets),
            Route("/", _welcome, methods=["GET"]),
            Route("/healthz", health.healthz, methods=["GET"]),
            Route("/readyz", health.readyz, methods=["GET"]),
        ],
        lifespan=lifespan,
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=settings.origins,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", REQUEST_ID_HEADER],
                expose_headers=[REQUEST_ID_HEADER],
            )
        ],
    )
    # uvicorn closes sockets before the lifespan ends; whoever stops it lets them go in good order first.
    app.state.gate = gate
    app.state.drain = lambda: sockets.drain(settings.shutdown_grace_seconds)
    return app


async def _welcome(_request: Request) -> Response:
    """Tell whoever opens the address in a browser where he is."""
    return JSONResponse(
        {"name": "EOMS 工程订单管理系统", "graphql": "/graphql", "health": "/healthz", "ready": "/readyz"}
    )


def _executor(settings: Settings) -> Executor:
    schema = graphql_schema(build_schema())
    limits = DocumentLimits(
        tokens=settings.max_document_tokens,
        depth=settings.max_depth,
        aliases=settings.max_aliases,
        root_fields=settings.max_root_fields,
    )
    return Executor(schema, Documents(schema, limits), settings.max_node_count)


def _database(settings: Settings, urls: StoreUrls) -> Database:
    def limits(size: int) -> PoolLimits:
        return PoolLimits(
            size=size,
            wait_seconds=settings.pool_timeout_seconds,
            connect_seconds=settings.connect_timeout_seconds,
            statement_seconds=settings.statement_timeout_seconds,
            lock_seconds=settings.lock_timeout_seconds,
        )

    return open_database(
        urls.database_url,
        urls.database_read_url,
        limits(settings.write_pool_size),
        limits(settings.read_pool_size),
    )


def _runtime(settings: Settings, urls: StoreUrls, database: Database, redis: Redis, feed: Feed) -> Runtime:
    grants = Grants(database, urls.database_url, settings.grants_cache_size, settings.grants_cache_seconds)
    sessions = Sessions(
        database=database,
        mint=TokenMint(token_secret(settings), timedelta(minutes=settings.access_token_minutes)),
        passwords=Passwords(),
        throttle=SignInThrottle(
            redis,
            settings.sign_in_attempts_per_account,
            settings.sign_in_attempts_per_address,
            settings.sign_in_window_seconds,
        ),
        grants=grants,
        refresh_lifetime=timedelta(days=settings.refresh_token_days),
    )
    return Runtime(
        database=database,
        policies=Policies(default_rulebook()),
        grants=grants,
        sessions=sessions,
        feed=feed,
        time_zone=ZoneInfo(settings.time_zone),
        largest_page=settings.max_page_size,
    )
