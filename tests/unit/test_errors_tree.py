"""Is the tree of errors what its docstring draws, each with its own code?"""

import inspect
import re

from domain import errors
from domain.errors import Blocker, EomsError

TREE = {
    value: value.__mro__[1]
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, EomsError)
}

LEAVES: list[EomsError] = [
    errors.NotFound("order"),
    errors.ImportRefused([errors.RowFault(2, "quantity", "REQUIRED", "A line has a quantity.")]),
    errors.InvalidTransition("settle", "DRAFT", ["submit", "cancel"]),
    errors.ActionBlocked("submit", [Blocker("NO_LINES", "The order has no lines.")]),
    errors.VersionConflict(7),
    errors.IdempotencyMismatch(),
    errors.InvalidCredentials(),
    errors.SignInThrottled(30),
    errors.Unauthenticated(),
    errors.Forbidden(),
    errors.Unavailable(),
]


def test_docstring_draws_every_class_under_its_parent() -> None:
    parents: dict[str, str] = {}
    above: list[str] = []
    for drawn in re.finditer(r"^    ([│ ├└─]*)([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE):
        depth = len(drawn[1]) // 4
        above[depth:] = [drawn[2]]
        parents[drawn[2]] = above[depth - 1] if depth else "Exception"
    assert parents == {child.__name__: parent.__name__ for child, parent in TREE.items()}


def test_each_leaf_has_a_code_of_its_own() -> None:
    assert [leaf.code for leaf in LEAVES] == [
        "NOT_FOUND",
        "IMPORT_REFUSED",
        "INVALID_TRANSITION",
        "ACTION_BLOCKED",
        "VERSION_CONFLICT",
        "IDEMPOTENCY_MISMATCH",
        "INVALID_CREDENTIALS",
        "SIGN_IN_THROTTLED",
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "UNAVAILABLE",
    ]


def test_message_is_one_sentence_and_the_text_of_the_exception() -> None:
    for leaf in LEAVES:
        assert str(leaf) == leaf.message
        assert re.fullmatch(r"[A-Za-z][^\n]*\.", leaf.message), leaf.message


def test_errors_carry_what_a_client_can_act_on() -> None:
    transition = errors.InvalidTransition("settle", "DRAFT", ["submit", "cancel"])
    assert (transition.state, transition.possible_actions) == ("DRAFT", ("submit", "cancel"))
    assert errors.VersionConflict(7).current_version == 7
    assert errors.VersionConflict(7).path == ("expectedVersion",)
    assert errors.IdempotencyMismatch().path == ("idempotencyKey",)
    assert errors.SignInThrottled(30).retry_after_seconds == 30
    assert errors.InvalidInput("TOO_LONG", "At most 3 characters.", ("title",)).path == ("title",)
    assert errors.Unavailable("Too slow.", code="TIMEOUT").code == "TIMEOUT"


def test_refused_import_tells_the_first_faults_in_the_order_of_the_file_and_counts_all() -> None:
    faults = [errors.RowFault(row, None, "TOO_MANY", "Too much.") for row in range(1_000, 1, -1)]
    refused = errors.ImportRefused(faults)
    assert [fault.row for fault in refused.faults] == [*range(2, 202)]
    assert (refused.total, refused.path) == (999, ("content",))
    assert refused.message == "The file has 999 mistakes in 999 rows; nothing was taken from it."


def test_absent_and_unreadable_are_told_by_the_same_words() -> None:
    assert vars(errors.NotFound("order")) == vars(errors.NotFound("order"))
    assert errors.NotFound("order").message == "No such order."
