"""How does a BOM leave as a file? Over HTTP, read by the loaders of the API, so that nobody finds more in it than there.

GET /exports/bom-revisions/{id}.{csv|xlsx}
GET /exports/bom-revisions/{id}/explosion.{csv|xlsx}?quantity=…&asOf=…&maxLevels=…
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import quote
from uuid import UUID

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.errors import TIMEOUT, Forbidden, MalformedRequest, NotFound, Unauthenticated, Unavailable
from domain.identifiers import parse_key
from loaders.explosions import explosion_of
from loaders.exported_boms import exported_lines, exported_revision, named_items
from policies.viewer import OperationScope
from resolvers.boms import explosion_question
from resolvers.context import Context, RequestFacts, Runtime
from server.answers import failure, masked
from server.bom_files import Sheet, explosion_sheet, lines_sheet
from server.front_door import FrontDoor, Refused
from server.hang_ups import WhileConnected
from server.http import CHALLENGE, open_context
from server.rate_headers import rate_limit_headers
from server.requests import REQUEST_ID_HEADER, bearer_token, facts_of
from sheets.bom_lines import FileFormat
from sheets.files import MEDIA_TYPES, file_of

LINES_POINTS = 200
"""What a file of a revision's lines costs: as much as two pages of a hundred."""

EXPLOSION_POINTS = 500
"""What a file of an explosion costs, which is worked out and may have many times as many lines."""

EXPLOSION_LINES = 20_000
"""How many lines an explosion may have in a file: fewer than the API pages through, for it is written in one piece."""

_TYPE = "BomRevision"
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|]")
"""What no file system, or not every one, takes in the name of a file."""

_NOT_ASCII = re.compile(r"[^A-Za-z0-9 ._()-]")
_UNCACHED = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Made:
    """A file's content before it is written, and its name without the ending."""

    sheet: Sheet
    name: str


class Exports:
    """`/exports/…`: each file is read in one snapshot, within the time of an operation."""

    def __init__(self, front_door: FrontDoor, runtime: Runtime, max_seconds: float) -> None:
        self._front_door = front_door
        self._runtime = runtime
        self._max_seconds = max_seconds

    @property
    def routes(self) -> list[Route]:
        """Return the routes of all files."""
        return [
            Route("/exports/bom-revisions/{id}.{format}", self.lines, methods=["GET"]),
            Route("/exports/bom-revisions/{id}/explosion.{format}", self.explosion, methods=["GET"]),
        ]

    async def lines(self, request: Request) -> Response:
        """Answer with the lines of a revision."""
        return await self._answered(request, LINES_POINTS, _lines)

    async def explosion(self, request: Request) -> Response:
        """Answer with what so much of a revision's item takes."""
        return await self._answered(request, EXPLOSION_POINTS, _explosion)

    async def _answered(
        self, request: Request, points: int, make: Callable[[Request, Context], Awaitable[_Made]]
    ) -> Response:
        facts = facts_of(request)
        try:
            return await self._answer(request, facts, points, make)
        except Unauthenticated as error:
            return _failed(401, error.code, error.message, facts, CHALLENGE)
        except Forbidden as error:
            return _failed(403, error.code, error.message, facts)
        except NotFound as error:
            return _failed(404, error.code, error.message, facts)
        except MalformedRequest as error:
            return _failed(400, error.code, error.message, facts)
        except Refused as refusal:
            return _refused(refusal, facts)
        except Unavailable as error:
            return _failed(503, error.code, error.message, facts, {"Retry-After": "1"})
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception:  # noqa: BLE001  # the last line: whatever it is, the client learns nothing of it
            _log.exception("export_failed", request_id=facts.request_id)
            return JSONResponse({"errors": [masked(facts.request_id)]}, 500, _headers(facts))

    async def _answer(
        self,
        request: Request,
        facts: RequestFacts,
        points: int,
        make: Callable[[Request, Context], Awaitable[_Made]],
    ) -> Response:
        file_format = _format(request.path_params["format"])
        context = await open_context(self._runtime, facts, bearer_token(request.headers.get("authorization")))
        _demand_text(context)
        taken = await self._front_door.charged(context, points)
        try:
            async with WhileConnected(request.receive), asyncio.timeout(self._max_seconds):
                made = await make(request, context)
                content = await asyncio.to_thread(file_of, file_format, made.sheet.columns, made.sheet.rows)
        except TimeoutError as error:
            raise Unavailable("The file takes too long to make.", code=TIMEOUT) from error
        finally:
            await context.close()
        headers = _headers(facts) | rate_limit_headers(taken)
        headers["Content-Disposition"] = disposition(f"{made.name}.{file_format.value.lower()}")
        return Response(content, headers=headers, media_type=MEDIA_TYPES[file_format])


