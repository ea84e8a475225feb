"""Which documents are too large, too deep or too wide?"""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from schema.build import build_schema, graphql_schema
from server.documents import DocumentLimits, Documents
from server.settings import Settings
from tests.api import Api, running_api

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKENS, DEPTH, ALIASES, ROOT_FIELDS = 120, 6, 3, 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(company_settings: Settings) -> AsyncGenerator[Api]:
    """A server with narrow limits."""
    narrow = {
        "max_document_tokens": TOKENS,
        "max_depth": DEPTH,
        "max_aliases": ALIASES,
        "max_root_fields": ROOT_FIELDS,
    }
    async with running_api(company_settings.model_copy(update=narrow)) as api:
        yield api


def nested(depth: int) -> str:
    """Return a valid document of this depth: project, orders, nodes, project, …"""
    levels = ['project(code: "P-001")'] + ["orders(first: 1)", "nodes", "project"] * depth
    return "{" + "{".join(levels[: depth - 1]) + "{ __typename" + "}" * depth


def tokens(count: int) -> str:
    """Return a valid document of this many tokens."""
    names = ("id", "username", "name", "email", "phone", "hiddenFields", "__typename")
    return "{ viewer { user { " + " ".join(names[nth % len(names)] for nth in range(count - 8)) + " } } }"


async def codes(api: Api, document: str) -> list[str]:
    return (await api.ask(document, "director")).codes


async def test_each_limit_lets_through_what_it_allows(strict: Api) -> None:
    for document in (
        tokens(TOKENS),
        nested(DEPTH),
        "{ " + " ".join(f"a{nth}: __typename" for nth in range(ALIASES)) + " }",
        "{ " + "__typename " * ROOT_FIELDS + "}",
        "{ ...F } fragment F on Query { " + "__typename " * ROOT_FIELDS + "}",
    ):
        assert await codes(strict, document) == [], document


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (tokens(TOKENS + 1), "TOO_MANY_TOKENS"),
        (nested(DEPTH + 1), "TOO_DEEP"),
        (
            "{ ...F } fragment F on Query { "
            + nested(DEPTH).removeprefix("{").replace("nodes{", "...G", 1).split("...G")[0]
            + "...G } } } fragment G on OrderConnection { nodes { project { orders(first: 1) { nodes { id } } } } }",
            "TOO_DEEP",
        ),
        ("{ " + " ".join(f"a{nth}: __typename" for nth in range(ALIASES + 1)) + " }", "TOO_MANY_ALIASES"),
        (
            "{ ...F ...F } fragment F on Query { a: __typename b: __typename }",
            "TOO_MANY_ALIASES",
        ),
        ("{ " + "__typename " * (ROOT_FIELDS + 1) + "}", "TOO_MANY_ROOT_FIELDS"),
        ("{ ...F } fragment F on Query { " + "__typename " * (ROOT_FIELDS + 1) + "}", "TOO_MANY_ROOT_FIELDS"),
        (
            "query A { __typename } query B { " + "__typename " * (ROOT_FIELDS + 1) + "}",
            "TOO_MANY_ROOT_FIELDS",
        ),
    ],
)
async def test_each_limit_refuses_one_more_by_its_code(strict: Api, document: str, code: str) -> None:
    assert await codes(strict, document) == [code]


def fragments(count: int) -> str:
    """Return a document with so many fragments, which nothing spreads."""
    return "{ __typename } " + " ".join(f"fragment F{nth} on Query {{ __typename }}" for nth in range(count))


FIFTY_THOUSAND = (
    "a: projects(first: 100) { nodes { orders(first: 100) { nodes { lines(first: 3) { nodes { id } } } } } }"
    " b: orders(first: 99) { nodes { lines(first: 99) { nodes { id } } } }"
)


