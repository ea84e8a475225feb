"""Has every event its one place, and every number its order or engineering change?

The part of verification that looks at sets instead of single aggregates: feed, outbox and numbers. What is
found is told in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

_FEED_GAPS = """
    SELECT previous + 1 AS first, position - 1 AS last
    FROM (
        SELECT position, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS previous FROM event_feed
    ) AS placed
    WHERE position <> previous + 1
    ORDER BY position
"""

_UNPLACED = """
    SELECT id FROM event
    WHERE NOT EXISTS (SELECT FROM event_feed WHERE event_feed.event_id = event.id)
      AND NOT EXISTS (SELECT FROM event_outbox WHERE event_outbox.event_id = event.id)
    ORDER BY sequence
"""

_PLACED_TWICE = "SELECT event_id FROM event_feed JOIN event_outbox USING (event_id) ORDER BY position"

_PLACES_OF_NOTHING = """
    SELECT place, event_id
    FROM (SELECT 'feed' AS place, event_id FROM event_feed
          UNION ALL SELECT 'outbox', event_id FROM event_outbox) AS placed
    WHERE NOT EXISTS (SELECT FROM event WHERE event.id = placed.event_id)
    ORDER BY place, event_id
"""

# An event that still waits counts as the last of all: nothing newer of its aggregate may have been placed.
_OVERTAKEN = """
    SELECT id, aggregate_type, aggregate_id, version
    FROM (
        SELECT event.*, lag(place) OVER (PARTITION BY aggregate_id ORDER BY version) AS place_before
        FROM (
            SELECT event.id, aggregate_type, aggregate_id, version,
                   coalesce(position, 9223372036854775807) AS place
            FROM event LEFT JOIN event_feed ON event_feed.event_id = event.id
        ) AS event
    ) AS placed
    WHERE place < place_before
    ORDER BY aggregate_id, version
"""

_MALFORMED_NUMBERS = (
    r"SELECT number FROM engineering_order WHERE number !~ '^EO-\d{4}-\d{6}$' ORDER BY number"
)

_NUMBER_GAPS = r"""
    SELECT year, previous + 1 AS first, nth - 1 AS last
    FROM (
        SELECT year, nth, lag(nth, 1, 0) OVER (PARTITION BY year ORDER BY nth) AS previous
        FROM (
            SELECT split_part(number, '-', 2)::int AS year, split_part(number, '-', 3)::int AS nth
            FROM engineering_order WHERE number ~ '^EO-\d{4}-\d{6}$'
        ) AS numbered
    ) AS ordered
    WHERE nth <> previous + 1
    ORDER BY year, nth
"""

_LAST_NUMBERS = r"""
    SELECT year, coalesce(highest, 0) AS highest, coalesce(last, 0) AS last
    FROM (
        SELECT split_part(number, '-', 2)::int AS year, max(split_part(number, '-', 3)::int) AS highest
        FROM engineering_order WHERE number ~ '^EO-\d{4}-\d{6}$'
        GROUP BY 1
    ) AS used
    FULL JOIN order_number USING (year)
    WHERE highest IS DISTINCT FROM last
    ORDER BY year
"""


@dataclass(frozen=True, slots=True)
class _Numbered:
    """What has numbers without gaps: what people call it, and what stands in the place of orders in the statements."""

    kind: str
    words: Mapping[str, str]

    def told(self, sql: str) -> TextClause:
        """Return a statement on orders as one on this."""
        for word, other in self.words.items():
            sql = sql.replace(word, other)
        return text(sql)


_NUMBERED = (
    _Numbered("order", {}),
    _Numbered(
        "engineering change",
        {
            "engineering_order": "engineering_change",
            "order_number": "engineering_change_number",
            "^EO": "^EC",
        },
    ),
)


async def feed_findings(connection: AsyncConnection) -> list[str]:
    """Return what is wrong with the places of events: gaps, none or two for one event, a wrong order."""
    findings = [
        f"The feed lacks position{_span(gap.first, gap.last)}."
        for gap in await connection.execute(text(_FEED_GAPS))
    ]
    findings += [
        f"Event {found.id} is neither in the feed nor in the outbox."
        for found in await connection.execute(text(_UNPLACED))
    ]
    findings += [
        f"Event {found.event_id} is in the feed and in the outbox."
        for found in await connection.execute(text(_PLACED_TWICE))
    ]
    findings += [
        f"The {found.place} has event {found.event_id}, which is not in the log."
        for found in await connection.execute(text(_PLACES_OF_NOTHING))
    ]
    findings += [
        f"{found.aggregate_type} {found.aggregate_id}: event {found.version} has overtaken the one before."
        for found in await connection.execute(text(_OVERTAKEN))
    ]
    return findings


async def number_findings(connection: AsyncConnection) -> list[str]:
    """Return what is wrong with numbers: form, gaps in a year, a last one that is not the last."""
    findings: list[str] = []
    for each in _NUMBERED:
        findings += [
            f"{found.number!r} is not an {each.kind} number."
            for found in await connection.execute(each.told(_MALFORMED_NUMBERS))
        ]
        findings += [
            f"No {each.kind} has number{_span(gap.first, gap.last)} of {gap.year}."
            for gap in await connection.execute(each.told(_NUMBER_GAPS))
        ]
        findings += [
            f"The highest {each.kind} number of {found.year} is {found.highest}, the last given out {found.last}."
            for found in await connection.execute(each.told(_LAST_NUMBERS))
        ]
    return findings


def _span(first: int, last: int) -> str:
    return f" {first}" if first == last else f"s {first} to {last}"
