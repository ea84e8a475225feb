"""What becomes of an operation that takes too long?"""

from __future__ import annotations

from sqlalchemy import text

from server.settings import Settings
from tests.api import running_api


async def test_operation_that_takes_too_long_is_rolled_back_and_told(demo_settings: Settings) -> None:
    hurried = demo_settings.model_copy(update={"max_operation_seconds": 0.3})
    async with running_api(hurried) as api:
        (order_id,) = (await api.rows("SELECT id FROM engineering_order WHERE state = 'SUBMITTED' LIMIT 1"))[
            0
        ]
        await api.token("director")
        before = await api.order_state()
        document = f"""mutation {{
          orderCancel(input: {{id: "Order:{order_id}", note: "why", idempotencyKey: "k1"}}) {{ errors {{ code }} }}
        }}"""
        async with api.database.write.begin() as other:
            await other.execute(
                text("SELECT 1 FROM engineering_order WHERE id = :id FOR UPDATE"), {"id": order_id}
            )
            answer = await api.ask(document, "director")
        assert (answer.codes, answer.content["data"]) == (["TIMEOUT"], None)
        assert await api.order_state() == before
        # Nothing holds on to what it had: the same command goes through now.
        assert (await api.ask(document, "director")).data == {"orderCancel": {"errors": []}}
