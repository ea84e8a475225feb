"""May this operation come in, and what does it cost? The same for HTTP, WebSocket and event streams.

Its document is found (sent, registered, or automatically registered), may be sent by this caller, is sound and within the
limits; its cost is counted and taken from the caller's allowance. Executing it is left to `server.execution`, which
status and headers a refusal gets to the transports.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from graphql import GraphQLError, OperationDefinitionNode, OperationType

from domain.errors import MalformedRequest
from domain.identifiers import ClientId
from planner.cost import Cost, actual_points
from planner.known_costs import KnownCosts
from planner.tariff import OPERATION
from policies.allowance import Allowance, AllowanceKey, Taken, address_key, viewer_key
from policies.bindings import catalog
from policies.viewer import OperationScope
from resolvers.context import Context
from server.answers import Response, told
from server.asking import Asked, AskingLimits, check_size
from server.automatic_documents import AutomaticDocuments
from server.debugging import TOTAL, plan_extension
from server.documents import Prepared
from server.execution import Executor
from server.metrics import Metrics
from server.planned import Execution
from server.rate_headers import cost_extension
from server.registry import Registry
from subscriptions.hub import Subscriber
from subscriptions.outbox import Outbox

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ID_PREFIX = "sha256:"

_REFUSAL_POINTS = 10
"""What an operation costs that is refused: finding out what is wrong with it is work too."""

_CHARACTERS_A_POINT = 20
"""How much of a document that hasn't come by lately is read for a point, beside those ten."""

_SCOPE_OF = {
    OperationType.QUERY: OperationScope.READ,
    OperationType.MUTATION: OperationScope.WRITE,
    OperationType.SUBSCRIPTION: OperationScope.SUBSCRIBE,
}


