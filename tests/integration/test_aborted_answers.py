"""Does an answer that ends early leave anything behind?"""

from __future__ import annotations

import asyncio
import gc

import pytest

from domain.order import OrderState
from loaders.reads import Reads
from tests.api import Api
from tests.integration.order_world import order_in, unchanged

_ABORTED = """{
  a: orders(first: 3) { nodes { id customer { id } lines(first: 2) { nodes { id } } } }
  b: order(number: "EO-2025-000001") { id project { orders(first: 2) { nodes { id } } } }
  z: orders(first: -1) { nodes { id } }
}"""
_HOLD = """
mutation ($input: OrderActionInput!) { orderHold(input: $input) { order { number } errors { code } } }
"""
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


@pytest.mark.parametrize("cancellations", [1, 2])
async def test_command_whose_client_goes_before_it_is_kept_is_rolled_back(
    api: Api, monkeypatch: pytest.MonkeyPatch, cancellations: int
) -> None:
    order = await order_in(api, OrderState.IN_PROGRESS)
    closing, close = asyncio.Event(), Reads.close

    async def slowly(reads: Reads) -> None:
        closing.set()
        await asyncio.sleep(0.1)
        await close(reads)

    async with unchanged(api, "pm"):
        with monkeypatch.context() as patched:
            patched.setattr(Reads, "close", slowly)
            asking = asyncio.create_task(
                api.ask(_HOLD, "pm", input={"id": order["id"], "note": "Rain", "idempotencyKey": "gone"})
            )
            await closing.wait()
            for _ in range(cancellations):
                asking.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.sleep(0.3)
        assert await api.rows(_OPEN) == [(0,)]
