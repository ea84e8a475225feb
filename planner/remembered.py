"""What was made lately? Values by key, within a bound."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


class Remembered(Generic[KeyT, ValueT]):
    """Values by key, the longest unused of them dropped when there are too many or they weigh too much."""

    def __init__(self, most: int, heaviest: int) -> None:
        self._most = most
        self._heaviest = heaviest
        self._weight = 0
        self._entries: OrderedDict[KeyT, tuple[ValueT, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: KeyT) -> bool:
        """Return whether something is remembered under a key; asking is no use of it."""
        return key in self._entries

    def get(self, key: KeyT) -> ValueT | None:
        """Return what is remembered under a key, null for nothing."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: KeyT, value: ValueT, weight: int) -> None:
        """Remember a value under a key that has none."""
        assert key not in self._entries, "what is remembered is not made again"
        self._entries[key] = value, weight
        self._weight += weight
        while len(self._entries) > self._most or self._weight > self._heaviest:
            _, (_, dropped) = self._entries.popitem(last=False)
            self._weight -= dropped
