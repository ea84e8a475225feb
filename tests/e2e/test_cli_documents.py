"""Do the commands of `eoms documents` do what they say?"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from domain.errors import NotFound
from schema.build import build_schema, graphql_schema
from server.clients import NewClient, add_client
from server.document_check import limits_of
from server.field_uses import field_named
from server.registered_documents import (
    documents_selecting,
    list_documents,
    manifest_documents,
    publish_manifest,
    retire_documents,
)
from server.settings import Settings
from tests.e2e.rows import rows
from tests.e2e.server import demo_data, eoms, new_folder, serving, stores_of
from tests.example_manifests import MANIFESTS

APOLLO = ("FollowOrders", "RenameOrder", "SiteOrders")
RELAY = ("orderRefetchQuery", "ordersPageQuery")
STATE = "SELECT client_id, hash, name, published_at, retired_at, calls FROM client_document ORDER BY 1, 2"
EVENTS = "SELECT type, version FROM event WHERE aggregate_type = 'ApiClient' ORDER BY sequence"


@pytest.fixture(scope="module")
def data_dir() -> Generator[Path]:
    with demo_data() as data_dir, stores_of(data_dir):
        yield data_dir


def added(data_dir: Path, username: str, *manifests: str) -> str:
    """Return the secret of a new client with the documents of example manifests."""
    schema, limits = graphql_schema(build_schema()), limits_of(Settings())
    with stores_of(data_dir) as urls:
        new = add_client(urls.database_url, NewClient(username, username, "HC", ("read",), ("auditor",)))
        for name in manifests:
            documents = manifest_documents(MANIFESTS[name])
            publish_manifest(
                urls.database_url, username, documents, schema, limits, prune=False, dry_run=False
            )
    return new.secret


def run(data_dir: Path, *arguments: str) -> CompletedProcess[str]:
    return eoms(data_dir, "documents", *arguments)


def done(data_dir: Path, *arguments: str) -> list[str]:
    """Return the lines that a command prints that does what it is told."""
    ended = run(data_dir, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def refused(data_dir: Path, *arguments: str) -> tuple[list[str], str]:
    """Return what a command prints that does nothing: its findings and its error."""
    before = rows(data_dir, STATE), rows(data_dir, EVENTS)
    ended = run(data_dir, *arguments)
    assert ended.returncode == 1, ended.stdout
    assert (rows(data_dir, STATE), rows(data_dir, EVENTS)) == before
    return ended.stdout.splitlines(), ended.stderr.splitlines()[-1]


def id_of(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def manifest(*texts: str) -> Path:
    """Return a manifest in Relay's format, which any text fits in."""
    path = new_folder() / "persisted.json"
    path.write_text(json.dumps({id_of(text).removeprefix("sha256:"): text for text in texts}))
    return path


def texts(name: str) -> dict[str, str]:
    """Return the texts of an example manifest by their operations' names."""
    whole = json.loads(MANIFESTS[name].read_text())
    found = [each["body"] for each in whole["operations"]] if name == "apollo" else [*whole.values()]
    return {re.split(r"\W+", text)[1]: text for text in found}


def live(data_dir: Path, username: str) -> list[str]:
    found = rows(
        data_dir,
        "SELECT d.name FROM client_document d JOIN api_client c ON c.id = d.client_id JOIN app_user u ON u.id = c.user_id"
        f" WHERE u.username = '{username}' AND d.retired_at IS NULL ORDER BY d.name COLLATE \"C\"",
    )
    return [name for (name,) in found]


def table(lines: list[str]) -> list[list[str]]:
    return [re.split(r" {2,}", line.strip()) for line in lines]


def test_manifest_is_published_and_publishing_it_again_changes_nothing(data_dir: Path) -> None:
    added(data_dir, "published")
    printed = done(data_dir, "publish", "published", str(MANIFESTS["apollo"]))
    names = [line.split()[1] for line in printed[:-1]]
    assert (sorted(names), printed[-1]) == (
        [*APOLLO],
        "published: 3 new, 0 revived, 0 unchanged, 0 retired.",
    )
    assert printed[0] == f"new SiteOrders {id_of(texts('apollo')['SiteOrders'])}"
    assert live(data_dir, "published") == [*APOLLO]
    before = rows(data_dir, STATE), rows(data_dir, EVENTS)
    again = done(data_dir, "publish", "published", str(MANIFESTS["apollo"]))
    assert again == ["published: 0 new, 0 revived, 3 unchanged, 0 retired."]
    assert (rows(data_dir, STATE), rows(data_dir, EVENTS)) == before


