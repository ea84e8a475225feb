"""How is the process put together? Stores, policy, schema and endpoints, opened and closed in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from commands.client_tokens import ClientTokens
from commands.sessions import Sessions
from db.engine import Database, open_database
from db.limits import PoolLimits
from planner.plans import Plans
from policies.allowance import Allowance
from policies.bindings import catalog
from policies.compiler import Policies
from policies.grants import Grants
from policies.passwords import Passwords
from policies.readers import default_rulebook
from policies.throttle import SignInThrottle
from policies.tokens import Claims, TokenMint
from resolvers.context import Runtime
from schema.build import build_schema, graphql_schema, questions
from server.asking import asking_limits
from server.automatic_documents import AutomaticDocuments
from server.compression import Compression
from server.cross_origin import CrossOrigin
from server.document_check import limits_of
from server.documents import Documents
from server.due_watch import DueWatch
from server.event_stream import StreamLimits
from server.event_streams import EventStreams
from server.execution import Executor
from server.explorer import Explorer
from server.exports import Exports
from server.front_door import FrontDoor, OperationLimits
from server.health import Health
from server.http import GraphQLEndpoint
from server.live import Gate
from server.metrics import Metrics
from server.planned import PlannedQueries
from server.recost_worker import RecostWorker
from server.registry import Registry
from server.requests import REQUEST_ID_HEADER, BodyLimits
from server.settings import Settings, token_secret
from server.stores import StoreUrls
from server.token_endpoint import TokenEndpoint
from server.websocket import Sockets
from server.websocket_connection import SocketLimits
from subscriptions.feed import Feed
from subscriptions.hub import Hub, HubLimits
from subscriptions.outbox import OutboxLimits
from subscriptions.relay import Relay, newest_position
from subscriptions.stream import StreamBackend
from subscriptions.stream_store import open_client

_FEED_QUEUE = 10_000
"""How many events wait for the hub before it reads them from the database."""

_QUEUES = 4
"""How many times as much waits for a slow subscriber at most as waits in order: orders, each by its newest message."""


def create_app(settings: Settings, urls: StoreUrls) -> Starlette:
    """Return the application; its stores are opened when it starts and closed when it stops.

    Raises `CatalogError` or `RulesError` where schema and policy don't agree: such a server doesn't start.
    """
    database = _database(settings, urls)
    redis = open_client(urls.redis_url)
    feed = Feed(
        StreamBackend(urls.redis_url, newest_position=lambda: newest_position(database.write)),
        queue_size=_FEED_QUEUE,
    )
    runtime = _runtime(settings, urls, database, redis, feed)
    metrics = Metrics(settings.metrics_token.get_secret_value() if settings.metrics_token else None)
    front_door = _front_door(settings, urls, database, redis, metrics)
    gate = Gate(front_door, runtime)
    sockets = _sockets(settings, gate)
    streams = EventStreams[Claims](StreamLimits(settings.max_streams_per_viewer))
    for lines in (sockets, streams):
        # Whoever loses a right loses what he has open; those that still have one come back and are asked again.
        runtime.grants.on_change(lines.revoke)
        runtime.grants.on_gap(lambda lines=lines: [lines.revoke(user_id) for user_id in lines.user_ids])
    _watch(metrics, sockets, streams, runtime)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            stack.push_async_callback(redis.aclose)
            await stack.enter_async_context(runtime.grants)
            await stack.enter_async_context(front_door)
            await stack.enter_async_context(feed)
            await stack.enter_async_context(runtime.hub)
            await stack.enter_async_context(_due_watch(settings, database, runtime))
            if settings.recost_worker:
                await stack.enter_async_context(RecostWorker(urls.database_url, runtime.time_zone))
            await stack.enter_async_context(
                Relay(urls.database_url, urls.redis_url, stream_max_entries=settings.stream_max_entries)
            )
            yield

    bodies = BodyLimits(settings.max_body_bytes, settings.max_body_seconds)
    endpoint = GraphQLEndpoint(front_door, runtime, streams, bodies)
    health = Health(database, redis)
    app = Starlette(
        routes=[
            Route("/graphql", endpoint, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", sockets),
            Route("/oauth/token", _token_endpoint(settings, runtime).answer, methods=["POST"]),
            *Exports(front_door, runtime, settings.max_operation_seconds).routes,
            *Explorer(database, is_demo=settings.demo).routes,
            Route("/", _welcome, methods=["GET"]),
            Route("/healthz", health.healthz, methods=["GET"]),
            Route("/readyz", health.readyz, methods=["GET"]),
            Route("/metrics", metrics.endpoint, methods=["GET"]),
        ],
        lifespan=lifespan,
        middleware=[_cors(settings), Middleware(Compression, from_bytes=settings.compress_from_bytes)],
    )

    async def drain() -> None:
        seconds = settings.shutdown_grace_seconds
        await asyncio.gather(sockets.drain(seconds), streams.drain(seconds))

    # uvicorn closes sockets before the lifespan ends; whoever stops it lets them go in good order first.
    app.state.gate = gate
    app.state.drain = drain
    return app


def _front_door(
    settings: Settings, urls: StoreUrls, database: Database, redis: Redis, metrics: Metrics
) -> FrontDoor:
    lifetime = timedelta(hours=settings.automatic_document_hours)
    return FrontDoor(
        _executor(settings, metrics),
        Registry(database, urls.database_url),
        AutomaticDocuments(redis, settings.max_automatic_documents, lifetime),
        Allowance(redis, settings.rate_points, settings.rate_points_per_second),
        OperationLimits(
            nodes=settings.max_node_count,
            cost=settings.max_cost,
            asking=asking_limits(settings),
        ),
        metrics,
        is_debug=settings.debug,
    )


def _due_watch(settings: Settings, database: Database, runtime: Runtime) -> DueWatch:
    return DueWatch(
        database.write, runtime.policies.rulebook, runtime.time_zone, settings.overdue_check_seconds
    )


def _cors(settings: Settings) -> Middleware:
    return Middleware(
        CrossOrigin,
        allow_origins=settings.origins,
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "If-None-Match", REQUEST_ID_HEADER],
        expose_headers=[
            REQUEST_ID_HEADER,
            "ETag",
            "Content-Disposition",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
        ],
    )


def _sockets(settings: Settings, gate: Gate) -> Sockets[Claims]:
    limits = SocketLimits(
        max_operations=settings.max_operations_per_socket,
        max_per_viewer=settings.max_sockets_per_viewer,
        max_message_bytes=settings.max_body_bytes,
        init_seconds=settings.connection_init_seconds,
    )
    return Sockets(gate, limits, settings.origins)


def _watch(
    metrics: Metrics, sockets: Sockets[Claims], streams: EventStreams[Claims], runtime: Runtime
) -> None:
    metrics.watch("eoms_sockets_open", "WebSockets that are open.", lambda: sockets.count)
    metrics.watch("eoms_event_streams_open", "Event streams that are open.", lambda: streams.count)
    metrics.watch("eoms_listeners", "Subscriptions that follow the feed.", lambda: runtime.hub.member_count)
    metrics.watch("eoms_cohorts", "Readings that they share.", lambda: runtime.hub.cohort_count)
    metrics.watch("eoms_events_unread", "Events that cohorts have not read yet.", lambda: runtime.hub.waiting)
    metrics.watch(
        "eoms_grants_heard",
        "1 while changes of grants are heard of, 0 while each request asks for them.",
        lambda: float(runtime.grants.is_listening),
    )


def _watch_plans(metrics: Metrics, plans: Plans) -> None:
    counts = plans.counts
    metrics.watch("eoms_plans", "Plans that are remembered.", lambda: len(plans))
    metrics.watch_growing(
        "eoms_plans_found", "Plans that were remembered when asked for.", lambda: counts.found
    )
    metrics.watch_growing("eoms_plans_made", "Plans that had to be made.", lambda: counts.made)
    metrics.watch_growing(
        "eoms_plan_making_seconds", "Time spent making plans.", lambda: counts.seconds_making
    )


async def _welcome(_request: Request) -> Response:
    """Tell whoever opens the address in a browser where he is."""
    return JSONResponse(
        {
            "name": "EOMS 工程订单管理系统",
            "graphql": "/graphql",
            "explorer": "/explorer",
            "health": "/healthz",
            "ready": "/readyz",
        }
    )


def _token_endpoint(settings: Settings, runtime: Runtime) -> TokenEndpoint:
    sessions = runtime.sessions
    tokens = ClientTokens(runtime.database, sessions.mint, sessions.throttle)
    return TokenEndpoint(tokens, settings.max_body_seconds)


def _executor(settings: Settings, metrics: Metrics) -> Executor:
    schema = build_schema()
    core = graphql_schema(schema)
    plans = Plans(core, catalog, questions(schema), settings.max_page_size)
    _watch_plans(metrics, plans)
    planned = PlannedQueries(plans, settings.slow_statement_seconds) if settings.planner else None
    return Executor(core, Documents(core, limits_of(settings)), settings.max_operation_seconds, planned)


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


def _snapshots_of_events(settings: Settings, urls: StoreUrls) -> int:
    """Return how many connections there are in the pool that events are read from: with a replica, the one that writes."""
    return (
        settings.read_pool_size if urls.database_read_url == urls.database_url else settings.write_pool_size
    )


def _hub_limits(settings: Settings) -> HubLimits:
    kept = settings.subscriber_queue_size
    return HubLimits(OutboxLimits(kept=kept, most=_QUEUES * kept), settings.resumable_events)


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
        hub=Hub(feed, database.current, grants, _hub_limits(settings)),
        time_zone=ZoneInfo(settings.time_zone),
        largest_page=settings.max_page_size,
        event_turns=asyncio.Semaphore(max(1, _snapshots_of_events(settings, urls) // 2)),
    )
