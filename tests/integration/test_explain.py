"""Does an explanation say what the server then does, for this person, and nothing of anybody's values?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import text

from domain.errors import InvalidInput, MalformedRequest, NotFound, Unavailable
from planner.cost import Cost
from schema.build import build_schema, graphql_schema
from server.clients import NewClient, add_client
from server.document_check import limits_of
from server.explain import (
    BrokenDocument,
    Explanation,
    Parameter,
    Question,
    Way,
    explain,
    registered_text,
)
from server.registered_documents import manifest_documents, publish_manifest
from server.settings import Settings
from server.stores import StoreUrls
from tests.api import Api, running_api
from tests.e2e.rows import fetched
from tests.example_manifests import MANIFESTS

ORDERS = "query Board($first: Int!) { orders(first: $first) { totalCount nodes { number amount } } }"
SEARCH = """
query ($search: String!) {
  orders(first: 5, filter: {search: $search, amountAtLeast: "7654321.5"}) { nodes { number amount } }
}
"""
SECRET = "zqvalueofsomebodyzq"
KEY = "01890a5d-ac96-774b-bcce-b302099a8057"
PROJECTS_OF = "SELECT project_id FROM membership m JOIN app_user u ON u.id = m.user_id WHERE username = 'pm'"


def urls_of(settings: Settings) -> StoreUrls:
    assert settings.database_url is not None
    assert settings.redis_url is not None
    return StoreUrls(settings.database_url, settings.database_url, settings.redis_url)


# Any: variables are JSON.
def explained(
    settings: Settings,
    document: str,
    who: str | None = None,
    variables: Mapping[str, Any] | None = None,
    *,
    operation: str | None = None,
    analyze: bool = False,
) -> Explanation:
    planning = settings.model_copy(update={"planner": True})
    question = Question(document, False, operation, variables or {}, who)
    return explain(planning, urls_of(settings), question, analyze=analyze)


def broken(settings: Settings, document: str, who: str | None = None, **variables: Any) -> tuple[str, ...]:
    with pytest.raises(BrokenDocument) as refused:
        explained(settings, document, who, variables)
    return refused.value.errors


async def test_server_does_what_is_explained(planning_settings: Settings) -> None:
    async with running_api(planning_settings.model_copy(update={"debug": True})) as api:
        for who, document, variables in (
            ("pm", ORDERS, {"first": 7}),
            ("engineer", ORDERS, {"first": 7}),
            ("pm", "{ __schema { queryType { name } } }", {}),
            ("pm", '{ orders(first: 1, after: "nonsense") { nodes { id } } }', {}),
        ):
            found = await asyncio.to_thread(explained, planning_settings, document, who, variables)
            answer = await api.ask(document, who, **variables)
            extensions = answer.content["extensions"]
            (way,) = found.ways
            assert way.reason == extensions["plan"]["reason"]
            assert (way.sql is None) == (extensions["plan"]["path"] == "interpreted")
            assert found.cost.points == extensions["cost"]["requested"]
            paths = [".".join(error["path"]) for error in answer.errors if answer.codes == ["FORBIDDEN"]]
            assert list(found.forbidden) == paths


def test_planned_query_is_explained_without_a_value(demo_settings: Settings) -> None:
    found = explained(demo_settings, SEARCH, "pm", {"search": SECRET}, analyze=True)
    assert (found.kind, found.name) == ("query", None)
    assert found.roles == ("engineer in projects", "project_manager in projects")
    assert (found.cost, found.too_much, found.forbidden) == (Cost(6, 5), None, ())
    (way,) = found.ways
    assert (way.root, way.reason) == (None, None)
    assert set(way.parameters) == {
        Parameter("projects_of_engineer", "uuid[]"),
        Parameter("projects_of_project_manager", "uuid[]"),
        Parameter("s0_search", "varchar"),
        Parameter("s0_amount_at_least", "numeric"),
        Parameter("s0_size", "int4"),
    }
    assert way.database_plan is not None
    plan = "\n".join(way.database_plan)
    assert "(actual time=" in plan
    assert "Buffers: shared" in plan
    assert "Execution Time:" in plan
    assert demo_settings.database_url is not None
    projects = asyncio.run(fetched(demo_settings.database_url, PROJECTS_OF))
    assert len(projects) == 2
    for value in (SECRET, "7654321", *(str(project) for (project,) in projects)):
        assert value not in repr(found)


def test_plan_of_the_database_is_of_this_persons_rows(demo_settings: Settings) -> None:
    counts = {
        who: rows_read(explained(demo_settings, "{ orders(first: 100) { nodes { id } } }", who, analyze=True))
        for who in ("director", "worker")
    }
    assert demo_settings.database_url is not None
    ((own,),) = asyncio.run(
        fetched(
            demo_settings.database_url,
            "SELECT count(DISTINCT order_id) FROM assignment a JOIN app_user u ON u.id = a.user_id"
            " WHERE username = 'worker'",
        )
    )
    assert counts == {"director": 100, "worker": own}


def rows_read(found: Explanation) -> int:
    """Return how many rows came out of the statement's page, its innermost limit."""
    (way,) = found.ways
    assert way.database_plan is not None
    limits = [line for line in way.database_plan if "->  Limit" in line]
    return int(float(limits[0].split("(actual ")[1].split("rows=")[1].split(" ")[0]))


