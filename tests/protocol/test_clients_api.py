"""What does an API client get from the API, and what not?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from commands.clients import DisableClient, NewSecret, RevokeSecret, disable_client, revoke_secret
from commands.transactions import transaction
from db.events import Origin
from server.demo.company import PASSWORD, PROJECT_BY_CODE
from tests.api import ADDRESS, Api
from tests.api_clients import TOKEN_PATH, added_client, client_headers

AT_ONCE_SECONDS = 2
"""The notice that something was lost is on its way for a moment after the commit."""

ORDERS = {
    "query": "{ orders(first: 100) { totalCount nodes { number } } projects(first: 9) { nodes { code } } }"
}
NOTHING: dict[str, object] = {"orders": {"totalCount": 0, "nodes": []}, "projects": {"nodes": []}}
WHO = {"query": "{ viewer { user { username } } }"}
CREATE = """
mutation ($input: OrderCreateInput!) {
  orderCreate(input: $input) { order { number events(first: 1) { nodes { actor { username } } } } errors { code } }
}
"""
SIGN_IN = (
    "mutation ($input: SessionCreateInput!) { sessionCreate(input: $input) { accessToken errors { code } } }"
)
SIGN_OUT = "mutation { sessionRevoke(input: {}) { revoked errors { code message path } } }"


def origin() -> Origin:
    return Origin(None, None, ADDRESS, datetime.now(UTC))


async def test_client_without_a_role_of_others_sees_nothing(api: Api) -> None:
    robot = await added_client(api.database.write, "robot")
    assert (await api.send(ORDERS, await client_headers(api, "robot", robot.secret))).data == NOTHING


async def test_client_sees_the_orders_of_the_project_where_it_holds_a_role_and_no_others(api: Api) -> None:
    robot = await added_client(api.database.write, "robot", roles=("project_manager@P-001",))
    seen = (await api.send(ORDERS, await client_headers(api, "robot", robot.secret))).data
    project_id = PROJECT_BY_CODE["P-001"].id
    theirs = {
        number
        for (number,) in await api.rows(
            "SELECT number FROM engineering_order WHERE project_id = :id", id=project_id
        )
    }
    page = {order["number"] for order in seen["orders"]["nodes"]}
    assert (seen["orders"]["totalCount"], len(theirs), len(page)) == (108, 108, 100)
    assert page < theirs
    assert seen["projects"] == {"nodes": [{"code": "P-001"}]}


async def test_client_is_the_actor_of_what_it_does(api: Api) -> None:
    robot = await added_client(api.database.write, "robot", roles=("engineer@P-001",))
    project_id = f"Project:{PROJECT_BY_CODE['P-001'].id}"
    body = {"query": CREATE, "variables": {"input": {"projectId": project_id, "title": "Sent by a program"}}}
    done = (await api.send(body, await client_headers(api, "robot", robot.secret))).data["orderCreate"]
    assert done["errors"] == []
    assert done["order"]["events"] == {"nodes": [{"actor": {"username": "robot"}}]}
    actor = "SELECT actor_id = (SELECT user_id FROM api_client) FROM event ORDER BY sequence DESC LIMIT 1"
    assert await api.rows(actor) == [(True,)]


@pytest.mark.parametrize("loss", ["secret", "account"])
async def test_client_that_loses_its_access_is_refused_on_the_next_request(api: Api, loss: str) -> None:
    robot = await added_client(api.database.write, "robot")
    headers = await client_headers(api, "robot", robot.secret)
    assert (await api.send(WHO, headers)).data == {"viewer": {"user": {"username": "robot"}}}
    async with transaction(api.database.write) as session:
        if loss == "secret":
            await revoke_secret(session, origin(), RevokeSecret(robot.client_id, robot.secret_id))
        else:
            await disable_client(session, origin(), DisableClient(robot.client_id))
    async with asyncio.timeout(AT_ONCE_SECONDS):
        while (answer := await api.send(WHO, headers)).status == 200:
            await asyncio.sleep(0.005)
    assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
    form = {"grant_type": "client_credentials"}
    again = await api.client.post(TOKEN_PATH, data=form, auth=("robot", robot.secret))
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


async def test_client_has_no_session_to_end_and_goes_on(api: Api) -> None:
    robot = await added_client(api.database.write, "robot")
    headers = await client_headers(api, "robot", robot.secret)
    before = await _identity(api)
    error = {
        "code": "NO_SESSION",
        "message": "An API client has no session that could be ended.",
        "path": None,
    }
    answer = await api.send({"query": SIGN_OUT}, headers)
    assert answer.data == {"sessionRevoke": {"revoked": False, "errors": [error]}}
    assert await _identity(api) == before
    assert (await api.send(WHO, headers)).data == {"viewer": {"user": {"username": "robot"}}}


async def test_clients_account_is_opened_by_no_password(api: Api) -> None:
    robot = await added_client(api.database.write, "robot")
    await _refused_to_sign_in(api, robot, "", "!", PASSWORD)


async def test_password_slipped_into_a_clients_account_opens_nothing(api: Api) -> None:
    robot = await added_client(api.database.write, "robot")
    await api.rows(
        "UPDATE app_user SET password_hash = (SELECT password_hash FROM app_user WHERE username = 'pm')"
        " WHERE username = 'robot'"
    )
    await _refused_to_sign_in(api, robot, PASSWORD)


async def _refused_to_sign_in(api: Api, robot: NewSecret, *passwords: str) -> None:
    before = await _identity(api)
    for password in (*passwords, robot.secret):
        answer = await api.ask(SIGN_IN, input={"username": "robot", "password": password})
        assert answer.data["sessionCreate"] == {
            "accessToken": None,
            "errors": [{"code": "INVALID_CREDENTIALS"}],
        }
    assert await _identity(api) == before


async def _identity(api: Api) -> list[object]:
    tables = ("session", "refresh_token", "api_client", "event")
    return [await api.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables]
