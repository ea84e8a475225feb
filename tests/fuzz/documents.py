"""Which documents does a curious client send? Random, valid ones, walked out of the schema itself.

Nesting, named and inline fragments, aliases, filters on amounts, sorts with cursors, totals, ids of all kinds of rows,
and commands as dry runs.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from graphql import (
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    is_required_argument,
)

from policies.bindings import Worked, catalog

# Commands that take nothing but what every command takes.
STEPS = (
    "orderSubmit",
    "orderApprove",
    "orderReject",
    "orderRelease",
    "orderStart",
    "orderHold",
    "orderResume",
    "orderComplete",
    "orderAccept",
    "orderSettle",
    "orderCancel",
)
_SORTS = ("NUMBER", "CREATED_AT", "UPDATED_AT", "DUE_ON", "PRIORITY", "AMOUNT", "STATE")
_OFTEN = ("orders", "orders", "orderStatistics", "events", "items")
"""What is asked for more often than the other root fields."""

_NAMED = {
    "projectId": "Project",
    "contractorId": "Organization",
    "customerId": "Organization",
    "left": "BomRevision",
    "right": "BomRevision",
}
"""Arguments that name something of one type; an `id` names what its field is called."""


@dataclass
class Knowledge:
    """What the client knows: ids and amounts of rows (more than he may see), and cursors he was given."""

    ids: dict[str, Sequence[str]]
    amounts: Sequence[str]
    numbers: Sequence[str]
    cursors: list[str] = field(default_factory=list[str])

    def keep(self, cursor: str) -> None:
        """Remember a cursor of a list of orders."""
        if _sort_of(cursor):
            self.cursors.append(cursor)


class Author:
    """Writes documents; the same chance gives the same documents."""

    def __init__(self, schema: GraphQLSchema, knowledge: Knowledge, chance: random.Random) -> None:
        self._schema = schema
        self._knowledge = knowledge
        self._chance = chance
        self._fragments: list[str] = []
        self._names = 0

    def query(self) -> str:
        """Return a query with one to three root fields."""
        self._fragments, self._names = [], 0
        root = self._schema.query_type
        assert root is not None
        names = self._chance.sample([*root.fields, *_OFTEN], self._chance.randint(1, 3))
        fields = [self._field(root.fields[name], name, 5, always_alias=True) for name in names]
        return "\n".join([f"query Curious {{ {' '.join(fields)} }}", *self._fragments])

    def command(self) -> str:
        """Return a step as a dry run, on an order that may be anybody's."""
        self._fragments, self._names = [], 0
        payload = self._schema.type_map["Order"]
        order = self._chance.choice(self._knowledge.ids["Order"])
        step = self._chance.choice(STEPS)
        document = (
            f'mutation {{ {step}(input: {{id: "{order}", dryRun: true, note: "why"}}) '
            f"{{ order {self._selection(payload, 4)} errors {{ __typename code message path "
            "... on ActionBlocked { blockers { code message } } } } }"
        )
        return "\n".join([document, *self._fragments])

    def _selection(self, kind: GraphQLNamedType, depth: int, *, always_alias: bool = False) -> str:
        if isinstance(kind, GraphQLInterfaceType):
            members = self._schema.get_possible_types(kind)
            chosen = self._chance.sample(list(members), min(len(members), 2))
            # A field of one member may have another type in the next, so that both need names of their own.
            parts = [
                f"... on {each.name} {self._selection(each, depth, always_alias=True)}" for each in chosen
            ]
            return f"{{ __typename id {' '.join(parts)} }}"
        assert isinstance(kind, GraphQLObjectType)
        names = [name for name in kind.fields if depth > 1 or not self._is_nested(kind.fields[name])]
        if self._chance.random() < 0.9:
            # One of them has the whole document interpreted.
            names = [name for name in names if not isinstance(catalog.source_of(kind.name, name), Worked)]
        chosen = self._chance.sample(names, min(len(names), self._chance.randint(3, 9)))
        body = " ".join(
            self._field(kind.fields[name], name, depth, always_alias=always_alias) for name in chosen
        )
        match self._chance.randrange(6):
            case 0:
                name = self._new_name("F")
                self._fragments.append(f"fragment {name} on {kind.name} {{ __typename {body} }}")
                return f"{{ ...{name} }}"
            case 1:
                return f"{{ __typename ... on {kind.name} {{ {body} }} }}"
            case _:
                return f"{{ __typename {body} }}"

    def _field(self, found: GraphQLField, name: str, depth: int, *, always_alias: bool = False) -> str:
        alias = f"{self._new_name('a')}: " if always_alias or self._chance.random() < 0.1 else ""
        arguments = self._arguments(name, found)
        selection = self._selection(self._type_of(found), depth - 1) if self._is_nested(found) else ""
        return f"{alias}{name}{arguments} {selection}"

    def _type_of(self, found: GraphQLField) -> GraphQLNamedType:
        # graphql-core leaves open what lists and non-nulls hold.
        name = str(found.type)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        return self._schema.type_map[name.strip("[]!")]

    def _is_nested(self, found: GraphQLField) -> bool:
        return isinstance(self._type_of(found), GraphQLObjectType | GraphQLInterfaceType)

    def _new_name(self, start: str) -> str:
        self._names += 1
        return f"{start}{self._names}"

    def _arguments(self, field_name: str, asked: GraphQLField) -> str:
        names = list(asked.args)
        if not names:
            return ""
        given: dict[str, str] = {}
        if "first" in names:
            given[self._chance.choice(["first", "first", "last"])] = str(self._chance.randint(1, 4))
            if "orderBy" in names and self._knowledge.cursors and self._chance.random() < 0.4:
                cursor = self._chance.choice(self._knowledge.cursors)
                given |= {"after": json.dumps(cursor), "orderBy": _sort_of(cursor)}
        elif names[0] in {"id", "ids"}:
            given |= self._identity(field_name, names)
        makers: dict[str, Callable[[], str]] = {
            "filter": self._event_filter if field_name == "events" else self._order_filter,
            "orderBy": self._order_by,
            "groupBy": self._group_by,
            "search": lambda: json.dumps(self._chance.choice(self._knowledge.amounts)[:11]),
        }
        given |= {
            name: make()
            for name, make in makers.items()
            if name in names and name not in given and self._chance.random() < 0.6
        }
        given |= {
            name: self._required(name, str(each.type))  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
            for name, each in asked.args.items()
            if name not in given and is_required_argument(each)
        }
        return f"({', '.join(f'{name}: {value}' for name, value in given.items())})" if given else ""

    def _required(self, name: str, kind: str) -> str:
        """Return a value for an argument that can't be left out."""
        match kind.strip("[]!"):
            case "ID":
                some = self._knowledge.ids[_NAMED[name]]
                return json.dumps(self._chance.sample(some, 1) if "[" in kind else self._chance.choice(some))
            case "Decimal":
                return json.dumps(self._chance.choice(["1", "7", "0.5"]))
            case other:
                raise AssertionError(f"no value is known for {name}: {other}")

    def _identity(self, field_name: str, names: Sequence[str]) -> dict[str, str]:
        own = field_name[0].upper() + field_name[1:]
        known = [name for name, ids in self._knowledge.ids.items() if ids]
        types = [own] if own in known else known
        some = [self._chance.choice(self._knowledge.ids[self._chance.choice(types)]) for _ in range(5)]
        if "ids" in names:
            return {"ids": json.dumps(some)}
        if "number" in names and self._chance.random() < 0.5:
            return {"number": json.dumps(self._chance.choice(self._knowledge.numbers))}
        return {"id": json.dumps(some[0])}

    def _order_filter(self) -> str:
        amount = json.dumps(self._chance.choice(self._knowledge.amounts))
        criteria = [
            f"amountAtLeast: {amount}",
            f"amountAtMost: {amount}",
            f"amountAtLeast: {amount}, amountAtMost: {amount}",
            f'projectId: "{self._chance.choice(self._knowledge.ids["Project"])}"',
            f'contractorId: "{self._chance.choice(self._knowledge.ids["Organization"])}"',
            f'customerId: "{self._chance.choice(self._knowledge.ids["Organization"])}"',
            "states: [DRAFT, SUBMITTED, IN_PROGRESS]",
        ]
        # Some criteria name the same argument, so only one of the first three is taken.
        chosen = [self._chance.choice(criteria[:3]), *self._chance.sample(criteria[3:], 1)]
        return f"{{{', '.join(self._chance.sample(chosen, self._chance.randint(0, 2)))}}}"

    def _event_filter(self) -> str:
        criteria = [
            f'aggregateId: "{self._chance.choice(self._knowledge.ids["Order"])}"',
            f'aggregateId: "{self._chance.choice(self._knowledge.ids["User"])}"',
            f'projectId: "{self._chance.choice(self._knowledge.ids["Project"])}"',
            'types: ["OrderCreated", "UserAdded", "OrderUpdated"]',
        ]
        return f"{{{self._chance.choice(criteria)}}}"

    def _order_by(self) -> str:
        fields = self._chance.sample(_SORTS, self._chance.randint(1, 2))
        if self._chance.random() < 0.6:
            fields = ["AMOUNT", *(name for name in fields if name != "AMOUNT")]
        sorts = [f"{{field: {name}, direction: {self._chance.choice(['ASC', 'DESC'])}}}" for name in fields]
        return f"[{', '.join(sorts)}]"

    def _group_by(self) -> str:
        groupings = ["STATE", "PROJECT", "CONTRACTOR", "CUSTOMER", "PRIORITY", "MONTH"]
        return f"[{', '.join(self._chance.sample(groupings, self._chance.randint(1, 3)))}]"


def _sort_of(cursor: str) -> str:
    """Return the `orderBy` of the list that a cursor comes from, empty where it is no list of orders."""
    *keys, tie = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))[0].split(",")
    names = [(key.lstrip("-").upper(), "DESC" if key.startswith("-") else "ASC") for key in keys]
    if tie.lstrip("-") != "id" or not names or not {name for name, _ in names} <= set(_SORTS):
        return ""
    return f"[{', '.join(f'{{field: {name}, direction: {direction}}}' for name, direction in names)}]"
