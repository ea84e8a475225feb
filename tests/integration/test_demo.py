"""Is the demo company whole, lawful, and the same on every machine?"""

import asyncio
import csv
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Executable, RowMapping, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from db.tables import Row
from domain.order import OrderState
from policies.passwords import Passwords
from server.demo import PASSWORD, PERSONAS, DemoSummary, load_demo
from server.demo.boms import REVISIONS
from server.verify import verify_events

SUMMARY = DemoSummary(
    is_new=True,
    organization_count=6,
    user_count=18,
    project_count=3,
    order_count=252,
    event_count=2629,
)

LIBRARY_EVENTS = 34 + 13 * 2 + 1 + 3
"""Of items, which are created, and of revisions, which are created and released; one of them was superseded.

And of one engineering change, which was created, submitted and released.
"""

ACTED = text("""
    SELECT membership.role, engineering_order.id AS order_id, event.type, event.version,
           membership.project_id IS NULL AS is_global,
           membership.project_id = event.project_id AS is_in_project,
           app_user.organization_id IN (contractor_id, customer_id) AS is_own_org,
           EXISTS (SELECT FROM assignment WHERE assignment.order_id = engineering_order.id
                   AND assignment.user_id = app_user.id) AS is_assigned
    FROM event
    JOIN engineering_order ON engineering_order.id = event.aggregate_id
    JOIN app_user ON app_user.id = event.actor_id
    JOIN membership ON membership.user_id = app_user.id
""")

DEEDS = {
    "OrderCreated": "create",
    "OrderUpdated": "update",
    "OrderSubmitted": "submit",
    "OrderApproved": "approve",
    "OrderRejected": "reject",
    "OrderRevised": "revise",
    "OrderAssigned": "assign",
    "OrderReleased": "release",
    "OrderStarted": "start",
    "OrderHeld": "hold",
    "OrderResumed": "resume",
    "OrderProgressReported": "report_progress",
    "OrderCompleted": "complete",
    "OrderAccepted": "accept",
    "OrderSettled": "settle",
    "OrderCancelled": "cancel",
    "OrderBomFrozen": "freeze_bom",
    "OrderBomRebased": "rebase_bom",
}


@pytest.fixture(scope="module")
def demo_url(module_database_url: str) -> str:
    """Loaded once: no test below changes it."""
    load_demo(module_database_url, _ignore)
    return module_database_url


def test_first_load_brings_all_and_the_second_changes_nothing(database_url: str) -> None:
    steps: list[str] = []
    assert load_demo(database_url, steps.append) == SUMMARY
    assert steps == ["Loading the demo company"]
    before = _dump(database_url)
    again = load_demo(database_url, steps.append)
    assert (again.is_new, again.event_count) == (False, SUMMARY.event_count)
    assert steps == ["Loading the demo company"]
    assert _dump(database_url) == before


def test_two_databases_get_the_same_rows(demo_url: str, database_url: str) -> None:
    load_demo(database_url, _ignore)
    assert _dump(database_url) == _dump(demo_url)


def test_two_loads_at_once_load_once(database_url: str) -> None:
    async def both() -> list[DemoSummary]:
        loads = [asyncio.to_thread(load_demo, database_url, _ignore) for _ in range(2)]
        return await asyncio.gather(*loads)

    assert sorted(summary.is_new for summary in asyncio.run(both())) == [False, True]


def test_database_with_data_stays_as_it_is(database_url: str) -> None:
    columns = "(id, code, name, kind) VALUES (gen_random_uuid(), 'X', 'Somebody', 'OWN')"
    _run(database_url, text(f"INSERT INTO organization {columns}"))
    assert not load_demo(database_url, _ignore).is_new
    assert _run(database_url, text("SELECT count(*) AS count FROM engineering_order"))[0]["count"] == 0


async def test_log_and_rows_of_the_demo_agree(demo_url: str) -> None:
    result = await verify_events(demo_url, _ignore)
    assert result.findings == ()
    assert result.event_count == SUMMARY.event_count
    assert result.aggregate_counts == {
        "User": 18,
        "Item": 34,
        "BomRevision": 13,
        "EngineeringChange": 1,
        "Order": 252,
    }


def test_every_project_has_orders_in_every_state(demo_url: str) -> None:
    rows = _run(
        demo_url,
        text(
            "SELECT DISTINCT project.code, state::text FROM engineering_order "
            "JOIN project ON project.id = project_id ORDER BY 1, 2"
        ),
    )
    found = {(row["code"], row["state"]) for row in rows}
    assert found == {(code, state) for code in ("P-001", "P-002", "P-003") for state in OrderState}


