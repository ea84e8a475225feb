"""Does an answer that ends early leave anything behind?"""

from __future__ import annotations

import asyncio
import gc

from tests.api import Api

_ABORTED = """{
  a: orders(first: 3) { nodes { id customer { id } lines(first: 2) { nodes { id } } } }
  b: order(number: "EO-2025-000001") { id project { orders(first: 2) { nodes { id } } } }
  z: orders(first: -1) { nodes { id } }
}"""
_OPEN = """
SELECT count(*) FROM pg_stat_activity
WHERE state LIKE 'idle in transaction%' AND datname = current_database()
"""


async def test_aborted_answer_leaves_no_connection_behind(api: Api) -> None:
    gc.disable()
    try:
        for _ in range(12):
            answer = await api.ask(_ABORTED, "director")
            assert answer.codes == ["PAGE_SIZE_NEGATIVE"]
        await asyncio.sleep(0.3)
        assert await api.rows(_OPEN) == [(0,)]
    finally:
        gc.enable()
