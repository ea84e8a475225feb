"""How many SQL statements does an operation cost, and does a longer list cost more?

The golden file holds the exact numbers; `GOLDEN=update` writes it anew. Transaction control is not counted.
"""

from __future__ import annotations

import json
import os
from asyncio import sleep
from collections.abc import Awaitable, Generator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from db.statements import Statements
from domain.order import OrderAction, OrderState
from resolvers.orders import mutation_name
from server.settings import Settings
from tests.api import Answer, Api, running_api
from tests.integration.bom_world import made, released
from tests.integration.change_world import done, in_review
from tests.integration.change_world import draft as change_draft
from tests.integration.order_world import (
    ORDER,
    actor,
    cost_code,
    draft,
    line,
    needs,
    order_in,
    organization,
    send,
    take,
    wbs_node,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

READERS = ("director", "pm", "worker", "customer")
GOLDEN = Path(__file__).parent.parent / "golden" / "query_counts.json"

# Each type is asked for at one level only: the same row at two levels is fetched once, and then the count would
# depend on who did what.
_ORDERS = """
  query ($size: Int!) {
    orders(first: $size) {
      nodes {
        number amount hiddenFields project { code } wbsNode { code } costCode { code }
        customer { name } contractor { name }
        lines(first: 10) { nodes { description quantity amount } }
        assignments { task user { name } }
        events(last: 5) { nodes { type changes { field before after } } }
        availableActions { action allowed reasons { code } }
      }
    }
  }
"""

DOCUMENTS = {
    "viewer": "{ viewer { user { name } organization { name } roles { role project { code } } } }",
    "order numbers": "query ($size: Int!) { orders(first: $size) { nodes { number } } }",
    "orders with everything": _ORDERS,
    "orders with totals": """
      query ($size: Int!) { orders(first: $size) { totalCount nodes { lines(first: 1) { totalCount } } } }
    """,
    "lines of orders, page by page": """
      query ($size: Int!) {
        orders(last: $size) { edges { cursor node { lines(first: 1) { pageInfo { hasNextPage endCursor } } } } }
      }
    """,
    "projects with orders": """
      query ($size: Int!) { projects(first: $size) { nodes { code orders(first: 2) { nodes { number } } } } }
    """,
    "events with who did what": """
      query ($size: Int!) { events(first: $size) { nodes { type actor { name } aggregate { id } changes { field } } } }
    """,
    "who did what to orders": """
      query ($size: Int!) { orders(first: $size) { nodes { events(last: 3) { nodes { actor { name } } } } } }
    """,
    "orders with their BOMs": """
      query ($size: Int!) {
        orders(first: $size) {
          nodes {
            bomQuantity bomFrozenOn bomRevision { number state }
            bomLines(first: 3) { totalCount nodes { position quantity item { code } unit { code } } }
          }
        }
      }
    """,
    "items with their units": """
      query ($size: Int!) {
        items(first: $size) {
          nodes { code name kind leadTimeDays currency hiddenFields version unit { code dimension } units { factor } }
        }
      }
    """,
    "items with the lines and operations of their BOMs": """
      query ($size: Int!) {
        items(first: $size) {
          nodes {
            code bomRevisions(first: 2) {
              nodes {
                number state baseQuantity validFrom validTo note checksum releasedAt version bom { createdAt }
                lines(first: 5) {
                  nodes {
                    position quantity fixed scrapPercent scrapRule setupQuantity orderMultiple validFrom validTo consumable
                    unit { code }
                  }
                }
                operations { position name minutes }
              }
            }
          }
        }
      }
    """,
    "items with the substitutes and co-products of their BOMs": """
      query ($size: Int!) {
        items(first: $size) {
          nodes {
            bomRevisions(first: 1) {
              nodes { lines(first: 1) { nodes { substitutes { priority factor } } } coProducts { quantity costSharePercent } }
            }
          }
        }
      }
    """,
    "an item with the cost that is kept of it": """
      {
        item(code: "PS-100") {
          code rolledCost {
            material operation coProductCredit total currency isPartial hasMixedCurrencies isStale computedAt
            revision { number }
          }
        }
      }
    """,
    "runs that computed costs": """
      query ($size: Int!) {
        recostRuns(first: $size) {
          nodes {
            state day requestCount totalCount doneCount changedCount fault startedAt endedAt
            requests(first: 5) { nodes { cause requestedAt item { code } requestedBy { name } } }
          }
        }
      }
    """,
    "statistics by project and state": """
      { orderStatistics(groupBy: [PROJECT, STATE]) { amount groups { project { code } state count } } }
    """,
}

CHANGE_DOCUMENTS = {
    "engineering changes with what they hold": """
      query ($size: Int!) {
        engineeringChanges(first: $size) {
          totalCount
          nodes {
            number title reason state version createdAt updatedAt submittedBy { name } releasedBy { name }
            revisions { held revision { number state item { code } } supersedes { number } }
            events(last: 2) { nodes { type changes { field } } } availableActions { action allowed reasons { code } }
          }
        }
      }
    """,
    "revisions with the changes that hold them": """
      query ($size: Int!) {
        items(first: $size) { nodes { bomRevisions(first: 5) { nodes { number engineeringChange { number state } } } } }
      }
    """,
}
"""Asked last: what is done for them stands among the newest events then, each of another type."""

COMMANDS = {
    OrderAction.UPDATE: OrderState.DRAFT,
    OrderAction.SUBMIT: OrderState.DRAFT,
    OrderAction.APPROVE: OrderState.SUBMITTED,
    OrderAction.ASSIGN: OrderState.RELEASED,
    OrderAction.REPORT_PROGRESS: OrderState.IN_PROGRESS,
    OrderAction.FREEZE_BOM: OrderState.DRAFT,
}

_counted: ContextVar[list[str] | None] = ContextVar("counted", default=None)


@pytest.fixture(scope="module", autouse=True)
def listening() -> Generator[None]:
    """Hear of every statement; those that run in the context of `statements` are counted, the relay's are not."""

    # Any: SQLAlchemy's hook gives the driver's own things.
    def collect(_connection: Connection | None, _cursor: Any, statement: str, *_: Any) -> None:
        found = _counted.get()
        if found is not None:
            found.append(statement)

    send = Statements.row

    async def row(self: Statements, sql: str, arguments: Sequence[Any]) -> Mapping[str, Any] | None:
        collect(None, None, sql)
        return await send(self, sql, arguments)

    event.listen(Engine, "before_cursor_execute", collect)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Statements, "row", row)
        yield
    event.remove(Engine, "before_cursor_execute", collect)


