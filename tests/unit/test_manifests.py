"""Which manifests are read, and what is told of the others?"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from commands.documents import ManifestDocument
from domain.errors import InvalidInput
from server.manifests import DOCUMENTS_MOST, LARGEST_BYTES, read_document, read_manifest
from tests.example_manifests import MANIFESTS

ORDERS = "query Orders { orders(first: 1) { nodes { number } } }"
RENAME = 'mutation Rename { sessionRevoke(input: {refreshToken: "x"}) { revoked } }'
BOTH = f"{ORDERS}\n{RENAME}"


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# Any: tests put every kind of JSON there.
def operation(text: str, name: str, kind: str = "query", **changed: Any) -> dict[str, Any]:
    return {"id": sha256(text), "name": name, "type": kind, "body": text, **changed}


def apollo(*operations: Any, **changed: Any) -> bytes:
    whole = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}
    return json.dumps(whole | changed).encode()


def relay(**texts: Any) -> bytes:
    return json.dumps(texts).encode()


def refused(content: bytes) -> tuple[str, tuple[str, ...], str]:
    with pytest.raises(InvalidInput) as caught:
        read_manifest(content)
    return caught.value.code, caught.value.path, caught.value.message


def test_apollos_manifest_is_read_in_its_order() -> None:
    content = apollo(operation(RENAME, "Rename", "mutation"), operation(ORDERS, "Orders"))
    assert read_manifest(content) == (ManifestDocument("Rename", RENAME), ManifestDocument("Orders", ORDERS))


def test_relays_manifest_names_documents_by_their_operations() -> None:
    content = relay(**{sha256(BOTH): BOTH, sha256("{ __typename }"): "{ __typename }"})
    assert read_manifest(content) == (
        ManifestDocument("Orders, Rename", BOTH),
        ManifestDocument("(unnamed)", "{ __typename }"),
    )


def test_hash_is_of_the_exact_text() -> None:
    assert ManifestDocument("桥", "query 桥 ").hash.hex() == sha256("query 桥 ")


def test_client_presets_prefix_and_a_byte_order_mark_are_read() -> None:
    content = b"\xef\xbb\xbf" + relay(**{f"sha256:{sha256(ORDERS)}": ORDERS})
    assert read_manifest(content) == (ManifestDocument("Orders", ORDERS),)


def test_members_that_say_nothing_about_a_text_are_passed_over() -> None:
    content = apollo(operation(ORDERS, "Orders", clientName="web"), generator="x")
    assert read_manifest(content) == (ManifestDocument("Orders", ORDERS),)


def test_text_that_cannot_be_parsed_is_left_to_the_check() -> None:
    content = apollo(operation("query {", "Broken"))
    assert read_manifest(content) == (ManifestDocument("Broken", "query {"),)
    assert read_manifest(relay(**{sha256("{" * 5000): "{" * 5000})) == (
        ManifestDocument("(unnamed)", "{" * 5000),
    )


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_example_manifest_is_read(name: str) -> None:
    assert [document.name for document in read_manifest(MANIFESTS[name].read_bytes())] == {
        "apollo": ["SiteOrders", "RenameOrder", "FollowOrders"],
        "relay": ["ordersPageQuery", "orderRefetchQuery"],
    }[name]


def test_md5_of_relay_is_refused_with_what_to_set() -> None:
    md5 = hashlib.md5(ORDERS.encode(), usedforsecurity=False).hexdigest()
    assert refused(relay(**{md5: ORDERS})) == (
        "WRONG_ID",
        (md5,),
        (
            "Orders: The id must be the SHA-256 of the exact text, 64 lower-case hexadecimal digits."
            ' It looks like MD5, which is Relay\'s default; set "algorithm": "SHA256" in persistConfig.'
        ),
    )


def test_sha1_of_the_client_preset_is_refused_with_what_to_set() -> None:
    sha1 = hashlib.sha1(ORDERS.encode(), usedforsecurity=False).hexdigest()
    code, _, message = refused(relay(**{sha1: ORDERS}))
    assert (code, message.rpartition("SHA-1; ")[2]) == (
        "WRONG_ID",
        'set hashAlgorithm: "sha256" in persistedDocuments of the client preset.',
    )


def test_id_of_another_text_is_refused_with_its_operation() -> None:
    content = apollo(operation(ORDERS, "Orders"), operation(RENAME, "Rename", "mutation", id=sha256(ORDERS)))
    assert refused(content) == (
        "WRONG_ID",
        ("operations", "1 (Rename)", "id"),
        "Rename: The id is the SHA-256 of another text; has the text been changed after it was made?",
    )


@pytest.mark.parametrize("given", [sha256(ORDERS).upper(), "", "sha256:", "Orders", f"md5:{sha256(ORDERS)}"])
def test_id_in_another_form_is_refused(given: str) -> None:
    code, path, _ = refused(apollo(operation(ORDERS, "Orders", id=given)))
    assert (code, path) == ("WRONG_ID", ("operations", "0 (Orders)", "id"))


@pytest.mark.parametrize(
    ("changed", "code", "place"),
    [
        ({"id": None}, "MALFORMED", "id"),
        ({"id": 1}, "MALFORMED", "id"),
        ({"type": "fragment"}, "MALFORMED", "type"),
        ({"type": ["query"]}, "MALFORMED", "type"),
        ({"type": "mutation"}, "WRONG_NAME", "type"),
        ({"body": None}, "MALFORMED", None),
        ({"body": " \n"}, "MALFORMED", None),
        ({"body": ORDERS + "\0"}, "MALFORMED", None),
        ({"body": ORDERS + "\ud800"}, "MALFORMED", None),
    ],
)
def test_member_of_a_wrong_type_is_refused_with_its_place(
    changed: dict[str, Any], code: str, place: str | None
) -> None:
    found, path, _ = refused(apollo(operation(ORDERS, "Orders") | changed))
    assert (found, path) == (code, ("operations", "0 (Orders)", *([place] if place else [])))


@pytest.mark.parametrize("name", [None, "", 7, ["Orders"]])
def test_operation_without_a_name_is_refused(name: object) -> None:
    found = refused(apollo(operation(ORDERS, "Orders") | {"name": name}))
    assert found == ("MALFORMED", ("operations", "0", "name"), "The operation's name is expected here.")


def test_name_that_is_not_in_the_text_is_refused() -> None:
    assert refused(apollo(operation(ORDERS, "Others"))) == (
        "WRONG_NAME",
        ("operations", "0 (Others)", "name"),
        "The text has no operation of this name.",
    )


@pytest.mark.parametrize(
    ("content", "code", "path"),
    [
        (b"", "MALFORMED", ()),
        (b"{", "MALFORMED", ()),
        (b"\xff{}", "MALFORMED", ()),
        (b"[" * 100_000, "MALFORMED", ()),
        (b'{"version": ' + b"9" * 10_000 + b"}", "MALFORMED", ()),
        (b"[]", "UNKNOWN_FORMAT", ()),
        (b"null", "UNKNOWN_FORMAT", ()),
        (b"{}", "REQUIRED", ()),
        (apollo(), "REQUIRED", ()),
        (apollo(format="other"), "UNKNOWN_FORMAT", ("format",)),
        (b'{"operations": []}', "UNKNOWN_FORMAT", ("format",)),
        (apollo(version=2), "UNKNOWN_FORMAT", ("version",)),
        (apollo(version=True), "UNKNOWN_FORMAT", ("version",)),
        (apollo(version="1"), "UNKNOWN_FORMAT", ("version",)),
        (apollo(operations=None), "MALFORMED", ("operations",)),
        (apollo(operations={}), "MALFORMED", ("operations",)),
        (apollo("x"), "MALFORMED", ("operations", "0")),
        (relay(**{sha256(ORDERS): None}), "MALFORMED", (sha256(ORDERS),)),
        (relay(**{sha256(ORDERS): {"text": ORDERS}}), "MALFORMED", (sha256(ORDERS),)),
        (relay(**{sha256(""): ""}), "MALFORMED", (sha256(""),)),
        (b'{"a": "{a}", "a": "{a}"}', "DUPLICATE", ("a",)),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(
    content: bytes, code: str, path: tuple[str, ...]
) -> None:
    assert refused(content)[:2] == (code, path)


def test_broken_json_is_told_with_line_and_column() -> None:
    message = refused(b'{\n  "a": \n}')[2]
    assert message == "Line 3, column 1 is no JSON: Expecting value."
    assert refused(b'{"a": "\xff"}')[2] == "Byte 8 is no UTF-8."


def test_same_document_twice_is_refused_with_both_places() -> None:
    assert refused(apollo(operation(ORDERS, "Orders"), operation(ORDERS, "Orders"))) == (
        "DUPLICATE",
        ("operations", "1 (Orders)"),
        "The same document stands at operations.0 (Orders).",
    )
    texts = {sha256(ORDERS): ORDERS, f"sha256:{sha256(ORDERS)}": ORDERS}
    assert refused(relay(**texts))[0] == "DUPLICATE"


def test_manifest_of_ten_mebibytes_is_read_and_a_longer_one_is_not() -> None:
    content = relay(**{sha256(ORDERS): ORDERS})
    assert len(read_manifest(content.ljust(LARGEST_BYTES))) == 1
    assert refused(content.ljust(LARGEST_BYTES + 1))[:2] == ("TOO_LONG", ())


def test_manifest_of_5000_documents_is_read_and_a_longer_one_is_not() -> None:
    texts = [f"{{ a{nth} }}" for nth in range(DOCUMENTS_MOST + 1)]
    whole = {sha256(text): text for text in texts[:-1]}
    assert len(read_manifest(relay(**whole))) == DOCUMENTS_MOST
    assert refused(relay(**whole, **{sha256(texts[-1]): texts[-1]})) == (
        "TOO_MANY",
        (),
        "A manifest has at most 5,000 documents, not 5,001.",
    )
    assert refused(apollo(*[0] * (DOCUMENTS_MOST + 1)))[0] == "TOO_MANY"


def test_name_of_200_characters_is_read_and_a_longer_one_is_not() -> None:
    longest, longer = (f"query {'n' * length} {{ a }}" for length in (200, 201))
    assert read_manifest(relay(**{sha256(longest): longest}))[0].name == "n" * 200
    assert refused(relay(**{sha256(longer): longer}))[:2] == ("TOO_LONG", (sha256(longer),))


def test_error_quotes_a_strange_key_shortened_and_without_control_characters() -> None:
    _, (shown,), _ = refused(relay(**{"\x1b[31m" + "x" * 1000: ORDERS}))
    assert shown == "?[31m" + "x" * 75 + "…"


@pytest.mark.parametrize("text", [ORDERS, f"\n{ORDERS}\r\n", f"\ufeff{ORDERS}"])
def test_file_of_graphql_is_one_document_with_the_exact_text(text: str) -> None:
    document = read_document(text.encode())
    assert (document.name, document.text) == ("Orders", text)
    assert document.hash == hashlib.sha256(text.encode()).digest()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b" \n", "REQUIRED"),
        (b"{ \xff }", "MALFORMED"),
        (b"{ a } # \0", "MALFORMED"),
        (b"query " + b"n" * 201 + b" { a }", "TOO_LONG"),
        (b"#" * (LARGEST_BYTES + 1), "TOO_LONG"),
    ],
)
def test_file_that_is_no_document_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_document(content)
    assert (caught.value.code, caught.value.path) == (code, ())
