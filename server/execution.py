"""How is a prepared operation executed? By graphql-core over Strawberry's schema, with one context per operation."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from inspect import isawaitable
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    execute,  # pyright: ignore[reportUnknownVariableType]  # middleware is typed loosely
    subscribe,  # pyright: ignore[reportUnknownVariableType]
)

from domain.errors import EomsError
from planner.selection import forbidden_paths
from planner.size import most_nodes
from policies.bindings import catalog
from resolvers.context import Context
from server.answers import failure, told
from server.documents import Documents, Prepared

Variables = Mapping[str, Any]
Response = dict[str, Any]


class Executor:
    """Executes documents against one schema."""

    def __init__(self, schema: GraphQLSchema, documents: Documents, max_nodes: int) -> None:
        self.schema = schema
        self._max_nodes = max_nodes
        self.documents = documents

    def prepare(
        self, text: str, operation_name: str | None, *, is_stranger: bool
    ) -> tuple[Prepared, OperationDefinitionNode] | list[GraphQLError]:
        """Return the document and the operation that is meant, or what is wrong."""
        prepared = self.documents.prepare(text, is_stranger=is_stranger)
        if isinstance(prepared, list):
            return prepared
        try:
            return prepared, prepared.operation(operation_name)
        except GraphQLError as error:
            return [error]

    async def respond(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: Variables, context: Context
    ) -> Response:
        """Execute a query or mutation, settle its last command, and return the response."""
        too_large = self._too_large(prepared, operation, variables)
        if too_large is not None:
            return too_large
        try:
            result = execute(
                self.schema,
                prepared.document,
                variable_values=dict(variables),
                operation_name=operation.name.value if operation.name else None,
                context_value=context,
                hide_suggestions=context.is_stranger,
            )
            executed = await result if isawaitable(result) else result
            assert isinstance(executed, ExecutionResult), "nothing is delivered incrementally"
            # What was read must not be told before what was done is kept.
            await context.settle()
        except EomsError as error:
            return {"data": None, **failure(error.code, error.message)}
        finally:
            await context.close()
        return self._response(prepared, operation, variables, context, executed)

    async def stream(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: Variables, context: Context
    ) -> AsyncGenerator[Response]:
        """Execute a subscription and yield its responses; a query or mutation yields one."""
        too_large = self._too_large(prepared, operation, variables)
        if too_large is not None:
            yield too_large
            return
        if operation.operation is not OperationType.SUBSCRIPTION:
            yield await self.respond(prepared, operation, variables, context)
            return
        try:
            source = subscribe(
                self.schema,
                prepared.document,
                variable_values=dict(variables),
                operation_name=operation.name.value if operation.name else None,
                context_value=context,
                hide_suggestions=context.is_stranger,
            )
            opened = await source if isawaitable(source) else source
            if isinstance(opened, ExecutionResult):
                yield self._response(prepared, operation, variables, context, opened)
                return
            async with aclosing(_closable(opened)) as results:
                async for result in results:
                    await context.rest()
                    yield self._response(prepared, operation, variables, context, result)
        finally:
            await context.close()

    def _too_large(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: Variables
    ) -> Response | None:
        limit = self._max_nodes
        if most_nodes(self.schema, operation, prepared.fragments, variables, catalog) <= limit:
            return None
        return failure("TOO_MANY_NODES", f"An answer has at most {limit} nodes, counted from its page sizes.")

    def _response(
        self,
        prepared: Prepared,
        operation: OperationDefinitionNode,
        variables: Variables,
        context: Context,
        result: ExecutionResult,
    ) -> Response:
        errors = [told(error, context.facts.request_id) for error in result.errors or ()]
        if result.data is not None:
            errors += self._hidden(prepared, operation, variables, context)
        # A request error has no data at all; an execution error has data, perhaps null (GraphQL, section 7.1).
        has_data = result.data is not None or any(error.path is not None for error in result.errors or ())
        response: Response = {"data": result.data} if has_data else {}
        return response | ({"errors": errors} if errors else {})

    def _hidden(
        self, prepared: Prepared, operation: OperationDefinitionNode, variables: Variables, context: Context
    ) -> list[Response]:
        if context.viewer is None:
            return []
        policy = context.runtime.policies.of(context.viewer.shape)
        paths = forbidden_paths(self.schema, operation, prepared.fragments, variables, policy, catalog)
        return [
            {"message": "You may not read this.", "path": list(path), "extensions": {"code": "FORBIDDEN"}}
            for path in paths
        ]


async def _closable(results: AsyncIterator[ExecutionResult]) -> AsyncGenerator[ExecutionResult]:
    """Yield what an iterator gives, and close it when its reader is gone."""
    try:
        async for result in results:
            yield result
    finally:
        close = getattr(results, "aclose", None)
        if close is not None:
            await close()
