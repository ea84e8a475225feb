"""What is a plan, and what fills it for one request?

A plan is a statement and what Python still has to do with its answer. It holds no value of anybody's but the constants of its
document. How plans are made and found is left to `planner.plans`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from graphql import OperationDefinitionNode

from domain.errors import MalformedRequest
from loaders.cursors import SortKey
from planner.arguments import Asked, Site, Unplannable, parameter_values
from planner.collecting import Collector
from planner.finishing import Finisher, Tree, finished
from planner.json_sql import GAP
from planner.news import CURSORS_PARAMETER, EVENTS_PARAMETER
from planner.roots import ROLE_PROJECTS_PARAMETER, ROLES_PARAMETER
from planner.selection import Path
from planner.statement import Statement
from policies.compiler import Policy
from policies.viewer import Viewer

_GAP = GAP.encode()

Shaped = tuple[Asked, Hashable]
"""What is asked at a site, and its shape."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What of an operation depends on nothing but viewer shape and the variables of its directives."""

    operation: OperationDefinitionNode
    collector: Collector
    policy: Policy
    sites: tuple[Site, ...]
    asked_once: tuple[Shaped | None, ...]
    """For each site what is asked there and its shape; null where variables say it for each request."""

    forbidden: Sequence[Path]
    places: tuple[tuple[str, ...], ...]
    """What there are plans of: of a query itself, of a mutation the objects in its payloads, by key and type."""

    points: int
    """What making them costs: a point for each field, for they take about as long as reading as many rows."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A statement that answers a query for every viewer of a shape."""

    outline: Outline
    """Kept with its plan, whose key has its id: an id alone could be another's later."""

    statement: Statement
    filled: Sequence[tuple[int, Site, Sequence[SortKey]]]
    """The sites, by their index, whose parameters each request fills anew, with the order of their list."""

    tree: Tree
    finishers: Sequence[Finisher]
    keys: tuple[str, ...]
    """For a payload the response keys at which its object stands."""

    seconds: float
    """How long it took to make it."""

    def answer(self, data: bytes, viewer: Viewer, *at: str) -> bytes:
        """Return the response's data, or what of it stands at a key; raise `Unplannable` where null is that may not be."""
        if _GAP in data:
            raise Unplannable("null stands where the schema has none")
        tree = self.tree
        for key in at:
            tree = tree.get(key, {})
        return finished(data, tree, self.finishers, viewer) if tree else data


@dataclass(frozen=True, slots=True)
class NoPlan:
    """That there can't be a plan, and why: finding that out takes as long as making one."""

    outline: Outline
    reason: str

    @property
    def refusal(self) -> Unplannable:
        """Return what to raise."""
        return Unplannable(self.reason)


@dataclass(frozen=True, slots=True)
class Sought:
    """What is asked, before its plan is found or made; `points` are what making it costs, nothing where it is known."""

    outline: Outline
    asked: Sequence[Shaped]
    points: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A plan with the values of one request."""

    plan: Plan
    arguments: Sequence[Any]
    forbidden: Sequence[Path]
    """Response paths of fields that this viewer can see on no row."""


@dataclass(frozen=True)
class News:
    """A plan of a subscription's messages, with the values of everything but the events that they tell of."""

    plan: Plan
    values: Mapping[str, Any]
    forbidden: Sequence[Path]
    key: Hashable
    """Subscriptions with the same key say the same of the same event: it holds the statement and every value that it reads."""

    def arguments(self, events: Sequence[UUID], cursors: Sequence[str]) -> Sequence[Any]:
        """Return the statement's arguments for these events, whose places have these cursors."""
        told = {EVENTS_PARAMETER: list(events), CURSORS_PARAMETER: list(cursors)}
        return self.plan.statement.arguments({**self.values, **told})


def news_of(plan: Plan, asked: Sequence[Shaped], viewer: Viewer) -> News:
    """Return a plan of messages with a viewer's values; raise `Unplannable` for what can't be looked for."""
    values = values_of(plan, asked, viewer)
    nothing: dict[str, Any] = {EVENTS_PARAMETER: [], CURSORS_PARAMETER: []}
    read = plan.statement.arguments({**values, **nothing})
    # What Python makes of facts may depend on anything of the viewer.
    eyes = (plan, viewer) if plan.finishers else None
    forbidden = plan.outline.forbidden
    return News(plan, values, forbidden, (plan.statement.sql, _frozen(read), _frozen(forbidden), eyes))


def _frozen(value: Any) -> Hashable:
    """Return a value with its lists, and the lists in them, as tuples."""
    return tuple(map(_frozen, cast("Sequence[Any]", value))) if isinstance(value, list | tuple) else value


def values_of(plan: Plan, asked: Sequence[Shaped], viewer: Viewer) -> dict[str, Any]:
    """Return the values of a plan's parameters for a viewer; raise `Unplannable` for what can't be looked for."""
    found: dict[str, Any] = dict(viewer.parameters)
    if ROLES_PARAMETER in plan.statement.names:
        grants = viewer.sorted_grants
        found[ROLES_PARAMETER] = [grant.role.name for grant in grants]
        found[ROLE_PROJECTS_PARAMETER] = [grant.project_id for grant in grants]
    try:
        for index, site, keys in plan.filled:
            found.update(parameter_values(asked[index][0], site.prefix, keys))
    except MalformedRequest as error:
        raise Unplannable("an argument can't be taken") from error
    return found
