"""What does a client learn of a mistake of ours, and what is left of its command?"""

from __future__ import annotations

import httpx
from structlog.testing import capture_logs

from tests.api import Api


async def post(api: Api, body: object, **headers: str) -> httpx.Response:
    return await api.client.post("/graphql", json=body, headers=headers)


async def test_our_own_mistake_is_told_by_request_id_and_its_trace_goes_to_the_log_only(
    planning_api: Api,
) -> None:
    await planning_api.rows("ALTER TABLE engineering_order DROP COLUMN description")
    headers = {"Authorization": f"Bearer {await planning_api.token('director')}", "X-Request-Id": "broken-1"}
    with capture_logs() as logs:
        response = await post(
            planning_api,
            {"query": "{ viewer { user { id } } orders(first: 1) { nodes { description } } }"},
            **headers,
        )
    assert response.status_code == 200
    (error,) = response.json()["errors"]
    assert error["message"] == "Something went wrong here."
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "broken-1"}
    assert "description" not in response.text.replace('"message"', "")
    planned, interpreted = [each for each in logs if each["log_level"] == "error"]
    assert (planned["event"], planned["request_id"]) == ("statement_failed", "broken-1")
    assert planned["kind"] == "UndefinedColumnError 42703"
    assert (interpreted["event"], interpreted["request_id"]) == ("resolver_failed", "broken-1")
    assert "description" in str(interpreted["exc_info"])


async def test_command_that_fails_on_our_own_mistake_keeps_nothing(api: Api) -> None:
    (order_id,) = (await api.rows("SELECT id FROM engineering_order WHERE state = 'SUBMITTED' LIMIT 1"))[0]
    token = await api.token("director")
    await api.rows("ALTER TABLE event_outbox RENAME TO elsewhere")
    before = await api.order_state()
    document = (
        f'mutation {{ orderCancel(input: {{id: "Order:{order_id}", note: "why"}}) {{ order {{ id }} }} }}'
    )
    with capture_logs():
        response = await post(api, {"query": document}, Authorization=f"Bearer {token}")
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert await api.order_state() == before
