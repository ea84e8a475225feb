"""Do the commands of `eoms` do what they say, and say what went wrong in one line?"""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.errors import Refusal
from server.accounts import NewAccount, add_user
from tests.e2e.rows import rows
from tests.e2e.server import Server, demo_data, eoms, free_port, new_folder, serving, stores_of

PASSWORD = "correct-horse"
NOWHERE = "127.0.0.1:1"


@pytest.fixture(scope="module")
def data_dir() -> Generator[Path]:
    """The demo company; its stores run for the whole module, so that no command has to start them."""
    with demo_data() as data_dir, stores_of(data_dir):
        yield data_dir


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Generator[Server]:
    with serving(data_dir) as server:
        yield server


@pytest.fixture
def empty_dir() -> Generator[Path]:
    parent = new_folder()
    yield parent / "data"
    shutil.rmtree(parent)


def test_added_user_signs_in_and_holds_exactly_the_given_roles(data_dir: Path, server: Server) -> None:
    roles = ("--role", "engineer@P-001", "--role", "auditor")
    added = typed_user(data_dir, "li.wei", *roles, "--email", "li.wei@eoms.example")
    assert (added.returncode, added.stdout) == (0, "li.wei can sign in.\n")
    signed_in = ask(
        server,
        "mutation ($name: String!, $password: String!) {"
        " sessionCreate(input: {username: $name, password: $password}) { accessToken errors { code } } }",
        name="li.wei",
        password=PASSWORD,
    )
    assert signed_in["sessionCreate"]["errors"] == []
    viewer: dict[str, Any] = ask(
        server,
        "{ viewer { user { name email } organization { code } roles { role project { code } } } }",
        token=signed_in["sessionCreate"]["accessToken"],
    )["viewer"]
    assert sorted(viewer.pop("roles"), key=str) == [
        {"role": "AUDITOR", "project": None},
        {"role": "ENGINEER", "project": {"code": "P-001"}},
    ]
    assert viewer == {
        "user": {"name": "Li Wei", "email": "li.wei@eoms.example"},
        "organization": {"code": "HC"},
    }


def test_refused_user_is_not_added_and_one_line_says_why(data_dir: Path) -> None:
    refused = typed_user(data_dir, "pm", "--role", "auditor")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1] == "Error: username: This username is taken."


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"username": "Li Wei"}, "MALFORMED", ("username",)),
        ({"password": "short"}, "TOO_SHORT", ("password",)),
        ({"organization_code": "NO"}, "NOT_FOUND", ("organization",)),
        ({"roles": ("king",)}, "UNKNOWN_ROLE", ("role",)),
        ({"roles": ("engineer@P-009",)}, "NOT_FOUND", ("role",)),
        ({"roles": ("auditor@P-001",)}, "ROLE_IS_GLOBAL", ("projectId",)),
        ({"roles": ("auditor", "auditor")}, "ALREADY_HELD", ("role",)),
    ],
)
def test_user_is_added_with_all_roles_or_not_at_all(
    data_dir: Path, change: dict[str, Any], code: str, path: tuple[str, ...]
) -> None:
    account = replace(NewAccount("new.one", "New One", "HC", PASSWORD, roles=("finance",)), **change)
    with stores_of(data_dir) as urls, pytest.raises(Refusal) as refused:
        add_user(urls.database_url, account)
    assert (refused.value.code, refused.value.path) == (code, path)
    assert rows(data_dir, "SELECT id FROM app_user WHERE name = 'New One'") == []


def test_token_opens_a_recorded_session_of_that_user(data_dir: Path, server: Server) -> None:
    sessions = (
        "SELECT event.type, event.actor_id, event.address, session.expires_at - session.created_at"
        " FROM event JOIN session ON session.id = aggregate_id JOIN app_user ON app_user.id = session.user_id"
        " WHERE username = 'director'"
    )
    assert rows(data_dir, sessions) == []
    issued = eoms(data_dir, "token", "director")
    assert issued.returncode == 0, issued.stderr
    viewer = ask(server, "{ viewer { user { username } } }", token=issued.stdout.strip())
    assert viewer == {"viewer": {"user": {"username": "director"}}}
    ((event_type, actor, address, lifetime),) = rows(data_dir, sessions)
    assert (event_type, actor, address) == ("SessionOpened", None, None)
    assert lifetime.total_seconds() == 15 * 60


def test_token_of_nobody_is_refused(data_dir: Path) -> None:
    refused = eoms(data_dir, "token", "nobody")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1] == "Error: username: No such user."