def test_numbers_have_no_gaps_and_two_years(demo_url: str) -> None:
    last = {row["year"]: row["last"] for row in _run(demo_url, text("SELECT year, last FROM order_number"))}
    assert sum(last.values()) == 252
    numbers = [
        row["number"]
        for row in _run(demo_url, text("SELECT number FROM engineering_order ORDER BY created_at, id"))
    ]
    assert numbers == [f"EO-{year}-{nth:06d}" for year in (2025, 2026) for nth in range(1, last[year] + 1)]


def test_orders_show_the_cases_that_demonstrations_need(demo_url: str) -> None:
    cases = {
        "over-delivered line": "SELECT 1 FROM order_line WHERE done_quantity > quantity",
        "draft without prices": "SELECT 1 FROM engineering_order WHERE state = 'DRAFT' AND amount IS NULL",
        "draft with some prices": (
            "SELECT 1 FROM order_line GROUP BY order_id "
            "HAVING count(*) > count(unit_price) AND count(unit_price) > 0"
        ),
        "approved above the limit of its project": (
            "SELECT 1 FROM engineering_order JOIN project ON project.id = project_id "
            "WHERE amount > approval_limit AND state >= 'APPROVED'"
        ),
        "revised order": "SELECT 1 FROM engineering_order WHERE revision = 2 AND state = 'SETTLED'",
        "late report": "SELECT 1 FROM event WHERE occurred_at < recorded_at",
        "worker on an order of P-001": (
            "SELECT 1 FROM assignment JOIN app_user ON app_user.id = user_id "
            "JOIN engineering_order ON engineering_order.id = order_id "
            "JOIN project ON project.id = project_id "
            "WHERE username = 'worker' AND code = 'P-001'"
        ),
        "order of the second contractor in P-001": (
            "SELECT 1 FROM engineering_order JOIN project ON project.id = project_id "
            "JOIN organization ON organization.id = contractor_id "
            "WHERE project.code = 'P-001' AND organization.code = 'K-002'"
        ),
        "order built by a panel that has been replaced since": (
            "SELECT 1 FROM order_bom_part JOIN bom_revision ON bom_revision.id = revision_id "
            "WHERE bom_revision.state = 'SUPERSEDED'"
        ),
        "order built by the panel that replaced it": (
            "SELECT 1 FROM order_bom_part JOIN bom_revision ON bom_revision.id = revision_id "
            "WHERE bom_revision.number = 2"
        ),
        "order whose BOM was rebased": "SELECT 1 FROM event WHERE type = 'OrderBomRebased'",
        "steel bridge under construction": (
            "SELECT 1 FROM engineering_order JOIN bom_revision ON bom_revision.id = bom_revision_id "
            "JOIN item ON item.id = item_id "
            "WHERE item.code = 'SB-100' AND engineering_order.state = 'IN_PROGRESS'"
        ),
        "submission that the project's manager may approve": (
            "SELECT 1 FROM engineering_order JOIN project ON project.id = project_id "
            "WHERE state = 'SUBMITTED' AND amount <= approval_limit AND submitted_by_id <> manager_id"
        ),
    }
    missing = [name for name, query in cases.items() if not _run(demo_url, text(f"{query} LIMIT 1"))]
    assert missing == []


def test_pump_station_has_five_levels_and_shares_parts_with_the_bridge() -> None:
    parts: dict[str, set[str]] = {}
    for revision in REVISIONS:
        parts.setdefault(revision.item, set()).update(line.item for line in revision.lines)

    def below(code: str) -> set[str]:
        return {each for part in parts.get(code, ()) for each in (part, *below(part))}

    def levels(code: str) -> int:
        return max((1 + levels(part) for part in parts.get(code, ())), default=0)

    assert (levels("PS-100"), levels("SB-100")) == (5, 3)
    assert below("PS-100") & below("SB-100") & parts.keys() == {"CH-330", "FK-300"}


