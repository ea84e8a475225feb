"""How does GraphQL come in over HTTP? A request to an operation, and its answer back.

GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/), where the npm package `graphql-http` audits it.
Event streams are left to `server.event_streams`, bytes and headers of a request to `server.requests`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
import structlog
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from domain.errors import MalformedRequest, TooManyStreams, Unauthenticated, Unavailable
from policies.tokens import Claims
from resolvers.context import Context, RequestFacts, Runtime
from server.answers import failure, masked
from server.debugging import server_timing
from server.event_streams import EventStreams
from server.front_door import FrontDoor, Refused, refused
from server.hang_ups import WhileConnected
from server.live import passport_of
from server.rate_headers import rate_limit_headers
from server.requests import (
    GRAPHQL_JSON,
    REQUEST_ID_HEADER,
    BodyLimits,
    Head,
    HttpFailure,
    Wanted,
    asked_by,
    bearer_token,
    facts_of,
    wanted_by,
)
from server.websocket_protocol import Passport

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="eoms", error="invalid_token"'}
"""RFC 6750, section 3."""

_REVALIDATED = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept"}
"""An answer may be kept by whoever asked, who has to ask each time whether it still holds."""


class GraphQLEndpoint:
    """`/graphql` over POST and GET."""

    def __init__(
        self, front_door: FrontDoor, runtime: Runtime, streams: EventStreams[Claims], bodies: BodyLimits
    ) -> None:
        self._front_door = front_door
        self._runtime = runtime
        self._streams = streams
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answered(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answered(self, request: Request) -> HttpResponse:
        head = Head(request)
        facts, wanted = facts_of(request, head), wanted_by(head)
        try:
            return await self._answer(request, head, facts, wanted)
        except HttpFailure as failed:
            return _response(
                failure(failed.code, failed.message), failed.status, wanted, facts, failed.headers
            )
        except MalformedRequest as error:
            return _response(failure(error.code, error.message), 400, wanted, facts)
        except Refused as refusal:
            return _refusal(refusal, wanted, facts)
        except TooManyStreams as error:
            return _response(failure(error.code, error.message), 429, wanted, facts)
        except Unauthenticated as error:
            return _response(failure(error.code, error.message), 401, wanted, facts, CHALLENGE)
        except Unavailable as error:
            return _response(failure(error.code, error.message), 503, wanted, facts, {"Retry-After": "1"})
        except ClientDisconnect:
            return HttpResponse(status_code=400)
        except Exception:  # noqa: BLE001  # the last line: whatever it is, the client learns nothing of it
            _log.exception("request_failed", request_id=facts.request_id)
            return _response({"errors": [masked(facts.request_id)]}, 500, wanted, facts)

    async def _answer(
        self, request: Request, head: Head, facts: RequestFacts, wanted: Wanted
    ) -> HttpResponse:
        asked = await asked_by(request, head, wanted, self._bodies)
        token = bearer_token(head.get(b"authorization"))
        context = await open_context(self._runtime, facts, token)
        admitted = await self._front_door.admit(
            asked, context, check=lambda kind: _check_method(kind, request, wanted)
        )
        limits = rate_limit_headers(admitted.taken)
        if wanted.only_stream or admitted.operation.operation is OperationType.SUBSCRIPTION:
            answers = self._front_door.stream(admitted, context)
            headers = {REQUEST_ID_HEADER: facts.request_id, **limits}
            is_single = admitted.operation.operation is not OperationType.SUBSCRIPTION
            return await self._streams.response(
                request, answers, _passport(context), headers, is_single=is_single
            )
        if admitted.operation.operation is OperationType.QUERY:
            async with WhileConnected(request.receive):
                content = await self._front_door.respond(admitted, context)
        else:
            content = await self._front_door.respond(admitted, context)
        if self._front_door.tells_plans(context):
            limits |= server_timing(context.trace)
        if request.method != "POST" and admitted.is_registered and "errors" not in content:
            return _revalidated(content, request, wanted, facts, limits)
        return _response(content, _status(content, wanted), wanted, facts, limits)


async def open_context(runtime: Runtime, facts: RequestFacts, token: str | None) -> Context:
    """Return the context of whoever holds the token, anonymous without one; raise `Unauthenticated`."""
    if token is None:
        return Context(runtime, facts, None, None)
    claims = runtime.sessions.mint.read(token)
    return Context(runtime, facts, claims, await runtime.grants.viewer(claims))


def _passport(context: Context) -> Passport[Claims] | None:
    return passport_of(context.claims, context.signed_in) if context.claims else None


def _check_method(kind: OperationType, request: Request, wanted: Wanted) -> None:
    if kind is OperationType.SUBSCRIPTION and not wanted.streams:
        raise refused(
            "SUBSCRIPTION_OVER_HTTP",
            "Subscriptions run over WebSocket, or with Accept: text/event-stream.",
            status=400,
        )
    # Whoever routes GET here sends HEAD too.
    if kind is OperationType.MUTATION and request.method != "POST":
        raise refused("MUTATION_OVER_GET", "Mutations take POST.", status=405, headers={"Allow": "POST"})


def _refusal(refusal: Refused, wanted: Wanted, facts: RequestFacts) -> HttpResponse:
    headers = refusal.headers | (rate_limit_headers(refusal.taken) if refusal.taken else {})
    content = {"errors": refusal.errors}
    if refusal.retry_after_seconds is None:
        return _response(content, refusal.status or _status(content, wanted), wanted, facts, headers)
    headers["Retry-After"] = str(refusal.retry_after_seconds)
    return _response(content, 429, wanted, facts, headers)


def _status(content: Mapping[str, Any], wanted: Wanted) -> int:
    return 400 if "data" not in content and wanted.media_type == GRAPHQL_JSON else 200


def _revalidated(
    content: Mapping[str, Any],
    request: Request,
    wanted: Wanted,
    facts: RequestFacts,
    headers: Mapping[str, str],
) -> HttpResponse:
    """Return the answer with a validator, or 304 where the client has it already (RFC 9110, section 13.1.2).

    The validator is weak and of the data alone: what the answer cost is another each time.
    """
    digest = hashlib.blake2b(orjson.dumps(content["data"]), digest_size=16).hexdigest()
    validator = f'W/"{digest}"'
    known = {each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")}
    headers = {**headers, **_REVALIDATED, "ETag": validator}
    if "*" in known or f'"{digest}"' in known:
        return HttpResponse(status_code=304, headers={REQUEST_ID_HEADER: facts.request_id, **headers})
    return _response(content, 200, wanted, facts, headers)


def _response(
    content: Mapping[str, Any],
    status: int,
    wanted: Wanted,
    facts: RequestFacts,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(content),
        status_code=status,
        headers={REQUEST_ID_HEADER: facts.request_id, "Cache-Control": "no-store", **(headers or {})},
        media_type=f"{wanted.media_type}; charset=utf-8",
    )