def test_seed_adds_orders_and_the_log_stays_clean(data_dir: Path) -> None:
    ((before,),) = rows(data_dir, "SELECT count(*) FROM engineering_order")
    seeded = eoms(data_dir, "seed", "--orders", "2100", "--lines", "2")
    assert (seeded.returncode, seeded.stdout) == (0, "2,100 orders of 2 lines each are there.\n")
    assert "2100/2100" in seeded.stderr
    assert rows(data_dir, "SELECT count(*) FROM engineering_order") == [(before + 2100,)]
    verified = eoms(data_dir, "events", "verify")
    assert (verified.returncode, verified.stdout.rpartition(": ")[2]) == (0, "no findings.\n"), verified


def test_seed_past_its_bound_is_refused(data_dir: Path) -> None:
    refused = eoms(data_dir, "seed", "--orders", "4000001")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "less than or equal to 4000000" in refused.stderr


def test_demo_leaves_a_database_with_data_as_it_is(data_dir: Path) -> None:
    before = rows(data_dir, "SELECT count(*), max(sequence) FROM event")
    again = eoms(data_dir, "demo")
    assert again.returncode == 0
    assert again.stdout.startswith("The database holds data already, as it was: ")
    assert rows(data_dir, "SELECT count(*), max(sequence) FROM event") == before


def test_order_changed_behind_its_events_is_a_finding(data_dir: Path) -> None:
    change = "UPDATE engineering_order SET title = {} WHERE number = 'EO-2025-000001'"
    rows(data_dir, change.format("'forged ' || title"))
    verified = eoms(data_dir, "events", "verify")
    rows(data_dir, change.format("replace(title, 'forged ', '')"))
    assert verified.returncode == 1
    finding, summary = verified.stdout.splitlines()
    assert finding == "Order EO-2025-000001: the row differs from its events in title."
    assert summary.endswith(": 1 findings.")


def test_migrate_makes_a_schema_that_verify_then_finds_clean(data_dir: Path, empty_dir: Path) -> None:
    rows(data_dir, "CREATE DATABASE fresh", isolation_level="AUTOCOMMIT")
    with stores_of(data_dir) as urls:
        fresh = {
            "DATABASE_URL": urls.database_url.replace("/eoms?", "/fresh?"),
            "REDIS_URL": f"{urls.redis_url}?db=1",
        }
        too_early = eoms(empty_dir, "events", "verify", **fresh)
        migrated = eoms(empty_dir, "migrate", **fresh)
        verified = eoms(empty_dir, "events", "verify", **fresh)
    assert (too_early.returncode, too_early.stdout) == (1, "")
    said = "Error: The database has no schema of EOMS, or an old one. Run: eoms migrate"
    assert too_early.stderr.splitlines()[-1] == said
    assert (migrated.returncode, migrated.stdout) == (0, "The database has the newest schema.\n")
    assert (verified.returncode, verified.stdout) == (0, "0 events checked (of nothing): no findings.\n")
    assert not empty_dir.exists()


@pytest.mark.parametrize(
    ("command", "name", "url"),
    [
        ("serve", "DATABASE_URL", f"postgresql://eoms:{PASSWORD}@{NOWHERE}/eoms"),
        ("serve", "REDIS_URL", f"redis://:{PASSWORD}@{NOWHERE}"),
        ("migrate", "DATABASE_URL", f"postgresql://eoms:{PASSWORD}@{NOWHERE}/eoms"),
    ],
)
def test_given_store_that_does_not_answer_is_named_without_its_password(
    data_dir: Path, command: str, name: str, url: str
) -> None:
    failed = eoms(data_dir, command, EOMS_PORT=str(free_port()), **{name: url})
    assert failed.returncode == 1
    last = failed.stderr.splitlines()[-1]
    assert last.startswith(f"Error: The store that {name} names can't be used: ")
    assert PASSWORD not in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stderr


def test_taken_port_is_named_and_nothing_is_started(empty_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = eoms(empty_dir, "serve", EOMS_PORT=str(port))
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"Error: 127.0.0.1:{port} can't be listened on: Address already in use.")
    assert not empty_dir.exists()


def test_unknown_setting_is_named(empty_dir: Path) -> None:
    failed = eoms(empty_dir, "migrate", EOMS_PROT="1")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "Error: EOMS_PROT is not a setting. Did you mean EOMS_PORT?\n"


def typed_user(data_dir: Path, username: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    given = ("--name", "Li Wei", "--organization", "HC", "--password-stdin", *arguments)
    return eoms(data_dir, "user", "add", username, *given, stdin=f"{PASSWORD}\n")


# Any: a response holds what the document asked for.
def ask(server: Server, document: str, token: str | None = None, **variables: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = httpx.post(
        f"{server.url}/graphql",
        json={"query": document, "variables": variables},
        headers=headers,
        timeout=30,
    )
    content: dict[str, Any] = response.json()
    assert "errors" not in content, content
    return content["data"]
