"""Where is an item used 反查, directly and on all levels upwards, and how far up is that at the least?

A use is one line of one revision that takes something, as its item or as a substitute for it. Upwards from there go the
uses of what that revision makes. Which revisions and lines count, is left to whoever reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from domain.errors import InvalidInput
from domain.explosion import MOST_LEVELS

MOST_USES = 100_000
"""How many different uses are told at the most, of all items that are asked for together."""


@dataclass(frozen=True, slots=True)
class Use:
    """A line of a revision of `made_id` that takes `component_id`; code, number, position and priority say in which order it is told."""

    component_id: UUID
    made_id: UUID
    revision_id: UUID
    line_id: UUID
    made_code: str
    revision_number: int
    position: int
    priority: int | None = None
    """Which substitute the component is, null where it is the line's own item."""

    @property
    def is_substitute(self) -> bool:
        """Return whether the component only stands in for the line's item."""
        return self.priority is not None


@dataclass(frozen=True, slots=True)
class UsedAt:
    """A use and how far up it is at the least, from 1."""

    level: int
    use: Use


class Uses:
    """Uses by what is used."""

    def __init__(self, uses: Iterable[Use]) -> None:
        found: dict[UUID, list[Use]] = {}
        for each in uses:
            found.setdefault(each.component_id, []).append(each)
        self._by_component: Mapping[UUID, Sequence[Use]] = found

    def of(self, item_id: UUID, *, direct: bool) -> list[UsedAt]:
        """Return the uses of an item, each once, by level, then by code, revision, position, and the line's item before substitutes.

        Raises `InvalidInput` TOO_DEEP where something is more than 50 levels up at the least.
        """
        found: list[UsedAt] = []
        seen, here, level = {item_id}, [item_id], 0
        while here:
            level += 1
            uses = [use for component in here for use in self._by_component.get(component, ())]
            if uses and level > MOST_LEVELS:
                raise InvalidInput("TOO_DEEP", f"It is used more than {MOST_LEVELS} levels up.", ("direct",))
            found += [UsedAt(level, use) for use in sorted(uses, key=_place)]
            if direct:
                break
            here = [*dict.fromkeys(use.made_id for use in uses if use.made_id not in seen)]
            seen.update(here)
        return found


def _place(use: Use) -> tuple[str, int, int, UUID, int]:
    return use.made_code, use.revision_number, use.position, use.line_id, use.priority or 0
