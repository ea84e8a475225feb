"""How do many follow the same company? Random subscriptions, narrowed to this or that, by people who may be each other's twins.

What a reading tells is what its cohort would be told: the events are chosen as the hub chooses them, then read. Whether those
who share a reading are told the same, is the question of `tests.fuzz.test_cohort_keys`.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from structlog.testing import capture_logs

from domain.identifiers import OrganizationId, UserId, global_id
from domain.order import OrderState
from policies.viewer import Viewer
from resolvers.context import Context, RequestFacts, Runtime
from server.execution import Executor
from server.planned import Execution
from server.readings import PlannedReading
from subscriptions.cohort import Reading
from subscriptions.entries import FeedEntry
from tests.fuzz.planned.author import Author
from tests.fuzz.planned.company import Company
from tests.fuzz.planned.given import NotGiven, Plain, Variable, plain
from tests.fuzz.planned.selections import Scope, Selected, printed

_FACTS = RequestFacts("fuzz", "192.0.2.1")
_TYPES: Mapping[str, str] = {
    "projectId": "ID",
    "orderIds": "[ID!]",
    "states": "[OrderState!]",
    "ids": "[ID!]",
    "itemIds": "[ID!]",
}
_FOLLOWED = (
    "orderChanged",
    "orderChanged",
    "orderChanged",
    "engineeringChanged",
    "itemCostChanged",
    "viewerNotifications",
)
_SOME_PLACE = 7
_NAMED: Mapping[str, str] = {
    "project": "Project",
    "customer": "Organization",
    "contractor": "Organization",
    "organization": "Organization",
}
"""Changes that name something, by what it is."""


@dataclass(frozen=True)
class Subscription:
    """What is sent by all who follow, each with values of his own for what narrows it."""

    text: str
    narrowed_by: Sequence[str]
    variables: Sequence[Variable]


class FollowAuthor(Author):
    """Writes subscriptions as its like writes queries."""

    def subscription(self) -> Subscription:
        """Return a subscription to something."""
        self._begin()
        root = self._schema.subscription_type
        assert root is not None
        # More can be asked of an order than of a notification, and it can be narrowed.
        name = self._chance.choice(_FOLLOWED)
        definition = root.fields[name]
        narrowed_by = [each for each in definition.args if each in _TYPES]
        arguments = ", ".join(f"{each}: ${each}" for each in narrowed_by)
        asked = Selected(root, name, definition, arguments=f"({arguments})" if arguments else "")
        selected = self._filled(asked, Scope(), 1, self._depth())
        variables = list(self._inputs.variables.values())
        declared = [f"${each}: {_TYPES[each]}" for each in narrowed_by]
        declared += [each.declaration for each in variables]
        head = f"subscription Followed({', '.join(declared)})" if declared else "subscription"
        fragments = [
            f"fragment {each.name} on {each.condition.name} {printed(each.inner)}" for each in self._fragments
        ]
        text = "\n".join([f"{head} {printed([selected])}", *fragments])
        return Subscription(text, narrowed_by, variables)


@dataclass(frozen=True)
class Told:
    """Somebody's reading, and what it tells: place, entity and text of each message, and what it says of what is missed."""

    viewer: Viewer
    key: Hashable
    messages: tuple[tuple[int, Hashable, bytes], ...]
    missed: bytes
    is_planned: bool


class Followers:
    """An application's readings over a company in its database."""

    def __init__(self, executor: Executor, runtime: Runtime, entries: Sequence[FeedEntry]) -> None:
        self._executor = executor
        self._runtime = runtime
        self._entries = entries

    async def told(
        self, subscription: Subscription, values: Mapping[str, Plain], viewer: Viewer
    ) -> Told | None:
        """Return what somebody is told who follows with these values, null where he can't."""
        prepared = self._executor.documents.prepare(subscription.text, is_stranger=False)
        if isinstance(prepared, list):
            return None
        context = Context(self._runtime, _FACTS, None, viewer)
        asked = Execution(prepared, prepared.operation(None), values, context)
        try:
            reading = await self._executor.reading(asked)
        finally:
            await context.close()
        if isinstance(reading, dict):
            return None
        return await _told(reading, viewer, [each for each in self._entries if _concerns(reading, each)])


