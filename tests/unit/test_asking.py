"""Is an operation read from whatever JSON held, or refused with the parameter that is wrong?"""

from __future__ import annotations

import pytest

from domain.errors import MalformedRequest
from server.asking import Asked, AskingLimits, asked_of, check_size

APOLLO = {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}


@pytest.mark.parametrize(
    ("content", "asked"),
    [
        ({"query": "{ a }"}, Asked("{ a }", None, None, None, {})),
        ({"query": ""}, Asked("", None, None, None, {})),
        (
            {"query": "{ a }", "operationName": "", "variables": None, "extensions": None},
            Asked("{ a }", None, None, None, {}),
        ),
        (
            {"documentId": "x", "operationName": "O", "variables": {"n": 1}},
            Asked(None, "x", None, "O", {"n": 1}),
        ),
        ({"extensions": APOLLO}, Asked(None, None, "ab", None, {})),
        ({"query": "", "documentId": "x"}, Asked(None, "x", None, None, {})),
        ({"query": "", "extensions": APOLLO}, Asked(None, None, "ab", None, {})),
        ({"query": "{ a }", "extensions": APOLLO | {"other": 1}}, Asked("{ a }", None, "ab", None, {})),
    ],
)
def test_good_parameters_are_what_is_asked_for(content: object, asked: Asked) -> None:
    assert asked_of(content) == asked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "A request is one JSON object; there is no batching."),
        ({}, "`query` or `documentId` is required."),
        ({"query": 1}, "`query` is a string."),
        ({"documentId": {}}, "`documentId` is a string."),
        ({"query": "{ a }", "operationName": 1}, "`operationName` is a string."),
        ({"query": "{ a }", "variables": []}, "`variables` is an object."),
        ({"query": "{ a }", "extensions": 0}, "`extensions` is an object."),
        (
            {"query": "{ a }", "documentId": "x"},
            "`documentId` stands alone: it says what the document is.",
        ),
        (
            {"documentId": "x", "extensions": APOLLO},
            "`documentId` stands alone: it says what the document is.",
        ),
        *(
            (
                {"extensions": {"persistedQuery": wrong}},
                '`extensions.persistedQuery` is {"version": 1, "sha256Hash": "…"}.',
            )
            for wrong in ("ab", {}, {"version": 2, "sha256Hash": "ab"}, {"version": 1, "sha256Hash": 1})
        ),
    ],
)
def test_wrong_parameter_is_named(content: object, message: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        asked_of(content)
    assert (refused.value.code, refused.value.message) == ("MALFORMED_REQUEST", message)


LIMITS = AskingLimits(characters=10, values=4)


@pytest.mark.parametrize(
    "content",
    [
        {"query": "x" * 10},
        {"documentId": "x" * 100},
        {"query": "{ a }", "variables": {"a": 1, "b": 2, "c": 3, "d": 4}},
        {"query": "{ a }", "variables": {"a": [1, [2]]}},
        {"query": "{ a }", "variables": {"a": "long " * 100}},
    ],
)
def test_what_is_within_its_bounds_is_read(content: object) -> None:
    check_size(asked_of(content), LIMITS)


BEYOND: list[tuple[object, str]] = [
    ({"query": "x" * 11}, "DOCUMENT_TOO_LONG"),
    ({"query": "{ a }", "variables": {"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}}, "TOO_MANY_VALUES"),
    ({"query": "{ a }", "variables": {"a": [1, 2, 3, 4]}}, "TOO_MANY_VALUES"),
    ({"query": "{ a }", "variables": {"a": [[[[1]]]]}}, "TOO_MANY_VALUES"),
    ({"query": "{ a }", "variables": {"a": {"b": {"c": [{}]}, "d": 1}}}, "TOO_MANY_VALUES"),
]


@pytest.mark.parametrize(("content", "code"), BEYOND)
def test_what_is_beyond_them_is_refused_by_its_code(content: object, code: str) -> None:
    with pytest.raises(MalformedRequest) as refused:
        check_size(asked_of(content), LIMITS)
    assert refused.value.code == code
