"""How are refusals told? `UserError` and its members, one per refusal of `domain.errors` that carries more than a code."""

from __future__ import annotations

import strawberry

from domain import errors
from resolvers.actions import mutation_of
from schema.binding import structural
from schema.enums import EngineeringChangeState, OrderState
from schema.orders import ActionBlocker


@structural
@strawberry.interface(description="Why a command was refused. Nothing was done.")
class UserError:
    """What every refusal has."""

    code: str = strawberry.field(description="Stable code.")
    message: str = strawberry.field(description="A sentence for people.")
    path: list[str] | None = strawberry.field(description="Which part of the input is meant.")


@structural
@strawberry.type(description="The object does not exist or may not be read by the viewer.")
class NotFound(UserError):
    """NOT_FOUND."""


@structural
@strawberry.type(description="A value can't be taken; the code says why.")
class InvalidInput(UserError):
    """REQUIRED, TOO_LONG, OUT_OF_RANGE, TOO_PRECISE, CONTROL_CHARACTER, DATES_OUT_OF_ORDER, DUPLICATE, TOO_MANY, IN_CHANGE, ….

    Of a file: MALFORMED, TOO_LARGE, UNDECODABLE, BROKEN_FILE, WRONG_HEADER.
    """


@structural
@strawberry.type(description="What is wrong with one row of a file.")
class ImportRowError:
    """A fault of a row."""

    row: int = strawberry.field(description="The row's number in the file; the header is row 1.")
    column: str | None = strawberry.field(
        description="The column by its English name, null where the row as a whole is wrong."
    )
    code: str = strawberry.field(description="Stable code, as of an InvalidInput.")
    message: str = strawberry.field(description="A sentence for people.")


@structural
@strawberry.type(description="Rows of a file can't be taken, so none was.")
class ImportRefused(UserError):
    """IMPORT_REFUSED."""

    rows: list[ImportRowError] = strawberry.field(
        description="What is wrong, in the file's order; the first 200 of it."
    )
    total: int = strawberry.field(description="How much is wrong in all.")


@structural
@strawberry.type(description="The order's state does not know this action.")
class InvalidTransition(UserError):
    """INVALID_TRANSITION."""

    state: OrderState = strawberry.field(description="The order's state.")
    possible_actions: list[str] = strawberry.field(description="The mutations that its state knows.")


@structural
@strawberry.type(description="The engineering change's state does not know this action.")
class InvalidEngineeringChangeTransition(UserError):
    """INVALID_TRANSITION."""

    state: EngineeringChangeState = strawberry.field(description="The engineering change's state.")
    possible_actions: list[str] = strawberry.field(description="The mutations that its state knows.")


@structural
@strawberry.type(description="The state allows the action, but something else stands in the way.")
class ActionBlocked(UserError):
    """ACTION_BLOCKED."""

    blockers: list[ActionBlocker] = strawberry.field(description="All that stands in the way.")


@structural
@strawberry.type(description="Somebody else has changed the object since it was read.")
class VersionConflict(UserError):
    """VERSION_CONFLICT."""

    current_version: int = strawberry.field(description="The object's version now.")


@structural
@strawberry.type(description="The idempotency key was used with another input.")
class IdempotencyMismatch(UserError):
    """IDEMPOTENCY_MISMATCH."""


@structural
@strawberry.type(description="Name, password or token is not valid.")
class InvalidCredentials(UserError):
    """INVALID_CREDENTIALS."""


@structural
@strawberry.type(description="Too many failed attempts.")
class SignInThrottled(UserError):
    """SIGN_IN_THROTTLED."""

    retry_after_seconds: int = strawberry.field(description="After how many seconds to try again.")


ERROR_TYPES = (
    NotFound,
    InvalidInput,
    ImportRefused,
    InvalidTransition,
    InvalidEngineeringChangeTransition,
    ActionBlocked,
    VersionConflict,
    IdempotencyMismatch,
    InvalidCredentials,
    SignInThrottled,
)


def user_error(refusal: errors.Refusal) -> UserError:
    """Return a refusal as the API tells it."""
    code, message, path = refusal.code, refusal.message, list(refusal.path) or None
    match refusal:
        case errors.InvalidTransition():
            return _invalid_transition(refusal)
        case errors.ImportRefused():
            rows = [
                ImportRowError(row=each.row, column=each.column, code=each.code, message=each.message)
                for each in refusal.faults
            ]
            return ImportRefused(code=code, message=message, path=path, rows=rows, total=refusal.total)
        case errors.ActionBlocked():
            blockers = [ActionBlocker(code=each.code, message=each.message) for each in refusal.blockers]
            return ActionBlocked(code=code, message=message, path=path, blockers=blockers)
        case errors.VersionConflict():
            return VersionConflict(
                code=code, message=message, path=path, current_version=refusal.current_version
            )
        case errors.SignInThrottled():
            return SignInThrottled(
                code=code, message=message, path=path, retry_after_seconds=refusal.retry_after_seconds
            )
        case errors.NotFound():
            return NotFound(code=code, message=message, path=path)
        case errors.IdempotencyMismatch():
            return IdempotencyMismatch(code=code, message=message, path=path)
        case errors.InvalidCredentials():
            return InvalidCredentials(code=code, message=message, path=path)
        case _:
            return InvalidInput(code=code, message=message, path=path)


def _invalid_transition(refusal: errors.InvalidTransition) -> UserError:
    """Return it as a member of its own for each sort of object: each has states of its own."""
    code, message, path = refusal.code, refusal.message, list(refusal.path) or None
    possible = [mutation_of(refusal.subject, action) for action in refusal.possible_actions]
    if refusal.subject == "EngineeringChange":
        return InvalidEngineeringChangeTransition(
            code=code,
            message=message,
            path=path,
            state=EngineeringChangeState(refusal.state),
            possible_actions=possible,
        )
    return InvalidTransition(
        code=code, message=message, path=path, state=OrderState(refusal.state), possible_actions=possible
    )
