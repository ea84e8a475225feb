"""How are hidden fields told, and what does somebody learn who may read nothing?"""

from __future__ import annotations

from typing import Any

import pytest

from domain.identifiers import global_id
from tests.api import Api

STRANGER = """
INSERT INTO app_user (id, username, name, email, organization_id, password_hash, version)
SELECT '01990000-0000-7000-8000-000000000001', 'stranger', 'Somebody', 'somebody@eoms.example', id, 'none', 1
FROM organization WHERE code = 'V-001'
"""
UNKNOWN = "01990000-0000-7000-8000-00000000ffff"
FORBIDDEN = {"message": "You may not read this.", "extensions": {"code": "FORBIDDEN"}}


def forbidden(*path: str) -> dict[str, Any]:
    return {**FORBIDDEN, "path": list(path)}


async def test_field_that_is_never_seen_is_one_error_per_selection_without_indices(api: Api) -> None:
    answer = await api.ask(
        """{
          orders(first: 5) { nodes { amount sum: amount lines(first: 3) { nodes { ...Price unitPrice } } } }
          again: orders(first: 2) { edges { node { ... on Order { amount } } } }
        }
        fragment Price on OrderLine { amount }""",
        "engineer",
    )
    assert answer.errors == [
        forbidden("orders", "nodes", "amount"),
        forbidden("orders", "nodes", "sum"),
        forbidden("orders", "nodes", "lines", "nodes", "amount"),
        forbidden("orders", "nodes", "lines", "nodes", "unitPrice"),
        forbidden("again", "edges", "node", "amount"),
    ]
    nodes = answer.partial["orders"]["nodes"]
    assert len(nodes) == 5
    assert {(node["amount"], node["sum"]) for node in nodes} == {(None, None)}
    assert {line["unitPrice"] for node in nodes for line in node["lines"]["nodes"]} == {None}


async def test_field_that_is_skipped_is_no_error(api: Api) -> None:
    document = """query ($with: Boolean!, $without: Boolean = true) {
      orders(first: 1) { nodes { state a: amount @include(if: $with) b: amount @skip(if: $without) } }
    }"""
    skipped = await api.ask(document, "engineer", **{"with": False})
    assert list(skipped.data["orders"]["nodes"][0]) == ["state"]
    included = await api.ask(document, "engineer", **{"with": True, "without": False})
    assert included.errors == [forbidden("orders", "nodes", "a"), forbidden("orders", "nodes", "b")]


async def test_forbidden_errors_do_not_depend_on_what_there_is(api: Api) -> None:
    """Whether a row exists would show in the number of its errors."""
    rows = await api.rows("SELECT id, number FROM engineering_order ORDER BY number LIMIT 1")
    known = global_id("Order", rows[0][0])
    document = "query ($id: ID!) { order(id: $id) { amount } }"
    for key in (known, f"Order:{UNKNOWN}"):
        assert (await api.ask(document, "foreman", id=key)).errors == [forbidden("order", "amount")]


async def test_field_that_is_seen_on_some_rows_is_no_error(api: Api) -> None:
    answer = await api.ask("{ orders(first: 100) { nodes { amount hiddenFields project { code } } } }", "pm")
    seen = {
        (each["project"]["code"], each["amount"] is None, *each["hiddenFields"])
        for each in answer.data["orders"]["nodes"]
    }
    assert {row for row in seen if row[0] == "P-002"} == {("P-002", True, "amount")}
    assert {len(row) for row in seen if row[0] == "P-001"} == {2}


async def test_total_that_is_never_seen_is_one_error_and_partial(api: Api) -> None:
    answer = await api.ask("{ orderStatistics { count amount isPartial } }", "engineer")
    assert answer.errors == [forbidden("orderStatistics", "amount")]
    assert answer.partial == {"orderStatistics": {"count": 108, "amount": None, "isPartial": True}}


async def test_contractor_does_not_learn_for_whom_he_works(api: Api) -> None:
    answer = await api.ask(
        "{ orders(first: 3) { nodes { customer { name } contractor { code } amount hiddenFields } } }",
        "contractor",
    )
    assert answer.errors == [forbidden("orders", "nodes", "customer")]
    nodes = answer.partial["orders"]["nodes"]
    assert [(node["customer"], node["contractor"], node["hiddenFields"]) for node in nodes] == [
        (None, {"code": "K-001"}, ["customer"])
    ] * 3


