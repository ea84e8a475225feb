"""How do tests see the planner's answer beside the interpreter's? One company, two applications: one plans, one doesn't.

    async with both_paths(settings) as both:
        answer = await both.same("{ orders(first: 1) { nodes { number } } }", "pm")

`same` fails where the answers differ in a byte, in what they cost, or where the planner left its answer to the interpreter.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from db.statements import Statements
from planner.plans import Plans
from server.settings import Settings
from tests.api import Answer, Api, running_api
from tests.server_parts import executor_of

_GENEROUS = {"rate_points": 100_000_000, "rate_points_per_second": 10_000_000}
"""What the tests of a module ask together is more than one person may."""


@dataclass(frozen=True)
class Both:
    """Two applications on the same stores."""

    planned: Api
    interpreted: Api

    async def pair(self, document: str, who: str | None = None, **variables: Any) -> tuple[Answer, Answer]:
        """Return the planner's answer and the interpreter's; fail where they differ in data, errors or cost."""
        one = await asked(self.planned, document, who, **variables)
        other = await asked(self.interpreted, document, who, **variables)
        assert written(one) == written(other), document
        assert points(one) == points(other), document
        return one, other

    async def same(self, document: str, who: str | None = None, **variables: Any) -> Answer:
        """Return the answer that both give; fail where the planner has left it to the interpreter."""
        before = paths_of(self.planned)["planned"]
        answer, _ = await self.pair(document, who, **variables)
        assert paths_of(self.planned)["planned"] == before + 1, reasons(self.planned)
        return answer


@asynccontextmanager
async def both_paths(settings: Settings, **changes: Any) -> AsyncGenerator[Both]:
    """Run the application twice on the stores that the settings name."""
    one, other = (
        settings.model_copy(update={**_GENEROUS, **changes, "planner": is_planner})
        for is_planner in (True, False)
    )
    async with running_api(one) as planned, running_api(other) as interpreted:
        # Signing in is recorded, and must not come between two looks at what was written.
        interpreted._tokens = planned._tokens  # pyright: ignore[reportPrivateUsage]  # nobody else shares them
        yield Both(planned, interpreted)


async def asked(api: Api, document: str, who: str | None = None, **variables: Any) -> Answer:
    """Send an operation under an id that is always the same, which errors of our own tell."""
    headers = {"X-Request-Id": "same-1"}
    if who:
        headers["Authorization"] = f"Bearer {await api.token(who)}"
    return await api.send({"query": document, "variables": variables}, headers)


def plans_of(api: Api) -> Plans:
    """Return the plans of an application that has a planner."""
    planned = executor_of(api)._planned  # pyright: ignore[reportPrivateUsage]  # nobody else needs it
    assert planned is not None, "the planner is on"
    return planned.plans


def paths_of(api: Api) -> dict[str, int]:
    """Return how often operations were planned, and interpreted for which reason."""
    return {"planned": 0, **executor_of(api).paths}


def reasons(api: Api) -> list[str]:
    """Return why operations were interpreted."""
    return [each for each in paths_of(api) if each != "planned"]


def written(answer: Answer) -> str:
    """Return an answer's data and errors as text, in which the order of members counts too."""
    told = {name: value for name, value in answer.content.items() if name != "extensions"}
    return json.dumps(told, ensure_ascii=False)


def points(answer: Answer) -> int | None:
    """Return what an answer cost, null for one that was refused."""
    cost = answer.content.get("extensions", {}).get("cost")
    return cost and cost["actual"]


@dataclass(frozen=True)
class Sent:
    """The texts of statements that were sent to the database, whoever sent them; some are finished ones of plans."""

    all: list[str] = field(default_factory=list[str])
    planned: list[str] = field(default_factory=list[str])


@contextmanager
def sent_statements() -> Generator[Sent]:
    """Collect what is sent."""
    found = Sent()

    # Any: SQLAlchemy's hook gives the driver's own things.
    def collect(_connection: Connection | None, _cursor: Any, statement: str, *_: Any) -> None:
        found.all.append(statement)

    send, send_many = Statements.row, Statements.rows

    async def row(self: Statements, sql: str, arguments: Sequence[Any]) -> Mapping[str, Any] | None:
        found.all.append(sql)
        found.planned.append(sql)
        return await send(self, sql, arguments)

    async def rows(self: Statements, sql: str, arguments: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        found.all.append(sql)
        found.planned.append(sql)
        return await send_many(self, sql, arguments)

    event.listen(Engine, "before_cursor_execute", collect)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Statements, "row", row)
            patch.setattr(Statements, "rows", rows)
            yield found
    finally:
        event.remove(Engine, "before_cursor_execute", collect)
