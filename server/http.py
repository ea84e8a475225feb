"""How does GraphQL come in over HTTP? Bytes to an operation, and its response back (GraphQL over HTTP)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from graphql import GraphQLError, OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response as HttpResponse

from db.identifiers import new_id
from domain.errors import Unauthenticated, Unavailable
from policies.tokens import Claims
from resolvers.context import Context, RequestFacts, Runtime
from server.answers import failure, told
from server.execution import Executor

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
REQUEST_ID_HEADER = "X-Request-Id"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class HttpFailure(Exception):
    """The request is no GraphQL request that we take; says status and error."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


# Any: variables are whatever JSON holds until the schema's types have checked them.
@dataclass(frozen=True)
class GraphQLRequest:
    """What a client asks for."""

    text: str
    operation_name: str | None
    variables: Mapping[str, Any]


class GraphQLEndpoint:
    """`/graphql` over POST and GET."""

    def __init__(self, executor: Executor, runtime: Runtime, max_body_bytes: int) -> None:
        self._executor = executor
        self._runtime = runtime
        self._max_body_bytes = max_body_bytes

    async def answer(self, request: Request) -> HttpResponse:
        """Answer one request."""
        facts = RequestFacts(request_id_of(request), request.client.host if request.client else None)
        media_type = _media_type(request)
        try:
            asked = await self._asked(request)
            return await self._answer(asked, request, facts, media_type)
        except HttpFailure as failed:
            content = failure(failed.code, failed.message)
            return _response(content, failed.status, media_type, facts, failed.headers)
        except Unauthenticated as error:
            headers = {"WWW-Authenticate": 'Bearer realm="eoms"'}
            return _response(failure(error.code, error.message), 401, media_type, facts, headers)
        except Unavailable as error:
            return _response(failure(error.code, error.message), 503, media_type, facts, {"Retry-After": "1"})
        except ClientDisconnect:
            return HttpResponse(status_code=400)
        except Exception:  # noqa: BLE001  # the last line: whatever it is, the client learns nothing of it
            _log.exception("request_failed", request_id=facts.request_id)
            content = {
                "errors": [
                    {
                        "message": "Something went wrong here.",
                        "extensions": {"code": "INTERNAL", "requestId": facts.request_id},
                    }
                ]
            }
            return _response(content, 500, media_type, facts)

    async def _answer(
        self, asked: GraphQLRequest, request: Request, facts: RequestFacts, media_type: str
    ) -> HttpResponse:
        context = await open_context(self._runtime, facts, bearer_token(request.headers.get("authorization")))
        found = self._executor.prepare(asked.text, asked.operation_name, is_stranger=context.is_stranger)
        if isinstance(found, list):
            return _refused(found, media_type, facts)
        prepared, operation = found
        if operation.operation is OperationType.SUBSCRIPTION:
            raise HttpFailure(400, "SUBSCRIPTION_OVER_HTTP", "Subscriptions run over WebSocket.")
        if request.method != "POST" and operation.operation is not OperationType.QUERY:
            raise HttpFailure(405, "MUTATION_OVER_GET", "Mutations take POST.", {"Allow": "POST"})
        content = await self._executor.respond(prepared, operation, asked.variables, context)
        status = 400 if "data" not in content and media_type == GRAPHQL_JSON else 200
        return _response(content, status, media_type, facts)

    async def _asked(self, request: Request) -> GraphQLRequest:
        # Whoever routes GET here sends HEAD too.
        if request.method != "POST":
            if not any(each in request.headers.get("accept", "") for each in (GRAPHQL_JSON, PLAIN_JSON)):
                raise HttpFailure(406, "NOT_ACCEPTABLE", f"A GET accepts {GRAPHQL_JSON} or {PLAIN_JSON}.")
            parameters: dict[str, Any] = dict(request.query_params)
            for name in ("variables", "extensions"):
                if parameters.get(name):
                    parameters[name] = _json(parameters[name].encode())
            return _graphql_request(parameters)
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != PLAIN_JSON:
            raise HttpFailure(415, "UNSUPPORTED_MEDIA_TYPE", "A request's body is application/json.")
        return _graphql_request(_json(await self._body(request)))

    async def _body(self, request: Request) -> bytes:
        too_large = HttpFailure(413, "BODY_TOO_LARGE", f"A body has at most {self._max_body_bytes} bytes.")
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise too_large
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise too_large
        return bytes(body)


async def open_context(runtime: Runtime, facts: RequestFacts, token: str | None) -> Context:
    """Return the context of whoever holds the token, anonymous without one; raise `Unauthenticated`."""
    if token is None:
        return Context(runtime, facts, None, None)
    claims: Claims = runtime.sessions.mint.read(token)
    return Context(runtime, facts, claims, await runtime.grants.viewer(claims))


def bearer_token(header: str | None) -> str | None:
    """Return the token of an Authorization header, null without one; raise `Unauthenticated` for another scheme."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header is `Bearer <access token>`.")
    return token.strip()


def request_id_of(request: Request) -> str:
    """Return the client's request id where it is one, else a new one."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.fullmatch(given) else str(new_id())


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpFailure(400, "MALFORMED_JSON", "This is no JSON.") from error


def _graphql_request(content: Any) -> GraphQLRequest:
    """Return the request in a body or query string; raise `HttpFailure` 400 naming the parameter that is wrong."""
    if not isinstance(content, dict):
        raise HttpFailure(400, "MALFORMED_REQUEST", "A request is one JSON object; there is no batching.")
    parameters: dict[str, Any] = content  # pyright: ignore[reportUnknownVariableType]  # JSON's keys are strings
    text, name, variables, extensions = (
        parameters.get(each) for each in ("query", "operationName", "variables", "extensions")
    )
    if not isinstance(text, str):
        raise HttpFailure(400, "MALFORMED_REQUEST", "`query` is a string.")
    if name is not None and not isinstance(name, str):
        raise HttpFailure(400, "MALFORMED_REQUEST", "`operationName` is a string.")
    for label, value in (("variables", variables), ("extensions", extensions)):
        if value is not None and not isinstance(value, dict):
            raise HttpFailure(400, "MALFORMED_REQUEST", f"`{label}` is an object.")
    return GraphQLRequest(text, name or None, variables or {})


def _media_type(request: Request) -> str:
    return GRAPHQL_JSON if GRAPHQL_JSON in request.headers.get("accept", "") else PLAIN_JSON


def _refused(errors: list[GraphQLError], media_type: str, facts: RequestFacts) -> HttpResponse:
    content = {"errors": [told(error, facts.request_id) for error in errors]}
    return _response(content, 400 if media_type == GRAPHQL_JSON else 200, media_type, facts)


def _response(
    content: Mapping[str, Any],
    status: int,
    media_type: str,
    facts: RequestFacts,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    return HttpResponse(
        orjson.dumps(content),
        status_code=status,
        headers={REQUEST_ID_HEADER: facts.request_id, "Cache-Control": "no-store", **(headers or {})},
        media_type=f"{media_type}; charset=utf-8",
    )
