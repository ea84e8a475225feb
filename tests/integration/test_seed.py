"""Do many orders arrive whole, with numbers and events that agree?"""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from domain.order import OrderState
from server import seed as seeding
from server.demo import load_demo
from server.seed import SeedError, seed
from server.verify import verify_events


def test_seed_behind_the_demo_is_clean_and_gapless(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "BATCH_ORDERS", 60)
    load_demo(database_url, lambda _: None)
    told: list[tuple[int, int]] = []
    seed(database_url, 200, 3, lambda done, total: told.append((done, total)))
    assert told == [(0, 200), (60, 200), (120, 200), (180, 200), (200, 200)]
    result = asyncio.run(verify_events(database_url, lambda _: None))
    assert result.findings == ()
    assert result.aggregate_counts == {
        "User": 18,
        "Item": 34,
        "BomRevision": 13,
        "EngineeringChange": 1,
        "Order": 452,
    }
    numbers = _ask(database_url, "SELECT sum(last) AS last, count(*) AS years FROM order_number")[0]
    assert dict(numbers) == {"last": 452, "years": 5}


def test_seeded_orders_are_spread_and_wait_in_the_outbox(database_url: str) -> None:
    seed(database_url, 440, 3, _ignore)
    found = _ask(
        database_url,
        """
        SELECT count(*) AS orders, count(DISTINCT project_id) AS projects, count(DISTINCT state) AS states,
               count(DISTINCT customer_id) AS customers, count(DISTINCT contractor_id) AS contractors,
               (SELECT count(*) FROM order_line) AS lines, (SELECT count(*) FROM event_outbox) AS waiting,
               (SELECT min(code) || ' ' || max(code) FROM project) AS codes
        FROM engineering_order
        """,
    )[0]
    assert dict(found) == {
        "orders": 440,
        "projects": 20,
        "states": len(OrderState),
        "customers": 5,
        "contractors": 10,
        "lines": 1320,
        "waiting": 440,
        "codes": "S-001 S-020",
    }


def test_second_seed_goes_on_where_the_first_ended(database_url: str) -> None:
    seed(database_url, 30, 2, _ignore)
    seed(database_url, 20, 2, _ignore)
    assert asyncio.run(verify_events(database_url, _ignore)).findings == ()
    assert _ask(database_url, "SELECT count(*) AS count FROM project")[0]["count"] == 20


def test_orders_without_lines_are_drafts(database_url: str) -> None:
    seed(database_url, 12, 0, _ignore)
    found = _ask(database_url, "SELECT DISTINCT state::text AS state, amount FROM engineering_order")
    assert [dict(row) for row in found] == [{"state": "DRAFT", "amount": None}]


def test_year_without_numbers_left_is_refused_and_nothing_is_written(database_url: str) -> None:
    _ask(
        database_url, "INSERT INTO order_number SELECT year, 999999 FROM generate_series(2022, 2026) AS year"
    )
    with pytest.raises(SeedError, match=r"has no \d+ order numbers left; a year has 999,999\."):
        seed(database_url, 10, 1, _ignore)
    assert _ask(database_url, "SELECT count(*) AS count FROM engineering_order")[0]["count"] == 0


def _ask(url: str, query: str) -> Sequence[RowMapping]:
    async def ask() -> Sequence[RowMapping]:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            result = await connection.execute(text(query))
            return result.mappings().all() if result.returns_rows else ()

    return asyncio.run(ask())


def _ignore(*_progress: object) -> None:
    """Progress is no news in a test."""
