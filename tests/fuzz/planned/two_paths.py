"""Do two executors answer the same? One request to both, bytes and errors side by side.

Both read the same state; what a command would only try is tried by both from that state, at the same moment and with the same
new ids.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast
from unittest.mock import patch
from uuid import UUID

import orjson
import uuid_utils.compat
from graphql import GraphQLError, OperationDefinitionNode
from structlog.testing import capture_logs

from db.events import Origin
from planner.cost import actual_points
from planner.known_costs import KnownCosts
from policies.bindings import catalog
from policies.viewer import Viewer
from resolvers.context import Context, RequestFacts, Runtime
from server.documents import Prepared
from server.execution import Executor
from tests.fuzz.planned.given import Plain

_FACTS = RequestFacts("fuzz", "192.0.2.1")
_NOW = datetime(2026, 3, 1, 12, 30, 45, 120_000, tzinfo=UTC)
_AROUND = 200
"""How much of two answers is shown on either side of where they begin to differ, in bytes."""


@dataclass(frozen=True)
class Request:
    """What somebody asks."""

    text: str
    operation_name: str | None
    variables: Mapping[str, Plain]
    viewer: Viewer | None


@dataclass(frozen=True)
class Told:
    """What one executor answered: its data as bytes, null for none, and its errors as they go to the client."""

    data: bytes | None
    # Any: JSON.
    errors: list[dict[str, Any]]
    points: int
    """What it cost, as the database or the interpreter's caller has counted it."""

    failed: tuple[str, ...] = ()
    """Why statements of the planner failed, each with its SQL: what is answered then hides that."""

    is_interpreted: bool = field(default=False, compare=False)
    """Whether graphql-core made it, whichever executor was asked."""

    @property
    def certain(self) -> Told:
        """Return the answer with one error for each object that is null since something in it may not be.

        Where two fields of it fail, graphql-core tells of one or of both, whichever comes first: GraphQL, section 6.4.4, lets
        it give up the rest.
        """
        data: object = None if self.data is None else orjson.loads(self.data)
        places = [_null_above(data, error.get("path", ())) for error in self.errors]
        told: dict[object, dict[str, Any]] = {}
        for nth, (error, place) in enumerate(zip(self.errors, places, strict=True)):
            code = error["extensions"]["code"]
            told.setdefault(
                nth if place is None else (place, code),
                error if place is None else {"code": code, "at": place},
            )
        return replace(self, errors=list(told.values()))

    @property
    def codes(self) -> list[str]:
        """Return the codes of the errors."""
        return [error["extensions"]["code"] for error in self.errors]


@dataclass(frozen=True)
class Refused:
    """That a document is none that would be executed, and why not."""

    codes: tuple[str, ...]


@dataclass(frozen=True)
class Compared:
    """Two answers to one request."""

    request: Request
    interpreted: Told
    planned: Told

    @property
    def is_same(self) -> bool:
        """Return whether they are equal, to the byte, the order of the errors and the point, and no statement has failed.

        Where graphql-core made both, they are equal in what it is certain of.
        """
        if self.interpreted == self.planned:
            return True
        return self.planned.is_interpreted and self.interpreted.certain == self.planned.certain

    def shown(self) -> str:
        """Return the request and both answers, around the first byte that differs."""
        viewer = self.request.viewer
        lines = [
            f"viewer: {_shown_viewer(viewer)}",
            f"variables: {json.dumps(self.request.variables, ensure_ascii=False)}",
            f"operation: {self.request.operation_name}",
            self.request.text,
            *_shown_data(self.interpreted.data, self.planned.data),
        ]
        if self.interpreted.errors != self.planned.errors:
            lines.append(f"errors interpreted: {json.dumps(self.interpreted.errors, ensure_ascii=False)}")
            lines.append(f"errors planned:     {json.dumps(self.planned.errors, ensure_ascii=False)}")
        if self.interpreted.points != self.planned.points:
            lines.append(f"points interpreted: {self.interpreted.points}, planned: {self.planned.points}")
        return "\n".join([*lines, *self.planned.failed])


