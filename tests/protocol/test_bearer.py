"""Who is let in with which Authorization header?"""

from __future__ import annotations

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from domain.identifiers import SessionId, UserId
from policies.tokens import TokenMint
from server.demo.company import PERSON_BY_USERNAME
from server.settings import Settings, token_secret
from tests.api import Api, plain

# Any: JSON.
Json = dict[str, Any]

VIEWER = {"query": "{ viewer { user { username } } }"}
DIRECTOR = UserId(PERSON_BY_USERNAME["director"].id)


async def refused(api: Api, header: str, message: str) -> None:
    """Show that nobody comes in by this header."""
    response = await api.client.post("/graphql", json=VIEWER, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="eoms", error="invalid_token"'
    assert response.json() == {"errors": [{"message": message, "extensions": {"code": "UNAUTHENTICATED"}}]}


def encoded(part: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def content(token: str) -> Json:
    """Return the claims of a token."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def signed(claims: Json, secret: bytes, algorithm: str) -> str:
    # PyJWT leaves the type of a key open.
    return jwt.encode(claims, secret, algorithm=algorithm)  # pyright: ignore[reportUnknownMemberType]


async def test_nobody_is_a_viewer_without_a_header(api: Api) -> None:
    assert plain(await api.client.post("/graphql", json=VIEWER)) == {"data": {"viewer": None}}


async def test_token_is_taken_whatever_the_case_of_its_scheme(api: Api) -> None:
    token = await api.token("director")
    for scheme in ("Bearer", "bearer", "BEARER"):
        response = await api.client.post(
            "/graphql", json=VIEWER, headers={"Authorization": f"{scheme} {token}"}
        )
        assert plain(response) == {"data": {"viewer": {"user": {"username": "director"}}}}


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic ZGlyZWN0b3I6eA==", "Token x"])
async def test_other_schemes_are_refused(api: Api, header: str) -> None:
    await refused(api, header, "The Authorization header is `Bearer <access token>`.")


async def test_tokens_that_we_did_not_sign_are_refused(api: Api, demo_settings: Settings) -> None:
    genuine = await api.token("director")
    secret = token_secret(demo_settings)
    header, payload, signature = genuine.split(".")
    claims = content(genuine)
    promoted = encoded({**claims, "sub": str(uuid4())})
    for forged in (
        signed(claims, b"another secret of thirty-two bytes", "HS256"),
        signed(claims, secret * 2, "HS512"),
        f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}.",
        f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{payload}.{signature}",
        f"{header}.{promoted}.{signature}",
        f"{header}.{payload}.",
        genuine[:-2],
        "x",
        "x" * 9_000,
    ):
        await refused(api, f"Bearer {forged}", "The access token is not valid.")


async def test_expired_token_is_told_so(api: Api, demo_settings: Settings) -> None:
    mint = TokenMint(token_secret(demo_settings), timedelta(minutes=15))
    rows = await api.rows("SELECT id FROM session LIMIT 1")
    session_id = SessionId(rows[0][0]) if rows else SessionId(uuid4())
    expired = mint.issue(DIRECTOR, session_id, datetime.now(UTC) - timedelta(minutes=15, seconds=1))
    await refused(api, f"Bearer {expired.token}", "The access token has expired.")


async def test_genuine_token_of_no_session_or_another_persons_is_refused(
    api: Api, demo_settings: Settings
) -> None:
    theirs = content(await api.token("pm"))
    mint = TokenMint(token_secret(demo_settings), timedelta(minutes=15))
    for session_id in (uuid4(), UUID(theirs["sid"])):
        token = mint.issue(DIRECTOR, SessionId(session_id), datetime.now(UTC)).token
        response = await api.client.post(
            "/graphql", json=VIEWER, headers={"Authorization": f"Bearer {token}"}
        )
        assert (response.status_code, response.json()["errors"][0]["extensions"]) == (
            401,
            {"code": "UNAUTHENTICATED"},
        )


async def test_signing_out_ends_the_token_with_the_next_request(api: Api) -> None:
    token = await api.token("director")
    headers = {"Authorization": f"Bearer {token}"}
    document = {"query": "mutation { sessionRevoke(input: {}) { revoked errors { code } } }"}
    revoked = await api.client.post("/graphql", json=document, headers=headers)
    assert plain(revoked) == {"data": {"sessionRevoke": {"revoked": True, "errors": []}}}
    assert (await api.client.post("/graphql", json=VIEWER, headers=headers)).status_code == 401


async def test_disabled_person_is_out_within_a_second(api: Api) -> None:
    headers = {"Authorization": f"Bearer {await api.token('director')}"}
    assert (await api.client.post("/graphql", json=VIEWER, headers=headers)).status_code == 200
    await api.rows("UPDATE app_user SET disabled_at = now() WHERE username = 'director'")
    deadline = time.monotonic() + 1
    status = 200
    while status == 200 and time.monotonic() < deadline:
        status = (await api.client.post("/graphql", json=VIEWER, headers=headers)).status_code
    assert status == 401
