"""How would the server answer this document for this person? Its path and why, its statement, its price, what is hidden.

Nothing is written and no session is opened: rights are read as `policies.grants` reads them. With `analyze` the statement
of a query is executed once, on a read-only snapshot. How it is all printed is left to `server.cli_explain`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, OperationType
from graphql.execution.values import get_variable_values

from commands.documents import ID_PREFIX
from db.engine import Database, open_database
from db.explaining import explained
from db.limits import PoolLimits
from db.statements import StatementFailed
from domain.errors import EomsError, InvalidInput, NotFound
from planner.arguments import Unplannable
from planner.cost import Cost
from planner.known_costs import KnownCosts
from planner.plan import News, Ready
from planner.plans import Payloads, Plans
from planner.selection import forbidden_paths
from policies.bindings import catalog
from policies.compiler import Policies
from policies.readers import default_rulebook
from policies.viewer import Viewer
from schema.build import build_schema, graphql_schema, questions
from server.asking import Asked, asking_limits, check_size
from server.document_check import limits_of
from server.documents import Documents, Prepared
from server.execution import NOTHING_READ, PLANNER_OFF
from server.planned import ANONYMOUS, STATEMENT_FAILED
from server.registered_documents import live_documents
from server.settings import Settings
from server.stores import StoreUrls
from server.viewers import viewer_named

_DOCUMENT_ID = re.compile(rf"{ID_PREFIX}([0-9a-f]{{64}})")
_NO_OBJECT = UUID(int=0)
"""For the id of a payload's object, which the command would give; it is not executed."""


class BrokenDocument(EomsError):
    """The server would refuse this document; `errors` say why, one line each."""

    code = "BROKEN_DOCUMENT"

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("The server would not execute this.")
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: an operation of a document, and for whom (null for nobody signed in)."""

    text: str
    is_registered: bool
    operation_name: str | None
    # Any: variables are whatever JSON holds.
    variables: Mapping[str, Any]
    username: str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a statement and PostgreSQL's name of its type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Way:
    """How a query, or the payload of one field of a mutation (`root`), is answered; `reason` says why it is interpreted.

    A payload whose statement fails is not: its command is undone.
    """

    root: str | None
    reason: str | None
    compile_seconds: float = 0
    first_compile_seconds: float = 0
    sql: str | None = None
    parameters: tuple[Parameter, ...] = ()
    database_plan: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the server would do."""

    kind: str
    name: str | None
    roles: tuple[str, ...]
    cost: Cost
    too_much: str | None
    """The code of the limit that the cost goes beyond."""

    forbidden: tuple[str, ...]
    """Response paths of fields that this person can see on no row."""

    ways: tuple[Way, ...]


def registered_text(database_url: str, document_id: str) -> str:
    """Return the text of a registered document by its id; raise `InvalidInput` or `NotFound`."""
    match = _DOCUMENT_ID.fullmatch(document_id)
    if match is None:
        raise InvalidInput("MALFORMED", f"An id is {ID_PREFIX} and 64 hexadecimal digits.", (document_id,))
    digest = bytes.fromhex(match[1])
    for document in live_documents(database_url):
        if document.hash == digest:
            return document.text
    raise NotFound("registered document", (document_id,))


def explain(settings: Settings, urls: StoreUrls, question: Question, *, analyze: bool) -> Explanation:
    """Return what the server would do with an operation.

    Raises `BrokenDocument`, `MalformedRequest` for what is too long to be read, `NotFound` for the person, and
    `InvalidInput` where there is nothing to analyze.
    """
    return asyncio.run(_explain(settings, urls, question, analyze=analyze))


async def _explain(settings: Settings, urls: StoreUrls, question: Question, *, analyze: bool) -> Explanation:
    async with _database(settings, urls) as database:
        viewer = await viewer_named(database, question.username) if question.username else None
        explainer = _Explainer(settings, database, viewer)
        prepared, operation = explainer.prepared(question)
        if analyze and operation.operation is not OperationType.QUERY:
            message = f"Only a query can be analyzed: a {operation.operation.value} is not executed here."
            raise InvalidInput("NOT_A_QUERY", message, ("--analyze",))
        return await explainer.explanation(question, prepared, operation, analyze=analyze)


@asynccontextmanager
async def _database(settings: Settings, urls: StoreUrls) -> AsyncGenerator[Database]:
    limits = PoolLimits(
        size=1,
        wait_seconds=settings.pool_timeout_seconds,
        connect_seconds=settings.connect_timeout_seconds,
        statement_seconds=settings.statement_timeout_seconds,
        lock_seconds=settings.lock_timeout_seconds,
    )
    database = open_database(urls.database_url, urls.database_read_url, limits, limits)
    try:
        yield database
    finally:
        await database.close()