def test_file_of_graphql_is_published_as_it_stands_there(data_dir: Path) -> None:
    added(data_dir, "single")
    path = new_folder() / "mine.graphql"
    path.write_text("query Mine { __typename }\n")
    document_id = id_of("query Mine { __typename }\n")
    assert done(data_dir, "publish", "single", str(path)) == [
        f"new Mine {document_id}",
        "single: 1 new, 0 revived, 0 unchanged, 0 retired.",
    ]


def test_other_manifest_adds_and_prune_retires_what_it_has_not(data_dir: Path) -> None:
    added(data_dir, "pruned", "apollo")
    done(data_dir, "publish", "pruned", str(MANIFESTS["relay"]))
    assert live(data_dir, "pruned") == [*APOLLO, *RELAY]
    before = rows(data_dir, STATE), rows(data_dir, EVENTS)
    expected = [f"retired {name} {id_of(texts('apollo')[name])}" for name in APOLLO]
    command = ("publish", "pruned", str(MANIFESTS["relay"]), "--prune")
    tried = done(data_dir, *command, "--dry-run")
    verdict = "pruned: 0 new, 0 revived, 2 unchanged, 3 retired."
    assert tried == [*expected, f"{verdict} Nothing was kept: this was a dry run."]
    assert (rows(data_dir, STATE), rows(data_dir, EVENTS)) == before
    assert done(data_dir, *command) == [*expected, verdict]
    assert live(data_dir, "pruned") == [*RELAY]
    revived = done(data_dir, "publish", "pruned", str(MANIFESTS["apollo"]))
    assert revived[-1] == "pruned: 0 new, 3 revived, 0 unchanged, 0 retired."


def test_manifest_with_one_broken_document_publishes_nothing(data_dir: Path) -> None:
    added(data_dir, "broken")
    good, wrong = "query Good { __typename }", "query Wrong {\n  orders(first: 1) { nodes { nothing } }\n}"
    path = manifest(good, wrong, "query Torn {")
    findings, error = refused(data_dir, "publish", "broken", str(path))
    assert findings == [
        f"{path} Wrong {id_of(wrong)} 2:30 GRAPHQL_VALIDATION_FAILED Cannot query field 'nothing' on type 'Order'.",
        f"{path} (unnamed) {id_of('query Torn {')} 1:13 GRAPHQL_PARSE_FAILED Syntax Error: Expected Name, found <EOF>.",
    ]
    assert error == "Error: Broken documents: 2. Nothing was published."


def test_what_is_no_manifest_is_refused_with_its_place(data_dir: Path) -> None:
    path = new_folder() / "m.json"
    path.write_text('{"d41d8cd98f00b204e9800998ecf8427e": "query A { __typename }"}')
    _, error = refused(data_dir, "publish", "nobody", str(path))
    assert error == (
        f"Error: {path}.d41d8cd98f00b204e9800998ecf8427e: A: The id must be the SHA-256 of the exact text, 64 lower-case"
        ' hexadecimal digits. It looks like MD5, which is Relay\'s default; set "algorithm": "SHA256" in persistConfig.'
    )


def test_file_and_client_that_are_not_there_are_told(data_dir: Path) -> None:
    absent = new_folder() / "absent.json"
    _, error = refused(data_dir, "publish", "nobody", str(absent))
    assert error == f"Error: {absent}: The file can't be read: No such file or directory."
    _, error = refused(data_dir, "publish", "pm", str(MANIFESTS["relay"]))
    assert error == "Error: username: No such API client."
    with stores_of(data_dir) as urls:
        for act in (
            lambda: list_documents(urls.database_url, "pm"),
            lambda: retire_documents(urls.database_url, "pm", ["0" * 64]),
        ):
            with pytest.raises(NotFound) as caught:
                act()
            assert caught.value.path == ("username",)


