"""How is an error told to a client? Expected ones by their code, our own mistakes by a request id only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from graphql import GraphQLError

from domain.errors import EomsError

# Any: JSON as GraphQL's specification has it (section 7, Response).
Response = dict[str, Any]
Variables = Mapping[str, Any]

_MESSAGE_LENGTH = 500

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def told(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """Return an error as it goes to the client; the trace of an unexpected one goes to the log."""
    original = error.original_error
    if isinstance(original, EomsError):
        return _formatted(error, original.message, {"code": original.code})
    is_ours = original is not None and not isinstance(original, GraphQLError) and error.path is not None
    if is_ours:
        _log.error("resolver_failed", request_id=request_id, path=error.path, exc_info=original)
        return _formatted(error, *_masked(request_id))
    return _formatted(error, error.message, {"code": "BAD_USER_INPUT", **(error.extensions or {})})


def masked(request_id: str) -> dict[str, Any]:
    """Return the error that tells of a mistake of our own: nothing of it but where the log tells more."""
    message, extensions = _masked(request_id)
    return {"message": message, "extensions": extensions}


def told_exception(error: Exception, request_id: str) -> dict[str, Any]:
    """Return whatever ended an operation as it goes to the client; the trace of what was not foreseen goes to the log."""
    cause = error.original_error if isinstance(error, GraphQLError) and error.original_error else error
    if isinstance(cause, EomsError):
        return told(GraphQLError(cause.message, original_error=cause), request_id)
    if isinstance(cause, GraphQLError):
        return told(cause, request_id)
    _log.error("operation_failed", request_id=request_id, exc_info=cause)
    return masked(request_id)


def forbidden(paths: Sequence[Sequence[str]]) -> list[Response]:
    """Return an error for each selected field that the viewer can see on no row."""
    return [
        {"message": "You may not read this.", "path": list(path), "extensions": {"code": "FORBIDDEN"}}
        for path in paths
    ]


def failure(code: str, message: str) -> dict[str, Any]:
    """Return a whole response that says why nothing was executed."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}


def _masked(request_id: str) -> tuple[str, dict[str, Any]]:
    return "Something went wrong here.", {"code": "INTERNAL", "requestId": request_id}


def _formatted(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    # graphql-core repeats what was sent, names of a megabyte too.
    shown = message if len(message) <= _MESSAGE_LENGTH else message[:_MESSAGE_LENGTH] + "…"
    formatted: dict[str, Any] = {"message": shown}
    if error.locations:
        formatted["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path is not None:
        formatted["path"] = list(error.path)
    formatted["extensions"] = extensions
    return formatted