class _Explainer:
    """Asks the server's own parts, for one person."""

    def __init__(self, settings: Settings, database: Database, viewer: Viewer | None) -> None:
        self._settings = settings
        self._database = database
        self._viewer = viewer
        self._schema: GraphQLSchema = graphql_schema(build_schema())
        self._policies = Policies(default_rulebook())

    def prepared(self, question: Question) -> tuple[Prepared, OperationDefinitionNode]:
        """Return the operation that is meant; raise `BrokenDocument`, or `MalformedRequest` for what is too long."""
        viewer = self._viewer
        text = None if question.is_registered else question.text
        check_size(
            Asked(text, None, None, question.operation_name, question.variables),
            asking_limits(self._settings),
        )
        documents = Documents(self._schema, limits_of(self._settings))
        prepared = documents.prepare(
            question.text,
            is_stranger=viewer is None or not self._policies.may_introspect(viewer.shape),
            is_registered=question.is_registered,
        )
        if isinstance(prepared, list):
            raise BrokenDocument([_told(error) for error in prepared])
        try:
            operation = prepared.operation(question.operation_name)
        except GraphQLError as error:
            raise BrokenDocument([_told(error)]) from error
        coerced = get_variable_values(
            self._schema, operation.variable_definitions or (), dict(question.variables)
        )
        if isinstance(coerced, list):
            raise BrokenDocument([_told(error) for error in coerced])
        return prepared, operation

    async def explanation(
        self, question: Question, prepared: Prepared, operation: OperationDefinitionNode, *, analyze: bool
    ) -> Explanation:
        """Return how an operation is answered."""
        cost = KnownCosts(self._schema, catalog).cost_of(operation, prepared.fragments, question.variables)
        ways = [
            await self._told(root, found, seconds, analyze=analyze)
            for root, found, seconds in self._ways(question, prepared, operation)
        ]
        return Explanation(
            kind=operation.operation.value,
            name=operation.name.value if operation.name else None,
            roles=self._roles(),
            cost=cost,
            too_much=self._too_much(cost),
            forbidden=self._forbidden(question, prepared, operation),
            ways=tuple(ways),
        )

    def _ways(
        self, question: Question, prepared: Prepared, operation: OperationDefinitionNode
    ) -> Iterator[tuple[str | None, Ready | str, tuple[float, float]]]:
        """Yield for each statement its plan, or why there is none, and the seconds it took to make: now, and at first.

        Made twice, since a process is slow at what it does for the first time, which a server has done long ago.
        """
        at_first = [*self._found(question, prepared, operation)]
        for (_, _, first), (root, found, again) in zip(
            at_first, self._found(question, prepared, operation), strict=True
        ):
            yield root, found, (again, first)

    def _found(
        self, question: Question, prepared: Prepared, operation: OperationDefinitionNode
    ) -> Iterator[tuple[str | None, Ready | str, float]]:
        viewer = self._viewer
        if viewer is None or not self._settings.planner:
            yield None, ANONYMOUS if self._settings.planner else PLANNER_OFF, 0
            return
        plans = Plans(self._schema, catalog, questions(build_schema()), self._settings.max_page_size)
        policy = self._policies.of(viewer.shape)
        asked = operation, prepared.fragments, question.variables, policy
        if operation.operation is OperationType.SUBSCRIPTION:
            yield None, *_timed(lambda: _no_news(plans.news(plans.sought(*asked), viewer)))
            return
        if operation.operation is OperationType.QUERY:
            yield None, *_timed(lambda: plans.ready(plans.sought(*asked), viewer))
            return
        try:
            payloads = plans.payloads(plans.sought(*asked), viewer)
        except Unplannable as error:
            yield None, str(error), 0
            return
        yield from self._payloads(payloads, operation)

    def _payloads(
        self, payloads: Payloads, operation: OperationDefinitionNode
    ) -> Iterator[tuple[str, Ready | str, float]]:
        """Yield how the object is read that each field of a mutation answers with."""
        mutation = self._schema.mutation_type
        assert mutation is not None, "the schema has mutations"
        collector = payloads.outline.collector
        for key in collector.fields(mutation, [operation.selection_set]):
            objects = sorted({type_name for at, type_name in payloads.outline.places if at == key})
            if not objects:
                yield key, NOTHING_READ, 0
            for type_name in objects:
                found = _timed(lambda key=key, kind=type_name: payloads.ready(key, kind, _NO_OBJECT))
                yield key, *found

    async def _told(
        self, root: str | None, found: Ready | str, seconds: tuple[float, float], *, analyze: bool
    ) -> Way:
        if isinstance(found, str):
            return Way(root, found)
        statement = found.plan.statement
        try:
            told = await explained(self._database.read, statement.sql, found.arguments if analyze else None)
        except StatementFailed as error:
            return Way(root, f"{STATEMENT_FAILED}: {error}", *seconds, statement.sql)
        parameters = zip(statement.names, told.types, strict=True)
        return Way(
            root,
            None,
            *seconds,
            statement.sql,
            tuple(Parameter(name, kind) for name, kind in parameters),
            told.plan,
        )

    def _forbidden(
        self, question: Question, prepared: Prepared, operation: OperationDefinitionNode
    ) -> tuple[str, ...]:
        if self._viewer is None:
            return ()
        policy = self._policies.of(self._viewer.shape)
        paths = forbidden_paths(
            self._schema, operation, prepared.fragments, question.variables, policy, catalog
        )
        return tuple(".".join(path) for path in paths)

    def _roles(self) -> tuple[str, ...]:
        held = sorted(self._viewer.shape) if self._viewer else []
        return tuple(f"{each.role.value}{'' if each.is_global else ' in projects'}" for each in held)

    def _too_much(self, cost: Cost) -> str | None:
        if cost.nodes > self._settings.max_node_count:
            return "TOO_MANY_NODES"
        return "TOO_COSTLY" if cost.points > self._settings.max_cost else None


def _no_news(news: News) -> Ready:
    """Return the plan of a subscription's messages for no events at all."""
    return Ready(news.plan, news.arguments((), ()), news.forbidden)


def _timed(make: Callable[[], Ready]) -> tuple[Ready | str, float]:
    began = time.perf_counter()
    try:
        found: Ready | str = make()
    except Unplannable as error:
        found = str(error)
    return found, time.perf_counter() - began


def _told(error: GraphQLError) -> str:
    place = f"{error.locations[0].line}:{error.locations[0].column} " if error.locations else ""
    return f"{place}{(error.extensions or {}).get('code', 'BAD_USER_INPUT')} {error.message}"
