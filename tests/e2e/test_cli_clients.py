"""Do the commands of `eoms client` do what they say, while the server runs?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import NotFound, Refusal
from server.clients import (
    NewClient,
    add_client,
    disable_client,
    enable_client,
    revoke_secret,
    rotate_secret,
    set_client,
)
from tests.e2e.rows import rows
from tests.e2e.server import Server, demo_data, eoms, serving, stores_of
from tests.e2e.sockets import following

FORBIDDEN = 4403
AT_ONCE_SECONDS = 2
SECRET = re.compile(r"eoms_[A-Za-z0-9_-]{43}")
_SECRET_ID = "SELECT s.id FROM api_client_secret s JOIN api_client c ON c.id = client_id JOIN app_user u ON u.id = user_id"


@pytest.fixture(scope="module")
def data_dir() -> Generator[Path]:
    with demo_data() as data_dir, stores_of(data_dir):
        yield data_dir


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Generator[Server]:
    with serving(data_dir) as server:
        yield server


def added(data_dir: Path, username: str, *options: str) -> str:
    """Return the secret of a new client."""
    given = ("--name", f"Program {username}", "--organization", "HC", *options)
    return secret_of(eoms(data_dir, "client", "add", username, *given).stdout, username)


def secret_of(stdout: str, username: str) -> str:
    """Return the secret in the two lines that a command has printed."""
    first, second = stdout.splitlines()
    assert first == f"id: {username}"
    secret = second.removeprefix("secret: ")
    assert SECRET.fullmatch(secret) is not None, second
    return secret


def token(server: Server, username: str, secret: str) -> httpx.Response:
    form = {"grant_type": "client_credentials"}
    return httpx.post(f"{server.url}/oauth/token", data=form, auth=(username, secret), timeout=30)


def access_token(server: Server, username: str, secret: str) -> str:
    response = token(server, username, secret)
    assert response.status_code == 200, response.text
    return response.json()["access_token"]


# Any: a response holds what the document asked for.
def asked(server: Server, document: str, access: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {access}"}
    body = {"query": document}
    response = httpx.post(f"{server.url}/graphql", json=body, headers=headers, timeout=30)
    return response.status_code, response.json().get("data")


def secret_ids(data_dir: Path, username: str) -> list[str]:
    found = rows(data_dir, f"{_SECRET_ID} WHERE username = '{username}' ORDER BY s.id")
    return [str(key) for (key,) in found]


def listed(data_dir: Path, username: str) -> str:
    """Return what `list` says of one client, all its lines."""
    lines = eoms(data_dir, "client", "list", COLUMNS="80").stdout.splitlines()
    start = next(nth for nth, line in enumerate(lines) if line.startswith(f"{username} "))
    more = [line for line in lines[start + 1 :] if line.startswith(" ")]
    return "\n".join([lines[start], *more[:3]])


def failed(data_dir: Path, *arguments: str) -> str:
    """Return the last line of a command that is refused and answers nothing."""
    refused = eoms(data_dir, "client", *arguments)
    assert (refused.returncode, refused.stdout) == (1, ""), refused
    return refused.stderr.splitlines()[-1]


def test_added_client_gets_a_token_and_sees_what_its_roles_let_it(data_dir: Path, server: Server) -> None:
    secret = added(data_dir, "reader", "--role", "engineer@P-001", "--text")
    status, seen = asked(
        server,
        "{ viewer { user { username name } roles { role project { code } } } projects(first: 9) { nodes { code } } }",
        access_token(server, "reader", secret),
    )
    roles = seen["viewer"].pop("roles")
    assert sorted(roles, key=str) == [
        {"role": "ENGINEER", "project": {"code": "P-001"}},
        {"role": "PARTNER", "project": None},
    ]
    assert (status, seen) == (
        200,
        {
            "viewer": {"user": {"username": "reader", "name": "Program reader"}},
            "projects": {"nodes": [{"code": "P-001"}]},
        },
    )


def test_secret_is_shown_once_and_its_hint_is_not_in_the_answer(data_dir: Path) -> None:
    made = eoms(data_dir, "client", "add", "shown", "--name", "Shown", "--organization", "HC")
    secret = secret_of(made.stdout, "shown")
    [secret_id] = secret_ids(data_dir, "shown")
    hint = f"Keep the secret now: it is not shown again. It is known as {secret_id} from here on."
    assert made.stderr.splitlines()[-1] == hint
    assert secret not in made.stderr
    assert secret not in eoms(data_dir, "client", "list").stdout


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"organization_code": "NO"}, "NOT_FOUND", ("organization",)),
        ({"roles": ("king",)}, "UNKNOWN_ROLE", ("role",)),
        ({"roles": ("engineer@P-009",)}, "NOT_FOUND", ("role",)),
        ({"roles": ("auditor", "admin")}, "ROLE_IS_OF_PEOPLE", ("role",)),
        ({"scopes": ("read", "all")}, "UNKNOWN_SCOPE", ("scopes",)),
    ],
)
def test_client_is_added_with_all_its_roles_or_not_at_all(
    data_dir: Path, change: dict[str, Any], code: str, path: tuple[str, ...]
) -> None:
    client = replace(NewClient("refused", "Refused", "HC", ("read",), ("finance",)), **change)
    with stores_of(data_dir) as urls, pytest.raises(Refusal) as refused:
        add_client(urls.database_url, client)
    assert (refused.value.code, refused.value.path) == (code, path)
    assert rows(data_dir, "SELECT id FROM app_user WHERE username = 'refused'") == []


def test_taken_name_is_refused(data_dir: Path) -> None:
    said = failed(data_dir, "add", "pm", "--name", "P", "--organization", "HC")
    assert said == "Error: username: This username is taken."


def test_list_shows_all_but_the_secrets(data_dir: Path, server: Server) -> None:
    given = (
        "--role",
        "auditor",
        "--role",
        "buyer@P-002",
        "--scope",
        "subscribe",
        "--scope",
        "read",
        "--text",
    )
    secret = added(data_dir, "listed", *given)
    [secret_id] = secret_ids(data_dir, "listed")
    first = listed(data_dir, "listed")
    cells = ("listed", "Program listed", "HC", "auditor", "read subscribe", "documents and text")
    assert re.split(r" {2,}", first.splitlines()[0].strip()) == [
        *cells,
        f"{secret_id}, 0 min old, never used",
        "enabled",
    ]
    assert [line.strip() for line in first.splitlines()[1:3]] == ["buyer@P-002", "partner"]
    access_token(server, "listed", secret)
    assert f"{secret_id}, 0 min old, used 0 min ago" in listed(data_dir, "listed")


def test_both_secrets_work_after_a_rotation_and_a_third_is_refused(data_dir: Path, server: Server) -> None:
    earlier = added(data_dir, "rotated")
    rotated = eoms(data_dir, "client", "rotate", "rotated", "--keep-hours", "2")
    later = secret_of(rotated.stdout, "rotated")
    for secret in (earlier, later):
        access_token(server, "rotated", secret)
    assert "ends in 1 h" in listed(data_dir, "rotated")
    said = failed(data_dir, "rotate", "rotated")
    assert said == "Error: clientId: Two secrets are good already; revoke one, or wait for its end."
    [first_id, _] = secret_ids(data_dir, "rotated")
    revoked = eoms(data_dir, "client", "revoke", "rotated", "--secret", first_id)
    assert (revoked.returncode, revoked.stdout) == (0, "The secret of rotated is revoked.\n")
    assert token(server, "rotated", earlier).status_code == 401
    access_token(server, "rotated", later)


async def test_revoked_secret_closes_the_open_socket_at_once(data_dir: Path, server: Server) -> None:
    given = ("--role", "engineer@P-001", "--text", "--scope", "read", "--scope", "subscribe")
    secret = await asyncio.to_thread(added, data_dir, "follower", *given)
    access = await asyncio.to_thread(access_token, server, "follower", secret)
    [secret_id] = await asyncio.to_thread(secret_ids, data_dir, "follower")
    async with following(server.url, access) as follower:
        assert await follower.is_open()
        command = ("client", "revoke", "follower", "--secret", secret_id)
        revoking = asyncio.create_task(asyncio.to_thread(eoms, data_dir, *command))
        assert await follower.closed() == FORBIDDEN
        closed_at = datetime.now(UTC)
        assert (await revoking).returncode == 0
    [(revoked_at,)] = await asyncio.to_thread(
        rows, data_dir, f"SELECT revoked_at FROM api_client_secret WHERE id = '{secret_id}'"
    )
    assert timedelta() < closed_at - revoked_at < timedelta(seconds=AT_ONCE_SECONDS)
    status, _ = await asyncio.to_thread(asked, server, "{ viewer { user { id } } }", access)
    assert status == 401


def test_disabled_client_is_shut_out_until_it_is_enabled(data_dir: Path, server: Server) -> None:
    secret = added(data_dir, "disabled")
    access = access_token(server, "disabled", secret)
    disabled = eoms(data_dir, "client", "disable", "disabled")
    assert (disabled.returncode, disabled.stdout) == (0, "disabled is disabled.\n")
    assert asked(server, "{ viewer { user { id } } }", access)[0] == 401
    assert token(server, "disabled", secret).status_code == 401
    assert listed(data_dir, "disabled").splitlines()[0].endswith("  disabled")
    assert failed(data_dir, "disable", "disabled") == "Error: userId: The user is disabled already."
    enabled = eoms(data_dir, "client", "enable", "disabled")
    assert (enabled.returncode, enabled.stdout) == (0, "disabled is enabled.\n")
    access_token(server, "disabled", secret)


def test_scopes_and_mode_are_set_together_or_one_by_one(data_dir: Path) -> None:
    added(data_dir, "changed")
    state = (
        "SELECT scopes, may_send_text FROM api_client c JOIN app_user u ON u.id = user_id"
        " WHERE username = 'changed'"
    )
    assert rows(data_dir, state) == [(["read"], False)]
    for options, expected in (
        (("--scope", "write", "--scope", "read", "--text"), (["read", "write"], True)),
        (("--no-text",), (["read", "write"], False)),
        (("--scope", "read"), (["read"], False)),
    ):
        done = eoms(data_dir, "client", "set", "changed", *options)
        assert (done.returncode, done.stdout) == (0, "changed is changed.\n")
        assert rows(data_dir, state) == [expected]
    assert failed(data_dir, "set", "changed") == "Error: Say what to set."


@pytest.mark.parametrize("username", ["pm", "nobody"])
def test_acts_on_what_is_no_client_are_refused(data_dir: Path, username: str) -> None:
    acts: tuple[Callable[[str], object], ...] = (
        lambda url: rotate_secret(url, username, timedelta(hours=1)),
        lambda url: revoke_secret(url, username, "x"),
        lambda url: disable_client(url, username),
        lambda url: enable_client(url, username),
        lambda url: set_client(url, username, ("read",), may_send_text=None),
    )
    with stores_of(data_dir) as urls:
        for act in acts:
            with pytest.raises(NotFound) as refused:
                act(urls.database_url)
            assert refused.value.path == ("username",)


@pytest.mark.parametrize("secret_id", ["x", "0198c5f2-0000-7000-8000-000000000001"])
def test_secret_that_is_not_the_clients_is_not_found(data_dir: Path, secret_id: str) -> None:
    with stores_of(data_dir) as urls:
        add_client(urls.database_url, NewClient(f"owner-{len(secret_id)}", "Owner", "HC", ("read",)))
        with pytest.raises(NotFound) as refused:
            revoke_secret(urls.database_url, f"owner-{len(secret_id)}", secret_id)
    assert refused.value.message == "No such secret."


def test_operators_token_is_not_given_for_a_client(data_dir: Path) -> None:
    added(data_dir, "program")
    refused = eoms(data_dir, "token", "program")
    assert (refused.returncode, refused.stdout) == (1, "")
    said = "Error: username: An API client gets its tokens at /oauth/token, with its secret."
    assert refused.stderr.splitlines()[-1] == said
    assert (
        rows(
            data_dir,
            "SELECT s.id FROM session s JOIN app_user u ON u.id = user_id WHERE username = 'program'",
        )
        == []
    )


def test_log_stays_clean_after_all_of_it(data_dir: Path) -> None:
    verified = eoms(data_dir, "events", "verify")
    assert (verified.returncode, verified.stdout.rpartition(": ")[2]) == (0, "no findings.\n"), verified
    assert "× ApiClient" in verified.stdout
