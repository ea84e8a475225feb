"""What do we know of the orders that a scenario plays with, and does the server agree?

The book holds each order as the director saw it last. A rule says which orders its command has moved, and by which action;
`audit` reads them again and compares: what was moved has gone one version on, into the state where the life cycle leads,
and all else is as it was. Each version has its event, and outsiders see the orders of their own organization and no others.
"""

from __future__ import annotations

from collections.abc import Mapping

from domain.order import TRANSITIONS, OrderAction, OrderState
from resolvers.orders import mutation_name
from tests.fuzz.voices import Json, Voices

OUTSIDERS = {"contractor": "contractor", "contractor2": "contractor", "customer": "customer"}
"""By which of an order's two keys each of them is its party."""

_SEEN = """
query Audit($ids: [ID!]!, $projectId: ID!) {
  nodes(ids: $ids) {
    ... on Order {
      id number title version state revision updatedAt amount percentComplete
      contractor { id } customer { id } lines(first: 100) { nodes { id quantity doneQuantity } }
      assignments { user { id } }
      events(last: 1) { totalCount nodes { version type } }
    }
  }
  orders(first: 1, filter: { projectId: $projectId }) { totalCount }
}
"""
_GLIMPSED = "query Glimpse($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id version state } } }"

ACTIONS = {mutation_name(action): action for action in OrderAction}


class OrderBook:
    """The orders of one scenario, all of one project."""

    def __init__(self, voices: Voices, project_id: str) -> None:
        self._voices = voices
        self._project_id = project_id
        self.orders: dict[str, Json] = {}
        self.total = self._read([])[1]
        self._moved: dict[str, OrderAction] = {}

    def opened(self, order_id: str) -> None:
        """Note a new order."""
        seen, total = self._read([*self.orders, order_id])
        assert total == self.total + 1, "a new order is one more"
        assert order_id not in self.orders, "a new order has an id of its own"
        order = seen[order_id]
        assert order["version"] == 1, order
        assert order["state"] == OrderState.DRAFT, order
        self.orders[order_id] = order
        self.total = total

    def moved(self, order_id: str, mutation: str) -> None:
        """Note that a command was carried out."""
        self._moved[order_id] = ACTIONS[mutation]

    def target(self, order_id: str, mutation: str) -> tuple[int, str]:
        """Return the version and the state that a command leads to."""
        order = self.orders[order_id]
        transition = TRANSITIONS[OrderState(order["state"]), ACTIONS[mutation]]
        return order["version"] + 1, transition.target.value

    def knows(self, order_id: str, mutation: str) -> bool:
        """Return whether the order's state knows a command."""
        return (OrderState(self.orders[order_id]["state"]), ACTIONS[mutation]) in TRANSITIONS

    def audit(self) -> None:
        """Compare with what the director and the outsiders see now."""
        seen, total = self._read(list(self.orders))
        assert total == self.total, f"{total} orders and not {self.total}"
        for order_id, before in self.orders.items():
            after = seen[order_id]
            action = self._moved.get(order_id)
            if action is None:
                assert after == before, f"changed by nobody:\n{before}\n{after}"
            else:
                transition = TRANSITIONS[OrderState(before["state"]), action]
                assert after["version"] == before["version"] + 1, f"{action}:\n{before}\n{after}"
                assert after["state"] == transition.target, f"{action}:\n{before}\n{after}"
                assert after["events"]["nodes"][0]["type"] == transition.event, f"{action}:\n{after}"
            assert after["events"]["totalCount"] == after["version"], after
            assert after["events"]["nodes"][0]["version"] == after["version"], after
        self.orders = dict(seen)
        self._moved.clear()
        for who, party in OUTSIDERS.items():
            self._check_outsider(who, party)

    def _read(self, ids: list[str]) -> tuple[dict[str, Json], int]:
        data = self._voices.ask("director", _SEEN, ids=ids, projectId=self._project_id)
        found = {order["id"]: order for order in data["nodes"]}
        assert list(found) == ids, f"{list(found)} and not {ids}"
        return found, data["orders"]["totalCount"]

    def _check_outsider(self, who: str, party: str) -> None:
        own = self._voices.organization(who)
        expected = [
            {"id": order_id, "version": order["version"], "state": order["state"]}
            if _is_of(order, party, own)
            else None
            for order_id, order in self.orders.items()
        ]
        seen = self._voices.ask(who, _GLIMPSED, ids=list(self.orders))["nodes"]
        assert seen == expected, f"{who} sees\n{seen}\nand not\n{expected}"


def _is_of(order: Mapping[str, Json | None], party: str, organization_id: str) -> bool:
    found = order[party]
    return found is not None and found["id"] == organization_id