async def test_filtering_or_grouping_by_a_hidden_customer_tells_nothing(api: Api) -> None:
    rows = await api.rows("SELECT id FROM organization WHERE code = 'C-001'")
    answer = await api.ask(
        """query ($filter: OrderFilter!) {
          orders(first: 1, filter: $filter) { totalCount }
          orderStatistics(groupBy: [CUSTOMER]) { groups { customer { code } } }
        }""",
        "contractor",
        filter={"customerId": global_id("Organization", rows[0][0])},
    )
    assert answer.data == {
        "orders": {"totalCount": 0},
        "orderStatistics": {"groups": [{"customer": None}]},
    }


async def test_somebody_without_any_role_sees_himself_and_nothing_else(api: Api) -> None:
    await api.rows(STRANGER)
    answer = await api.ask(
        """{
          viewer {
            user { username email hiddenFields }
            organization { code bankAccount hiddenFields }
            roles { role }
          }
          orders(first: 10) { totalCount nodes { id } }
          projects(first: 10) { totalCount nodes { id } }
          events(first: 10) { totalCount nodes { id } }
          costCodes(first: 10) { totalCount nodes { id } }
          users(first: 10) { totalCount nodes { username } }
          organizations(first: 10) { totalCount nodes { code } }
          orderStatistics(groupBy: [STATE]) { count isPartial groups { count } }
        }""",
        "stranger",
    )
    nothing: dict[str, Any] = {"totalCount": 0, "nodes": []}
    assert answer.errors == [forbidden("viewer", "organization", "bankAccount")]
    assert answer.partial == {
        "viewer": {
            "user": {"username": "stranger", "email": "somebody@eoms.example", "hiddenFields": []},
            "organization": {
                "code": "V-001",
                "bankAccount": None,
                "hiddenFields": ["bankName", "bankAccount"],
            },
            "roles": [],
        },
        "orders": nothing,
        "projects": nothing,
        "events": nothing,
        "costCodes": nothing,
        "users": {"totalCount": 1, "nodes": [{"username": "stranger"}]},
        "organizations": {"totalCount": 1, "nodes": [{"code": "V-001"}]},
        "orderStatistics": {"count": 0, "isPartial": False, "groups": []},
    }


async def test_somebody_without_any_role_can_do_nothing(api: Api) -> None:
    await api.rows(STRANGER)
    await api.token("stranger")
    key, project = (
        await api.rows(
            "SELECT id, project_id FROM engineering_order WHERE state = 'IN_PROGRESS' ORDER BY id LIMIT 1"
        )
    )[0]
    before = await api.order_state()
    held = await api.ask(
        'mutation ($id: ID!) { orderHold(input: {id: $id, note: "why"}) { order { id } errors { code } } }',
        "stranger",
        id=global_id("Order", key),
    )
    assert held.data == {"orderHold": {"order": None, "errors": [{"code": "NOT_FOUND"}]}}
    created = await api.ask(
        'mutation ($id: ID!) { orderCreate(input: {projectId: $id, title: "x"}) { order { id } errors { code } } }',
        "stranger",
        id=global_id("Project", project),
    )
    assert created.data == {"orderCreate": {"order": None, "errors": [{"code": "NOT_FOUND"}]}}
    assert await api.order_state() == before


@pytest.mark.parametrize(
    ("type_name", "table"),
    [
        ("Order", "engineering_order"),
        ("Project", "project"),
        ("WbsNode", "wbs_node"),
        ("Event", "event"),
        ("OrderLine", "order_line"),
        ("CostCode", "cost_code"),
        ("User", "app_user WHERE username = 'pm'"),
        ("Organization", "organization WHERE code = 'HC'"),
    ],
)
async def test_unreadable_and_unknown_ids_get_the_same_answer(api: Api, type_name: str, table: str) -> None:
    await api.rows(STRANGER)
    rows = await api.rows(f"SELECT id FROM {table} ORDER BY 1 LIMIT 1")
    document = "query ($id: ID!) { node(id: $id) { id __typename } nodes(ids: [$id]) { id } }"
    answers = [
        await api.ask(document, "stranger", id=global_id(type_name, rows[0][0])),
        await api.ask(document, "stranger", id=f"{type_name}:{UNKNOWN}"),
    ]
    assert answers[0] == answers[1]
    assert answers[0].data == {"node": None, "nodes": [None]}


