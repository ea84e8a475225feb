"""How are a subscription's messages read for all with the same eyes? By one statement for many events, or by graphql-core.

Who hears them is left to `subscriptions.hub`. Like a query, what can't be planned is interpreted, event by event.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from inspect import isawaitable
from typing import Any

import orjson
import structlog
from graphql import ExecutionResult
from graphql.execution import (
    execute_subscription_event,  # pyright: ignore[reportUnknownVariableType]  # executors are generic
)

from db.statements import StatementFailed
from domain.identifiers import global_id
from loaders.followed import FollowQuestion, member_of, sight_of
from loaders.places import cursor_of
from loaders.rows import row_by_key
from planner.arguments import Unplannable
from planner.plan import News
from planner.roots import DATA, RANK
from policies.viewer import Viewer
from resolvers.context import Context
from server.answers import Response, forbidden
from subscriptions.entries import FeedEntry
from subscriptions.outbox import Message
from subscriptions.past import ENTRIES_PER_READ

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class InterpretedReading:
    """Messages as graphql-core makes them, each in a context of its own."""

    at_once = 20
    """Each takes several statements."""

    # Any: executors are generic in graphql-core, over nothing that matters here.
    def __init__(
        self,
        question: FollowQuestion,
        executor: Any,
        context: Context,
        key: Hashable,
        response: Callable[[ExecutionResult], Response],
    ) -> None:
        self.question = question
        self.key = key
        self.context = context
        self._executor = executor
        self._response = response

    async def read(self, entries: Sequence[FeedEntry]) -> Sequence[Message]:
        """Return the messages of those entries that are news to the viewer, in their order; raise `Unavailable`."""
        found = [await self._message(entry) for entry in entries]
        return [message for message in found if message is not None]

    async def missed(self, position: int) -> Message:
        """Return the message that something before a position is not told."""
        member = member_of(self.question)
        nothing = {"resync_required": True, f"{member}_id": None, "event": None, member: None}
        return Message(
            position, None, await self._text({"cursor": cursor_of(position), **nothing}, self._new_context())
        )

    async def _message(self, entry: FeedEntry) -> Message | None:
        context = self._new_context()
        await context.renew()
        try:
            reads = context.reads
            sight = await sight_of(reads, self.question, entry.event_id)
            if sight is None:
                return None
            subject, member, key = self.question.subject, member_of(self.question), sight["subject_id"]
            news = {
                "cursor": entry.cursor,
                "resync_required": False,
                f"{member}_id": global_id(subject, key),
                "event": await row_by_key(reads, "Event", entry.event_id),
                member: await row_by_key(reads, subject, key) if sight["is_seen"] else None,
            }
            return Message(entry.position, self.question.entity(entry), await self._text(news, context))
        finally:
            await context.close()

    def _new_context(self) -> Context:
        return Context(self.context.runtime, self.context.facts, None, self.context.viewer)

    # Any: what the resolvers of a message's fields take.
    async def _text(self, news: dict[str, Any], context: Context) -> bytes:
        # A copy; those who catch up read beside each other.
        executor = self._executor.build_per_event_executor(news)
        executor.context_value = context
        result = execute_subscription_event(executor)
        return orjson.dumps(self._response(await result if isawaitable(result) else result))


class PlannedReading:
    """Messages as the database writes them, many events in one statement."""

    at_once = ENTRIES_PER_READ

    def __init__(self, news: News, viewer: Viewer, interpreted: InterpretedReading) -> None:
        self.question = interpreted.question
        # Which orders are asked for is told by the entries of the feed, and in no statement.
        self.key = news.key, replace(interpreted.question, after=None)
        self._news = news
        self._viewer = viewer
        self._interpreted = interpreted
        errors = orjson.dumps(forbidden(news.forbidden))
        self._end = b',"errors":' + errors + b"}" if news.forbidden else b"}"

    async def read(self, entries: Sequence[FeedEntry]) -> Sequence[Message]:
        """Return the messages of those entries that are news to the viewer, in their order; raise `Unavailable`."""
        plan, runtime = self._news.plan, self._interpreted.context.runtime
        arguments = self._news.arguments(
            [entry.event_id for entry in entries], [entry.cursor for entry in entries]
        )
        try:
            async with runtime.event_turns:
                rows = await runtime.database.current_statements.rows(plan.statement.sql, arguments)
            return [self._message(entries[int(row[RANK]) - 1], row[DATA]) for row in rows]
        except StatementFailed as error:
            _log.error("statement_failed", sql=plan.statement.sql, kind=str(error))
        except Unplannable:
            # Null stands where the schema has none: the interpreter tells which.
            pass
        return await self._interpreted.read(entries)

    async def missed(self, position: int) -> Message:
        """Return the message that something before a position is not told."""
        return await self._interpreted.missed(position)

    def _message(self, entry: FeedEntry, data: bytes) -> Message:
        answered = self._news.plan.answer(data, self._viewer)
        return Message(entry.position, self.question.entity(entry), b'{"data":' + answered + self._end)
