"""How does a client sign in, stay signed in and sign out over GraphQL?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from server.demo.company import PASSWORD
from tests.api import Api

_SESSION = """
  accessToken refreshToken expiresAt
  errors { __typename code message path ... on SignInThrottled { retryAfterSeconds } }
"""
CREATE = f"mutation ($input: SessionCreateInput!) {{ it: sessionCreate(input: $input) {{ {_SESSION} }} }}"
REFRESH = f"mutation ($input: SessionRefreshInput!) {{ it: sessionRefresh(input: $input) {{ {_SESSION} }} }}"
REVOKE = """
  mutation ($input: SessionRevokeInput!) { it: sessionRevoke(input: $input) { revoked errors { code } } }
"""
NO_TOKENS = {"accessToken": None, "refreshToken": None, "expiresAt": None}
INVALID = {
    **NO_TOKENS,
    "errors": [
        {
            "__typename": "InvalidCredentials",
            "code": "INVALID_CREDENTIALS",
            "message": "The credentials are not valid.",
            "path": None,
        }
    ],
}

# Any: JSON.
Json = dict[str, Any]


async def sign_in(api: Api, username: str = "pm", password: str = PASSWORD) -> Json:
    return (await api.ask(CREATE, input={"username": username, "password": password})).data["it"]


async def refresh(api: Api, token: str) -> Json:
    return (await api.ask(REFRESH, input={"refreshToken": token})).data["it"]


async def viewer(api: Api, access_token: str) -> tuple[int, str | None]:
    """Return the status of a request with this token, and whose it is."""
    answer = await api.send(
        {"query": "{ viewer { user { username } } }"}, {"Authorization": f"Bearer {access_token}"}
    )
    return answer.status, answer.data["viewer"]["user"]["username"] if answer.status == 200 else None


async def sessions(api: Api) -> int:
    return (await api.rows("SELECT count(*) FROM session"))[0][0]


async def test_person_signs_in_and_is_the_viewer(api: Api) -> None:
    signed = await sign_in(api)
    assert signed["errors"] == []
    assert await viewer(api, signed["accessToken"]) == (200, "pm")
    left = datetime.fromisoformat(signed["expiresAt"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)


async def test_username_is_taken_in_any_case_and_with_blanks_around(api: Api) -> None:
    signed = await sign_in(api, " PM ")
    assert await viewer(api, signed["accessToken"]) == (200, "pm")


async def test_every_wrong_sign_in_is_answered_alike_and_opens_nothing(api: Api) -> None:
    await api.rows("UPDATE app_user SET disabled_at = now() WHERE username = 'worker'")
    before = await sessions(api)
    for username, password in (
        ("pm", "wrong"),
        ("pm", ""),
        ("pm", PASSWORD + " "),
        ("pm", "x" * 100_000),
        ("nobody", PASSWORD),
        ("worker", PASSWORD),
        ("", ""),
        ("p\x00m", PASSWORD),
        ("x" * 100_000, PASSWORD),
    ):
        assert await sign_in(api, username, password) == INVALID
    assert await sessions(api) == before


async def test_sixth_attempt_at_one_account_has_to_wait_even_with_the_right_password(api: Api) -> None:
    for _ in range(5):
        assert await sign_in(api, "pm", "wrong") == INVALID
    throttled = await sign_in(api)
    (error,) = throttled.pop("errors")
    assert throttled == NO_TOKENS
    assert (error["__typename"], error["code"]) == ("SignInThrottled", "SIGN_IN_THROTTLED")
    assert 890 <= error["retryAfterSeconds"] <= 900
    assert (await sign_in(api, "director"))["errors"] == []


async def test_aliases_of_one_document_count_one_by_one(api: Api) -> None:
    attempt = 'sessionCreate(input: {username: "pm", password: "wrong"}) { errors { code } }'
    answer = await api.ask("mutation { " + " ".join(f"a{nth}: {attempt}" for nth in range(8)) + " }")
    codes = [each["errors"][0]["code"] for each in answer.data.values()]
    assert codes == ["INVALID_CREDENTIALS"] * 5 + ["SIGN_IN_THROTTLED"] * 3


async def test_success_forgets_the_failures_of_the_account(api: Api) -> None:
    for _ in range(2):
        for _ in range(4):
            assert await sign_in(api, "pm", "wrong") == INVALID
        assert (await sign_in(api))["errors"] == []


async def test_refreshing_gives_the_next_pair_of_the_same_session(api: Api) -> None:
    signed = await sign_in(api)
    before = await sessions(api)
    renewed = await refresh(api, signed["refreshToken"])
    assert renewed["errors"] == []
    assert renewed["refreshToken"] != signed["refreshToken"]
    assert await viewer(api, renewed["accessToken"]) == (200, "pm")
    assert await viewer(api, signed["accessToken"]) == (200, "pm")
    assert await sessions(api) == before


async def test_second_use_of_a_refresh_token_ends_the_session_for_thief_and_owner(api: Api) -> None:
    signed = await sign_in(api)
    renewed = await refresh(api, signed["refreshToken"])
    assert await refresh(api, signed["refreshToken"]) == INVALID
    assert await refresh(api, renewed["refreshToken"]) == INVALID
    for each in (signed, renewed):
        assert await viewer(api, each["accessToken"]) == (401, None)


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "é" * 43, "x" * 100_000, "\x00" * 43])
async def test_refresh_token_that_we_did_not_give_is_refused(api: Api, token: str) -> None:
    assert await refresh(api, token) == INVALID


async def test_signing_out_by_refresh_token_needs_no_access_token(api: Api) -> None:
    signed = await sign_in(api)
    for _ in range(2):
        answer = await api.ask(REVOKE, input={"refreshToken": signed["refreshToken"]})
        assert answer.data["it"] == {"revoked": True, "errors": []}
    assert await viewer(api, signed["accessToken"]) == (401, None)
    assert await refresh(api, signed["refreshToken"]) == INVALID


async def test_signing_out_ends_one_session_and_no_other(api: Api) -> None:
    here, there = await sign_in(api), await sign_in(api)
    answer = await api.send(
        {"query": REVOKE, "variables": {"input": {}}}, {"Authorization": f"Bearer {here['accessToken']}"}
    )
    assert answer.data["it"] == {"revoked": True, "errors": []}
    assert await viewer(api, here["accessToken"]) == (401, None)
    assert await viewer(api, there["accessToken"]) == (200, "pm")


async def test_signing_out_of_nothing_is_refused(api: Api) -> None:
    unknown = await api.ask(REVOKE, input={"refreshToken": "x" * 43})
    assert unknown.data["it"] == {"revoked": False, "errors": [{"code": "INVALID_CREDENTIALS"}]}
    assert (await api.ask(REVOKE, input={})).codes == ["UNAUTHENTICATED"]


async def test_sign_in_is_in_the_audit_trail_without_its_secrets(api: Api) -> None:
    signed = await sign_in(api)
    ((event_type, text),) = await api.rows(
        "SELECT type, row_to_json(event)::text FROM event ORDER BY sequence DESC LIMIT 1"
    )
    assert event_type == "SessionOpened"
    assert "192.0.2.1" in text
    for secret in (PASSWORD, signed["refreshToken"], signed["accessToken"]):
        assert secret not in text
