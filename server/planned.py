"""How is a query answered by one statement?

The plan is `planner.plans`', the connection `db.statements`'. What can't be planned raises `Unplannable`, and is executed
by graphql-core (`server.execution`); so is what fails for a reason that nobody foresaw, after it was logged.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from graphql import GraphQLObjectType, GraphQLResolveInfo, OperationDefinitionNode, OperationType
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental
from graphql.pyutils import Path

from db.statements import StatementFailed
from loaders.records import WrittenRecord
from planner.arguments import Unplannable
from planner.plan import Ready, Sought
from planner.plans import Payloads, Plans
from planner.roots import DATA, POINTS
from policies.viewer import Viewer
from resolvers.context import Context
from resolvers.plan_mistakes import logged_mistakes
from server.answers import Response, Variables, forbidden
from server.documents import Prepared
from server.readings import InterpretedReading, PlannedReading
from subscriptions.cohort import Reading

ANONYMOUS = "nobody is signed in"
"""Why what the anonymous ask is interpreted."""

STATEMENT_FAILED = "its statement failed"

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Execution:
    """An operation that is executed: what of a prepared document, with which values, for whom."""

    prepared: Prepared
    operation: OperationDefinitionNode
    variables: Variables
    context: Context


@dataclass(frozen=True)
class PlannedQueries:
    """Answers queries by their plans; statements that take longer than `slow_seconds` are logged."""

    plans: Plans
    slow_seconds: float

    def sought(self, asked: Execution) -> Sought:
        """Return what an operation asks, looked up once; raise `Unplannable`."""
        context = asked.context
        if context.sought is None:
            policy = context.runtime.policies.of(_viewer(context).shape)
            with logged_mistakes(context.facts.request_id):
                context.sought = self.plans.sought(
                    asked.operation, asked.prepared.fragments, asked.variables, policy
                )
        return context.sought

    async def respond(self, asked: Execution) -> Response:
        """Return the response of a query; raise `Unplannable` or `Unavailable`."""
        operation, context = asked.operation, asked.context
        if operation.operation is not OperationType.QUERY:
            raise Unplannable(operation.operation.value)
        viewer, sought = _viewer(context), self.sought(asked)
        trace = context.trace
        began = time.perf_counter()
        with logged_mistakes(context.facts.request_id):
            ready = self.plans.ready(sought, viewer)
        # What fails from here on, failed on this path, unless the interpreter can still answer.
        trace.path, trace.sql, trace.planned_seconds = "planned", ready.plan.statement.sql, ready.plan.seconds
        trace.took("plan", began)
        data, points = await _read(ready, context)
        read = time.perf_counter()
        with logged_mistakes(context.facts.request_id):
            answered = ready.plan.answer(data, viewer)
        context.points = points
        trace.took("finish", read)
        response: Response = {"data": orjson.Fragment(answered)}
        return response | ({"errors": forbidden(ready.forbidden)} if ready.forbidden else {})

    def payloads(self, asked: Execution) -> Payloads:
        """Return what plans the payloads of a mutation; raise `Unplannable`."""
        sought = self.sought(asked)
        with logged_mistakes(asked.context.facts.request_id):
            return self.plans.payloads(sought, _viewer(asked.context))

    def reading(self, asked: Execution, interpreted: InterpretedReading) -> Reading:
        """Return how a subscription's messages are read: by their plan where there can be one."""
        try:
            viewer, sought = _viewer(asked.context), self.sought(asked)
            with logged_mistakes(asked.context.facts.request_id):
                return PlannedReading(self.plans.news(sought, viewer), viewer, interpreted)
        except Unplannable:
            return interpreted

    def tell_slow(self, context: Context) -> None:
        """Log the operation's statement where it was slow, with what failed or was cut off."""
        trace = context.trace
        seconds = trace.seconds.get("statement", 0.0)
        if seconds >= self.slow_seconds:
            _log.warning(
                "slow_statement",
                request_id=context.facts.request_id,
                seconds=round(seconds, 3),
                planned_seconds=round(trace.planned_seconds, 3),
                sql=trace.sql,
            )


def _viewer(context: Context) -> Viewer:
    if context.viewer is None:
        raise Unplannable(ANONYMOUS)
    return context.viewer


async def _read(ready: Ready, context: Context) -> tuple[bytes, int]:
    began = time.perf_counter()
    sql = ready.plan.statement.sql
    try:
        row = await context.runtime.database.statements.row(sql, ready.arguments)
    except StatementFailed as error:
        _log.error("statement_failed", request_id=context.facts.request_id, sql=sql, kind=str(error))
        raise Unplannable(STATEMENT_FAILED) from error
    finally:
        context.trace.took("statement", began)
    assert row is not None, "the root is one row"
    return row[DATA], row[POINTS]


class WritingExecutor(ExecutorThrowingOnIncremental):
    """graphql-core's executor, which takes objects that the database has written as JSON for completed."""

    # Any: graphql-core leaves open what is passed on here.
    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: Any,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """Return what was written for this response key, else what the selected fields resolve to."""
        if isinstance(result, WrittenRecord):
            return result.written[str(path.key)]
        return super().complete_object_value(  # pyright: ignore[reportUnknownMemberType]
            return_type, field_details_list, info, path, result, position_context
        )
