"""Which texts of registered documents, and which ids that nobody registered, are remembered?

Bounded, the longest unused forgotten first. What is unknown is kept apart and briefly: whoever makes up ids can push out
neither good ones nor much memory. When something has to be forgotten because it changed is left to `server.registry`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

from domain.identifiers import ClientId

TextKey = tuple[bytes, ClientId | None]
"""The SHA-256 of a text, and the client that may send it; null for people, who may send everybody's."""


@dataclass(frozen=True, slots=True)
class RememberedBounds:
    """How much is remembered: texts, their characters together, unknown ids, and these for how long."""

    texts: int = 10_000
    characters: int = 20_000_000
    unknown: int = 10_000
    unknown_seconds: float = 10


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered of an id: its text, or (null) that nobody registered it."""

    text: str | None


class RememberedTexts:
    """Texts, and their absence, by key."""

    def __init__(self, bounds: RememberedBounds) -> None:
        self._bounds = bounds
        self._texts: OrderedDict[TextKey, str] = OrderedDict()
        self._characters = 0
        self._unknown: OrderedDict[TextKey, float] = OrderedDict()

    def get(self, key: TextKey) -> Remembered | None:
        """Return what is remembered, null for nothing."""
        text = self._texts.get(key)
        if text is not None:
            self._texts.move_to_end(key)
            return Remembered(text)
        is_unknown = self._unknown.get(key, 0) > time.monotonic()
        return Remembered(None) if is_unknown else None

    def put(self, key: TextKey, text: str | None) -> None:
        """Remember a text, or (null) that there is none."""
        if text is None:
            self._unknown[key] = time.monotonic() + self._bounds.unknown_seconds
            self._unknown.move_to_end(key)
            while len(self._unknown) > self._bounds.unknown:
                self._unknown.popitem(last=False)
            return
        self._characters += len(text) - len(self._texts.get(key, ""))
        self._texts[key] = text
        while len(self._texts) > self._bounds.texts or self._characters > self._bounds.characters:
            _, forgotten = self._texts.popitem(last=False)
            self._characters -= len(forgotten)

    def clear(self) -> None:
        """Forget everything."""
        self._texts.clear()
        self._characters = 0
        self._unknown.clear()
