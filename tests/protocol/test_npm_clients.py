"""Do the npm clients and tools that teams use work with a real server, each in its own suite under tests/clients?"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Mapping
from pathlib import Path

import httpx
import pytest

from tests.e2e.personas import Personas
from tests.e2e.server import demo_data, eoms, serving
from tests.golden_files import ROOT, assert_golden
from tests.node import installed, node_environment
from tests.protocol.npm_world import CLIENTS, run_node

SUITES = sorted(path.name.removesuffix(".test.mjs") for path in (CLIENTS / "suites").glob("*.test.mjs"))
MANIFESTS = ("apollo", "codegen", "relay")
WEB_APP = ("--name", "Web app", "--organization", "HC", "--role", "engineer@P-001")
SCOPES = ("--scope", "read", "--scope", "subscribe")


@pytest.fixture(scope="module")
def variables() -> Generator[Mapping[str, str]]:
    """The environment of a suite: Node, a server with the clients' documents registered, and tokens for it."""
    installed(CLIENTS)
    with demo_data() as data_dir, serving(data_dir) as server:
        told = done(data_dir, "client", "add", "web", *WEB_APP, *SCOPES)
        for manifest in MANIFESTS:
            done(data_dir, "documents", "publish", "web", str(manifest_file(manifest)))
        personas = Personas(server.url)
        personas.sign_in("pm", "buyer")
        tokens = {who: personas.token(who) for who in ("pm", "buyer")}
        tokens["web"] = client_token(server.url, "web", told.partition("secret: ")[2].split()[0])
        personas.close()
        yield {**node_environment(), "NO_COLOR": "1", "SERVER_URL": server.url, "TOKENS": json.dumps(tokens)}


@pytest.mark.parametrize("suite", SUITES)
def test_suite_of_real_clients_passes(suite: str, variables: Mapping[str, str]) -> None:
    run_node(variables, "--test-reporter=spec", f"suites/{suite}.test.mjs")


def test_golden_manifests_are_those_that_the_clients_builds_make(tmp_path: Path) -> None:
    installed(CLIENTS)
    run_node({**node_environment(), "NO_COLOR": "1"}, "manifests.mjs", str(tmp_path))
    for name in MANIFESTS:
        place = str(manifest_file(name).relative_to(ROOT))
        assert_golden(place, (tmp_path / f"{name}.json").read_text("utf-8"))


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_id_in_a_manifest_is_the_hash_of_its_text(name: str) -> None:
    content = json.loads(manifest_file(name).read_text("utf-8"))
    if name == "apollo":
        content = {operation["id"]: operation["body"] for operation in content["operations"]}
    assert len(content) == {"apollo": 4, "codegen": 2, "relay": 6}[name]
    for given, text in content.items():
        assert given.removeprefix("sha256:") == hashlib.sha256(text.encode()).hexdigest()


def test_snippets_of_the_documentation_are_taken_from_what_the_suites_run() -> None:
    text = (ROOT / "docs" / "clients.md").read_text("utf-8")
    snippets = re.findall(r"<!-- from (\S+) -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert len(snippets) == 16
    assert text.count("```") == 2 * (len(snippets) + 1), (
        "all but the operator's command say where they are from"
    )
    for place, snippet in snippets:
        # Alone, a snippet is a statement, indented as such; where it is from it may be a part of one.
        assert unindented(snippet).rstrip(";") in unindented((ROOT / place).read_text("utf-8")), snippet


def unindented(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def manifest_file(name: str) -> Path:
    return CLIENTS / "manifests" / f"{name}.json"


def done(data_dir: Path, *arguments: str) -> str:
    """Run an `eoms` command that succeeds and return what it says."""
    ended = eoms(data_dir, *arguments)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def client_token(url: str, client: str, secret: str) -> str:
    """Return an access token that a program gets for its secret."""
    form = {"grant_type": "client_credentials"}
    response = httpx.post(f"{url}/oauth/token", data=form, auth=(client, secret), timeout=30)
    assert response.status_code == 200, response.text
    return response.json()["access_token"]
