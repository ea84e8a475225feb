"""Does any text that a client sends become part of a statement's text?

The arguments are taken from the schema, so that a new one is tried too. Every hostile text has a mark in it that no
statement may show, and must be answered by statements that harmless values of the same shape are answered by.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
import pytest_asyncio
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLSchema,
    get_named_type,
)

from policies.bindings import catalog
from schema.build import build_schema, graphql_schema
from server.settings import Settings
from tests.fuzz.planned.author import is_worked
from tests.integration.order_world import draft
from tests.integration.plan_world import Both, both_paths, paths_of, plans_of, sent_statements, written

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Any: a value of any input type.
Make = Callable[[str], Any]

MARK = "zqx"
KEY = "0190a0b0-0000-7000-8000-000000000000"
HOSTILE = (
    f"{MARK}'",
    f"{MARK}' OR 1=1 --",
    f'{MARK}"; DROP TABLE event; --',
    f"{MARK}\\'; SELECT pg_sleep(9); --",
    f"E'{MARK}\\''",
    f"$$ {MARK} $$",
    f"$1 :{MARK} %({MARK})s {{{MARK}}} ?",
    f"/*{MARK}*/",
    f"{MARK}\x00",
    f"{MARK}\n\t\r\x1b",
    f"%_{MARK}/\\%",
    f"订单{MARK}\U0001f6a7\u202e\u2028",
    MARK * 30,
    MARK * 20_000,
)
AS_LITERALS = (HOSTILE[2], HOSTILE[11])
HARMLESS = {
    "String": ("P-001", ""),
    "ID": tuple(f"{type_name}:{KEY}" for type_name in catalog.types),
    "Decimal": ("1.5", "-1e30"),
    "Date": ("2026-01-01", "0001-01-01"),
    "DateTime": ("2026-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
}
WRAPPED = {
    "String": ("{}",),
    "ID": ("{}", "Order:{}", f"Order:{KEY}{{}}", f"{{}}:{KEY}"),
    "Decimal": ("{}", "1{}"),
    "Date": ("{}", "2026-01-01{}"),
    "DateTime": ("{}", "2026-01-01T00:00:00Z{}"),
}


@dataclass(frozen=True)
class Place:
    """An argument, or a field of one, that takes a text."""

    name: str
    document: str
    """With `@type` where its type stands and `@value` where its value does."""

    scalar: str
    type: str
    make: Make

    def with_variable(self) -> str:
        return f"query ($v: {self.type}) {self.document.replace('@value', '$v')}"

    def with_literal(self, text: str) -> str:
        return self.document.replace("@value", _literal(self.make(text)))


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return f"{{{', '.join(f'{name}: {_literal(each)}' for name, each in members.items())}}}"
    return (
        f"[{', '.join(map(_literal, cast('list[Any]', value)))}]"
        if isinstance(value, list)
        else json.dumps(value)
    )


def _named(holder: GraphQLArgument | GraphQLField | GraphQLInputField) -> Any:
    # graphql-core leaves open what lists and non-nulls hold.
    return get_named_type(cast("GraphQLNamedType", holder.type))


def _texts(name: str, argument: GraphQLArgument | GraphQLInputField) -> Iterator[tuple[str, str, Make]]:
    """Yield for each text in an argument its name, its scalar and what makes the argument's value of it."""
    kind = str(cast("object", argument.type))
    is_list, inner = kind.startswith("["), _named(argument)
    if inner.name in HARMLESS:
        yield name, inner.name, (lambda text: [text]) if is_list else (lambda text: text)
    elif isinstance(inner, GraphQLInputObjectType) and not is_list:
        fields: dict[str, GraphQLInputField] = inner.fields
        for field_name, field in fields.items():
            for label, scalar, make in _texts(field_name, field):
                yield f"{name}.{label}", scalar, lambda text, n=field_name, m=make: {n: m(text)}


def _selected(definition: GraphQLField) -> str:
    kind = _named(definition)
    if kind.name.endswith("Connection"):
        return "{ totalCount nodes { id } }"
    return "{ count }" if "count" in kind.fields else "{ id }"


def _places_of(name: str, definition: GraphQLField, around: str) -> Iterator[Place]:
    first = "first: 2, " if "first" in definition.args else ""
    for argument_name, argument in definition.args.items():
        for label, scalar, make in _texts(argument_name, argument):
            call = f"{name}({first}{argument_name}: @value) {_selected(definition)}"
            kind = str(cast("object", argument.type))
            place = "" if around == "{ @ }" else " of rows"
            yield Place(f"{name} {label}{place}", around.replace("@", call), scalar, kind, make)


def _places(schema: GraphQLSchema) -> Iterator[Place]:
    query = schema.query_type
    assert query is not None
    for name, definition in query.fields.items():
        # What is worked out in Python is no statement's.
        if not is_worked(query, name):
            yield from _places_of(name, definition, "{ @ }")
    for root in ("orders", "projects"):
        nodes = _named(_named(query.fields[root]).fields["nodes"])
        inner: dict[str, GraphQLField] = nodes.fields
        for name, definition in inner.items():
            yield from _places_of(name, definition, f"{{ {root}(first: 1) {{ nodes {{ @ }} }} }}")


