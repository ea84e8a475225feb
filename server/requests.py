"""What does an HTTP request say? The operation in it, the answer it wants, whose it is and where it came from."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from starlette.requests import ClientDisconnect, Request

from db.identifiers import new_id
from domain.errors import Unauthenticated
from resolvers.context import RequestFacts
from server.asking import Asked, asked_of
from server.http_protocol import BODY_IS_HERE
from server.negotiation import preferred, weights

GRAPHQL_JSON = "application/graphql-response+json"
PLAIN_JSON = "application/json"
EVENT_STREAM = "text/event-stream"
REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID_FIELD = REQUEST_ID_HEADER.lower().encode()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ACCEPTS_KNOWN, _ACCEPT_KNOWN_LENGTH = 200, 500
"""Clients say what they want in few ways, and each in the same way every time."""

_UTF8 = re.compile(r'charset\s*=\s*"?utf-?8"?')


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answer that a client's Accept header asks for.

    `media_type` is that of an answer in one piece, `is_named` whether the client named it; `streams` says whether it takes
    an event stream, `only_stream` whether nothing else.
    """

    media_type: str
    is_named: bool
    streams: bool

    @property
    def only_stream(self) -> bool:
        """Return whether every answer goes out as events."""
        return self.streams and not self.is_named


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds of a request's body: its size, and how long it may take to arrive."""

    max_bytes: int
    max_seconds: float


class Head:
    """The fields of a request's head, read once; of a name that stands there several times the first counts."""

    def __init__(self, request: Request) -> None:
        self._fields: dict[bytes, bytes] = dict(reversed(request.scope["headers"]))

    def get(self, name: bytes) -> str | None:
        """Return the field of a name in lower case."""
        value = self._fields.get(name)
        return None if value is None else value.decode("latin-1")


def wanted_by(head: Head) -> Wanted:
    """Return which answer a request wants; one that doesn't say gets `application/json`."""
    header = head.get(b"accept") or ""
    return _known_wanted(header) if len(header) <= _ACCEPT_KNOWN_LENGTH else _wanted(header)


def _wanted(header: str) -> Wanted:
    named = preferred(header, (GRAPHQL_JSON, PLAIN_JSON))
    streams = weights(header).get(EVENT_STREAM, 0) > 0
    # Who takes events only reads the status of a refusal, so it has to be a true one.
    fallback = GRAPHQL_JSON if streams else PLAIN_JSON
    return Wanted(named or fallback, is_named=named is not None, streams=streams)


_known_wanted = lru_cache(_ACCEPTS_KNOWN)(_wanted)


def facts_of(request: Request, head: Head | None = None) -> RequestFacts:
    """Return the request's id, the client's own where it is one, and its address."""
    given = (head or Head(request)).get(_REQUEST_ID_FIELD)
    request_id = given if given and _REQUEST_ID.fullmatch(given) else str(new_id())
    client = request.scope.get("client")
    return RequestFacts(request_id, client[0] if client else None)


def bearer_token(header: str | None) -> str | None:
    """Return the token of an Authorization header, null without one; raise `Unauthenticated` for another scheme."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("The Authorization header is `Bearer <access token>`.")
    return token.strip()


async def asked_by(request: Request, head: Head, wanted: Wanted, limits: BodyLimits) -> Asked:
    """Return the operation of a request; raise `HttpFailure` or `MalformedRequest` where there is none."""
    if request.method == "POST":
        _check_type(head.get(b"content-type") or "")
        return asked_of(_json(await bounded_body(request, limits, head)))
    # No page can make a browser ask for these types, or send this header, without asking us first: no answer can be
    # had by stealth.
    is_safe = wanted.is_named or wanted.streams or head.get(b"authorization") is not None
    if not is_safe:
        raise HttpFailure(406, "NOT_ACCEPTABLE", f"A GET accepts {GRAPHQL_JSON} or {PLAIN_JSON}.")
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if parameters.get(name):
            parameters[name] = _json(parameters[name].encode())
        else:
            parameters.pop(name, None)
    return asked_of(parameters)


async def bounded_body(request: Request, limits: BodyLimits, head: Head | None = None) -> bytes:
    """Return a request's body; raise `HttpFailure` 413 or 408 where it is too large or too slow."""
    declared = (head or Head(request)).get(b"content-length") or ""
    if declared.isdigit() and int(declared) > limits.max_bytes:
        raise _too_large(limits)
    # Whoever has it all need not be waited for.
    is_here = BODY_IS_HERE in request.scope.get("state", ())
    try:
        async with nullcontext() if is_here else asyncio.timeout(limits.max_seconds):
            return await _read(request, limits)
    except TimeoutError as error:
        message = f"A body arrives within {limits.max_seconds:g} seconds."
        raise HttpFailure(408, "BODY_TIMEOUT", message, {"Connection": "close"}) from error


async def _read(request: Request, limits: BodyLimits) -> bytes:
    chunks, size, is_complete = list[bytes](), 0, False
    while not is_complete:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limits.max_bytes:
            raise _too_large(limits)
        chunks.append(chunk)
        is_complete = not message.get("more_body", False)
    # One chunk alone is not copied.
    return b"".join(chunks)


def _too_large(limits: BodyLimits) -> HttpFailure:
    return HttpFailure(413, "BODY_TOO_LARGE", f"A body has at most {limits.max_bytes} bytes.")


def _check_type(header: str) -> None:
    if header == PLAIN_JSON:
        return
    media_type, _, parameters = header.lower().partition(";")
    is_utf8 = "charset" not in parameters or _UTF8.search(parameters) is not None
    if media_type.strip() != PLAIN_JSON or not is_utf8:
        raise HttpFailure(415, "UNSUPPORTED_MEDIA_TYPE", "A request's body is application/json in UTF-8.")


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise HttpFailure(400, "MALFORMED_JSON", "This is no JSON.") from error