class Refused(Exception):
    """The operation is not executed; `errors` are as they go to the client (GraphQL, section 7.1.2).

    `status` and `headers` are for HTTP, where they are other than a refused operation's.
    """

    def __init__(
        self,
        errors: Sequence[Response],
        *,
        retry_after_seconds: int | None = None,
        headers: Mapping[str, str] | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__("refused")
        self.errors = list(errors)
        self.retry_after_seconds = retry_after_seconds
        self.headers = dict(headers or {})
        self.status = status
        self.taken: Taken | None = None

    @property
    def code(self) -> str:
        """Return the code of the first error."""
        return str(self.errors[0]["extensions"]["code"])


# Any: variables are whatever JSON holds until the schema's types have checked them.
@dataclass(frozen=True)
class Admitted:
    """An operation that may be executed, with its price paid."""

    asked: Asked
    prepared: Prepared
    operation: OperationDefinitionNode
    cost: Cost
    key: AllowanceKey
    taken: Taken
    is_registered: bool
    """Whether its text came from the registry: the same id then always means the same operation."""


@dataclass(frozen=True, slots=True)
class OperationLimits:
    """Bounds of one operation, known before it is executed."""

    nodes: int
    cost: int
    asking: AskingLimits


@dataclass(frozen=True)
class _Found:
    text: str
    registered_hash: bytes | None = None
    registers_itself: bool = False


class FrontDoor:
    """Lets operations in and has them executed; open it with `async with`."""

    def __init__(
        self,
        executor: Executor,
        registry: Registry,
        automatic: AutomaticDocuments,
        allowance: Allowance,
        limits: OperationLimits,
        metrics: Metrics,
        *,
        is_debug: bool = False,
    ) -> None:
        self._executor = executor
        self._metrics = metrics
        self._registry = registry
        self._automatic = automatic
        self._allowance = allowance
        self._limits = limits
        self._is_debug = is_debug
        self._costs = KnownCosts(executor.schema, catalog)
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._registry)
            await stack.enter_async_context(self._allowance)
            self._open = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def admit(
        self, asked: Asked, context: Context, check: Callable[[OperationType], None] | None = None
    ) -> Admitted:
        """Return the operation ready to be executed; raise `Refused` or `Unavailable`.

        `check` raises `Refused` where the transport doesn't carry this kind of operation.
        """
        key = _allowance_key(context)
        points = self._reading_points(asked, context)
        paid = await self._taken(key, points) if points else None
        try:
            _check_size(asked, self._limits.asking)
            found = await self._found(asked, context)
            prepared, operation = self._prepared(found, asked, context)
            _check_scope(operation.operation, context)
            if check is not None:
                check(operation.operation)
            cost = self._cost(prepared, operation, asked)
        except Refused as refusal:
            self._metrics.refused(refusal.code)
            refusal.taken = paid or await self._taken(key, _REFUSAL_POINTS)
            raise
        planning = self._executor.planning_points(Execution(prepared, operation, asked.variables, context))
        # What is allowed may cost a full bucket; with its plan it must not cost more, or nobody could ever pay it.
        taken = await self._taken(key, min(cost.points + planning, self._allowance.size))
        await self._remembered(found, context)
        return Admitted(asked, prepared, operation, cost, key, taken, found.registered_hash is not None)

    async def respond(self, admitted: Admitted, context: Context) -> Response:
        """Execute a query or mutation and return its response, with what it cost."""
        began = time.monotonic()
        # What its client hangs up on is cancelled here: the slowest ones, perhaps.
        outcome = "CANCELLED"
        try:
            response = await self._executor.respond(
                admitted.prepared, admitted.operation, admitted.asked.variables, context
            )
            outcome = _outcome(response)
        except Exception:
            outcome = "INTERNAL"
            raise
        finally:
            seconds = time.monotonic() - began
            self._metrics.ended(admitted.operation.operation.value, outcome, seconds)
            self._metrics.answered(context.trace)
        priced = self._priced(admitted, response, context)
        if self.tells_plans(context):
            context.trace.seconds[TOTAL] = seconds
            priced["extensions"]["plan"] = plan_extension(context.trace)
        return priced

    def tells_plans(self, context: Context) -> bool:
        """Return whether answers tell how they were made: in debug mode, to those who may know the schema."""
        return self._is_debug and not context.is_stranger

    @asynccontextmanager
    async def answered(self, admitted: Admitted, context: Context) -> AsyncGenerator[Response | Outbox]:
        """Execute any operation; yield its response, or for a subscription what gives its responses until it ends."""
        if admitted.operation.operation is not OperationType.SUBSCRIPTION:
            yield await self.respond(admitted, context)
            return
        self._metrics.followed()
        reading = await self._executor.reading(
            Execution(admitted.prepared, admitted.operation, admitted.asked.variables, context)
        )
        if isinstance(reading, dict):
            yield reading
            return
        assert context.claims is not None, "only who is signed in follows"
        subscriber = Subscriber(context.claims, context.signed_in)
        following = context.runtime.hub.following(reading, subscriber)
        # Thousands may follow at a time: nothing of what brought them here is kept, nor a reading that they share.
        del reading, subscriber, admitted, context
        async with following as outbox:
            yield outbox

    async def stream(self, admitted: Admitted, context: Context) -> AsyncGenerator[Response | bytes]:
        """Execute any operation and yield its responses: one, or those of a subscription, as JSON text, until it ends."""
        async with self.answered(admitted, context) as answer:
            del admitted, context
            if isinstance(answer, Outbox):
                async for text in answer:
                    yield text
            else:
                yield answer

    async def charged(self, context: Context, points: int) -> Taken:
        """Take a caller's points for what is no operation; raise `Refused` RATE_LIMITED."""
        return await self._taken(_allowance_key(context), points)

    def _reading_points(self, asked: Asked, context: Context) -> int:
        """Return what finding out what is asked for costs, before any of that work is done; nothing where it is known."""
        if asked.text is not None:
            if self._executor.documents.knows(asked.text, is_stranger=context.is_stranger):
                return 0
            length = min(len(asked.text), self._limits.asking.characters)
            return _REFUSAL_POINTS + length // _CHARACTERS_A_POINT
        client = context.viewer.client if context.viewer else None
        digest = _digest_of_id(asked.document_id) if asked.document_id else _digest_of_hash(asked.apollo_hash)
        is_known = digest is None or self._registry.knows(digest, client.client_id if client else None)
        return 0 if is_known else _REFUSAL_POINTS

    async def _found(self, asked: Asked, context: Context) -> _Found:
        client = context.viewer.client if context.viewer else None
        client_id = client.client_id if client else None
        if asked.document_id is not None:
            return await self._registered(_digest_of_id(asked.document_id), client_id)
        if asked.apollo_hash is not None:
            return await self._named_by_apollo(asked.apollo_hash, asked.text, context)
        assert asked.text is not None, "what is asked for has a text or a name"
        _check_text_may_be_sent(context)
        return _Found(asked.text)

    async def _registered(self, digest: bytes | None, client_id: ClientId | None) -> _Found:
        text = await self._registry.text(digest, client_id) if digest is not None else None
        if digest is None or text is None:
            raise refused("PERSISTED_DOCUMENT_NOT_FOUND", "There is no such registered document.")
        return _Found(text, registered_hash=digest)

    async def _named_by_apollo(self, given: str, text: str | None, context: Context) -> _Found:
        client = context.viewer.client if context.viewer else None
        digest = _digest_of_hash(given)
        if digest is not None and (text is None or client is not None):
            registered = await self._registry.text(digest, client.client_id if client else None)
            if registered is not None:
                return _Found(registered, registered_hash=digest)
        if text is not None:
            _check_text_may_be_sent(context)
            if hashlib.sha256(text.encode()).digest() != digest:
                raise refused("PERSISTED_DOCUMENT_MISMATCH", "The hash is not the text's SHA-256.")
            return _Found(text, registers_itself=True)
        if digest is not None and context.viewer is not None and not context.is_stranger:
            kept = await self._automatic.text(context.viewer.user_id, digest)
            if kept is not None:
                return _Found(kept)
        # Apollo's clients know this very message, and send the text next.
        raise refused("PERSISTED_DOCUMENT_NOT_FOUND", "PersistedQueryNotFound")

    def _prepared(
        self, found: _Found, asked: Asked, context: Context
    ) -> tuple[Prepared, OperationDefinitionNode]:
        prepared = self._executor.documents.prepare(
            found.text, is_stranger=context.is_stranger, is_registered=found.registered_hash is not None
        )
        if isinstance(prepared, list):
            raise Refused([told(error, context.facts.request_id) for error in prepared])
        try:
            return prepared, prepared.operation(asked.operation_name)
        except GraphQLError as error:
            raise Refused([told(error, context.facts.request_id)]) from error

    def _cost(self, prepared: Prepared, operation: OperationDefinitionNode, asked: Asked) -> Cost:
        cost = self._costs.cost_of(operation, prepared.fragments, asked.variables)
        limits = self._limits
        if cost.nodes > limits.nodes:
            raise refused(
                "TOO_MANY_NODES", f"An answer has at most {limits.nodes} nodes, counted from its page sizes."
            )
        if cost.points > limits.cost:
            raise refused(
                "TOO_COSTLY", f"This costs {cost.points} points; an operation may cost {limits.cost}."
            )
        return cost

    async def _taken(self, key: AllowanceKey, points: int) -> Taken:
        taken = await self._allowance.take(key, points)
        if taken.retry_after_seconds is not None:
            limited = refused(
                "RATE_LIMITED",
                f"Too many points were spent; try again in {taken.retry_after_seconds} seconds.",
                retry_after_seconds=taken.retry_after_seconds,
            )
            limited.taken = taken
            self._metrics.refused(limited.code)
            raise limited
        return taken

    async def _remembered(self, found: _Found, context: Context) -> None:
        """Count the use of a registered document; keep the text of one that registers itself, for staff."""
        viewer = context.viewer
        if found.registered_hash is not None:
            # What the anonymous send says nothing about whether a document is needed.
            if viewer is not None:
                self._registry.used(found.registered_hash, viewer.client.client_id if viewer.client else None)
        elif found.registers_itself and viewer is not None and not context.is_stranger:
            await self._automatic.keep(viewer.user_id, found.text)

    def _priced(self, admitted: Admitted, response: Response, context: Context) -> Response:
        actual = _actual_points(admitted.cost, response, context)
        self._allowance.give_back(admitted.key, admitted.cost.points - actual)
        extensions = response.setdefault("extensions", {})
        extensions["cost"] = cost_extension(admitted.taken, admitted.cost.points, actual)
        return response