async def test_unreadable_and_unknown_orders_and_projects_get_the_same_answer(api: Api) -> None:
    hidden = await api.rows(
        "SELECT engineering_order.id, number, project.id, code FROM engineering_order"
        " JOIN project ON project.id = project_id WHERE code = 'P-003' ORDER BY number LIMIT 1"
    )
    order_id, number, project_id, code = hidden[0]
    document = """query ($order: ID, $number: String, $project: ID, $code: String) {
      a: order(id: $order) { id amount } b: order(number: $number) { id }
      c: project(id: $project) { id } d: project(code: $code) { id }
    }"""
    answers = [
        await api.ask(
            document,
            "pm",
            order=global_id("Order", order_id),
            number=number,
            project=global_id("Project", project_id),
            code=code,
        ),
        await api.ask(
            document,
            "pm",
            order=f"Order:{UNKNOWN}",
            number="EO-2025-999999",
            project=f"Project:{UNKNOWN}",
            code="P-999",
        ),
    ]
    assert answers[0] == answers[1]
    assert answers[0].data == {"a": None, "b": None, "c": None, "d": None}


async def test_unreadable_and_unknown_ids_get_the_same_refusal_from_commands(api: Api) -> None:
    rows = await api.rows(
        "SELECT engineering_order.id FROM engineering_order JOIN project ON project.id = project_id"
        " WHERE code = 'P-003' ORDER BY number LIMIT 1"
    )
    document = """mutation ($id: ID!) {
      orderStart(input: {id: $id, expectedVersion: 1}) { order { id } errors { __typename code message path } }
    }"""
    answers = [
        await api.ask(document, "pm", id=key) for key in (global_id("Order", rows[0][0]), f"Order:{UNKNOWN}")
    ]
    assert answers[0] == answers[1]
    assert [each["code"] for each in answers[0].data["orderStart"]["errors"]] == ["NOT_FOUND"]


async def test_anonymous_may_not_introspect(api: Api) -> None:
    answer = await api.ask('{ __schema { types { name } } __type(name: "Order") { name } }')
    assert set(answer.codes) == {"GRAPHQL_VALIDATION_FAILED"}
    assert "data" not in answer.content
    assert (await api.ask("{ __typename }")).data == {"__typename": "Query"}


async def test_signed_in_may_introspect_and_learns_who_sees_what(api: Api) -> None:
    answer = await api.ask('{ __type(name: "OrderLine") { fields { name description } } }', "worker")
    described = {each["name"]: each["description"] for each in answer.data["__type"]["fields"]}
    assert described["unitPrice"].endswith(
        "Seen by: director, finance, auditor, project_manager (project), buyer (project), "
        "contractor (own_org), customer (own_org)."
    )


@pytest.mark.parametrize(
    "document",
    [
        "{ ordrs(first: 1) { nodes { id } } }",
        "{ orders(first: 1) { nodes { amont } } }",
        "{ orders(frist: 1) { nodes { id } } }",
        "{ orders(first: 1, filter: {stats: []}) { totalCount } }",
        "{ orders(first: 1, filter: {states: [DRAF]}) { totalCount } }",
        '{ node(id: "x") { ... on Ordr { id } } }',
        "query ($a: OrderFiltr) { orders(first: 1, filter: $a) { totalCount } }",
    ],
)
async def test_anonymous_is_not_told_what_he_might_have_meant(api: Api, document: str) -> None:
    answer = await api.ask(document)
    assert set(answer.codes) == {"GRAPHQL_VALIDATION_FAILED"}
    assert "Did you mean" not in str(answer.content)


async def test_variables_of_the_anonymous_are_not_answered_with_suggestions(api: Api) -> None:
    answer = await api.ask(
        "query ($filter: OrderFilter!) { orders(first: 1, filter: $filter) { totalCount } }",
        filter={"amountAtLeat": "1", "states": ["DRAF"]},
    )
    assert "Did you mean" not in str(answer.content)
