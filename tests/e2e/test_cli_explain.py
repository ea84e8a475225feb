"""Does `eoms explain` say what it knows, legibly, and what is wrong where something is?

That it is right is tested in tests/integration/test_explain.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path

import pytest

from schema.build import build_schema, graphql_schema
from server.clients import NewClient, add_client
from server.document_check import limits_of
from server.registered_documents import manifest_documents, publish_manifest
from server.settings import Settings
from tests.e2e.server import demo_data, eoms, new_folder, stores_of
from tests.example_manifests import MANIFESTS

ORDERS = "query Board($first: Int!) { orders(first: $first) { totalCount nodes { number amount } } }"
SECONDS = re.compile(r"[0-9.]+ ms")


@pytest.fixture(scope="module")
def data_dir() -> Generator[Path]:
    with demo_data() as data_dir, stores_of(data_dir):
        yield data_dir


def done(data_dir: Path, *arguments: str, stdin: str = "") -> list[str]:
    """Return the lines that are printed, without the time that it took."""
    ended = eoms(data_dir, "explain", *arguments, stdin=stdin, EOMS_PLANNER="true")
    assert ended.returncode == 0, ended.stderr
    return SECONDS.sub("… ms", ended.stdout).splitlines()


def refused(data_dir: Path, *arguments: str, stdin: str = "") -> list[str]:
    """Return what is wrong: what is printed, and the error."""
    ended = eoms(data_dir, "explain", *arguments, stdin=stdin, EOMS_PLANNER="true")
    assert ended.returncode == 1, ended.stdout
    return [*ended.stdout.splitlines(), ended.stderr.splitlines()[-1]]


def test_planned_query_is_explained_from_a_file(data_dir: Path) -> None:
    file = new_folder() / "board.graphql"
    file.write_text(ORDERS)
    lines = done(data_dir, str(file), "--as", "director", "--variables", '{"first": 20}')
    assert lines[:10] == [
        "operation   query Board",
        "as          director (director)",
        "costs       at most 31 points, 20 nodes",
        "forbidden   nothing",
        "path        planned",
        "compiled in … ms (… ms as the first one of a process)",
        "parameters  $1 s0_size int4",
        "",
        "SELECT convert_to(CAST((",
        '  SELECT row_to_json("0row") FROM (',
    ]
    assert [line.strip() for line in lines].count("LIMIT $1::INTEGER") == 1
    assert lines.count("") == 1


def test_analyzed_query_shows_the_plan_of_the_database(data_dir: Path) -> None:
    lines = done(data_dir, "-", "--as", "engineer", "--variables", '{"first": 3}', "--analyze", stdin=ORDERS)
    assert lines[1:5] == [
        "as          engineer (engineer in projects)",
        "costs       at most 14 points, 3 nodes",
        "forbidden   orders.nodes.amount",
        "path        planned",
    ]
    plan = lines[len(lines) - lines[::-1].index("") :]
    assert "(actual time=" in plan[0]
    assert plan[-1] == "Execution Time: … ms"


def test_payloads_of_a_mutation_are_explained_one_by_one(data_dir: Path) -> None:
    document = """mutation ($input: OrderActionInput!) {
      orderSubmit(input: $input) { order { number } } again: orderCancel(input: $input) { errors { code } }
    }"""
    given = json.dumps({"input": {"id": "Order:01890a5d-ac96-774b-bcce-b302099a8057"}})
    lines = done(data_dir, "-", "--as", "director", "--variables", given, stdin=document)
    assert lines[0] == "operation   mutation"
    assert lines[4:9] == [
        "",
        "payload of  orderSubmit",
        "path        planned",
        "compiled in … ms (… ms as the first one of a process)",
        "parameters  $1 key uuid",
    ]
    assert lines[-2:] == ["payload of  again", "path        interpreted: nothing to read"]


def test_registered_document_is_explained_by_its_id(data_dir: Path) -> None:
    documents = manifest_documents(MANIFESTS["apollo"])
    limits = limits_of(Settings())
    with stores_of(data_dir) as urls:
        add_client(urls.database_url, NewClient("site", "Site", "HC", ("read",), ("auditor",)))
        schema = graphql_schema(build_schema())
        publish_manifest(urls.database_url, "site", documents, schema, limits, prune=False, dry_run=False)
    (followed,) = (each for each in documents if each.name == "FollowOrders")
    lines = done(data_dir, f"sha256:{followed.hash.hex()}", "--as", "site")
    assert lines[:2] == ["operation   subscription FollowOrders", "as          site (auditor, partner)"]
    assert "path        planned" in lines
    unknown = f"sha256:{'0' * 64}"
    assert refused(data_dir, unknown) == [f"Error: {unknown}: No such registered document."]


def test_what_cannot_be_explained_is_told_clearly(data_dir: Path) -> None:
    assert refused(data_dir, "-", "--as", "nobody-here", stdin=ORDERS) == [
        "Error: nobody-here: No such user."
    ]
    assert refused(data_dir, "-", "--as", "pm", stdin="{ nothing }") == [
        "1:3 GRAPHQL_VALIDATION_FAILED Cannot query field 'nothing' on type 'Query'.",
        "Error: The server would not execute this.",
    ]


def test_wrong_options_are_told_before_anything_is_started() -> None:
    empty = new_folder() / "data"
    for arguments, error in (
        (
            ("no-such-file.graphql",),
            "no-such-file.graphql: The file can't be read: No such file or directory.",
        ),
        (("-", "--variables", "{"), "--variables: This is no JSON."),
        (("-", "--variables", '{"lone": "\\ud800"}'), "--variables: This is no JSON."),
        (("-", "--variables", "[]"), "--variables: Variables are a JSON object."),
    ):
        assert refused(empty, *arguments) == [f"Error: {error}"]
    assert not empty.exists()