async def _told(reading: Reading, viewer: Viewer, entries: Sequence[FeedEntry]) -> Told:
    # What odd rules break on purpose would be logged at length.
    with capture_logs():
        messages = tuple((each.position, each.entity, each.text) for each in await reading.read(entries))
        missed = (await reading.missed(_SOME_PLACE)).text
    return Told(viewer, reading.key, messages, missed, isinstance(reading, PlannedReading))


def _concerns(reading: Reading, entry: FeedEntry) -> bool:
    places = {None, entry.project_id, entry.aggregate_id, *entry.notified_ids}
    return not places.isdisjoint(reading.question.places) and reading.question.may_be_told(entry)


def believable(chance: random.Random, company: Company) -> Company:
    """Return a company whose events name what there is, as real ones do: what leaves somebody's sight is found by it."""

    def named(name: str, change: object) -> object:
        if name not in _NAMED:
            return change
        keys = [str(key) for key in company.keys(_NAMED[name])]
        return [chance.choice((None, *keys)), chance.choice(keys)]

    happened = [
        {**event, "changes": {name: named(name, change) for name, change in event["changes"].items()}}
        for event in company.rows["Event"]
    ]
    return Company({**company.rows, "Event": happened}, company.bom_parts)


def feed(chance: random.Random, company: Company, count: int) -> list[FeedEntry]:
    """Return so many events of a company as they would be announced, among them what nobody follows."""
    notified: dict[object, list[Any]] = {}
    for each in company.rows["Notification"]:
        notified.setdefault(each["event_id"], []).append(each["user_id"])
    chosen = chance.sample(company.rows["Event"], count)
    names = ("type", "aggregate_type", "aggregate_id", "project_id", "version")
    return [
        FeedEntry(
            position=position,
            event_id=event["id"],
            notified_ids=tuple(notified.get(event["id"], ())),
            **{name: event[name] for name in names},
        )
        for position, event in enumerate(chosen, start=1)
    ]


def narrowings(
    chance: random.Random, company: Company, subscription: Subscription
) -> Iterator[dict[str, Plain]]:
    """Yield values for one subscription, for ever: often the same projects, orders and states, in several combinations."""
    shared: dict[str, Plain] = {
        each.name: plain(value)
        for each in subscription.variables
        if not isinstance(value := each.fresh(), NotGiven)
    }
    projects = [global_id("Project", each) for each in chance.sample(company.keys("Project"), 2)]
    orders: list[Plain] = [global_id("Order", each) for each in company.keys("Order")]
    some, others = chance.sample(orders, 60), chance.sample(orders, 60)
    changes: list[Plain] = [
        global_id("EngineeringChange", each) for each in company.keys("EngineeringChange")
    ]
    items: list[Plain] = [global_id("Item", each) for each in company.keys("Item")]
    states: list[Plain] = [state.value for state in OrderState]
    choices: Mapping[str, Sequence[Plain]] = {
        "projectId": (None, None, *projects),
        "orderIds": (None, None, some, others),
        "ids": (None, None, chance.sample(changes, 10), chance.sample(changes, 20)),
        "itemIds": (None, None, chance.sample(items, 20), chance.sample(items, 10)),
        "states": (None, None, chance.sample(states, 3), chance.sample(states, 5)),
    }
    while True:
        yield {**shared, **{name: chance.choice(choices[name]) for name in subscription.narrowed_by}}


def trio(chance: random.Random, company: Company, viewer: Viewer) -> tuple[Viewer, Viewer, Viewer]:
    """Return a viewer with two of the same shape: somebody else with the same grants, and the same one in other projects."""
    organization = chance.choice((viewer.organization_id, *company.keys("Organization")))
    user = UserId(chance.choice(company.keys("User")))
    twin = replace(viewer, user_id=user, organization_id=OrganizationId(organization))
    others = dict(zip(keys := company.keys("Project"), chance.sample(keys, len(keys)), strict=True))
    moved = {
        each if each.project_id is None else replace(each, project_id=others[each.project_id])
        for each in viewer.grants
    }
    return viewer, twin, replace(viewer, grants=frozenset(moved))
