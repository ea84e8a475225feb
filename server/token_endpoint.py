"""How does an API client get a token over HTTP? `POST /oauth/token`, OAuth 2.0's client credentials.

Requests, answers and errors are those of RFC 6749: section 4.4 for the grant, 2.3.1 for how a client proves itself,
5.1 and 5.2 for what it is told. Whether the secret is right is left to `commands.client_tokens`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote_plus

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from commands.client_tokens import ClientTokens
from domain.errors import InvalidCredentials, InvalidInput, SignInThrottled, Unavailable
from policies.tokens import scope_text
from resolvers.context import RequestFacts
from server.requests import REQUEST_ID_HEADER, BodyLimits, HttpFailure, bounded_body, facts_of

BODY_BYTES = 8 * 1024
FORM = "application/x-www-form-urlencoded"

_PARAMETERS_MOST = 50
_GRANT = "client_credentials"
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="eoms", charset="UTF-8"'}
# Section 5.1: whatever stands in the answer, nobody between us may keep it.
_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class _Refused(Exception):
    """The request gets no token; says status, code of section 5.2 and a sentence for people."""

    def __init__(
        self, status: int, code: str, description: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.description = description
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What a client proves itself with."""

    client: str
    secret: str = field(repr=False)


class TokenEndpoint:
    """`POST /oauth/token`; `body_seconds` is the longest wait for a whole body."""

    def __init__(self, tokens: ClientTokens, body_seconds: float) -> None:
        self._tokens = tokens
        self._limits = BodyLimits(BODY_BYTES, body_seconds)

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        facts = facts_of(request)
        try:
            return await self._answer(request, facts)
        except _Refused as refused:
            return _failure(refused, facts)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # noqa: BLE001  # the last line: whatever it is, the client learns nothing of it
            _log.exception("token_request_failed", request_id=facts.request_id)
            return _failure(_Refused(500, "server_error", "Something went wrong here."), facts)

    async def _answer(self, request: Request, facts: RequestFacts) -> Response:
        form = await self._form(request)
        grant = form.get("grant_type")
        if grant is None:
            raise _invalid("grant_type is required.")
        if grant != _GRANT:
            raise _Refused(400, "unsupported_grant_type", f"The grant type is {_GRANT}.")
        credentials = _credentials(request.headers.get("authorization"), form)
        now = datetime.now(UTC)
        try:
            token = await self._tokens.issue(
                credentials.client, credentials.secret, form.get("scope"), facts.address, now
            )
        except InvalidCredentials as error:
            raise _unproven("The client is unknown, or its secret is not good.") from error
        except InvalidInput as error:
            raise _Refused(400, "invalid_scope", error.message) from error
        except SignInThrottled as error:
            wait = {"Retry-After": str(error.retry_after_seconds)}
            raise _Refused(429, "temporarily_unavailable", error.message, wait) from error
        except Unavailable as error:
            raise _Refused(503, "temporarily_unavailable", error.message, {"Retry-After": "1"}) from error
        content = {
            "access_token": token.access.token,
            "token_type": "Bearer",
            "expires_in": max(int((token.access.expires_at - now).total_seconds()), 0),
            "scope": scope_text(token.scopes),
        }
        return JSONResponse(content, headers={REQUEST_ID_HEADER: facts.request_id, **_UNCACHED})

    async def _form(self, request: Request) -> dict[str, str]:
        """Return the body's parameters that have a value (section 3.2: without one they count as left out)."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise _invalid(f"The body is {FORM}.")
        try:
            body = await bounded_body(request, self._limits)
        except HttpFailure as failed:
            raise _Refused(failed.status, "invalid_request", failed.message, failed.headers) from failed
        try:
            text = body.decode("ascii")
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_PARAMETERS_MOST)
        except ValueError as error:
            raise _invalid(f"The body is no {FORM}.") from error
        if len({name for name, _ in pairs}) < len(pairs):
            raise _invalid("A parameter stands there twice.")
        return {name: value for name, value in pairs if value}


def _credentials(header: str | None, form: Mapping[str, str]) -> _Credentials:
    """Return what the client proves itself with, by the one way it takes (section 2.3)."""
    client, secret = form.get("client_id"), form.get("client_secret")
    if header is None:
        if client is None or secret is None:
            raise _unproven("The client says its id and secret, by HTTP Basic or in the body.")
        return _Credentials(client, secret)
    if secret is not None:
        raise _invalid("The client proves itself in one way: by HTTP Basic or in the body.")
    given = _basic(header)
    if client is not None and client != given.client:
        raise _invalid("client_id is another one than that of HTTP Basic.")
    return given


def _basic(header: str) -> _Credentials:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise _unproven("The Authorization header is HTTP Basic.")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
        client, colon, secret = text.partition(":")
        # Section 2.3.1: each is form-encoded before they are joined.
        given = _Credentials(unquote_plus(client, errors="strict"), unquote_plus(secret, errors="strict"))
    except (binascii.Error, ValueError) as error:
        raise _unproven("The Authorization header can't be read.") from error
    if not colon:
        raise _unproven("The Authorization header can't be read.")
    return given


def _invalid(description: str) -> _Refused:
    return _Refused(400, "invalid_request", description)


def _unproven(description: str) -> _Refused:
    return _Refused(401, "invalid_client", description, _CHALLENGE)


def _failure(refused: _Refused, facts: RequestFacts) -> Response:
    return JSONResponse(
        {"error": refused.code, "error_description": refused.description},
        refused.status,
        {REQUEST_ID_HEADER: facts.request_id, **_UNCACHED, **refused.headers},
    )
