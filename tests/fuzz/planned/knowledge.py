"""What can somebody ask for who knows every row of a company? Ids, texts, numbers, days, and cursors that anybody was given.

All of it can also be told wrongly: ids of nothing, cursors that were tampered with.
"""

from __future__ import annotations

import base64
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from domain.identifiers import global_id
from schema.binding import camel_case
from tests.fuzz.planned.company import Company, CompanyRow
from tests.fuzz.planned.given import Plain, plain
from tests.fuzz.planned.odd_values import TEXTS, day, moment, new_key, number
from tests.fuzz.planned.selections import Selected, Selection, fields_of

CURSORS_KEPT = 60
"""Of one list; later ones take the place of earlier ones."""

_CURSOR_FIELDS = frozenset({"cursor", "startCursor", "endCursor"})
_CURSOR_CONTENTS: Sequence[object] = (
    None,
    "",
    "NaN",
    "1e999999",
    "-0.00",
    "999999999999999999999999999999",
    "2026-01-01T00:00:00",
    "0001-01-01T00:00:00+14:00",
    "\ud800",
    "\x00",
    7,
    [],
    {},
    True,
)

# Of which list: its parent's type and its name.
_List = tuple[str, str]


class Knowledge:
    """All that is known of a company, and the cursors that were seen."""

    def __init__(self, company: Company) -> None:
        self._rows: dict[str, CompanyRow] = {}
        self.ids: dict[str, list[str]] = {}
        # Any: the values of columns.
        self._values: dict[str, dict[type, list[Any]]] = defaultdict(lambda: defaultdict(list))
        self._cursors: dict[_List, list[tuple[Plain, str]]] = defaultdict(list)
        self._kept = 0
        for type_name, rows in company.rows.items():
            self.ids[type_name] = [global_id(type_name, row["id"]) for row in rows]
            for key, row in zip(self.ids[type_name], rows, strict=True):
                self._rows[key] = row
                self._learn_row(row)

    def _learn_row(self, row: CompanyRow) -> None:
        for name, value in row.items():
            if value is not None and not isinstance(value, UUID | Enum | dict):
                self._values[camel_case(name)][type(value)].append(value)

    def row_of(self, key: object) -> Mapping[str, Any]:
        """Return the row of a global id, an empty one where there is none."""
        return self._rows.get(key, {}) if isinstance(key, str) else {}

    def text(self, chance: random.Random, name: str) -> str:
        """Return a text for an argument: as rows have it in a field of that name, a part of one, or any."""
        stored: list[str] = self._values.get(name.removesuffix("s"), self._values["title"])[str]
        match chance.randrange(8):
            case 0:
                return chance.choice(TEXTS)
            case 1:
                return chance.choice(
                    ("x" * 100, "_", "%", "W", "工", "1", '"', "\\", chance.choice(("x" * 101, "\x00")))
                )
            case 2 | 3:
                found = chance.choice(stored or list(TEXTS))
                start = chance.randrange(len(found) + 1)
                return found[start : start + chance.randint(1, 6)].swapcase()
            case _:
                return chance.choice(stored or list(TEXTS))[:100]

    def decimal(self, chance: random.Random) -> str:
        """Return a number as the API takes it: one that a row has, one beside it, an odd one."""
        stored: list[Decimal] = self._values["amount"][Decimal]
        match chance.randrange(6):
            case 0:
                return chance.choice(
                    ("0", "-0.00", "1e3", "5E-2", "1e40", "-1e40", "0.001", "00012.500", ".5")
                )
            case 1:
                return format(chance.choice(stored) + chance.choice((1, -1)) * Decimal("0.001"), "f")
            case 2:
                return format(number(chance, 18, 2), "f")
            case _:
                return format(chance.choice(stored), "f")

    def day(self, chance: random.Random) -> str:
        """Return a day as the API takes it."""
        return day(chance).isoformat()

    def moment(self, chance: random.Random) -> str:
        """Return a moment as the API takes it, also in other time zones."""
        found = moment(chance)
        if date(2, 1, 1) < found.date() < date(9998, 1, 1):
            return chance.choice(
                (
                    found.isoformat(),
                    found.isoformat().replace("+00:00", "Z"),
                    found.replace(tzinfo=None).isoformat() + "+08:00",
                    found.replace(tzinfo=None).isoformat() + "-11:30",
                )
            )
        return found.astimezone(UTC).isoformat()

    def key(self, chance: random.Random, types: Sequence[str]) -> str:
        """Return the global id of a row of one of the types."""
        return chance.choice(self.ids[chance.choice(types)])

    def wrong_key(self, chance: random.Random) -> str:
        """Return what looks like a global id: of nothing, of no type, of no form."""
        known = self.key(chance, list(self.ids))
        type_name, _, key = known.partition(":")
        return chance.choice(
            (
                f"{type_name}:{new_key(chance)}",
                f"Thing:{key}",
                f"Query:{key}",
                f"{type_name}:{key.upper()}",
                f"{type_name}:{key.replace('-', '')}",
                f"{type_name}: {key}",
                f"{known}\n",
                key,
                type_name,
                "",
                "1",
                "Order:'; --",
                f"Örder:{key}",
            )
        )

    def learn(self, selections: Iterable[Selection], data: object, variables: Mapping[str, Plain]) -> None:
        """Keep the cursors of an answer, each with the list and the sort that it comes from."""
        if isinstance(data, list):
            items: list[object] = data  # pyright: ignore[reportUnknownVariableType]  # JSON
            for item in items:
                self.learn(selections, item, variables)
        elif isinstance(data, dict):
            values: dict[str, object] = data  # pyright: ignore[reportUnknownVariableType]  # JSON
            for field in fields_of(tuple(selections)):
                value = values.get(field.key)
                if field.inner and value is not None:
                    if field.definition is not None and "after" in field.definition.args:
                        self._keep(field, value, variables)
                    self.learn(field.inner, value, variables)

    def _keep(self, field: Selected, value: object, variables: Mapping[str, Plain]) -> None:
        kept = self._cursors[field.parent.name, field.name]
        sort = plain(field.sort, variables)
        for cursor in sorted(set(_cursors_in(field.inner, value))):
            if len(kept) < CURSORS_KEPT:
                kept.append((sort, cursor))
            else:
                kept[self._kept % CURSORS_KEPT] = (sort, cursor)
            self._kept += 1

    def cursor(self, chance: random.Random, list_: _List) -> tuple[Plain, str] | None:
        """Return a cursor that somebody was given for a list, with the sort of that list; null where nobody was."""
        kept = self._cursors.get(list_)
        return chance.choice(kept) if kept else None

    def cursor_of(self, chance: random.Random, list_: _List, sort: Plain) -> str | None:
        """Return a cursor of the list in that order."""
        kept = [cursor for each, cursor in self._cursors.get(list_, ()) if each == sort]
        return chance.choice(kept) if kept else None

    def wrong_cursor(self, chance: random.Random) -> str:
        """Return a cursor of any list at all, that was perhaps tampered with."""
        kept = self._cursors[chance.choice(sorted(self._cursors))] if self._cursors else ()
        known = chance.choice(kept)[1] if kept else encoded(["-id", "1"])
        match chance.randrange(6):
            case 0:
                return chance.choice(
                    ("", "x", "9", "=", encoded([]), encoded({}), encoded(None), "A" * 2_001)
                )
            case 1:
                place = chance.randrange(len(known))
                return known[:place] + chance.choice("AZaz09-_+/=\u00e9") + known[place + 1 :]
            case 2:
                return known
            case _:
                return tampered(chance, known)