async def _lines(request: Request, context: Context) -> _Made:
    reads = context.reads
    found = await exported_revision(reads, _key(request))
    lines = await exported_lines(reads, found.revision)
    code = found.item["code"] if found.item else None
    return _Made(lines_sheet(reads.policy, lines), f"{code or 'BOM'}-r{found.revision['number']}")


async def _explosion(request: Request, context: Context) -> _Made:
    reads = context.reads
    found = await exported_revision(reads, _key(request))
    asked = request.query_params
    question = explosion_question(
        _number(asked.get("quantity")),
        _day(asked.get("asOf")) or context.today,
        _levels(asked.get("maxLevels")),
    )
    exploded = await explosion_of(reads, found.revision.key, replace(question, most_lines=EXPLOSION_LINES))
    needed = list(exploded.lines)
    items = await named_items(reads, [each.line.item_id for each in needed])
    sheet = explosion_sheet(reads.policy, list(zip(needed, items, strict=True)))
    code = found.item["code"] if found.item else None
    name = f"{code or 'BOM'}-r{found.revision['number']}-explosion-{question.as_of.isoformat()}"
    return _Made(sheet, name)


def disposition(name: str) -> str:
    """Return a Content-Disposition that names a file, whatever stands in the name (RFC 6266, section 4.3)."""
    whole = _NOT_IN_NAMES.sub("_", name).strip(" .")
    return f"attachment; filename=\"{_NOT_ASCII.sub('_', whole)}\"; filename*=UTF-8''{quote(whole, safe='')}"


def _demand_text(context: Context) -> None:
    """Raise unless somebody asks who may ask for whatever he likes: a program may have only what its documents ask for."""
    client = context.signed_in.client
    if client is not None and not (client.may_send_text and OperationScope.READ in client.scopes):
        raise Forbidden("This client reads by its registered documents only.")


def _format(name: str) -> FileFormat:
    try:
        return FileFormat(name.upper())
    except ValueError as error:
        raise NotFound("file; there are .csv and .xlsx") from error


def _key(request: Request) -> UUID:
    """Return which revision is meant, by its global id or by the id alone; raise `MalformedRequest`."""
    text: str = request.path_params["id"]
    return parse_key(text if ":" in text else f"{_TYPE}:{text}", _TYPE)


def _number(text: str | None) -> Decimal:
    try:
        return Decimal(text or "")
    except InvalidOperation as error:
        raise MalformedRequest("MALFORMED_ARGUMENT", "`quantity` is a decimal number.") from error


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise MalformedRequest("MALFORMED_ARGUMENT", "`asOf` is a day, such as 2026-01-31.") from error


def _levels(text: str | None) -> int | None:
    if text and not re.fullmatch(r"[0-9]{1,9}", text):
        raise MalformedRequest("MALFORMED_ARGUMENT", "`maxLevels` is a whole number.")
    return int(text) if text else None


def _headers(facts: RequestFacts) -> dict[str, str]:
    return {REQUEST_ID_HEADER: facts.request_id, **_UNCACHED}


def _failed(
    status: int, code: str, message: str, facts: RequestFacts, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse(failure(code, message), status, {**_headers(facts), **(headers or {})})


def _refused(refusal: Refused, facts: RequestFacts) -> Response:
    headers = _headers(facts) | (rate_limit_headers(refusal.taken) if refusal.taken else {})
    if refusal.retry_after_seconds is not None:
        headers["Retry-After"] = str(refusal.retry_after_seconds)
    return JSONResponse({"errors": refusal.errors}, refusal.status or 429, headers)