@pytest.mark.parametrize(
    ("within", "beyond", "code"),
    [
        (
            "{ viewer { user { " + "id " * 20 + "} } }",
            "{ viewer { user { " + "id " * 21 + "} } }",
            "TOO_MANY_REPETITIONS",
        ),
        (fragments(100), fragments(101), "TOO_MANY_FRAGMENTS"),
        (
            f"{{ {FIFTY_THOUSAND} }}",
            f"{{ {FIFTY_THOUSAND} costCodes(first: 1) {{ nodes {{ id }} }} }}",
            "TOO_MANY_NODES",
        ),
    ],
)
async def test_bounds_without_a_setting_of_their_own_are_exact(
    company: Api, within: str, beyond: str, code: str
) -> None:
    assert code not in await codes(company, within)
    assert await codes(company, beyond) == [code]


@pytest.mark.parametrize("depth", [16, 60, 120, 250, 400, 1_000])
async def test_depth_is_refused_by_its_code_however_deep(company: Api, depth: int) -> None:
    for who in ("director", None):
        answer = await company.ask(nested(depth), who)
        assert set(answer.codes) <= {"TOO_DEEP", "TOO_MANY_TOKENS"}
        assert answer.codes


async def test_deep_values_and_types_are_refused_too(company: Api) -> None:
    for document in (
        "{ nodes(ids: " + "[" * 2_000 + "]" * 2_000 + ") { id } }",
        "query ($a: " + "[" * 2_000 + "Int" + "]" * 2_000 + ") { __typename }",
    ):
        answer = await company.ask(document, "director")
        assert (answer.status, answer.codes) == (200, ["TOO_DEEP"])


@pytest.mark.parametrize("length", [20, 200, 600])
async def test_fragments_that_double_each_other_are_refused_at_once(company: Api, length: int) -> None:
    doubling = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(length))
    document = f"{{ ...F0 }} {doubling} fragment F{length} on Query {{ __typename }}"
    (code,) = await codes(company, document)
    assert code in {"TOO_MANY_ROOT_FIELDS", "TOO_MANY_FRAGMENTS", "TOO_MANY_TOKENS"}


@pytest.mark.parametrize("length", [10, 50, 150, 300, 600])
async def test_long_chain_of_fragments_is_answered_or_refused_but_no_mistake_of_ours(
    company: Api, length: int
) -> None:
    chain = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} }}" for n in range(length))
    answer = await company.ask(
        f"{{ ...F0 }} {chain} fragment F{length} on Query {{ __typename }}", "director"
    )
    assert answer.codes == ([] if length < 100 else ["TOO_MANY_FRAGMENTS"])


async def test_fragment_cycle_is_a_validation_error(company: Api) -> None:
    answer = await company.ask("{ ...F } fragment F on Query { ...F }", "director")
    assert answer.codes == ["GRAPHQL_VALIDATION_FAILED"]


async def test_at_most_five_validation_errors_are_told(company: Api) -> None:
    answer = await company.ask("{ a b c d e f g }", "director")
    assert answer.codes == ["GRAPHQL_VALIDATION_FAILED"] * 5


async def test_anonymous_may_not_introspect_and_gets_no_suggestions(company: Api) -> None:
    introspection = '{ __type(name: "Query") { name } }'
    assert (await company.ask(introspection)).codes == ["GRAPHQL_VALIDATION_FAILED"]
    assert (await company.ask(introspection, "worker")).data == {"__type": {"name": "Query"}}
    mistyped = "{ viewr { user { id } } }"
    assert "viewer" in (await company.ask(mistyped, "worker")).errors[0]["message"]
    assert "viewer" not in (await company.ask(mistyped)).errors[0]["message"]


async def test_remembered_documents_are_bounded_by_their_length() -> None:
    schema = graphql_schema(build_schema())
    documents = Documents(schema, DocumentLimits(tokens=100, depth=9, aliases=9, root_fields=9))
    first = documents.prepare("{ __typename }", is_stranger=False)
    assert documents.prepare("{ __typename }", is_stranger=False) is first
    for nth in range(11):
        documents.prepare(f"{{ __typename }} #{nth:0>100000}", is_stranger=False)
    assert documents.prepare("{ __typename }", is_stranger=False) is not first