async def statements(answer: Awaitable[Answer]) -> list[str]:
    """Return the statements that an answer cost."""
    found: list[str] = []
    token = _counted.set(found)
    try:
        # Money is asked for by those too who never see any.
        assert set((await answer).codes) <= {"FORBIDDEN"}
    finally:
        _counted.reset(token)
    return found


async def settled(api: Api, *usernames: str) -> None:
    """Let people sign in, and what they may do be looked up and remembered."""
    for username in usernames:
        await api.token(username)
    await sleep(0.3)
    for username in usernames:
        await api.ask("{ viewer { user { id } } }", username)


async def reading_counts(api: Api, who: str, documents: Mapping[str, str]) -> dict[str, int]:
    """Return the count of each document; fail where it is not the same for 1 and for 100."""
    counts: dict[str, int] = {}
    for name, document in documents.items():
        sizes = (1, 100) if "$size" in document else (None,)
        found = {
            size: len(await statements(api.ask(document, who, **({} if size is None else {"size": size}))))
            for size in sizes
        }
        assert len(set(found.values())) == 1, f"{name} as {who}: {found}"
        counts[name] = found[sizes[0]]
    return counts


async def make_changes(api: Api) -> None:
    """Make engineering changes, each of which has all that one can have, of what stands first among the items."""
    for nth in range(2):
        first = await released(api, await change_draft(api, f"0-Q-{nth}"))
        second = await made(api, "engineer", "bomRevisionCreate", sourceId=first["id"])
        change = await in_review(api, second)
        await done(api, "director", "engineeringChangeRelease", id=change["id"])


async def command_counts(api: Api) -> dict[str, int]:
    """Return the count of some commands with a rich payload, each on a fresh order."""
    counts: dict[str, int] = {}
    for action, state in COMMANDS.items():
        order = await order_in(api, state)
        values = {"id": order["id"], **needs(action, order)}
        counts[mutation_name(action)] = len(
            await statements(send(api, actor(action), mutation_name(action), ORDER, **values))
        )
    for count in (1, 100):
        values = draft(lines=[line()] * count)
        counts[f"orderCreate with {count} lines"] = len(
            await statements(send(api, "buyer", "orderCreate", ORDER, **values))
        )
    return counts


async def test_statement_counts_are_those_of_the_golden_file(company_settings: Settings) -> None:
    planning, interpreting = (
        running_api(company_settings.model_copy(update={"planner": is_planner}))
        for is_planner in (True, False)
    )
    async with planning as planned, interpreting as interpreted:
        apis = {"planned": planned, "interpreted": interpreted}
        for api in apis.values():
            await settled(api, *READERS, "buyer")
        # The newest order has all that an order can have, so that a page of one asks for as much as a page of 100.
        newest = await order_in(
            planned,
            OrderState.IN_PROGRESS,
            made_by={},
            customerId=organization("C-001"),
            wbsNodeId=wbs_node("P-001", "1.2.1"),
            costCodeId=cost_code("5101"),
        )
        await take(planned, newest, OrderAction.ASSIGN)
        found = {
            path: {who: await reading_counts(api, who, DOCUMENTS) for who in READERS}
            for path, api in apis.items()
        }
        for path, api in apis.items():
            found[path]["commands"] = await command_counts(api)
        await make_changes(planned)
        for path, api in apis.items():
            for who in READERS:
                found[path][who] |= await reading_counts(api, who, CHANGE_DOCUMENTS)
    assert {count for who in READERS for count in found["planned"][who].values()} == {1}
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "update":
        GOLDEN.write_text(text, "utf-8")
    assert text == GOLDEN.read_text("utf-8")


async def test_what_many_orders_take_costs_as_many_statements_as_what_one_takes(company: Api) -> None:
    await order_in(company, OrderState.DRAFT, made_by={})
    await settled(company, "director")
    document = """query ($size: Int!) { orders(first: $size) { nodes { bomExplosion {
      quantity demand(first: 2) { totalCount nodes { quantity } }
    } } } }"""
    counts = {
        size: len(await statements(company.ask(document, "director", size=size))) for size in (1, 10, 100)
    }
    assert counts == {1: 3, 10: 3, 100: 3}


async def test_first_page_of_100_orders_is_full(company: Api) -> None:
    answer = await company.ask(DOCUMENTS["orders with everything"], "director", size=100)
    nodes = answer.data["orders"]["nodes"]
    assert len(nodes) == 100
    assert all(node["lines"]["nodes"] and node["events"]["nodes"] for node in nodes)


async def test_what_is_not_asked_for_costs_nothing(company: Api) -> None:
    await settled(company, "director")
    for nothing in (
        "{ orders(first: 1) { __typename } }",
        "{ __typename }",
        "{ __schema { types { name } } }",
    ):
        assert await statements(company.ask(nothing, "director")) == []
