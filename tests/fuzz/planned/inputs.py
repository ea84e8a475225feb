"""Which values are given to arguments? Of every input type of the schema, as literals and through variables.

Names say what is meant: `projectId` is the id of a project, `first` the size of a page, `after` a cursor that was seen. The
few values that are wrong on purpose keep the answers that tell of mistakes in the comparison.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    Undefined,
)

from domain.identifiers import field_name
from tests.fuzz.planned.given import (
    NOT_GIVEN,
    InputKind,
    NotGiven,
    Plain,
    Use,
    Value,
    Variable,
    Word,
    is_list,
    is_required,
    item_of,
    kind_of,
    literal,
    nullable,
)
from tests.fuzz.planned.knowledge import Knowledge
from tests.fuzz.planned.selections import named

EachT = TypeVar("EachT")

_SIZES = (-1, 101, 2_147_483_647)


@dataclass(frozen=True)
class Given:
    """What a field was given: its arguments as they stand in the document, the largest page, and the sort."""

    text: str
    size: int
    sort: Value


class Inputs:
    """Makes the arguments of one document, and the variables that it uses."""

    def __init__(self, schema: GraphQLSchema, knowledge: Knowledge, chance: random.Random) -> None:
        self._schema = schema
        self._knowledge = knowledge
        self._chance = chance
        self.variables: dict[str, Variable] = {}
        self._roles: dict[tuple[str, object], list[Variable]] = {}
        self.favourite = chance.choice(list(knowledge.ids))
        """The type that is asked for most where any is possible."""

        self.fitting: Sequence[str] = ()
        """Ids of rows that the operation is likely to find in the right state."""

    def arguments(self, parent: GraphQLNamedType, name: str, definition: GraphQLField, largest: int) -> Given:
        """Return what a field is given; a page has at most `largest` rows, but where it is wrong on purpose."""
        about, size, sort = _about(named(definition)), 0, None
        given: dict[str, Value] = {}
        for each in self._chosen(definition.args):
            argument = definition.args[each]
            if each in {"first", "last"}:
                size = min(largest, self._chance.choice((0, 1, 1, 2, 3, 5, 8, largest)))
                given[each] = self._sized(argument, each, size)
            elif each not in {"after", "before", "orderBy"}:
                # Of several arguments one is meant: it is mostly there.
                is_needed = "id" in definition.args and self._chance.random() < 0.9
                given[each] = self._placed(
                    kind_of(argument), each, about, has_default=_has_default(argument), is_needed=is_needed
                )
        if "after" in definition.args:
            sort = self._begun(parent.name, name, definition, given)
        return Given(_text(self._shuffled(given)), size, sort)

    def flag(self) -> Value:
        """Return a condition of `@skip` or `@include`."""
        if self._chance.random() < 0.5:
            return self._chance.random() < 0.5
        kind = kind_of(GraphQLIncludeDirective.args["if"])
        return self._variable(kind, ("if",), lambda: self._chance.random() < 0.5, has_default=False)

    def _chosen(self, arguments: Mapping[str, GraphQLArgument]) -> list[str]:
        """Return which arguments are given: of `first` and `last`, and of `id` and another key, mostly one."""
        names = [each for each in arguments if self._chance.random() < 0.5 or _is_required(arguments[each])]
        alternatives = [each for each in ("first", "last") if each in arguments]
        if "id" in arguments and not _is_required(arguments["id"]):
            alternatives = list(arguments)
        if alternatives and self._chance.random() < 0.992:
            names = [each for each in names if each not in alternatives]
            names.append(self._chance.choice([alternatives[0], *alternatives]))
        return names

    def _sized(self, argument: GraphQLArgument, name: str, size: int) -> Value:
        if self._chance.random() < 0.004:
            return self._chance.choice(_SIZES)
        if self._chance.random() < 0.65:
            return size
        sizes = sorted({0, 1, size})
        return self._variable(
            kind_of(argument),
            (name, size),
            lambda: self._chance.choice(sizes),
            has_default=False,
            is_needed=True,
        )

    def _begun(self, parent_name: str, name: str, definition: GraphQLField, given: dict[str, Value]) -> Value:
        """Give a sort, and cursors that fit it; return the sort."""
        list_, arguments = (parent_name, name), definition.args
        known = self._knowledge.cursor(self._chance, list_) if self._chance.random() < 0.4 else None
        if known is None and self._chance.random() < 0.995:
            if "orderBy" in arguments and self._chance.random() < 0.7:
                given["orderBy"] = self._placed(
                    kind_of(arguments["orderBy"]), "orderBy", (), has_default=False
                )
            return given.get("orderBy")
        sort = known[0] if known else None
        if sort is not None and "orderBy" in arguments:
            kind = kind_of(arguments["orderBy"])
            fixed = worded(kind, sort)
            is_literal = self._chance.random() < 0.6
            given["orderBy"] = (
                fixed
                if is_literal
                else self._variable(kind, (), lambda: fixed, has_default=False, is_needed=True)
            )
        sides = self._chance.choice((("after",), ("after",), ("before",), ("after", "before")))
        for side in sides:
            given[side] = self._cursor(arguments[side], list_, known)
        return given.get("orderBy")

    def _cursor(
        self, argument: GraphQLArgument, list_: tuple[str, str], known: tuple[Plain, str] | None
    ) -> Value:
        def fresh() -> str:
            if known is None or self._chance.random() < 0.02:
                return self._knowledge.wrong_cursor(self._chance)
            return self._knowledge.cursor_of(self._chance, list_, known[0]) or known[1]

        if self._chance.random() < 0.5:
            return fresh()
        return self._variable(kind_of(argument), (list_, str(known)), fresh, has_default=False)

    def _placed(
        self,
        kind: InputKind,
        name: str,
        about: Sequence[str],
        *,
        has_default: bool,
        is_needed: bool = False,
    ) -> Value:
        """Return a value for a place: a literal, in which variables may stand, or a variable."""
        if self._chance.random() < 0.35:
            return self._variable(
                kind,
                (name, tuple(about), is_needed),
                lambda: self._value(kind, name, about, is_sent=True),
                has_default=has_default,
                is_needed=is_needed,
            )
        return self._value(kind, name, about, is_sent=False)

    def _value(self, kind: InputKind, name: str, about: Sequence[str], *, is_sent: bool) -> Value:
        if is_list(kind):
            return self._list(item_of(kind), name, about, is_sent=is_sent)
        kind = nullable(kind)
        if isinstance(kind, GraphQLEnumType):
            return Word(self._chance.choice(list(kind.values)))
        if isinstance(kind, GraphQLInputObjectType):
            return self._object(kind, is_sent=is_sent)
        assert isinstance(kind, GraphQLScalarType)
        return self._scalar(kind.name, name, about)

    def _list(self, item: InputKind, name: str, about: Sequence[str], *, is_sent: bool) -> Value:
        if self._chance.random() < 0.05:
            # One value stands for a list of it (GraphQL, section 3.11).
            return self._value(item, name, about, is_sent=is_sent)
        length = 8 if self._chance.random() < 0.02 else self._chance.choice((0, 1, 1, 1, 2, 2, 2, 3, 3, 4))
        if is_sent:
            return [self._value(item, name, about, is_sent=True) for _ in range(length)]
        return [self._inside(item, name, about, has_default=False) for _ in range(length)]

    def _object(self, kind: GraphQLInputObjectType, *, is_sent: bool) -> Value:
        # Which object an input's own id means, its name begins with.
        about = [each for each in self._knowledge.ids if kind.name.startswith(each)]
        own = [max(about, key=len)] if about else []
        # A filter finds nothing where it says too much, a command is refused where it says too little.
        share = self._chance.choice((0.1, 0.6, 0.8) if "dryRun" in kind.fields else (0.1, 0.2, 0.4, 0.9))
        found: dict[str, Value] = {}
        for name, field in self._shuffled(kind.fields).items():
            if name == "dryRun":
                # What a comparison tries twice must not be done once.
                found[name] = True
            elif _is_required(field) or self._chance.random() < share:
                found[name] = self._field(field, name, own, is_sent=is_sent)
        for name in found.keys() & {"expectedVersion"}:
            version = self._knowledge.row_of(found.get("id")).get("version")
            if isinstance(version, int) and not isinstance(found[name], Use):
                found[name] = version
        return found

    def _field(self, field: GraphQLInputField, name: str, own: Sequence[str], *, is_sent: bool) -> Value:
        if not _is_required(field) and self._chance.random() < 0.04 and not is_required(kind_of(field)):
            return None
        if is_sent:
            return self._value(kind_of(field), name, own, is_sent=True)
        return self._inside(kind_of(field), name, own, has_default=_has_default(field))

    def _inside(self, kind: InputKind, name: str, about: Sequence[str], *, has_default: bool) -> Value:
        if name != "id" and self._chance.random() < 0.12:
            return self._placed(kind, name, about, has_default=has_default)
        return self._value(kind, name, about, is_sent=False)

    def _scalar(self, kind: str, name: str, about: Sequence[str]) -> Value:
        match kind:
            case "ID":
                return self._key(name, about)
            case "Decimal":
                return self._knowledge.decimal(self._chance)
            case "Date":
                return self._knowledge.day(self._chance)
            case "DateTime":
                return self._knowledge.moment(self._chance)
            case "Boolean":
                return self._chance.random() < 0.5
            case "Int":
                return self._chance.choice((0, 1, 2, 3, -1, 2_147_483_647, -2_147_483_648))
            case "Float":
                return self._chance.choice((0, 1.5, -0.0, 1e300, 3))
            case _:
                return self._knowledge.text(self._chance, name)

    def _key(self, name: str, about: Sequence[str]) -> str:
        if self._chance.random() < 0.006:
            return self._knowledge.wrong_key(self._chance)
        if name == "id" and self.fitting and self._chance.random() < 0.9:
            return self._chance.choice(self.fitting)
        types = about if name in {"id", "ids"} else self._meant(name)
        if not types:
            types = [self.favourite] if self._chance.random() < 0.6 else list(self._knowledge.ids)
        return self._knowledge.key(self._chance, types)

    def _meant(self, name: str) -> list[str]:
        """Return the types that an argument such as `contractorId` means: those of the fields that are called so."""
        start = name.removesuffix("s").removesuffix("Id")
        for verb in ("add", "remove"):
            if start.startswith(verb):
                start = field_name(start.removeprefix(verb))
        types = {
            each
            for kind in self._schema.type_map.values()
            if isinstance(kind, GraphQLObjectType) and start in kind.fields
            for each in _about(named(kind.fields[start]))
        }
        by_name = {each for each in self._knowledge.ids if each.lower().endswith(start.lower())}
        return sorted((types & self._knowledge.ids.keys()) or by_name)

    def _variable(
        self,
        kind: InputKind,
        role: tuple[object, ...],
        fresh: Callable[[], Value],
        *,
        has_default: bool,
        is_needed: bool = False,
    ) -> Use:
        """Return a use of a variable that fits a place of this type, perhaps of one that is there already.

        One that `is_needed` is always sent, and never as null.
        """
        must_be_given = is_required(kind)
        text = str(kind).removesuffix("!")
        same = [
            each
            for each in self._roles.get((text, role), ())
            if not must_be_given or each.type_text.endswith("!")
        ]
        if role and same and self._chance.random() < 0.4:
            return Use(self._chance.choice(same).name)
        made = self._declared(
            text, fresh, must_be_given=must_be_given and not has_default, is_needed=is_needed
        )
        self.variables[made.name] = made
        self._roles.setdefault((text, role), []).append(made)
        return Use(made.name)

    def _declared(
        self, text: str, fresh: Callable[[], Value], *, must_be_given: bool, is_needed: bool
    ) -> Variable:
        form = self._chance.randrange(4)
        default: Value | NotGiven = fresh() if form in {1, 2} else NOT_GIVEN
        # A place that must not be null takes a variable that may be, where its default isn't (section 5.8.5).
        may_be_null = form == 2 or (form == 3 and not must_be_given)

        def sent() -> Value | NotGiven:
            drawn = self._chance.random()
            if is_needed and form not in {1, 2}:
                return fresh()
            if drawn < 0.25 and (form in {1, 2} or may_be_null):
                return NOT_GIVEN
            if drawn < 0.3 and may_be_null and not is_needed and not must_be_given:
                return None
            return fresh()

        name = self._chance.choice(("v", "select", "_", "userId", "ORDER")) + str(len(self.variables))
        return Variable(name, text if may_be_null else f"{text}!", default, sent)

    def _shuffled(self, given: Mapping[str, EachT]) -> dict[str, EachT]:
        names = list(given)
        self._chance.shuffle(names)
        return {name: given[name] for name in names}


def worded(kind: InputKind, value: Plain) -> Value:
    """Return a JSON value as one of the type: its enums are words."""
    if is_list(kind):
        return (
            [worded(item_of(kind), each) for each in value]
            if isinstance(value, list)
            else worded(item_of(kind), value)
        )
    kind = nullable(kind)
    if isinstance(kind, GraphQLInputObjectType) and isinstance(value, dict):
        return {name: worded(kind_of(kind.fields[name]), each) for name, each in value.items()}
    if isinstance(kind, GraphQLEnumType) and isinstance(value, str):
        return Word(value)
    assert not isinstance(value, list | dict), f"{value} is no {kind}"
    return value


def _about(kind: GraphQLNamedType) -> list[str]:
    """Return which objects a field of this type can be: itself, or any that has an id."""
    if isinstance(kind, GraphQLInterfaceType):
        return []
    return [kind.name]


def _is_required(each: GraphQLArgument | GraphQLInputField) -> bool:
    return is_required(kind_of(each)) and not _has_default(each)


def _has_default(each: GraphQLArgument | GraphQLInputField) -> bool:
    return each.default_value is not Undefined


def _text(given: Mapping[str, Value]) -> str:
    return f"({', '.join(f'{name}: {literal(value)}' for name, value in given.items())})" if given else ""