def test_documents_are_retired_by_ids_and_beginnings_all_or_none(data_dir: Path) -> None:
    added(data_dir, "retiring", "apollo")
    ids = {name: id_of(text) for name, text in texts("apollo").items()}
    follow, rename = ids["FollowOrders"], ids["RenameOrder"]
    _, error = refused(data_dir, "retire", "retiring", follow, "sha256:" + "0" * 64)
    assert error == f"Error: sha256:{'0' * 64}: No such document of this client."
    short = follow.removeprefix("sha256:")[:7]
    _, error = refused(data_dir, "retire", "retiring", short)
    assert error.startswith(
        f"Error: {short}: An id is sha256: and 64 hexadecimal digits, or the first 8 or more"
    )
    printed = done(data_dir, "retire", "retiring", follow, rename[: len("sha256:") + 8])
    assert printed == [f"retired FollowOrders {follow}", f"retired RenameOrder {rename}"]
    assert live(data_dir, "retiring") == ["SiteOrders"]
    _, error = refused(data_dir, "retire", "retiring", ids["SiteOrders"], follow)
    assert error == f"Error: {follow}: This document is retired already."
    shown = [row[1] for row in table(done(data_dir, "list", "retiring", "--retired"))]
    assert shown == ["name", "FollowOrders", "RenameOrder", "SiteOrders"]


def test_beginning_that_two_documents_share_names_neither(data_dir: Path) -> None:
    added(data_dir, "ambiguous")
    for last in ("1", "2"):
        forged = f"decode('{'a' * 63}{last}', 'hex')"
        rows(data_dir, f"INSERT INTO document VALUES ({forged}, '{{ a }}', now(), 0, NULL)")
        rows(
            data_dir,
            f"INSERT INTO client_document SELECT c.id, {forged}, 'D{last}', now(), NULL, 0, NULL"
            " FROM api_client c JOIN app_user u ON u.id = c.user_id WHERE username = 'ambiguous'",
        )
    _, error = refused(data_dir, "retire", "ambiguous", "a" * 63)
    assert error == f"Error: {'a' * 63}: 2 documents of this client begin with it."
    assert done(data_dir, "retire", "ambiguous", "a" * 63 + "2")[0].split()[:2] == ["retired", "D2"]
    # Not sound: it would be found by what the other tests check.
    rows(data_dir, "DELETE FROM client_document WHERE name IN ('D1', 'D2')")
    rows(data_dir, "DELETE FROM document WHERE text = '{ a }'")