def _null_above(data: object, path: Sequence[str | int]) -> tuple[str | int, ...] | None:
    """Return the place above a path at which there is null, none where the path itself is the first or there is no null."""
    here = data
    for depth, step in enumerate(path):
        if here is None:
            return tuple(path[:depth])
        if isinstance(here, list):
            if isinstance(step, str):
                # What is hidden from the viewer in all of a list's rows is told once.
                return None
            here = cast("list[object]", here)[step]
        else:
            here = cast("dict[str, object]", here).get(str(step))
    return None


class TwoPaths:
    """Two executors over one schema, and the database that both read."""

    def __init__(self, interpreter: Executor, planner: Executor, runtime: Runtime) -> None:
        self.interpreter = interpreter
        self.planner = planner
        self.runtime = runtime
        self._costs = KnownCosts(planner.schema, catalog)

    async def compare(self, request: Request) -> Compared | Refused:
        """Return both answers, or why there are none."""
        context = self._context(request)
        prepared = self.planner.documents.prepare(request.text, is_stranger=context.is_stranger)
        if isinstance(prepared, list):
            return Refused(tuple(_code(error) for error in prepared))
        try:
            operation = prepared.operation(request.operation_name)
        except GraphQLError as error:
            return Refused((_code(error),))
        interpreted = await self._told(self.interpreter, prepared, operation, request)
        return Compared(request, interpreted, await self._told(self.planner, prepared, operation, request))

    async def _told(
        self, executor: Executor, prepared: Prepared, operation: OperationDefinitionNode, request: Request
    ) -> Told:
        # What is broken on purpose would be logged at length.
        with _same_new_ids(), capture_logs() as logs:
            context = self._context(request)
            response = await executor.respond(prepared, operation, request.variables, context)
        cost = self._costs.cost_of(operation, prepared.fragments, request.variables)
        points = actual_points(cost, response.get("data"), context.points)
        data = orjson.dumps(response["data"]) if "data" in response else None
        failed = tuple(
            f"{each['kind']}\n{each['sql']}" for each in logs if each["event"] == "statement_failed"
        )
        is_interpreted = context.trace.path == "interpreted"
        return Told(data, response.get("errors", []), points, failed, is_interpreted)

    def _context(self, request: Request) -> Context:
        return _StillContext(self.runtime, _FACTS, None, request.viewer)


class _StillContext(Context):
    """A context in which it is always the same moment."""

    def origin(self) -> Origin:
        origin = super().origin()
        return Origin(origin.actor_id, origin.request_id, origin.address, _NOW)


@contextmanager
def _same_new_ids() -> Generator[None]:
    """Let new ids be counted from one: the library would make them of the clock and of chance."""
    made = 0

    def counted() -> UUID:
        nonlocal made
        made += 1
        return UUID(int=(0x0199 << 112) + made, version=4)

    with patch.object(uuid_utils.compat, "uuid7", counted):
        yield


def _code(error: GraphQLError) -> str:
    return str((error.extensions or {}).get("code"))


def _shown_viewer(viewer: Viewer | None) -> str:
    if viewer is None:
        return "nobody"
    grants = ", ".join(
        f"{each.role.value} in {each.project_id or 'all projects'}" for each in viewer.sorted_grants
    )
    kind = "program" if viewer.client else "person"
    return f"{kind} {viewer.user_id} of {viewer.organization_id}: {grants or 'no role'}"


def _shown_data(one: bytes | None, other: bytes | None) -> list[str]:
    if one == other:
        return []
    if one is None or other is None:
        return [f"data interpreted: {_cut(one)}", f"data planned:     {_cut(other)}"]
    pairs = zip(one, other, strict=False)
    at = next((nth for nth, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))
    around = slice(max(0, at - _AROUND), at + _AROUND)
    return [
        f"data differs from byte {at} on",
        f"data interpreted: …{one[around].decode(errors='replace')}…",
        f"data planned:     …{other[around].decode(errors='replace')}…",
    ]


def _cut(data: bytes | None) -> str:
    return "none" if data is None else data[: 2 * _AROUND].decode(errors="replace")
