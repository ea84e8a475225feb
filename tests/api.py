"""How do tests talk to the API? The whole application in this process, on real stores, with the demo company in it.

    async def test_something(api: Api) -> None:
        answer = await api.ask("{ orders(first: 1) { nodes { number } } }", who="pm")
        assert answer.data == {...}

No test signs in by password unless it is about that: sessions are opened directly, which takes no hashing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import select, text
from starlette.applications import Starlette

from commands.session_records import open_session
from commands.transactions import transaction
from db.engine import Database, open_database
from db.events import Origin
from db.limits import PoolLimits
from db.tables import UserRow
from domain.identifiers import UserId
from policies.tokens import TokenMint
from server.app import create_app
from server.settings import Settings, token_secret
from server.stores import StoreUrls

ADDRESS = "192.0.2.1"


@dataclass(frozen=True, eq=False)
class Answer:
    """A GraphQL response. Two are equal that say the same, whatever is left of the points of those who asked."""

    status: int
    content: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Answer)
            and self.status == other.status
            and without_cost(self) == without_cost(other)
        )

    def __hash__(self) -> int:
        return hash(self.status)

    @property
    def data(self) -> Any:
        """Return the data; fail the test where there are errors."""
        assert "errors" not in self.content, self.content["errors"]
        return self.content["data"]

    @property
    def partial(self) -> Any:
        """Return the data, whatever errors stand beside it."""
        return self.content["data"]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Return the top-level errors."""
        return self.content.get("errors", [])

    @property
    def codes(self) -> list[str]:
        """Return the codes of the top-level errors."""
        return [error["extensions"]["code"] for error in self.errors]


def without_cost(answer: Answer) -> dict[str, Any]:
    """Return an answer's data and errors, without what it cost."""
    return {name: value for name, value in answer.content.items() if name != "extensions"}


def plain(response: httpx.Response) -> dict[str, Any]:
    """Return a response's data and errors, without what it cost, which tests of limits look at."""
    content: dict[str, Any] = response.json()
    content.pop("extensions", None)
    return content


@dataclass
class Api:
    """The application, a client of it, and a direct way to its database."""

    app: Starlette
    client: httpx.AsyncClient
    database: Database
    mint: TokenMint
    _tokens: dict[str, str] = field(default_factory=dict[str, str])

    async def ask(self, document: str, who: str | None = None, **variables: Any) -> Answer:
        """Send one operation as a person of the demo company, or as nobody."""
        headers = {"Authorization": f"Bearer {await self.token(who)}"} if who else {}
        return await self.send({"query": document, "variables": variables}, headers)

    async def send(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """POST a body to /graphql."""
        response = await self.client.post("/graphql", json=body, headers=dict(headers or {}))
        return Answer(response.status_code, response.json())

    async def token(self, username: str) -> str:
        """Return an access token of a user."""
        known = self._tokens.get(username)
        if known is None:
            origin = Origin(None, None, ADDRESS, datetime.now(UTC))
            async with transaction(self.database.write) as session:
                user_id = await session.orm.scalar(select(UserRow.id).where(UserRow.username == username))
                assert user_id is not None, f"there is no {username}"
                opened = await open_session(session, origin, UserId(user_id), timedelta(days=1))
            token = self.mint.issue(opened.user_id, opened.session_id, origin.now)
            known = self._tokens[username] = token.token
        return known

    async def rows(self, statement: str, **parameters: Any) -> Sequence[tuple[Any, ...]]:
        """Return what a statement gives, committed; for looking behind the API."""
        async with self.database.write.begin() as connection:
            result = await connection.execute(text(statement), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    async def order_state(self) -> list[Sequence[tuple[Any, ...]]]:
        """Return which version of each row is where in all that order commands can change, to show that nothing did.

        A version is the transaction that wrote it, so that what was written again as it was is a change, too.
        """
        tables = (
            "engineering_order",
            "order_line",
            "assignment",
            "order_bom_part",
            "order_number",
            "event",
            "notification",
            "idempotency",
        )
        versions = "count(*), md5(string_agg(concat(ctid, xmin), ',' ORDER BY ctid))"
        return [await self.rows(f"SELECT {versions} FROM {table}") for table in tables]


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncGenerator[Api]:
    """Run the application on the stores that the settings name."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    urls = StoreUrls(settings.database_url, settings.database_url, settings.redis_url)
    app = create_app(settings, urls)
    database = open_database(urls.database_url, urls.database_url, PoolLimits(), PoolLimits())
    mint = TokenMint(token_secret(settings), timedelta(minutes=15))
    transport = httpx.ASGITransport(app=app, client=(ADDRESS, 1234))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://eoms.test") as client,
    ):
        try:
            yield Api(app, client, database, mint)
        finally:
            await database.close()
