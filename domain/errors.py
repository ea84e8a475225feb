"""What can go wrong, as one tree?

    EomsError
    ├── Refusal                 foreseeable: an entry of a payload's `errors`, nothing was done
    │   ├── NotFound            NOT_FOUND: absent or not readable, which cannot be told apart
    │   ├── InvalidInput        the code says what is wrong with the value at `path`
    │   ├── ImportRefused       IMPORT_REFUSED: names the rows of a file that can't be taken
    │   ├── InvalidTransition   INVALID_TRANSITION: names the actions that are possible
    │   ├── ActionBlocked       ACTION_BLOCKED: the state allows it, something else stands in the way
    │   ├── VersionConflict     VERSION_CONFLICT: somebody else was faster
    │   ├── IdempotencyMismatch IDEMPOTENCY_MISMATCH: the key was used with another input
    │   ├── InvalidCredentials  INVALID_CREDENTIALS: wrong name, password or refresh token
    │   └── SignInThrottled     SIGN_IN_THROTTLED: says when to try again
    ├── Denial                  top-level error: who is asking
    │   ├── Unauthenticated     UNAUTHENTICATED
    │   └── Forbidden           FORBIDDEN
    ├── MalformedRequest        top-level error: how it was asked (the code says what)
    ├── TooManyStreams          TOO_MANY_STREAMS: the viewer follows too much at once
    └── Unavailable             top-level error: a store or a time limit (UNAVAILABLE, TIMEOUT)

`code` is stable and for programs, `message` is for people. Neither carries a value that policy may hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class EomsError(Exception):
    """The root; `code` is stable, `message` is one sentence for people."""

    code: str = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Refusal(EomsError):
    """The command was understood and refused; nothing was done."""

    path: tuple[str, ...] = ()


class NotFound(Refusal):
    """The object does not exist, or this viewer may not read it."""

    code = "NOT_FOUND"

    def __init__(self, kind: str, path: tuple[str, ...] = ("id",)) -> None:
        super().__init__(f"No such {kind}.")
        self.path = path


class InvalidInput(Refusal):
    """The value at `path` can't be taken; `code` says why (REQUIRED, TOO_LONG, OUT_OF_RANGE, …)."""

    def __init__(self, code: str, message: str, path: tuple[str, ...]) -> None:
        super().__init__(message)
        self.code = code
        self.path = path


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with one row of a file, counted as the file does; `column` is null where it is the row as a whole."""

    row: int
    column: str | None
    code: str
    message: str


FAULTS_LIMIT = 200
"""How many faults of a file are told; whoever has more has made one mistake many times."""


class ImportRefused(Refusal):
    """Rows of a file can't be taken: the first of the `faults`, in the file's order, and how many there are in all."""

    code = "IMPORT_REFUSED"

    def __init__(self, faults: Sequence[RowFault]) -> None:
        rows = len({fault.row for fault in faults})
        super().__init__(f"The file has {len(faults)} mistakes in {rows} rows; nothing was taken from it.")
        self.path = ("content",)
        self.total = len(faults)
        self.faults = tuple(sorted(faults, key=lambda fault: fault.row)[:FAULTS_LIMIT])


class InvalidTransition(Refusal):
    """The state of an object of the type `subject` does not know this action."""

    code = "INVALID_TRANSITION"

    def __init__(
        self, action: str, state: str, possible_actions: Sequence[str], subject: str = "Order"
    ) -> None:
        possible = ", ".join(possible_actions) or "none"
        super().__init__(f"{action} is not possible in state {state}; possible: {possible}.")
        self.subject = subject
        self.state = state
        self.possible_actions = tuple(possible_actions)


@dataclass(frozen=True, slots=True)
class Blocker:
    """One thing that stands in the way of an action."""

    code: str
    message: str


class ActionBlocked(Refusal):
    """The state allows the action, but each of `blockers` stands in its way."""

    code = "ACTION_BLOCKED"

    def __init__(self, action: str, blockers: Sequence[Blocker]) -> None:
        super().__init__(f"{action} is blocked: " + " ".join(blocker.message for blocker in blockers))
        self.blockers = tuple(blockers)


class VersionConflict(Refusal):
    """The object has moved on since the client read it."""

    code = "VERSION_CONFLICT"

    def __init__(self, current_version: int) -> None:
        super().__init__(f"The object is at version {current_version} now; read it again.")
        self.path = ("expectedVersion",)
        self.current_version = current_version


class IdempotencyMismatch(Refusal):
    """The idempotency key belongs to another input."""

    code = "IDEMPOTENCY_MISMATCH"

    def __init__(self) -> None:
        super().__init__("This idempotency key was used with another input.")
        self.path = ("idempotencyKey",)


class InvalidCredentials(Refusal):
    """Name, password or refresh token is wrong; which one is not said."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        super().__init__("The credentials are not valid.")


class SignInThrottled(Refusal):
    """Too many failed attempts for this account or from this address."""

    code = "SIGN_IN_THROTTLED"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"Too many attempts; try again in {retry_after_seconds} seconds.")
        self.retry_after_seconds = retry_after_seconds


class Denial(EomsError):
    """The caller may not do this; nothing was done."""


class Unauthenticated(Denial):
    """No token, or one that is not valid now."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in first.") -> None:
        super().__init__(message)


class Forbidden(Denial):
    """The row is readable, the deed is not granted."""

    code = "FORBIDDEN"

    def __init__(self, message: str = "You may not do this.") -> None:
        super().__init__(message)


class MalformedRequest(EomsError):
    """The request can't be understood; `code` says which part (MALFORMED_ID, MALFORMED_CURSOR, …)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooManyStreams(EomsError):
    """The viewer has as many event streams open as one may have."""

    code = "TOO_MANY_STREAMS"

    def __init__(self, limit: int) -> None:
        super().__init__(f"At most {limit} event streams at a time.")


TIMEOUT = "TIMEOUT"
"""The code of what is `Unavailable` since it takes too long: asking for less may help."""


class Unavailable(EomsError):
    """A store can't be reached in time; trying again later is safe."""

    code = "UNAVAILABLE"

    def __init__(
        self,
        message: str = "The service is not available right now; try again.",
        *,
        code: str = "UNAVAILABLE",
    ) -> None:
        super().__init__(message)
        self.code = code
