"""How is a prepared operation executed? By one statement where it can be planned, else by graphql-core over Strawberry's schema.

Which operations may be executed is left to `server.front_door`, the statement to `server.planned`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from dataclasses import replace
from inspect import isawaitable
from typing import Any, TypeVar, cast

import orjson
from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,  # pyright: ignore[reportUnknownVariableType]  # middleware is typed loosely
)
from graphql.execution import (
    create_source_event_stream,  # pyright: ignore[reportUnknownVariableType]  # executors are generic
)
from graphql.execution.executor_throwing_on_incremental import ExecutorThrowingOnIncremental

from domain.errors import TIMEOUT, EomsError, Unavailable
from planner.arguments import Unplannable
from planner.selection import forbidden_paths
from policies.bindings import catalog
from resolvers.context import Context
from resolvers.live import Followed
from server.answers import Response, Variables, failure, forbidden, told
from server.documents import Documents, Prepared
from server.planned import Execution, PlannedQueries, WritingExecutor
from server.readings import InterpretedReading
from subscriptions.cohort import Reading

ResultT = TypeVar("ResultT")

PLANNER_OFF = "the planner is off"
NOTHING_READ = "nothing to read"
"""Why an operation is interpreted of which the planner itself says nothing: a mutation without an object in its answer."""

# Any: executors are generic in graphql-core, over nothing that matters here.
_CoreExecutor: Any = ExecutorThrowingOnIncremental

_ERRORS_TOLD = 5
"""How much is told of what is wrong with variables."""


class Executor:
    """Executes documents against one schema."""

    def __init__(
        self, schema: GraphQLSchema, documents: Documents, max_seconds: float, planned: PlannedQueries | None
    ) -> None:
        self.schema = schema
        self.documents = documents
        self.paths: Counter[str] = Counter()
        """How often operations were planned, and interpreted for which reason."""

        self._max_seconds = max_seconds
        self._planned = planned

    def planning_points(self, asked: Execution) -> int:
        """Return what has to be paid for making the plans of a query or mutation, nothing where they are known."""
        if self._planned is None:
            return 0
        try:
            return self._planned.sought(asked).points
        except Unplannable:
            return 0

    async def respond(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: Variables, context: Context
    ) -> Response:
        """Answer a query or mutation, settle its last command, and return the response."""
        trace = context.trace
        ends_at = asyncio.get_running_loop().time() + self._max_seconds
        try:
            asked = Execution(prepared, operation, variables, context)
            return await self._by_plan(asked, ends_at) or await self._interpreted(asked, ends_at)
        except EomsError as error:
            return {"data": None, **failure(error.code, error.message)}
        finally:
            await context.close()
            if self._planned is not None:
                self._planned.tell_slow(context)
            if trace.path == "interpreted" and trace.reason is None:
                trace.reason = NOTHING_READ
            self.paths[trace.path if trace.reason is None else f"{trace.path}: {trace.reason}"] += 1

    async def _by_plan(self, asked: Execution, ends_at: float) -> Response | None:
        """Return the response of a query that can be planned, null for what has to be interpreted."""
        planned, trace = self._planned, asked.context.trace
        if planned is None:
            trace.reason = PLANNER_OFF
            return None
        try:
            if asked.operation.operation is OperationType.MUTATION:
                asked.context.payloads = planned.payloads(asked)
                return None
            return await self._in_time(planned.respond(asked), ends_at)
        except Unplannable as reason:
            trace.path, trace.reason = "interpreted", str(reason)
            return None

    async def _interpreted(self, asked: Execution, ends_at: float) -> Response:
        result = execute(
            self.schema,
            asked.prepared.document,
            variable_values=dict(asked.variables),
            operation_name=asked.operation.name.value if asked.operation.name else None,
            context_value=asked.context,
            max_coercion_errors=_ERRORS_TOLD,
            executor_class=WritingExecutor,
            hide_suggestions=asked.context.is_stranger,
        )
        executed = await self._in_time(result, ends_at) if isawaitable(result) else result
        assert isinstance(executed, ExecutionResult), "nothing is delivered incrementally"
        # What was read must not be told before what was done is kept.
        await asked.context.settle()
        return self._response(asked, executed)

    async def reading(self, asked: Execution) -> Reading | Response:
        """Return how a subscription's messages are read, or a response that says why it can't be followed."""
        context = asked.context
        # Others with the same eyes may hear by it when this subscriber is gone.
        own = replace(asked, context=Context(context.runtime, context.facts, None, context.viewer))
        built = _CoreExecutor.build(
            self.schema,
            asked.prepared.document,
            context_value=own.context,
            raw_variable_values=dict(asked.variables),
            operation_name=asked.operation.name.value if asked.operation.name else None,
            max_coercion_errors=_ERRORS_TOLD,
            hide_suggestions=context.is_stranger,
        )
        if isinstance(built, list):
            return self._response(asked, ExecutionResult(None, errors=cast("list[GraphQLError]", built)))
        source = create_source_event_stream(built)
        opened = await source if isawaitable(source) else source
        if isinstance(opened, ExecutionResult):
            # No event has been executed yet: this is a request error, which has no data (GraphQL, section 6.2.3).
            return {"errors": self._response(asked, opened)["errors"]}
        assert isinstance(opened, Followed), "subscriptions are declared by `followed`"
        # The executor keeps the operation, so that its id stays its own.
        key = (
            id(asked.operation),
            orjson.dumps(dict(asked.variables), option=orjson.OPT_SORT_KEYS),
            context.viewer,
        )
        interpreted = InterpretedReading(
            opened.question.of(context.signed_in),
            built,
            own.context,
            key,
            lambda result: self._response(own, result),
        )
        return interpreted if self._planned is None else self._planned.reading(asked, interpreted)

    async def _in_time(self, result: Awaitable[ResultT], ends_at: float) -> ResultT:
        """Wait for a result until then, on the loop's clock; what was written by then is rolled back where it takes too long.

        The commit isn't cut off: it has the time limits of statements, and its outcome must be known.
        """
        try:
            async with asyncio.timeout_at(ends_at):
                return await result
        except TimeoutError as error:
            raise Unavailable("The operation takes too long; ask for less.", code=TIMEOUT) from error

    def _response(self, asked: Execution, result: ExecutionResult) -> Response:
        errors = [told(error, asked.context.facts.request_id) for error in result.errors or ()]
        if result.data is not None:
            errors += self._hidden(asked)
        # A request error has no data at all; an execution error has data, perhaps null (GraphQL, section 7.1).
        has_data = result.data is not None or any(error.path is not None for error in result.errors or ())
        if not has_data:
            return {"errors": errors[:_ERRORS_TOLD]}
        response: Response = {"data": result.data}
        return response | ({"errors": errors} if errors else {})

    def _hidden(self, asked: Execution) -> list[Response]:
        viewer = asked.context.viewer
        if viewer is None:
            return []
        policy = asked.context.runtime.policies.of(viewer.shape)
        fragments = asked.prepared.fragments
        return forbidden(
            forbidden_paths(self.schema, asked.operation, fragments, asked.variables, policy, catalog)
        )
