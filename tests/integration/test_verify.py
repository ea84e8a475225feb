"""Does verification find what was tampered with, and name it?"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from server.demo import load_demo
from server.demo.company import PERSON_BY_USERNAME
from server.demo.orders import demo_orders
from server.verify import verify_events, verify_snapshot

HISTORIES = demo_orders()
ORDER, NUMBER = HISTORIES[0].order.id, HISTORIES[0].order.number
EVENTS = HISTORIES[0].chain.events
LAST_EVENT = EVENTS[-1]["id"]
NEWEST_EVENT = max(
    (event for history in HISTORIES for event in history.chain.events), key=itemgetter("recorded_at", "id")
)["id"]
ASSIGNED = next(history for history in HISTORIES if history.assignments)
ASSIGNMENT = ASSIGNED.assignments[0]
WORKER = PERSON_BY_USERNAME["worker"].id
NOBODY = "ffffffff-ffff-7fff-bfff-ffffffffffff"


# The tables' owner can take every protection away, which is why the log has to prove itself.
ALLOW_CHANGES = "ALTER TABLE event DISABLE TRIGGER event_is_append_only"
DROP_FOREIGN_KEYS = """
    DO $$
    DECLARE
        found record;
    BEGIN
        FOR found IN
            SELECT conrelid::regclass AS owner, conname AS name FROM pg_constraint
            WHERE contype = 'f' AND connamespace = 'public'::regnamespace
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.owner, found.name);
        END LOOP;
    END $$
"""


@dataclass(frozen=True)
class Tampering:
    """What is done behind the system's back, and every finding that it must lead to."""

    name: str
    statements: Sequence[str]
    findings: Sequence[str]


def _order(what: str) -> str:
    return f"UPDATE engineering_order SET {what} WHERE id = '{ORDER}'"


def _event(version: int, what: str) -> str:
    return f"UPDATE event SET {what} WHERE aggregate_id = '{ORDER}' AND version = {version}"


def _without_event(version: int) -> list[str]:
    """Return statements that remove an event and close its gap in the feed."""
    event_id = EVENTS[version - 1]["id"]
    return [
        f"CREATE TEMPORARY TABLE hole AS SELECT position FROM event_feed WHERE event_id = '{event_id}'",
        f"DELETE FROM event_feed WHERE event_id = '{event_id}'",
        (
            "CREATE TEMPORARY TABLE later AS SELECT event_feed.* FROM event_feed, hole "
            "WHERE event_feed.position > hole.position"
        ),
        "DELETE FROM event_feed USING hole WHERE event_feed.position > hole.position",
        "INSERT INTO event_feed SELECT position - 1, event_id FROM later",
        f"DELETE FROM event WHERE id = '{event_id}'",
    ]


CHAINS = (
    Tampering(
        "note of an event",
        [_event(2, "note = 'never said'")],
        [f"Order {ORDER}: event 2 was changed, its hash does not match."],
    ),
    Tampering(
        "moment of an event",
        [_event(2, "recorded_at = recorded_at + interval '1 second'")],
        [f"Order {ORDER}: event 2 was changed, its hash does not match."],
    ),
    Tampering(
        "actor of an event",
        [_event(3, f"actor_id = '{WORKER}'")],
        [f"Order {ORDER}: event 3 was changed, its hash does not match."],
    ),
    Tampering(
        "changes of an event",
        [_event(1, """changes = jsonb_set(changes, '{title,1}', '"Another"')""")],
        [
            f"Order {ORDER}: event 1 was changed, its hash does not match.",
            f"Order {NUMBER}: the row differs from its events in title.",
        ],
    ),
    Tampering(
        "link to the event before",
        [_event(2, "previous_hash = sha256('x')")],
        [
            f"Order {ORDER}: event 2 does not follow the event before it.",
            f"Order {ORDER}: event 2 was changed, its hash does not match.",
        ],
    ),
    Tampering(
        "event removed from the middle",
        _without_event(3),
        [
            f"Order {ORDER}: event 3 is missing before event 4.",
            f"Order {ORDER}: event 4 starts from another state in state.",
            f"Order {NUMBER}: the row differs from its events in submittedBy.",
        ],
    ),
    Tampering(
        "last event removed",
        _without_event(len(EVENTS)),
        [f"Order {NUMBER}: the row differs from its events in state, version, updatedAt."],
    ),
)

