"""Which error codes may an answer hold? Exactly these; any other one is a bug of the server or a decision to be made here."""

from __future__ import annotations

# The document fits the schema, but a literal is none of its scalar's values: graphql-core finds that while it validates.
_NOT_VALID = frozenset({"GRAPHQL_VALIDATION_FAILED"})

# It says something that the schema's types can't forbid: what an id or a cursor looks like, which arguments go together.
_NOT_MEANT = frozenset(
    {
        "MALFORMED_CURSOR",
        "MALFORMED_ID",
        "MIXED_CURRENCIES",
        "ONE_ARGUMENT_REQUIRED",
        "OUT_OF_RANGE",
        "PAGE_SIZE_NEGATIVE",
        "PAGE_SIZE_REQUIRED",
        "SEARCH_TEXT",
        "TOO_MANY_SORT_FIELDS",
        "TOO_MANY_VALUES",
        "TOO_PRECISE",
    }
)

# It asks for more than one operation may.
_TOO_LARGE = frozenset(
    {
        "DOCUMENT_TOO_LONG",
        "TOO_COMPLEX",
        "TOO_COSTLY",
        "TOO_DEEP",
        "TOO_LARGE",
        "TOO_MANY_ALIASES",
        "TOO_MANY_FRAGMENTS",
        "TOO_MANY_NODES",
        "TOO_MANY_REPETITIONS",
        "TOO_MANY_ROOT_FIELDS",
        "TOO_MANY_TOKENS",
    }
)

# The policy does not grant a field or a deed.
_NOT_GRANTED = frozenset({"FORBIDDEN"})

DOCUMENT_CODES = _NOT_VALID | _NOT_MEANT | _TOO_LARGE | _NOT_GRANTED
"""Top-level codes for a document that fits the schema, sent by somebody who is signed in."""

# A command was understood and not carried out.
_REFUSED = frozenset(
    {"ACTION_BLOCKED", "IDEMPOTENCY_MISMATCH", "INVALID_TRANSITION", "NOT_FOUND", "VERSION_CONFLICT"}
)

# A value of its input can't be taken.
_INPUT = frozenset(
    {
        "CONTROL_CHARACTER",
        "DATES_OUT_OF_ORDER",
        "DUPLICATE",
        "MISSING_CHILD_REVISION",
        "NOT_IN_FORCE",
        "NOT_RELEASED",
        "OUT_OF_RANGE",
        "REQUIRED",
        "TOO_DEEP",
        "TOO_LARGE",
        "TOO_LONG",
        "TOO_MANY",
        "TOO_PRECISE",
    }
)

# Nobody was signed in.
_SESSION = frozenset({"INVALID_CREDENTIALS", "SIGN_IN_THROTTLED"})

REFUSAL_CODES = _REFUSED | _INPUT | _SESSION
"""Codes of a payload's `errors`."""

BLOCKER_CODES = frozenset(
    {
        "FORBIDDEN",
        "INVALID_TRANSITION",
        "LINE_WITHOUT_PRICE",
        "NOBODY_TO_PERFORM",
        "NOTE_REQUIRED",
        "NOT_FULFILLED",
        "NO_BOM",
        "NO_LINES",
        "OVER_APPROVAL_LIMIT",
        "OWN_DOCUMENT",
    }
)
"""Codes of what stands in the way of an action, in `availableActions` and in a refusal."""

# The request as such, before any document is looked at.
_REQUEST = frozenset(
    {
        "BODY_TOO_LARGE",
        "MALFORMED_JSON",
        "MALFORMED_REQUEST",
        "MUTATION_OVER_GET",
        "NOT_ACCEPTABLE",
        "PERSISTED_DOCUMENT_MISMATCH",
        "PERSISTED_DOCUMENT_NOT_FOUND",
        "SUBSCRIPTION_OVER_HTTP",
        "UNAUTHENTICATED",
        "UNSUPPORTED_MEDIA_TYPE",
    }
)

# What comes as a text or as variables needn't fit the schema.
_NOT_FITTING = frozenset({"BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED", "OPERATION_RESOLUTION_FAILURE"})

REQUEST_CODES = DOCUMENT_CODES | _REQUEST | _NOT_FITTING
"""Top-level codes for whatever somebody sends to `/graphql`."""
