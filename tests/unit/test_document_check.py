"""What is found in a registered document that the server would not execute, and who uses a field?"""

from __future__ import annotations

import hashlib

import pytest
from graphql import build_schema as built

from domain.errors import InvalidInput, NotFound
from schema.build import build_schema, graphql_schema
from server.document_check import CheckedDocument, check_documents, limits_of
from server.documents import DocumentLimits
from server.field_uses import field_named, selects
from server.manifests import read_manifest
from server.settings import Settings
from tests.example_manifests import MANIFESTS

LIMITS = DocumentLimits(tokens=100, depth=3, aliases=1, root_fields=2)
SCHEMA = built("""
    type Query { bridge(old: Int @deprecated(reason: "Use id."), id: ID): Bridge found: Named }
    interface Named { name: String }
    type Bridge implements Named { name: String width: Int @deprecated(reason: "Use spans.") spans: Bridge }
    type Road implements Named { name: String }
    enum Deprecated { OLD @deprecated NEW }
    input Where { name: String }
    scalar Plain
""")


def document(text: str, name: str = "D") -> CheckedDocument:
    return CheckedDocument("web", name, hashlib.sha256(text.encode()).digest(), text)


def found(text: str) -> list[tuple[str, tuple[int, int] | None, bool]]:
    findings = check_documents(SCHEMA, LIMITS, [document(text)])
    return [(finding.code, finding.place, finding.is_note) for finding in findings]


@pytest.mark.parametrize("name", sorted(MANIFESTS))
def test_example_manifests_are_sound(name: str) -> None:
    documents = [
        CheckedDocument(name, each.name, each.hash, each.text)
        for each in read_manifest(MANIFESTS[name].read_bytes())
    ]
    assert check_documents(graphql_schema(build_schema()), limits_of(Settings()), documents) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ bridge { name } }", []),
        ("{ bridge {\n  nome } }", [("GRAPHQL_VALIDATION_FAILED", (2, 3), False)]),
        ("{ bridge {", [("GRAPHQL_PARSE_FAILED", (1, 11), False)]),
        ("{ bridge { spans { spans { name } } } }", [("TOO_DEEP", None, False)]),
        ("{ a: bridge { b: name } }", [("TOO_MANY_ALIASES", None, False)]),
        ("{ a: found { name } bridge { name } found { name } }", [("TOO_MANY_ROOT_FIELDS", None, False)]),
        ("{ " + "__typename " * 100 + "}", [("TOO_MANY_TOKENS", (1, 1092), False)]),
        ("{ bridge { width } }", [("DEPRECATED", (1, 12), True)]),
        ("{ bridge(old: 1) { name } }", [("DEPRECATED", (1, 10), True)]),
        ("{ __schema { description } }", [("INTROSPECTION", (1, 3), True)]),
    ],
)
def test_finding_says_what_is_wrong_and_where(
    text: str, expected: list[tuple[str, tuple[int, int] | None, bool]]
) -> None:
    assert found(text) == expected


def test_finding_reads_as_one_line_with_client_name_id_and_place() -> None:
    broken, old = document("{ bridge { nome } }", "Broken"), document("{ bridge { width } }", "Old")
    deep = document("{ bridge { spans { spans { name } } } }", "Deep")
    assert [str(finding) for finding in check_documents(SCHEMA, LIMITS, [broken, old, deep])] == [
        (
            f"web Broken sha256:{broken.hash.hex()} 1:12 GRAPHQL_VALIDATION_FAILED"
            " Cannot query field 'nome' on type 'Bridge'. Did you mean 'name'?"
        ),
        f"web Old sha256:{old.hash.hex()} 1:12 note: DEPRECATED The field Bridge.width is deprecated. Use spans.",
        f"web Deep sha256:{deep.hash.hex()} - TOO_DEEP At most 3 levels of fields.",
    ]


def test_at_most_five_errors_and_twenty_notes_of_a_document_are_told() -> None:
    many = DocumentLimits(tokens=5000, depth=3, aliases=100, root_fields=100)
    wrong = document("{ bridge { " + " ".join(f"n{nth}" for nth in range(30)) + " } }")
    assert len(check_documents(SCHEMA, many, [wrong])) == 5
    old = document("{ bridge { " + " ".join(f"n{nth}: width" for nth in range(30)) + " } }")
    notes = check_documents(SCHEMA, many, [old])
    assert [(note.code, note.is_note) for note in notes] == [("DEPRECATED", True)] * 20


def test_limits_are_those_of_the_settings() -> None:
    settings = Settings(max_document_tokens=101, max_depth=4, max_aliases=5, max_root_fields=6)
    assert limits_of(settings) == DocumentLimits(tokens=101, depth=4, aliases=5, root_fields=6)


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("{ bridge { name } }", "Bridge.name", True),
        ("{ bridge { alias: name } }", "Bridge.name", True),
        ("{ bridge { name: width } }", "Bridge.name", False),
        ("{ bridge { name } }", "Road.name", False),
        ("{ bridge { name } }", "Query.bridge", True),
        ("{ found { name } }", "Query.bridge", False),
        # Every type of an interface answers what is asked of the interface.
        ("{ found { name } }", "Bridge.name", True),
        ("{ found { name } }", "Named.name", True),
        ("{ bridge { name } }", "Named.name", False),
        ("{ found { ... on Bridge { width } } }", "Bridge.width", True),
        ("{ bridge { ...f } } fragment f on Bridge { spans { width } }", "Bridge.width", True),
        ("{ bridge {", "Query.bridge", False),
    ],
)
def test_field_is_found_where_a_document_selects_it(text: str, field: str, *, expected: bool) -> None:
    assert selects(SCHEMA, text, field_named(SCHEMA, field)) is expected


@pytest.mark.parametrize("field", ["Bridge", "Bridge.", ".name", ""])
def test_what_names_no_field_is_refused(field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        field_named(SCHEMA, field)
    assert refused.value.code == "MALFORMED"


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("Ship.name", "No such object or interface type in the schema."),
        ("Where.name", "No such object or interface type in the schema."),
        ("Plain.name", "No such object or interface type in the schema."),
        ("Bridge.length", "No such field of Bridge."),
        ("Bridge.name.first", "No such field of Bridge."),
    ],
)
def test_field_that_is_not_in_the_schema_is_not_found(field: str, message: str) -> None:
    with pytest.raises(NotFound) as refused:
        field_named(SCHEMA, field)
    assert refused.value.message == message
