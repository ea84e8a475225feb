"""What does `POST /oauth/token` answer, to whom and in which words (RFC 6749)?"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import event, text
from starlette.applications import Starlette
from starlette.routing import Route
from structlog.testing import capture_logs

from commands.client_tokens import ClientTokens
from commands.clients import NewSecret, RotateSecret, rotate_secret
from commands.transactions import transaction
from db.engine import Database, open_database
from db.events import Origin
from db.limits import PoolLimits
from policies.throttle import SignInThrottle
from policies.tokens import ClientClaims
from server.token_endpoint import BODY_BYTES, TokenEndpoint
from tests.api import ADDRESS, Api
from tests.api_clients import TOKEN_PATH, added_client

GRANT = {"grant_type": "client_credentials"}
FORM = "application/x-www-form-urlencoded"
UNPROVEN = {
    "error": "invalid_client",
    "error_description": "The client is unknown, or its secret is not good.",
}
CHALLENGE = 'Basic realm="eoms", charset="UTF-8"'
WRONG = "eoms_" + "x" * 43
NOWHERE = "redis://127.0.0.1:1"

_WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
_DISABLE = (
    "UPDATE app_user SET disabled_at = now() WHERE id = (SELECT user_id FROM api_client WHERE id = :id)"
)


@pytest.fixture
async def robot(api: Api) -> NewSecret:
    return await added_client(api.database.write, "robot", scopes=("read", "write"))


async def post(
    api: Api, form: dict[str, str], auth: tuple[str, str] | None = None, **headers: str
) -> httpx.Response:
    return await api.client.post(
        TOKEN_PATH, data=form, auth=auth or httpx.USE_CLIENT_DEFAULT, headers=headers
    )


def basic(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return f"Basic {base64.b64encode(raw).decode()}"


def assert_error(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["error"]) == (status, code), response.text
    assert response.json().keys() == {"error", "error_description"}
    # Section 5.2 leaves out quotes, backslashes and everything beyond ASCII.
    assert set(response.json()["error_description"]) <= {chr(each) for each in range(0x20, 0x7F)} - set('"\\')
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"


async def last_used(api: Api) -> datetime | None:
    [(moment,)] = await api.rows("SELECT last_used_at FROM api_client_secret")
    return moment


async def test_secret_by_basic_or_in_the_body_gives_a_token(api: Api, robot: NewSecret) -> None:
    in_body = {**GRANT, "client_id": "robot", "client_secret": robot.secret}
    [(user_id,)] = await api.rows("SELECT user_id FROM api_client")
    for response in (
        await post(api, GRANT, ("robot", robot.secret)),
        await post(api, in_body),
        await post(api, {**GRANT, "client_id": "robot"}, ("robot", robot.secret)),
        await post(api, {**GRANT, "scope": "", "resource": "whatever"}, ("robot", robot.secret)),
    ):
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["pragma"] == "no-cache"
        assert response.headers["content-type"] == "application/json"
        content = response.json()
        assert content.keys() == {"access_token", "token_type", "expires_in", "scope"}
        assert (content["token_type"], content["scope"]) == ("Bearer", "read write")
        assert 898 <= content["expires_in"] <= 900
        claims = api.mint.read(content["access_token"])
        assert isinstance(claims, ClientClaims)
        assert (claims.user_id, claims.secret_id) == (user_id, robot.secret_id)


async def test_both_parts_of_basic_are_form_encoded(api: Api, robot: NewSecret) -> None:
    every = "".join(f"%{ord(each):02X}" for each in robot.secret)
    for client, secret in (("r%6Fbot", every), ("robot", quote_plus(robot.secret))):
        response = await post(api, GRANT, Authorization=basic(f"{client}:{secret}"))
        assert response.status_code == 200


async def test_token_is_the_clients_on_the_next_request(api: Api, robot: NewSecret) -> None:
    token = (await post(api, GRANT, ("robot", robot.secret))).json()["access_token"]
    asked = {"query": "{ viewer { user { username } roles { role } } }"}
    answer = await api.send(asked, {"Authorization": f"Bearer {token}"})
    assert answer.data == {"viewer": {"user": {"username": "robot"}, "roles": [{"role": "PARTNER"}]}}


async def test_token_is_narrowed_to_the_scopes_asked_for(api: Api, robot: NewSecret) -> None:
    for asked, given in (("read", "read"), ("write read", "read write"), ("read read", "read")):
        response = await post(api, {**GRANT, "scope": asked}, ("robot", robot.secret))
        assert response.json()["scope"] == given
        claims = api.mint.read(response.json()["access_token"])
        assert isinstance(claims, ClientClaims)
        assert claims.scopes == set(given.split())


@pytest.mark.parametrize(
    "scope", ["subscribe", "read subscribe", "admin", "READ", "read  write", " read", "é"]
)
async def test_scope_that_the_client_has_not_is_refused(api: Api, robot: NewSecret, scope: str) -> None:
    assert_error(await post(api, {**GRANT, "scope": scope}, ("robot", robot.secret)), 400, "invalid_scope")


async def test_everything_that_is_not_good_is_answered_alike(api: Api, robot: NewSecret) -> None:
    revoked = await added_client(api.database.write, "revoked")
    ended = await added_client(api.database.write, "ended")
    disabled = await added_client(api.database.write, "disabled")
    for change, of in (
        ("UPDATE api_client_secret SET revoked_at = now() WHERE client_id = :id", revoked),
        ("UPDATE api_client_secret SET expires_at = now() WHERE client_id = :id", ended),
        (_DISABLE, disabled),
    ):
        await api.rows(change, id=of.client_id)
    before = await api.rows("SELECT * FROM api_client_secret ORDER BY 1")
    for client, secret in (
        ("robot", WRONG),
        ("nobody", robot.secret),
        ("pm", robot.secret),
        ("disabled", robot.secret),
        ("robot", ""),
        ("", robot.secret),
        ("ROBOT", robot.secret),
        ("robot", robot.secret + "x"),
        ("rob\x00ot", robot.secret),
        ("机器人", "秘密"),
        ("revoked", revoked.secret),
        ("ended", ended.secret),
        ("disabled", disabled.secret),
    ):
        response = await post(api, GRANT, Authorization=basic(f"{quote_plus(client)}:{quote_plus(secret)}"))
        assert_error(response, 401, "invalid_client")
        assert response.json() == UNPROVEN
        assert response.headers["www-authenticate"] == CHALLENGE
    assert await api.rows("SELECT * FROM api_client_secret ORDER BY 1") == before


@pytest.mark.parametrize(
    "header",
    ["Basic", "Basic !", "Basic cm9ib3Q", basic("robot"), basic(b"\xff:x"), basic("robot:%ff"), "Bearer x"],
)
async def test_authorization_that_can_not_be_read_is_refused(api: Api, header: str) -> None:
    response = await post(api, GRANT, Authorization=header)
    assert_error(response, 401, "invalid_client")
    assert response.headers["www-authenticate"] == CHALLENGE


@pytest.mark.parametrize(
    "form", [GRANT, {**GRANT, "client_id": "robot"}, {**GRANT, "client_secret": WRONG}], ids=str
)
async def test_client_that_does_not_prove_itself_is_refused(api: Api, form: dict[str, str]) -> None:
    assert_error(await post(api, form), 401, "invalid_client")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_request"),
        (b"grant_type=", "invalid_request"),
        (b"grant_type=password&username=pm&password=demo-eoms", "unsupported_grant_type"),
        (b"grant_type=client_credentials&grant_type=client_credentials", "invalid_request"),
        (b"grant_type=client_credentials&client_id=other", "invalid_request"),
        (b"grant_type=client_credentials&client_id=robot&client_secret=x", "invalid_request"),
        (b"grant_type=client_credentials&scope=%ff", "invalid_request"),
        (b"grant_type=client_credentials&scope=\xff", "invalid_request"),
        (b"grant_type=client_credentials" + b"&a" * 50, "invalid_request"),
    ],
)
async def test_malformed_form_is_refused(api: Api, robot: NewSecret, body: bytes, code: str) -> None:
    headers = {"Content-Type": FORM, "Authorization": basic(f"robot:{robot.secret}")}
    assert_error(await api.client.post(TOKEN_PATH, content=body, headers=headers), 400, code)
    assert await last_used(api) is None


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "text/plain", ""])
async def test_body_of_another_type_is_refused(api: Api, robot: NewSecret, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Authorization": basic(f"robot:{robot.secret}")}
    body = b"grant_type=client_credentials"
    assert_error(await api.client.post(TOKEN_PATH, content=body, headers=headers), 400, "invalid_request")


async def test_body_has_a_bound(api: Api, robot: NewSecret) -> None:
    headers = {"Content-Type": f"{FORM}; charset=UTF-8", "Authorization": basic(f"robot:{robot.secret}")}
    start = b"grant_type=client_credentials&pad="
    fitting = start.ljust(BODY_BYTES, b"x")
    assert (await api.client.post(TOKEN_PATH, content=fitting, headers=headers)).status_code == 200
    too_long = await api.client.post(TOKEN_PATH, content=fitting + b"x", headers=headers)
    assert_error(too_long, 413, "invalid_request")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_not_allowed(api: Api, method: str) -> None:
    response = await api.client.request(method, TOKEN_PATH)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_request_id_comes_back(api: Api, robot: NewSecret) -> None:
    for auth, status in ((("robot", robot.secret), 200), (("robot", WRONG), 401)):
        response = await post(api, GRANT, auth, **{"X-Request-Id": "r-1"})
        assert (response.status_code, response.headers["x-request-id"]) == (status, "r-1")


async def test_sixth_wrong_secret_has_to_wait_and_the_right_one_never(api: Api, robot: NewSecret) -> None:
    for _ in range(5):
        assert (await post(api, GRANT, ("robot", WRONG))).status_code == 401
    throttled = await post(api, GRANT, ("robot", WRONG))
    assert_error(throttled, 429, "temporarily_unavailable")
    assert 890 <= int(throttled.headers["retry-after"]) <= 900
    # There is nothing to guess, so nobody can shut a client out by guessing.
    assert (await post(api, GRANT, ("robot", robot.secret))).status_code == 200
    assert (await post(api, GRANT, ("other", WRONG))).status_code == 401


async def test_wrong_secrets_of_many_clients_are_counted_by_address(api: Api, robot: NewSecret) -> None:
    found = [(await post(api, GRANT, (f"client-{nth}", WRONG))).status_code for nth in range(51)]
    assert found == [401] * 50 + [429]
    assert (await post(api, GRANT, ("robot", robot.secret))).status_code == 200


async def test_wrong_secrets_shut_no_person_out(api: Api) -> None:
    for _ in range(6):
        await post(api, GRANT, ("pm", WRONG))
    signed = await api.ask(
        'mutation { sessionCreate(input: {username: "pm", password: "demo-eoms"}) { errors { code } } }'
    )
    assert signed.data == {"sessionCreate": {"errors": []}}


async def test_many_processes_of_a_client_may_start_together(api: Api, robot: NewSecret) -> None:
    answers = await asyncio.gather(*(post(api, GRANT, ("robot", robot.secret)) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [200] * 20


async def test_use_of_a_secret_is_noted_once_a_minute(api: Api, robot: NewSecret) -> None:
    assert await last_used(api) is None
    await post(api, GRANT, ("robot", robot.secret))
    noted = await last_used(api)
    assert noted is not None
    await post(api, GRANT, ("robot", robot.secret))
    assert await last_used(api) == noted
    earlier = noted - timedelta(seconds=61)
    await api.rows("UPDATE api_client_secret SET last_used_at = :moment", moment=earlier)
    await post(api, GRANT, ("robot", robot.secret))
    again = await last_used(api)
    assert again is not None
    assert again >= noted


async def test_of_many_tokens_at_once_one_notes_the_use_and_the_next_does_not_try(
    api: Api, robot: NewSecret, redis_url: str
) -> None:
    written: list[int] = []

    # Any: the driver's cursor has no type.
    def seen(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE"):
            written.append(cursor.rowcount)

    event.listen(api.database.write.sync_engine, "after_cursor_execute", seen)
    async with endpoint(api, database=api.database, redis_url=redis_url) as client:
        form = {**GRANT, "client_id": "robot", "client_secret": robot.secret}
        # All of them find the secret unused, and then wait for its row.
        async with api.database.write.begin() as connection:
            await connection.execute(text("SELECT 1 FROM api_client_secret FOR UPDATE"))
            asking = [asyncio.create_task(client.post(TOKEN_PATH, data=form)) for _ in range(4)]
            async with asyncio.timeout(4):
                while await api.rows(_WAITING) != [(4,)]:
                    await asyncio.sleep(0.01)
        assert [answer.status_code for answer in await asyncio.gather(*asking)] == [200] * 4
        assert sorted(written) == [0, 0, 0, 1]
        written.clear()
        assert (await client.post(TOKEN_PATH, data=form)).status_code == 200
    assert written == []


async def test_token_of_a_secret_that_ends_soon_ends_with_it(api: Api, robot: NewSecret) -> None:
    async with transaction(api.database.write) as session:
        origin = Origin(None, None, ADDRESS, datetime.fromisoformat("2026-01-01T00:00:00Z"))
        later = await rotate_secret(session, origin, RotateSecret(robot.client_id))
    await api.rows(
        "UPDATE api_client_secret SET expires_at = now() + interval '100 s' WHERE id = :id",
        id=robot.secret_id,
    )
    soon = await post(api, GRANT, ("robot", robot.secret))
    assert 97 <= soon.json()["expires_in"] <= 100
    assert (await post(api, GRANT, ("robot", later.secret))).json()["expires_in"] >= 898


async def test_neither_secret_nor_token_reaches_the_log(api: Api, robot: NewSecret) -> None:
    with capture_logs() as logs:
        await post(api, GRANT, ("robot", robot.secret))
        await post(api, GRANT, ("robot", WRONG))
        await post(api, {**GRANT, "client_id": "robot", "client_secret": WRONG})
    assert logs == []


@asynccontextmanager
async def endpoint(api: Api, *, database: Database, redis_url: str) -> AsyncGenerator[httpx.AsyncClient]:
    """The endpoint on other stores than the rest of the application, which waits half a second for a body."""
    redis = Redis.from_url(redis_url)  # pyright: ignore[reportUnknownMemberType]
    tokens = ClientTokens(database, api.mint, SignInThrottle(redis, 5, 50, 900))
    app = Starlette(routes=[Route(TOKEN_PATH, TokenEndpoint(tokens, 0.5).answer, methods=["POST"])])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://eoms.test") as client:
        yield client
    await redis.aclose()


async def test_without_redis_a_wrong_secret_is_told_to_try_again_and_a_right_one_is_good(
    api: Api, robot: NewSecret
) -> None:
    async with endpoint(api, database=api.database, redis_url=NOWHERE) as client:
        wrong = await client.post(TOKEN_PATH, data=GRANT, auth=("robot", WRONG))
        assert_error(wrong, 503, "temporarily_unavailable")
        assert wrong.headers["retry-after"] == "1"
        right = await client.post(TOKEN_PATH, data=GRANT, auth=("robot", robot.secret))
        assert right.status_code == 200


async def test_without_the_database_everybody_is_told_to_try_again(
    api: Api, robot: NewSecret, redis_url: str
) -> None:
    url = "postgresql+asyncpg://postgres@/absent?host=/nowhere"
    nowhere = open_database(url, url, PoolLimits(), PoolLimits())
    async with endpoint(api, database=nowhere, redis_url=redis_url) as client:
        response = await client.post(TOKEN_PATH, data=GRANT, auth=("robot", robot.secret))
    assert_error(response, 503, "temporarily_unavailable")
    await nowhere.close()


async def test_body_that_does_not_arrive_is_given_up(api: Api, robot: NewSecret, redis_url: str) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"grant_type="
            await asyncio.sleep(0.1)

    headers = {"Content-Type": FORM, "Authorization": basic(f"robot:{robot.secret}")}
    async with endpoint(api, database=api.database, redis_url=redis_url) as client:
        response = await client.post(TOKEN_PATH, content=dripping(), headers=headers)
    assert_error(response, 408, "invalid_request")
    assert response.headers["connection"] == "close"


async def test_own_mistake_is_told_without_its_cause(api: Api, robot: NewSecret) -> None:
    await api.rows("ALTER TABLE api_client_secret RENAME COLUMN last_used_at TO mislaid_at")
    with capture_logs() as logs:
        response = await post(api, GRANT, ("robot", robot.secret))
    assert_error(response, 500, "server_error")
    assert response.json()["error_description"] == "Something went wrong here."
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("token_request_failed", "error")]
