"""Which changes are told to everybody who remembers a viewer, and which are nobody's business?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import pytest

from policies.grants import CHANNEL
from tests.api import Api
from tests.api_clients import TOKEN_PATH, added_client

_SIGN_IN = """
mutation {
  sessionCreate(input: { username: "pm", password: "demo-eoms" }) { refreshToken errors { code } }
}
"""
_REFRESH = """
mutation ($token: String!) { sessionRefresh(input: { refreshToken: $token }) { refreshToken errors { code } } }
"""
_REVOKE = """
mutation ($token: String!) { sessionRevoke(input: { refreshToken: $token }) { revoked errors { code } } }
"""


@pytest.fixture
async def notices(api: Api) -> AsyncGenerator[list[str]]:
    """What is told on the channel, as it comes."""
    heard: list[str] = []
    url = api.database.write.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    # Any: asyncpg has no types.
    connection = await cast("Any", asyncpg).connect(url)

    def hear(_connection: object, _pid: int, _channel: str, payload: str) -> None:
        heard.append(payload)

    await connection.add_listener(CHANNEL, hear)
    yield heard
    await connection.close()


async def told(api: Api, notices: list[str]) -> list[str]:
    """Return what has been told so far, once everything that was committed has been."""
    await api.rows("SELECT pg_notify('eoms_grants', 'the end')")
    async with asyncio.timeout(10):
        while "the end" not in notices:
            await asyncio.sleep(0.01)
    heard = notices[: notices.index("the end")]
    notices.clear()
    return heard


async def test_signing_in_and_refreshing_are_told_to_nobody(api: Api, notices: list[str]) -> None:
    answer = (await api.ask(_SIGN_IN)).data["sessionCreate"]
    answer = (await api.ask(_REFRESH, token=answer["refreshToken"])).data["sessionRefresh"]
    assert answer["errors"] == []
    assert await told(api, notices) == []


async def test_signing_out_is_told_with_the_users_id(api: Api, notices: list[str]) -> None:
    answer = (await api.ask(_SIGN_IN)).data["sessionCreate"]
    assert (await api.ask(_REVOKE, token=answer["refreshToken"])).data["sessionRevoke"]["revoked"] is True
    [(user_id,)] = await api.rows("SELECT id FROM app_user WHERE username = 'pm'")
    assert await told(api, notices) == [str(user_id)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE app_user SET disabled_at = now() WHERE username = 'pm'",
        "DELETE FROM membership WHERE role = 'engineer' AND user_id = (SELECT id FROM app_user WHERE username = 'pm')",
        "UPDATE session SET revoked_at = now() WHERE user_id = (SELECT id FROM app_user WHERE username = 'pm')",
    ],
    ids=["disabled", "role lost", "session ended"],
)
async def test_every_loss_is_told_with_the_users_id(api: Api, notices: list[str], change: str) -> None:
    await api.token("pm")
    await api.rows(change)
    [(user_id,)] = await api.rows("SELECT id FROM app_user WHERE username = 'pm'")
    assert await told(api, notices) == [str(user_id)]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE api_client SET scopes = '{read}'",
        "UPDATE api_client SET may_send_text = false",
        "UPDATE api_client_secret SET revoked_at = now()",
        "UPDATE api_client_secret SET expires_at = now()",
        "DELETE FROM api_client_secret",
    ],
    ids=["scopes", "mode", "secret revoked", "secret to end", "secret gone"],
)
async def test_every_loss_of_a_client_is_told_with_its_accounts_id(
    api: Api, notices: list[str], change: str
) -> None:
    await added_client(api.database.write, "robot")
    await told(api, notices)
    await api.rows(change)
    [(user_id,)] = await api.rows("SELECT user_id FROM api_client")
    assert await told(api, notices) == [str(user_id)]


async def test_getting_a_token_is_told_to_nobody(api: Api, notices: list[str]) -> None:
    robot = await added_client(api.database.write, "robot")
    await told(api, notices)
    form = {"grant_type": "client_credentials"}
    response = await api.client.post(TOKEN_PATH, data=form, auth=("robot", robot.secret))
    assert response.status_code == 200
    assert await told(api, notices) == []