PLACES = {place.name: place for place in _places(graphql_schema(build_schema()))}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(company_settings: Settings) -> AsyncGenerator[Both]:
    async with both_paths(company_settings) as both:
        yield both


async def test_every_argument_that_takes_a_text_is_tried() -> None:
    named = {name.replace(".", " ").split()[0] for name in PLACES}
    assert len(PLACES) == 69
    assert named == {
        *("node", "nodes", "project", "projects", "organizations", "users", "costCodes", "events"),
        *("orders", "order", "orderStatistics", "lines", "wbsNodes", "notifications"),
        *("units", "items", "item", "bomRevision", "bomLines", "recostRuns"),
        *("engineeringChange", "engineeringChanges"),
    }


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
async def test_text_is_a_value_of_a_statement_and_never_part_of_it(both: Both, place: Place) -> None:
    with sent_statements() as harmless:
        for text in HARMLESS[place.scalar]:
            await both.planned.ask(place.with_variable(), "director", v=place.make(text))
    plans = len(plans_of(both.planned))
    with sent_statements() as sent:
        for text in HOSTILE:
            for form in WRAPPED[place.scalar]:
                await both.planned.ask(place.with_variable(), "director", v=place.make(form.format(text)))
        await both.pair(place.with_variable(), "director", v=place.make(HOSTILE[0]))
    assert len(plans_of(both.planned)) == plans
    with sent_statements() as sent_too:
        for text in AS_LITERALS:
            await both.planned.ask(place.with_literal(WRAPPED[place.scalar][-1].format(text)), "director")
    assert {*sent.planned, *sent_too.planned} <= set(harmless.planned)
    assert [sql for sql in sent.all + sent_too.all if MARK in sql.lower()] == []


LISTS = (
    ("{ orders(first: 1, orderBy: [@], %) { edges { cursor node { id } } } }", "orders"),
    ("{ projects(first: 1, %) { edges { cursor node { id } } } }", "projects"),
    ("{ users(first: 1, %) { edges { cursor node { id } } } }", "users"),
    ("{ events(first: 1, %) { edges { cursor node { id } } } }", "events"),
)
SORTS = ("NUMBER", "AMOUNT", "DUE_ON", "STATE", "UPDATED_AT")


def _cursor(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _content(cursor: str) -> list[Any]:
    return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


@pytest.mark.parametrize(("document", "name"), LISTS, ids=[name for _, name in LISTS])
async def test_value_in_a_cursor_is_never_part_of_a_statement(both: Both, document: str, name: str) -> None:
    for sort in SORTS if "@" in document else SORTS[:1]:
        plain = document.replace("@", f"{{field: {sort}, direction: ASC}}")
        after = f"query ($after: String) {plain.replace('%', 'after: $after')}"
        (edge,) = (await both.same(plain.replace(", %", ""), "director")).data[name]["edges"]
        content = _content(edge["cursor"])
        with sent_statements() as harmless:
            await both.planned.ask(after, "director", after=edge["cursor"])
        plans = len(plans_of(both.planned))
        with sent_statements() as sent:
            for at in range(len(content)):
                for text in (*HOSTILE[:-1], f"{MARK}\udc80", 7, [MARK], {MARK: MARK}, True):
                    changed = [*content[:at], text, *content[at + 1 :]]
                    answer, _ = await both.pair(after, "director", after=_cursor(changed))
                    assert at == 1 or answer.codes == ["MALFORMED_CURSOR"]
        assert len(harmless.planned) == 1
        assert set(sent.planned) <= set(harmless.planned)
        assert [sql for sql in sent.all if MARK in sql.lower()] == []
        assert len(plans_of(both.planned)) == plans


async def test_text_in_a_cursor_is_compared_as_it_is(both: Both) -> None:
    document = """query ($after: String) {
      orders(first: 1, after: $after, orderBy: {field: NUMBER, direction: ASC}) { nodes { number } }
    }"""
    for text, expected in (
        ("", "EO-2025-000001"),
        ("EO-2025-000001'", "EO-2025-000002"),
        ("~' OR 1=1 --", None),
    ):
        cursor = _cursor(["number,id", text, KEY])
        nodes = (await both.same(document, "director", after=cursor)).data["orders"]["nodes"]
        assert [node["number"] for node in nodes] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("name", "taken"), [("title", 10), ("description", 10), ("note", 10), ("idempotencyKey", 14)]
)
async def test_text_of_a_command_is_never_part_of_a_statement(both: Both, name: str, taken: int) -> None:
    document = """mutation ($input: OrderCreateInput!) {
      orderCreate(input: $input) { order { title description events(last: 1) { nodes { note } } } errors { code } }
    }"""
    before = paths_of(both.planned)["planned"]
    with sent_statements() as sent:
        for text in HOSTILE:
            given = {**draft(), name: text, "dryRun": True}
            one = await both.planned.ask(document, "buyer", input=given)
            other = await both.interpreted.ask(document, "buyer", input=given)
            assert written(one) == written(other)
    assert [sql for sql in sent.all if MARK in sql.lower()] == []
    # The others are too long or hold control characters; a key is not looked at where nothing is kept.
    assert paths_of(both.planned)["planned"] == before + taken