def test_calls_of_the_client_and_of_people_are_listed_apart(data_dir: Path) -> None:
    secret = added(data_dir, "listed", "relay")
    asked = {"documentId": id_of(texts("relay")["ordersPageQuery"]), "variables": {"first": 1}}
    person = eoms(data_dir, "token", "pm").stdout.strip()
    with serving(data_dir) as server:
        form = {"grant_type": "client_credentials"}
        given = httpx.post(f"{server.url}/oauth/token", data=form, auth=("listed", secret), timeout=30)
        tokens = [given.json()["access_token"]] * 2 + [person]
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}"}
            answer = httpx.post(f"{server.url}/graphql", json=asked, headers=headers, timeout=30)
            assert answer.json()["data"]["projects"]["edges"][0]["node"]["code"] == "P-001"
        server.stop()
    # 80 columns: no cell is cut off, however narrow the terminal.
    head, never, used = table(eoms(data_dir, "documents", "list", "listed", COLUMNS="80").stdout.splitlines())
    assert head == [
        "client",
        "name",
        "id",
        "published",
        "calls",
        "last used",
        "by people",
        "last used by any",
    ]
    assert never[:3] == ["listed", "orderRefetchQuery", id_of(texts("relay")["orderRefetchQuery"])]
    assert never[4:] == ["0", "never", "0", "never"]
    assert used[:3] == ["listed", "ordersPageQuery", asked["documentId"]]
    assert (used[4], used[6]) == ("2", "1")
    for moment in (used[3], used[5], used[7]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\dZ", moment)


def test_unused_are_those_that_nobody_has_used_for_so_long(data_dir: Path) -> None:
    added(data_dir, "unused")
    names = ("Fresh", "Never", "Long", "Lately", "ByPeople")
    path = manifest(*(f"query {name} {{ __typename }}" for name in names))
    done(data_dir, "publish", "unused", str(path))
    published = "UPDATE client_document SET published_at = now() - interval '40 days' WHERE name = '{}'"
    used = "UPDATE document SET last_used_at = now() - interval '{} days' WHERE text LIKE 'query {} %'"
    for name in names[1:]:
        rows(data_dir, published.format(name))
    for days, name in ((31, "Long"), (29, "Lately"), (1, "ByPeople")):
        rows(data_dir, used.format(days, name))
    shown = table(done(data_dir, "list", "unused", "--unused-days", "30"))
    assert [row[1] for row in shown] == ["name", "Long", "Never"]


def test_manifests_are_checked_without_any_store() -> None:
    nowhere = new_folder() / "data"
    examples = [str(path) for path in MANIFESTS.values()]
    assert done(nowhere, "check", *examples) == ["Documents checked: 5. Broken: 0."]
    wrong = manifest("query Wrong { nothing }", "query Asks { __schema { description } }")
    ended = run(nowhere, "check", str(wrong), *examples)
    assert (ended.returncode, ended.stdout.splitlines()) == (
        1,
        [
            (
                f"{wrong} Wrong {id_of('query Wrong { nothing }')} 1:15 GRAPHQL_VALIDATION_FAILED"
                " Cannot query field 'nothing' on type 'Query'."
            ),
            (
                f"{wrong} Asks {id_of('query Asks { __schema { description } }')} 1:14"
                " note: INTROSPECTION Outsiders, most API clients among them, may not introspect."
            ),
            "Documents checked: 7. Broken: 1.",
        ],
    )
    assert not nowhere.exists()


def test_check_finds_what_a_newer_schema_or_a_lower_limit_breaks(data_dir: Path) -> None:
    added(data_dir, "checked", "relay")
    assert done(data_dir, "check")[-1].endswith("Broken: 0.")
    ended = eoms(data_dir, "documents", "check", EOMS_MAX_DEPTH="3")
    found = [line for line in ended.stdout.splitlines() if line.startswith("checked ")]
    assert (ended.returncode, found) == (
        1,
        [
            f"checked {name} {id_of(texts('relay')[name])} - TOO_DEEP At most 3 levels of fields."
            for name in RELAY
        ],
    )
    # A retired document may be broken.
    done(data_dir, "retire", "checked", id_of(texts("relay")["orderRefetchQuery"]))
    still = eoms(data_dir, "documents", "check", EOMS_MAX_DEPTH="3").stdout.splitlines()
    assert [line.split()[1] for line in still if line.startswith("checked ")] == ["ordersPageQuery"]


def test_uses_names_the_live_documents_that_select_a_field(data_dir: Path) -> None:
    added(data_dir, "using", "relay")
    added(data_dir, "retired", "relay")
    done(data_dir, "retire", "retired", id_of(texts("relay")["orderRefetchQuery"]))
    schema = graphql_schema(build_schema())

    def using(field: str) -> list[str]:
        with stores_of(data_dir) as urls:
            found = documents_selecting(urls.database_url, schema, field_named(schema, field))
        return [f"{each.client} {each.name}" for each in found if each.client in ("using", "retired")]

    assert using("OrderLine.uom") == ["using orderRefetchQuery"]
    assert using("Project.name") == ["retired ordersPageQuery", "using ordersPageQuery"]
    # Relay asks a node for its id: that is asking an order, too.
    assert using("Order.id") == ["using orderRefetchQuery"]
    shown = table(done(data_dir, "uses", "OrderLine.uom"))
    assert [row[1] for row in shown if row[0] in ("client", "using", "retired")] == [
        "name",
        "orderRefetchQuery",
    ]
    assert done(data_dir, "uses", "Order.revision") == ["No registered document selects Order.revision."]
    error = "Error: field: No such field of Order."
    assert refused(data_dir, "uses", "Order.colour") == ([], error)


def test_log_stays_clean_after_all_of_it(data_dir: Path) -> None:
    verified = eoms(data_dir, "events", "verify")
    assert (verified.returncode, verified.stdout.rpartition(": ")[2]) == (0, "no findings.\n"), verified