def _allowance_key(context: Context) -> AllowanceKey:
    viewer = context.viewer
    return viewer_key(viewer) if viewer else address_key(context.facts.address)


def _actual_points(cost: Cost, response: Response, context: Context) -> int:
    """Return what a response cost: as the database counted it, or as it is counted over what came back."""
    if "data" not in response:
        # Nothing was executed: the variables don't fit.
        return min(OPERATION, cost.points)
    return actual_points(cost, response["data"], context.points)


def _outcome(response: Response) -> str:
    errors = response.get("errors")
    return str(errors[0]["extensions"]["code"]) if errors else "ok"


def _check_size(asked: Asked, limits: AskingLimits) -> None:
    try:
        check_size(asked, limits)
    except MalformedRequest as error:
        raise refused(error.code, error.message) from error


def _check_text_may_be_sent(context: Context) -> None:
    client = context.viewer.client if context.viewer else None
    if client is not None and not client.may_send_text:
        raise refused("PERSISTED_DOCUMENT_REQUIRED", "Only registered documents may be sent here.")


def _check_scope(kind: OperationType, context: Context) -> None:
    client = context.viewer.client if context.viewer else None
    if client is not None and _SCOPE_OF[kind] not in client.scopes:
        raise refused("INSUFFICIENT_SCOPE", f"The token's scope has no `{_SCOPE_OF[kind]}`.")


def _digest_of_id(document_id: str) -> bytes | None:
    prefix, digest = document_id[: len(_ID_PREFIX)], document_id[len(_ID_PREFIX) :]
    return bytes.fromhex(digest) if prefix == _ID_PREFIX and _SHA256.fullmatch(digest) else None


def _digest_of_hash(given: str | None) -> bytes | None:
    return bytes.fromhex(given) if given and _SHA256.fullmatch(given) else None


def refused(code: str, message: str, **more: Any) -> Refused:
    """Return a refusal with one error."""
    return Refused([{"message": message, "extensions": {"code": code}}], **more)