def test_everybody_in_a_history_was_granted_his_deed(demo_url: str) -> None:
    rules = Path("policies/rules.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.reader((line for line in rules if line.startswith("p,")), skipinitialspace=True)
    granted = {
        (role, deed, where)
        for _, role, thing, deed, where, effect in rows
        if (thing, effect) == ("order", "allow")
    }
    lawful: dict[tuple[object, int], bool] = {}
    for row in _run(demo_url, ACTED):
        # A role that is held globally holds in every project; rules of `any` stand with such roles only.
        scopes = {
            "any": row["is_global"],
            "project": row["is_global"] or row["is_in_project"],
            "own_org": row["is_own_org"],
            "assigned": row["is_assigned"],
        }
        key = (row["order_id"], row["version"])
        may = any(
            (row["role"], DEEDS[row["type"]], where) in granted for where, holds in scopes.items() if holds
        )
        lawful[key] = lawful.get(key, False) or may
    assert len(lawful) == SUMMARY.event_count - SUMMARY.user_count - LIBRARY_EVENTS
    assert [key for key, may in lawful.items() if not may] == []


def test_nobody_approved_what_he_submitted_or_beyond_his_limit(demo_url: str) -> None:
    query = text("""
        SELECT number FROM event
        JOIN engineering_order ON engineering_order.id = aggregate_id
        JOIN project ON project.id = engineering_order.project_id
        JOIN app_user ON app_user.id = actor_id
        WHERE event.type = 'OrderApproved' AND username <> 'director'
          AND (actor_id = submitted_by_id OR amount > approval_limit OR actor_id <> manager_id)
    """)
    assert _run(demo_url, query) == []


def test_personas_hold_their_roles(demo_url: str) -> None:
    assert " ".join(persona.username for persona in PERSONAS) == (
        "admin director finance auditor pm engineer buyer foreman worker contractor contractor2 customer"
    )
    query = text("""
        SELECT username, role, code FROM app_user
        JOIN membership ON membership.user_id = app_user.id
        LEFT JOIN project ON project.id = project_id
    """)
    held: dict[str, set[tuple[str, str | None]]] = {}
    for row in _run(demo_url, query):
        held.setdefault(row["username"], set()).add((row["role"], row["code"]))
    assert held["pm"] == {("project_manager", "P-001"), ("engineer", "P-002")}
    assert held["pm2"] == {("project_manager", "P-002"), ("project_manager", "P-003")}
    for name in ("engineer", "buyer", "foreman"):
        assert held[name] == {(name, "P-001")}
    for name in ("admin", "director", "finance", "auditor", "worker", "contractor", "customer"):
        assert held[name] == {(name, None)}
    assert held["contractor2"] == {("contractor", None)}


def test_contractors_belong_to_different_organizations(demo_url: str) -> None:
    query = text("""
        SELECT username, kind, organization.code FROM app_user
        JOIN organization ON organization.id = organization_id
        WHERE username IN ('contractor', 'contractor2', 'customer') ORDER BY username
    """)
    assert [tuple(row.values()) for row in _run(demo_url, query)] == [
        ("contractor", "CONTRACTOR", "K-001"),
        ("contractor2", "CONTRACTOR", "K-002"),
        ("customer", "CUSTOMER", "C-001"),
    ]


def test_every_user_signs_in_with_the_password(demo_url: str) -> None:
    hashes = {row["password_hash"] for row in _run(demo_url, text("SELECT password_hash FROM app_user"))}

    async def all_match() -> bool:
        passwords = Passwords()
        return all([await passwords.matches(PASSWORD, stored) for stored in hashes])

    assert asyncio.run(all_match())


def test_demo_events_have_places_in_the_feed_and_none_waits(demo_url: str) -> None:
    query = text("""
        SELECT count(*) AS placed, bool_and(in_order) AS in_order,
               (SELECT count(*) FROM event_outbox) AS waiting
        FROM (SELECT position = row_number() OVER (ORDER BY sequence) AS in_order
              FROM event_feed JOIN event ON event.id = event_id) AS places
    """)
    assert dict(_run(demo_url, query)[0]) == {"placed": SUMMARY.event_count, "in_order": True, "waiting": 0}


def test_ids_sort_by_creation_and_are_of_version_7(demo_url: str) -> None:
    orders = _run(demo_url, text("SELECT id, created_at FROM engineering_order ORDER BY number"))
    assert [row["id"] for row in orders] == sorted(row["id"] for row in orders)
    assert all(re.fullmatch(r".{8}-.{4}-7.{3}-[89ab].{3}-.{12}", str(row["id"])) for row in orders)


def _dump(url: str) -> dict[str, list[dict[str, object]]]:
    """Every row of every table but what differs from machine to machine: the password's hash."""
    return {
        name: sorted(
            (
                {column: value for column, value in row.items() if column != "password_hash"}
                for row in _run(url, select(table))
            ),
            key=str,
        )
        for name, table in Row.metadata.tables.items()
    }


def _run(url: str, query: Executable) -> Sequence[RowMapping]:
    async def ask() -> Sequence[RowMapping]:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            result = await connection.execute(query)
            return result.mappings().all() if result.returns_rows else ()

    return asyncio.run(ask())


def _ignore(_step: str) -> None:
    """Progress is no news in a test."""
