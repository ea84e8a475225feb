"""What can happen to orders when all sorts of people do all sorts of things, one after the other?

Inputs and selections are schemathesis'; ids, versions and cursors come out of earlier answers. What a rule draws never
depends on an answer, for hypothesis wants to know what it can draw; so rules pick by number from what there is.

What comes of steps is left to `order_steps`, what becomes of orders to `order_book`.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.order import OrderAction
from resolvers.orders import mutation_name
from tests.fuzz.order_book import OrderBook
from tests.fuzz.order_steps import ONWARD, STEPS, VERDICT, take, try_all
from tests.fuzz.voices import Json, Voices
from tests.fuzz.written import SCHEMA, Ids, aimed, documents, root_fields, with_input, with_verdict
from tests.integration.order_world import PATHS, actor

_MAY_CHANGE_NOTHING = ("orderUpdate", "orderAssign", "orderFreezeBom")
"""Commands that say how an order shall be: where it is so already, they leave no event and no version."""

_SOUND: Mapping[str, str | None] = {
    "title": '"Another title 标题"',
    "kind": "SERVICE",
    "priority": "RUSH",
    "lines": None,
    "wbsNodeId": None,
    "plannedStart": None,
    "plannedEnd": None,
    "dueOn": None,
    "note": None,
}
"""What drafting is given instead of that which schemathesis seldom writes so that it can be taken."""

_PAGE = """
query ($first: Int!, $after: String) {
  orders(first: $first, after: $after, orderBy: [{ field: NUMBER, direction: ASC }]) {
    totalCount edges { cursor node { id number contractor { id } } } pageInfo { hasNextPage endCursor }
  }
}
"""

_QUERIES = tuple(name for name in root_fields() if SCHEMA.query_type and name in SCHEMA.query_type.fields)
_CHANGES = tuple(
    name for name in root_fields() if name not in {*_QUERIES, "orderCreate"} and name.startswith("order")
)
_COUNT = st.integers(0, 1000)
_MANAGER = ("pm",) * 12
_STAFF = ("director", "engineer", "buyer", "foreman", "finance", "auditor", "worker", "admin")
_EXPECTED = st.sampled_from(("current", "current", "stale", "none"))

# Who may do most things comes as often as all others together, or there would be nothing but refusals.
_EVERYBODY = st.sampled_from((*_MANAGER, *_STAFF, "contractor", "contractor2", "customer"))


def _written(names: Sequence[str]) -> st.SearchStrategy[tuple[str, str]]:
    return st.one_of([st.tuples(st.just(name), documents(name)) for name in names])


@dataclass
class World:
    """What all scenarios share: a server, ids that exist, and keys that were never used."""

    voices: Voices
    project_id: str
    contractor_ids: Sequence[str]
    worker_id: str
    ids: Ids
    keys: Iterator[int] = field(default_factory=itertools.count)
    scenario: int = 0
    """How many were played to their end."""
    done: set[str] = field(default_factory=set[str])
    """Which commands were carried out in any scenario."""


@dataclass
class Walk:
    """A list that somebody reads page by page, and how far he is."""

    cursor: str | None = None
    ids: set[str] = field(default_factory=set[str])
    last_number: str = ""


class OrderMachine(RuleBasedStateMachine):
    """One scenario: orders of one project, and people who do things to them; `world` is set by whoever plays it."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self._voices = self.world.voices
        self._voices.story.clear()
        self._book = OrderBook(self._voices, self.world.project_id)
        self._walks: dict[str, Walk] = {}
        self._cursors: list[str] = []

    def teardown(self) -> None:
        """Go on to the next scenario; one that failed is played again by hypothesis and has to begin in the same place."""
        if sys.exc_info()[0] is None:
            self.world.scenario += 1

    @initialize(place=_COUNT)
    def open_order(self, place: int) -> None:
        """Bring a new order to the next state that one may be in, so that scenarios begin everywhere."""
        states = list(PATHS)
        turn, nth = divmod(self.world.scenario, len(states))
        state = states[nth]
        order_id = self._open(place)
        if not PATHS[state]:
            # What no path has and chance might leave out.
            self._retitle(order_id)
            self._book.audit()
            self._assign_twice(order_id)
            self._book.audit()
            self._build(order_id, place, "engineer", 1)
            self._book.audit()
        for action in PATHS[state]:
            if action is OrderAction.REPORT_PROGRESS:
                self._report(order_id)
            else:
                self._take(order_id, mutation_name(action), actor(action))
            self._book.audit()
        assert self._book.orders[order_id]["state"] == state
        for who in ("pm", "buyer", "director", "finance", "contractor"):
            try_all(self._voices, order_id, who)
        if turn:
            self.go_on(0)

    @rule(place=_COUNT)
    def open_another(self, place: int) -> None:
        """Open one more."""
        if len(self._book.orders) < 4:
            self._open(place)

    @rule(
        document=documents("orderCreate"),
        who=_EVERYBODY,
        place=_COUNT,
        is_sound=st.booleans(),
        is_dry=st.booleans(),
    )
    def create(self, document: str, who: str, place: int, *, is_sound: bool, is_dry: bool) -> None:
        """Open a draft out of whatever schemathesis writes."""
        given = {
            "projectId": json.dumps(self.world.project_id),
            "idempotencyKey": None,
            "dryRun": _literal(is_dry),
            **(_SOUND if is_sound else {}),
        }
        made = self._sent(who, with_input(aimed(document, self.world.ids, place), given))
        if made is None:
            return
        assert (made["version"], made["state"]) == (1, "DRAFT")
        if not is_dry:
            self._book.opened(made["id"])

    @rule(
        written=_written(_CHANGES),
        who=_EVERYBODY,
        which=_COUNT,
        place=_COUNT,
        expected=_EXPECTED,
        is_dry=st.booleans(),
    )
    def command(
        self, written: tuple[str, str], who: str, which: int, place: int, expected: str, *, is_dry: bool
    ) -> None:
        """Give a command with whatever schemathesis writes."""
        order_id = self._picked(which)
        self._command(who, written, order_id, place, expected, {}, is_dry=is_dry)

    @rule(
        document=documents("orderUpdate"),
        who=st.sampled_from(("pm", "buyer", "engineer")),
        which=_COUNT,
        place=_COUNT,
        expected=_EXPECTED,
        is_sound=st.booleans(),
        is_dry=st.booleans(),
    )
    def rewrite(
        self,
        document: str,
        who: str,
        which: int,
        place: int,
        expected: str,
        *,
        is_sound: bool,
        is_dry: bool,
    ) -> None:
        """Change a draft."""
        drafts = [order_id for order_id, order in self._book.orders.items() if order["state"] == "DRAFT"]
        order_id = drafts[which % len(drafts)] if drafts else self._open(place)
        more: Mapping[str, str | None] = _SOUND if is_sound else {}
        self._command(who, ("orderUpdate", document), order_id, place, expected, more, is_dry=is_dry)

    @rule(which=_COUNT, nth=_COUNT, who=_EVERYBODY)
    def step(self, which: int, nth: int, who: str) -> None:
        """Take any step, and get what was foretold."""
        self._take(self._picked(which), STEPS[nth % len(STEPS)], who)

    @rule(which=_COUNT, who=_EVERYBODY)
    def try_all_steps(self, which: int, who: str) -> None:
        """Try every step without taking it."""
        try_all(self._voices, self._picked(which), who)

    @rule(which=_COUNT, nth=_COUNT, who=_EVERYBODY)
    def step_from_here(self, which: int, nth: int, who: str) -> None:
        """Take a step that the order's state knows; whether this person may, and whether all is there, was foretold."""
        order_id = self._picked(which)
        known = [name for name in STEPS if self._book.knows(order_id, name)]
        if known:
            self._take(order_id, known[nth % len(known)], who)

    @rule(which=_COUNT)
    def go_on(self, which: int) -> None:
        """Bring an order a step on its way, reporting its work done where that is missing."""
        order_id = self._picked(which)
        order = self._book.orders[order_id]
        if order["state"] not in ONWARD:
            return
        who, mutation = ONWARD[order["state"]]
        if mutation == "orderComplete" and order["percentComplete"] != "100.00":
            self._report(order_id)
        else:
            self._take(order_id, mutation, who)

    @rule(which=_COUNT, nth=_COUNT, who=st.sampled_from(("pm", "engineer")), quantity=st.integers(1, 3))
    def build(self, which: int, nth: int, who: str, quantity: int) -> None:
        """Build an order by some BOM, whatever it was built by before."""
        self._build(self._picked(which), nth, who, quantity)

    @rule(which=_COUNT)
    def repeat(self, which: int) -> None:
        """Send a command twice under one key, and another one under it; it is done once."""
        self._assign_twice(self._picked(which))

    @rule(who=st.sampled_from(("director", "contractor", "contractor2")), size=st.integers(1, 100))
    def turn_page(self, who: str, size: int) -> None:
        """Read on where somebody stopped: no row twice, all of them in the end, none of another contractor."""
        walk = self._walks.setdefault(who, Walk())
        page = self._voices.ask(who, _PAGE, first=size, after=walk.cursor)["orders"]
        for edge in page["edges"]:
            node = edge["node"]
            assert node["number"] > walk.last_number, f"{node} after {walk.last_number}"
            walk.last_number = node["number"]
            walk.ids.add(node["id"])
            self._cursors.append(edge["cursor"])
            if who != "director":
                assert node["contractor"] == {"id": self._voices.organization(who)}, node
        walk.cursor = page["pageInfo"]["endCursor"] or walk.cursor
        if not page["pageInfo"]["hasNextPage"]:
            # Orders come and go for a contractor while he reads; nobody takes one from the director.
            assert who != "director" or len(walk.ids) == page["totalCount"]
            del self._walks[who]

    @rule(written=_written(_QUERIES), who=_EVERYBODY, place=_COUNT)
    def ask(self, written: tuple[str, str], who: str, place: int) -> None:
        """Ask for whatever schemathesis writes, about these orders and with cursors that were given."""
        orders = list(self._book.orders)
        ids = {
            **self.world.ids,
            "id": orders,
            "Order": orders,
            "ids": orders,
            "aggregateId": orders,
            "after": self._cursors[-50:],
        }
        self._voices.tell(who, aimed(written[1], ids, place))

    @invariant()
    def nothing_else_changed(self) -> None:
        """Compare the book with what is there."""
        self._book.audit()

    def _open(self, place: int) -> str:
        contractors = self.world.contractor_ids
        # Now and then worth more than the project's manager may approve.
        price = "100" if place % 4 else "900000"
        line = {"description": "Concrete", "quantity": "10", "uom": "m³", "unitPrice": price}
        order = {
            "projectId": self.world.project_id,
            "title": "Base slab 底板",
            "contractorId": contractors[place % len(contractors)],
            "lines": [line] * (1 + place % 3),
        }
        document = f"mutation ($input: OrderCreateInput!) {{ it: orderCreate(input: $input) {VERDICT} }}"
        payload = self._voices.ask("buyer", document, input=order)["it"]
        assert payload["refusals"] == []
        order_id: str = payload["verdict"]["id"]
        self._book.opened(order_id)
        return order_id

    def _assign_twice(self, order_id: str) -> None:
        key = f"fuzz-{next(self.world.keys)}"
        given = f'id: "{order_id}", idempotencyKey: "{key}"'
        people = f'assignments: [{{userId: "{self.world.worker_id}", task: "{key}"}}]'
        document = f"mutation {{ orderAssign(input: {{{given}, {people}}}) {{ __typename }} }}"
        first, second = self._sent("pm", document), self._sent("pm", document)
        assert second == first, "the same key with the same input gives the first answer"
        self._expect(order_id, "orderAssign", first, is_dry=False)
        if first is not None:
            other = f"mutation {{ orderAssign(input: {{{given}, assignments: []}}) {{ errors {{ code }} }} }}"
            told = self._voices.tell("pm", other)
            assert told.refusals == {"IDEMPOTENCY_MISMATCH"}, told

    def _build(self, order_id: str, nth: int, who: str, quantity: int) -> None:
        revisions = self.world.ids["bomRevisionId"]
        bom = revisions[nth % len(revisions)]
        given = f'id: "{order_id}", bomRevisionId: "{bom}", quantity: "{quantity}"'
        made = self._sent(who, f"mutation {{ orderFreezeBom(input: {{{given}}}) {{ __typename }} }}")
        self._expect(order_id, "orderFreezeBom", made, is_dry=False)

    def _retitle(self, order_id: str) -> None:
        version = self._book.orders[order_id]["version"]
        given = f'{{id: "{order_id}", expectedVersion: {version}, title: "Slab of the tank 池底板"}}'
        made = self._sent("pm", f"mutation {{ orderUpdate(input: {given}) {{ __typename }} }}")
        assert made is not None
        self._expect(order_id, "orderUpdate", made, is_dry=False)

    def _report(self, order_id: str) -> None:
        given = f'{{id: "{order_id}", percent: "100"}}'
        made = self._sent("pm", f"mutation {{ orderReportProgress(input: {given}) {{ __typename }} }}")
        assert made is not None
        self._expect(order_id, "orderReportProgress", made, is_dry=False)

    def _picked(self, which: int) -> str:
        orders = list(self._book.orders)
        return orders[which % len(orders)]

    def _command(
        self,
        who: str,
        written: tuple[str, str],
        order_id: str,
        place: int,
        expected: str,
        more: Mapping[str, str | None],
        *,
        is_dry: bool,
    ) -> None:
        """Give a command; one that expects an old version is never carried out."""
        name, document = written
        order = self._book.orders[order_id]
        version = order["version"] - (expected == "stale")
        is_told = expected != "none" or name == "orderUpdate"
        given = {
            "id": json.dumps(order_id),
            "expectedVersion": str(version) if is_told else None,
            "idempotencyKey": None,
            "dryRun": _literal(is_dry),
            **more,
        }
        lines = [line["id"] for line in order["lines"]["nodes"]]
        text = with_input(aimed(document, {**self.world.ids, "lineId": lines}, place), given)
        made = self._sent(who, text)
        assert made is None or expected != "stale", f"done on an old version:\n{text}"
        self._expect(order_id, name, made, is_dry=is_dry)

    def _sent(self, who: str, document: str) -> Json | None:
        """Send a command; return the order as it made it, null where it was refused."""
        answer = self._voices.tell(who, with_verdict(document))
        if answer.data is None:
            return None
        made: Json | None = answer.data["it"]["verdict"]
        assert (made is None) == bool(answer.data["it"]["refusals"]), f"neither done nor refused:\n{document}"
        return made

    def _expect(self, order_id: str, mutation: str, made: Json | None, *, is_dry: bool) -> None:
        if made is None:
            return
        assert made["id"] == order_id
        before = self._book.orders[order_id]
        if mutation in _MAY_CHANGE_NOTHING and made["version"] == before["version"]:
            assert made["state"] == before["state"]
            return
        assert (made["version"], made["state"]) == self._book.target(order_id, mutation)
        if not is_dry:
            self._book.moved(order_id, mutation)
            self.world.done.add(mutation)

    def _take(self, order_id: str, mutation: str, who: str) -> None:
        self._expect(order_id, mutation, take(self._voices, order_id, mutation, who), is_dry=False)


def _literal(value: bool) -> str:
    return "true" if value else "false"
