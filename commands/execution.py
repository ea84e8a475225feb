"""How is a command run? In one transaction that ends in events, exactly once for each idempotency key.

The transaction stays open after the command, so that the payload is read from the very state the command has made;
`settle` then commits it, or rolls it back for a dry run. A refusal has rolled back already. So a preview can't differ
from the deed, and an answer can't tell of something that was not kept.

Remembered is what was *done*: a key whose command was refused is free again, so that a phone may send it once more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import date
from typing import Generic, TypeVar, cast
from uuid import UUID

import orjson
from sqlalchemy import Table, and_, bindparam, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from db.events import Origin
from db.faults import is_retryable, translated
from db.sessions import ReadSession, Transaction
from db.tables import Answer, IdempotencyRow
from domain.errors import IdempotencyMismatch, Refusal, Unavailable
from domain.unset import UNSET
from domain.values import IDEMPOTENCY_KEY_LENGTH, line
from policies.compiler import Policy
from policies.viewer import Viewer

_ATTEMPTS = 3
_OBJECT = "object"
"""Under which name an answer tells the id of its object."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """What every command may carry; times and versions are checked by the command itself."""

    idempotency_key: str | None = None
    dry_run: bool = False

    @property
    def object_id(self) -> UUID | None:
        """Return the id of the object that it changes, null where it makes one."""
        return None


CommandT = TypeVar("CommandT", bound=Command)


@dataclass(frozen=True)
class Workbench:
    """All that a command works with: one transaction, one viewer with his policy, one origin, today's date."""

    session: Transaction
    viewer: Viewer
    policy: Policy
    origin: Origin
    today: date
    told: Answer = field(default_factory=Answer)
    """What a command tells beside its object, by name; remembered with it, so that it is told again."""


@dataclass(frozen=True)
class Outcome:
    """What a command did: the object it made or changed with what it told beside it, or why it was refused."""

    object_id: UUID | None
    refusals: tuple[Refusal, ...] = ()
    told: Answer = field(default_factory=Answer)


@dataclass
class CommandRun:
    """A command that has run and is not settled yet."""

    session: Transaction
    outcome: Outcome
    is_kept: bool
    _is_settled: bool = field(default=False, init=False)

    async def reading(self) -> ReadSession:
        """Return a session over the state that the command has made."""
        return await self.session.reading()

    async def settle(self) -> None:
        """Commit what was done, roll back what was only tried; raise `Unavailable` where a commit can't be confirmed."""
        if not self._is_settled:
            self._is_settled = True
            await (self.session.commit() if self.is_kept else self.session.rollback())

    async def abandon(self) -> None:
        """Roll back, whatever the command did: its caller is gone before it was told."""
        if not self._is_settled:
            self._is_settled = True
            await self.session.rollback()


@dataclass(frozen=True)
class Clerk(Generic[CommandT]):
    """Runs commands of one viewer against one database."""

    engine: AsyncEngine
    viewer: Viewer
    policy: Policy
    origin: Origin
    today: date

    async def run(
        self, command: CommandT, handler: Callable[[Workbench, CommandT], Awaitable[UUID]]
    ) -> CommandRun:
        """Run `handler` and return the open run; run again after a deadlock.

        A `Refusal` becomes the run's outcome; `Denial`, `MalformedRequest` and `Unavailable` are raised with nothing
        done.
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._attempt(command, handler)
            except DBAPIError as error:
                if not is_retryable(error):
                    raise
        try:
            return await self._attempt(command, handler)
        except DBAPIError as error:
            if is_retryable(error):
                raise Unavailable("Too many others change this right now; try again.") from error
            raise

    async def _attempt(
        self, command: CommandT, handler: Callable[[Workbench, CommandT], Awaitable[UUID]]
    ) -> CommandRun:
        session = Transaction(self.engine)
        bench = Workbench(session, self.viewer, self.policy, self.origin, self.today)
        try:
            with translated():
                remembered = await _claim_key(bench, command)
                if remembered is None:
                    object_id = await handler(bench, command)
                    await _remember(bench, command, object_id)
                else:
                    object_id = remembered
        except Refusal as refusal:
            await session.rollback()
            return CommandRun(session, Outcome(None, (refusal,)), is_kept=False)
        except BaseException:
            await session.rollback()
            raise
        return CommandRun(session, Outcome(object_id, told=bench.told), is_kept=not command.dry_run)


async def _claim_key(bench: Workbench, command: Command) -> UUID | None:
    """Take the command's key; return what was done under it before, and tell it again; null where it is new.

    A second server with the same key waits here until the first one has committed or rolled back.
    """
    if command.idempotency_key is None or command.dry_run:
        return None
    key = line(command.idempotency_key, IDEMPOTENCY_KEY_LENGTH, ("idempotencyKey",))
    fingerprint = _fingerprint(command)
    claim = {
        "user_id": bench.viewer.user_id,
        "key": key,
        "input_hash": fingerprint,
        "answer": _answer(command.object_id),
        "created_at": bench.origin.now,
    }
    if await bench.session.scalar(_CLAIM, claim) is not None:
        return None
    known = (await bench.session.execute(_KNOWN, _held(bench, key))).one()
    if known.input_hash != fingerprint:
        raise IdempotencyMismatch
    assert known.answer is not None, "a committed key has its answer"
    object_id, told = known.answer[_OBJECT], {**known.answer}
    del told[_OBJECT]
    bench.told.update(told)
    return UUID(object_id)


async def _remember(bench: Workbench, command: Command, object_id: UUID) -> None:
    """Note what was made and told; what was changed, the claim has told already."""
    if command.object_id is not None:
        assert command.object_id == object_id, "a command changes the object that it names"
        if not bench.told:
            return
    if command.idempotency_key is None or command.dry_run:
        return
    key = line(command.idempotency_key, IDEMPOTENCY_KEY_LENGTH, ("idempotencyKey",))
    await bench.session.execute(
        _REMEMBER, {**_held(bench, key), "answer": {_OBJECT: str(object_id), **bench.told}}
    )


def _answer(object_id: UUID | None) -> Answer | None:
    return None if object_id is None else {_OBJECT: str(object_id)}


def _held(bench: Workbench, key: str) -> dict[str, object]:
    return {"holder": bench.viewer.user_id, "held_key": key}


_KEYS = cast("Table", IdempotencyRow.__table__)
_IS_HELD = and_(_KEYS.c.user_id == bindparam("holder"), _KEYS.c.key == bindparam("held_key"))
_CLAIM = insert(_KEYS).on_conflict_do_nothing().returning(_KEYS.c.key)
_KNOWN = select(_KEYS.c.input_hash, _KEYS.c.answer).where(_IS_HELD)
_REMEMBER = update(_KEYS).where(_IS_HELD)


def _fingerprint(command: Command) -> bytes:
    """Return SHA-256 over the command's name and input, the key left out."""
    assert is_dataclass(command)
    content = asdict(command, dict_factory=_given)
    del content["idempotency_key"]
    canonical = orjson.dumps([type(command).__name__, content], default=str, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest()


def _given(fields: list[tuple[str, object]]) -> dict[str, object]:
    """Return the fields that were given: no text may look like the mark of those that were not."""
    return {name: value for name, value in fields if value is not UNSET}