def tampered(chance: random.Random, cursor: str) -> str:
    """Return a cursor whose name is right and one of whose values is another one, perhaps one that fits."""
    name, *values = _content(cursor)
    if not values:
        return encoded([name, "1"])
    place = chance.randrange(len(values))
    old = values[place]
    if isinstance(old, str) and old and chance.random() < 0.6:
        at = chance.randrange(len(old))
        values[place] = old[:at] + chance.choice("0123456789abcdefZ") + old[at + 1 :]
    else:
        values[place] = chance.choice(_CURSOR_CONTENTS)
    if chance.random() < 0.1:
        values.append("1")
    return encoded([name, *values])


def encoded(content: object) -> str:
    """Return what a cursor with this content looks like."""
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _content(cursor: str) -> list[Any]:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def _cursors_in(selections: Iterable[Selection], value: object) -> Iterable[str]:
    """Yield the cursors of one list, not those of the lists in its rows."""
    if isinstance(value, list):
        items: list[object] = value  # pyright: ignore[reportUnknownVariableType]  # JSON
        for item in items:
            yield from _cursors_in(selections, item)
    elif isinstance(value, dict):
        values: dict[str, object] = value  # pyright: ignore[reportUnknownVariableType]  # JSON
        for field in fields_of(tuple(selections)):
            found = values.get(field.key)
            if field.name in _CURSOR_FIELDS and isinstance(found, str):
                yield found
            elif field.inner and field.definition is not None and "after" not in field.definition.args:
                yield from _cursors_in(field.inner, found)