ROWS = (
    Tampering(
        "order's title",
        [_order("title = 'Another'")],
        [f"Order {NUMBER}: the row differs from its events in title."],
    ),
    Tampering(
        "order's version",
        [_order("version = version + 1")],
        [f"Order {NUMBER}: the row differs from its events in version."],
    ),
    Tampering(
        "order's times",
        [_order("created_at = now(), updated_at = now()")],
        [f"Order {NUMBER}: the row differs from its events in createdAt, updatedAt."],
    ),
    Tampering(
        "price of a line",
        [f"UPDATE order_line SET unit_price = unit_price + 1 WHERE order_id = '{ORDER}' AND position = 2"],
        [f"Order {NUMBER}: the row differs from its events in lines.2.unitPrice."],
    ),
    Tampering(
        "assignment",
        [f"UPDATE assignment SET task = 'Another' WHERE id = '{ASSIGNMENT.id}'"],
        [
            (
                f"Order {ASSIGNED.order.number}: the row differs from its events in "
                f"assignments.{ASSIGNMENT.user_id}.task."
            )
        ],
    ),
    Tampering(
        "role granted behind the log's back",
        [f"INSERT INTO membership (id, user_id, role) VALUES (gen_random_uuid(), '{WORKER}', 'director')"],
        ["User worker: the row differs from its events in roles.director.global."],
    ),
    Tampering(
        "user's version and name",
        [f"UPDATE app_user SET name = 'Another', version = 7 WHERE id = '{WORKER}'"],
        ["User worker: the row differs from its events in name, version."],
    ),
    Tampering(
        "order without events",
        [
            f"""
            INSERT INTO engineering_order
            SELECT (jsonb_populate_record(
                engineering_order, '{{"id": "{NOBODY}", "number": "EO-2027-000001"}}'
            )).*
            FROM engineering_order WHERE id = '{ORDER}'
            """,
            "INSERT INTO order_number VALUES (2027, 1)",
        ],
        [f"Order {NOBODY} has a row but no events."],
    ),
    Tampering(
        "user without events",
        [
            f"""
            INSERT INTO app_user
            SELECT (jsonb_populate_record(app_user, '{{"id": "{NOBODY}", "username": "ghost"}}')).*
            FROM app_user WHERE id = '{WORKER}'
            """
        ],
        [f"User {NOBODY} has a row but no events."],
    ),
    Tampering(
        "order removed",
        [f"DELETE FROM engineering_order WHERE id = '{ORDER}'"],
        [f"Order {ORDER} has events but no row.", "No order has number 1 of 2025."],
    ),
    Tampering(
        "user removed",
        [f"DELETE FROM app_user WHERE id = '{WORKER}'"],
        [f"User {WORKER} has events but no row."],
    ),
)

PLACES = (
    Tampering(
        "places removed from the feed",
        [
            "INSERT INTO event_outbox SELECT event_id FROM event_feed WHERE position IN (2, 5, 6)",
            "DELETE FROM event_feed WHERE position IN (2, 5, 6)",
        ],
        ["The feed lacks position 2.", "The feed lacks positions 5 to 6."],
    ),
    Tampering(
        "first place removed",
        [
            "INSERT INTO event_outbox SELECT event_id FROM event_feed WHERE position = 1",
            "DELETE FROM event_feed WHERE position = 1",
        ],
        ["The feed lacks position 1."],
    ),
    Tampering(
        "event without a place",
        [
            f"DELETE FROM event_feed WHERE event_id = '{NEWEST_EVENT}'",
        ],
        [f"Event {NEWEST_EVENT} is neither in the feed nor in the outbox."],
    ),
    Tampering(
        "event with two places",
        [f"INSERT INTO event_outbox VALUES ('{LAST_EVENT}')"],
        [f"Event {LAST_EVENT} is in the feed and in the outbox."],
    ),
    Tampering(
        "place of no event",
        [f"INSERT INTO event_outbox VALUES ('{NOBODY}')"],
        [f"The outbox has event {NOBODY}, which is not in the log."],
    ),
    Tampering(
        "places exchanged",
        [
            f"""
            CREATE TEMPORARY TABLE pair AS SELECT event_id, position, version
            FROM event_feed JOIN event ON event.id = event_id
            WHERE aggregate_id = '{ORDER}' AND version IN (1, 2)
            """,
            "DELETE FROM event_feed WHERE event_id IN (SELECT event_id FROM pair)",
            """
            INSERT INTO event_feed
            SELECT pair.position, other.event_id
            FROM pair JOIN pair AS other ON other.version = 3 - pair.version
            """,
        ],
        [f"Order {ORDER}: event 2 has overtaken the one before."],
    ),
)

NUMBERS = (
    Tampering(
        "last number",
        ["UPDATE order_number SET last = last + 1 WHERE year = 2025"],
        ["The highest order number of 2025 is 142, the last given out 143."],
    ),
    Tampering(
        "year without its last number",
        ["DELETE FROM order_number WHERE year = 2025"],
        ["The highest order number of 2025 is 142, the last given out 0."],
    ),
    Tampering(
        "form of a number",
        [_order("number = '2025/1'")],
        [
            "Order 2025/1: the row differs from its events in number.",
            "'2025/1' is not an order number.",
            "No order has number 1 of 2025.",
        ],
    ),
)


@pytest.fixture(scope="module")
def demo_url(module_database_url: str) -> str:
    """Loaded once: every tampering below is rolled back."""
    load_demo(module_database_url, _ignore)
    return module_database_url


@pytest.mark.parametrize(
    "tampering", [*CHAINS, *ROWS, *PLACES, *NUMBERS], ids=lambda tampering: tampering.name
)
async def test_tampering_is_found_and_named(demo_url: str, tampering: Tampering) -> None:
    engine = create_async_engine(demo_url, poolclass=NullPool)
    async with engine.connect() as connection:
        for protection in (DROP_FOREIGN_KEYS, ALLOW_CHANGES):
            await connection.execute(text(protection))
        for statement in tampering.statements:
            await connection.execute(text(statement))
        result = await verify_snapshot(connection, _ignore)
        await connection.rollback()
    assert list(result.findings) == list(tampering.findings)
    assert not result.is_clean


async def test_untouched_demo_is_clean(demo_url: str) -> None:
    assert (await verify_events(demo_url, _ignore)).is_clean


async def test_empty_database_is_clean(database_url: str) -> None:
    parts: list[str] = []
    result = await verify_events(database_url, parts.append)
    assert (result.is_clean, result.event_count, result.aggregate_counts) == (True, 0, {})
    assert parts == ["Checking 0 events", "Checking the feed", "Checking numbers"]


def _ignore(_step: str) -> None:
    """Progress is no news in a test."""