def test_forbidden_fields_are_named(demo_settings: Settings) -> None:
    found = explained(demo_settings, ORDERS, "engineer", {"first": 1})
    assert (found.roles, found.forbidden) == (("engineer in projects",), ("orders.nodes.amount",))


def test_without_analyze_no_plan_is_asked_of_the_database(demo_settings: Settings) -> None:
    (way,) = explained(demo_settings, ORDERS, "pm", {"first": 1}).ways
    assert way.sql is not None
    assert way.database_plan is None
    assert 0 < way.compile_seconds < 10
    assert 0 < way.first_compile_seconds < 10


def test_payload_of_each_field_of_a_mutation_is_explained(demo_settings: Settings) -> None:
    document = """
    mutation ($input: OrderActionInput!) {
      one: orderSubmit(input: $input) { order { number } errors { code } }
      two: orderCancel(input: $input) { errors { code } }
      three: sessionRefresh(input: {refreshToken: "x"}) { accessToken }
      __typename
    }
    """
    found = explained(demo_settings, document, "director", {"input": {"id": f"Order:{KEY}", "note": SECRET}})
    assert found.kind == "mutation"
    one, *others = found.ways
    assert (one.root, one.reason, one.parameters) == ("one", None, (Parameter("key", "uuid"),))
    assert one.sql is not None
    assert "engineering_order.number" in one.sql
    assert others == [Way(root, "nothing to read") for root in ("two", "three", "__typename")]
    for value in (SECRET, KEY):
        assert value not in repr(found)


def test_explained_command_is_not_given(demo_settings: Settings) -> None:
    assert demo_settings.database_url is not None
    state = "SELECT count(*), max(version)::int, (SELECT count(*) FROM event) FROM engineering_order"
    submitted = "SELECT id FROM engineering_order WHERE state = 'SUBMITTED' LIMIT 1"
    before = asyncio.run(fetched(demo_settings.database_url, state))
    ((order_id,),) = asyncio.run(fetched(demo_settings.database_url, submitted))
    document = (
        f'mutation {{ orderCancel(input: {{id: "Order:{order_id}", note: "x"}}) {{ order {{ id }} }} }}'
    )
    explained(demo_settings, document, "director")
    with pytest.raises(InvalidInput, match="a mutation is not executed here") as refused:
        explained(demo_settings, document, "director", analyze=True)
    assert (refused.value.code, refused.value.path) == ("NOT_A_QUERY", ("--analyze",))
    assert asyncio.run(fetched(demo_settings.database_url, state)) == before


@pytest.mark.parametrize(
    ("document", "who", "reason"),
    [
        ("{ viewer { user { id } } }", None, "nobody is signed in"),
        ('mutation { orderSubmit(input: {id: "x"}) { order { id } } }', None, "nobody is signed in"),
        ("{ __typename }", "pm", "nothing to read"),
        ("{ __schema { queryType { name } } }", "pm", "introspection"),
        ("subscription { orderChanged { cursor } }", None, "nobody is signed in"),
    ],
)
def test_reason_is_told_for_what_is_interpreted(
    demo_settings: Settings, document: str, who: str | None, reason: str
) -> None:
    assert explained(demo_settings, document, who).ways == (Way(None, reason),)


def test_messages_of_a_subscription_are_explained(demo_settings: Settings) -> None:
    document = f'subscription {{ orderChanged(orderIds: ["Order:{KEY}"]) {{ cursor order {{ number }} }} }}'
    (way,) = explained(demo_settings, document, "contractor").ways
    assert (way.root, way.reason) == (None, None)
    assert way.sql is not None
    assert "engineering_order.number" in way.sql
    assert KEY not in repr(way)
    assert {each.type for each in way.parameters} >= {"uuid[]", "text[]", "uuid"}


def test_planner_that_is_off_is_told(demo_settings: Settings) -> None:
    off = demo_settings.model_copy(update={"planner": False})
    found = explain(off, urls_of(off), Question(ORDERS, False, None, {"first": 1}, "pm"), analyze=False)
    assert found.ways == (Way(None, "the planner is off"),)


def test_cost_beyond_a_limit_is_told(demo_settings: Settings) -> None:
    document = (
        "query ($first: Int!) { orders(first: $first) { nodes { lines(first: 100) { nodes { id } } } } }"
    )
    for limits, too_much in (
        ({"max_cost": 10_101, "max_node_count": 10_100}, None),
        ({"max_cost": 10_100, "max_node_count": 10_100}, "TOO_COSTLY"),
        ({"max_cost": 10_101, "max_node_count": 10_099}, "TOO_MANY_NODES"),
    ):
        found = explained(demo_settings.model_copy(update=limits), document, "pm", {"first": 100})
        assert (found.cost, found.too_much) == (Cost(10_101, 10_100), too_much)


def test_broken_document_is_told_with_places_and_codes(demo_settings: Settings) -> None:
    (error,) = broken(demo_settings, "{ nothing }", "pm")
    assert error == "1:3 GRAPHQL_VALIDATION_FAILED Cannot query field 'nothing' on type 'Query'."
    (error,) = broken(demo_settings, "{", "pm")
    assert error.startswith("1:2 GRAPHQL_PARSE_FAILED ")
    (error,) = broken(demo_settings, "query A { __typename } query B { __typename }", "pm")
    assert error == "OPERATION_RESOLUTION_FAILURE Several operations: say which."
    (error,) = broken(demo_settings, ORDERS, "pm", first="many")
    assert error.startswith("1:13 BAD_USER_INPUT Variable '$first' has invalid value")


def test_what_is_too_long_for_the_server_is_refused_here_too(demo_settings: Settings) -> None:
    long = demo_settings.model_copy(update={"max_document_characters": 100, "max_variable_values": 10})
    with pytest.raises(MalformedRequest) as refused:
        explained(long, "{ __typename }" + " " * 100, "pm")
    assert refused.value.code == "DOCUMENT_TOO_LONG"
    with pytest.raises(MalformedRequest) as refused:
        explained(long, "{ __typename }", "pm", {"many": [*range(11)]})
    assert refused.value.code == "TOO_MANY_VALUES"


def test_outsiders_document_is_checked_as_an_outsiders(demo_settings: Settings) -> None:
    errors = broken(demo_settings, "{ __schema { queryType { name } } }", "contractor")
    assert [error.split(" introspection")[0] for error in errors] == [
        "1:3 GRAPHQL_VALIDATION_FAILED GraphQL",
        "1:14 GRAPHQL_VALIDATION_FAILED GraphQL",
    ]


def test_one_of_several_operations_is_named(demo_settings: Settings) -> None:
    document = "query A { __typename } query B { __schema { queryType { name } } }"
    found = explained(demo_settings, document, "pm", operation="B")
    assert (found.name, found.ways[0].reason) == ("B", "introspection")


def test_unknown_and_disabled_people_are_refused(demo_settings: Settings) -> None:
    with pytest.raises(NotFound, match="No such user"):
        explained(demo_settings, ORDERS, "nobody-of-that-name", {"first": 1})
    assert demo_settings.database_url is not None
    disabling = "UPDATE app_user SET disabled_at = now() WHERE username = 'pm'"
    asyncio.run(fetched(demo_settings.database_url, disabling))
    with pytest.raises(InvalidInput, match="disabled"):
        explained(demo_settings, ORDERS, "pm", {"first": 1})


def test_explaining_leaves_no_session_behind(demo_settings: Settings) -> None:
    assert demo_settings.database_url is not None
    state = "SELECT (SELECT count(*) FROM session), (SELECT count(*) FROM event)"
    before = asyncio.run(fetched(demo_settings.database_url, state))
    explained(demo_settings, ORDERS, "pm", {"first": 1}, analyze=True)
    assert asyncio.run(fetched(demo_settings.database_url, state)) == before


def test_statement_that_the_database_cannot_execute_is_told(demo_settings: Settings) -> None:
    assert demo_settings.database_url is not None
    renaming = "ALTER TABLE engineering_order RENAME COLUMN amount TO amount_of_another_version"
    asyncio.run(fetched(demo_settings.database_url, renaming))
    (way,) = explained(demo_settings, ORDERS, "director", {"first": 1}).ways
    assert way.reason == "its statement failed: UndefinedColumnError 42703"
    assert way.sql is not None
    assert "engineering_order.amount" in way.sql


async def test_analyzed_statement_has_the_servers_time_limit(api: Api, demo_settings: Settings) -> None:
    hurried = demo_settings.model_copy(update={"statement_timeout_seconds": 0.2})
    async with api.database.write.begin() as other:
        await other.execute(text("LOCK TABLE engineering_order IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(Unavailable) as refused:
            await asyncio.to_thread(explained, hurried, ORDERS, "pm", {"first": 1}, analyze=True)
    assert refused.value.code == "TIMEOUT"


def test_registered_text_is_found_by_its_id_until_it_is_retired(demo_settings: Settings) -> None:
    url = demo_settings.database_url
    assert url is not None
    documents = manifest_documents(MANIFESTS["apollo"])
    add_client(url, NewClient("site", "Site", "HC", ("read",), ("auditor",)))
    limits = limits_of(demo_settings)
    schema = graphql_schema(build_schema())
    publish_manifest(url, "site", documents, schema, limits, prune=False, dry_run=False)
    document_id = f"sha256:{documents[0].hash.hex()}"
    assert registered_text(url, document_id) == documents[0].text
    asyncio.run(fetched(url, "UPDATE client_document SET retired_at = now()"))
    with pytest.raises(NotFound, match="No such registered document"):
        registered_text(url, document_id)
    with pytest.raises(InvalidInput, match="64 hexadecimal digits"):
        registered_text(url, document_id[:-1])
