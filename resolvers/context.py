"""What does a resolver know of the operation it works in? The viewer, his snapshot, and the command under way."""

from __future__ import annotations

import time
from asyncio import CancelledError, Semaphore, shield
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import strawberry

from commands.execution import Clerk, Command, CommandRun, Workbench
from commands.sessions import Sessions
from db.engine import Database
from db.events import Origin
from db.sessions import ReadSession
from domain.errors import Unauthenticated
from loaders.reads import Reads
from planner.plan import Sought
from planner.plans import Payloads
from policies.compiler import Policies, Policy
from policies.grants import Grants
from policies.tokens import Claims
from policies.viewer import Viewer
from subscriptions.hub import Hub

CommandT = TypeVar("CommandT", bound=Command)


@dataclass(frozen=True)
class Runtime:
    """What all operations of a process share."""

    database: Database
    policies: Policies
    grants: Grants
    sessions: Sessions
    hub: Hub
    time_zone: ZoneInfo
    largest_page: int
    event_turns: Semaphore
    """How many events are read for subscriptions at a time: the other connections are for requests."""


@dataclass(frozen=True)
class RequestFacts:
    """Where a request came from."""

    request_id: str
    address: str | None


@dataclass
class Trace:
    """How an operation was answered: for the log, the metrics and whoever runs the server in debug mode."""

    path: str = "interpreted"
    reason: str | None = None
    """Why it was not planned."""

    sql: str | None = None
    planned_seconds: float = 0.0
    """How long it took to make the plan, perhaps for an operation before this one."""

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    """What each step took; of a mutation, of all its payloads together."""

    def took(self, step: str, began: float) -> None:
        """Count a step that began then, by `time.perf_counter`."""
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - began


class Context:
    """One operation of one viewer (null while nobody is signed in)."""

    def __init__(
        self, runtime: Runtime, facts: RequestFacts, claims: Claims | None, viewer: Viewer | None
    ) -> None:
        self.runtime = runtime
        self.facts = facts
        self.claims = claims
        self.viewer = viewer
        self.trace = Trace()
        self.points = 0
        """What the database has counted of what the answer cost."""

        self.sought: Sought | None = None
        """What is asked, where a plan is looked for before the operation is paid."""

        self.payloads: Payloads | None = None
        """Plans of what a mutation's commands answer; without them the answer is read by loaders."""

        self._reads: Reads | None = None
        self._run: CommandRun | None = None
        self._is_over = False
        self._has_turn = False

    @property
    def signed_in(self) -> Viewer:
        """Return the viewer; raise `Unauthenticated`."""
        if self.viewer is None:
            raise Unauthenticated
        return self.viewer

    @property
    def policy(self) -> Policy:
        """Return what the rules say to the viewer; raise `Unauthenticated`."""
        return self.runtime.policies.of(self.signed_in.shape)

    @property
    def is_stranger(self) -> bool:
        """Return whether the schema is none of this viewer's business."""
        return self.viewer is None or not self.runtime.policies.may_introspect(self.viewer.shape)

    @property
    def reads(self) -> Reads:
        """Return what the viewer can read; raise `Unauthenticated`."""
        if self._is_over:
            # A field beside one whose error ended the answer is still on its way; a connection that it
            # opened now, nobody would give back.
            raise CancelledError
        if self._reads is None:
            self._reads = self._reading(ReadSession(self.runtime.database.read))
        return self._reads

    def origin(self) -> Origin:
        """Return who does something now."""
        actor = self.viewer.user_id if self.viewer else None
        return Origin(actor, self.facts.request_id, self.facts.address, datetime.now(UTC))

    @property
    def today(self) -> date:
        """Return which day it is for the company."""
        return datetime.now(self.runtime.time_zone).date()

    async def perform(
        self, command: CommandT, handler: Callable[[Workbench, CommandT], Awaitable[UUID]]
    ) -> CommandRun:
        """Run a command and let everything after it read the state it has made, until the next command or the end."""
        viewer = self.signed_in
        await self.settle()
        origin = self.origin()
        today = origin.now.astimezone(self.runtime.time_zone).date()
        clerk = Clerk[CommandT](self.runtime.database.write, viewer, self.policy, origin, today)
        self._run = await clerk.run(command, handler)
        if not self._run.outcome.refusals:
            await self._drop_reads()
            self._reads = self._reading(await self._run.reading())
        return self._run

    async def settle(self) -> None:
        """Commit the command under way (roll back a dry run); raise `Unavailable`."""
        if self._run is not None:
            # Still ours meanwhile: whoever is cancelled here has it rolled back by `close`.
            await self._drop_reads()
            run, self._run = self._run, None
            # Whether it was kept has to be known, even where nobody waits for the answer any more.
            await shield(run.settle())

    async def renew(self) -> None:
        """Start over for the next event of a subscription: a new snapshot, fresh loaders."""
        await self._drop_reads()
        if not self._has_turn:
            await self.runtime.event_turns.acquire()
            self._has_turn = True
        # Not from a replica: it may not know yet what the feed has just told of.
        self._reads = self._reading(ReadSession(self.runtime.database.current))

    async def rest(self) -> None:
        """Give back turn and snapshot: who waits for the next event must not keep a connection from others."""
        await self._drop_reads()
        self._end_turn()

    async def close(self) -> None:
        """Give everything back; a command that was not settled is rolled back."""
        self._is_over = True
        try:
            await self._drop_reads()
        finally:
            self._end_turn()
            if self._run is not None:
                run, self._run = self._run, None
                await shield(run.abandon())

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self.runtime.event_turns.release()

    def _reading(self, session: ReadSession) -> Reads:
        viewer = self.signed_in
        return Reads(viewer, self.policy, session, largest_page=self.runtime.largest_page)

    async def _drop_reads(self) -> None:
        if self._reads is not None:
            reads, self._reads = self._reads, None
            # A second cancellation must not keep the connection from going back.
            await shield(reads.close())


Info = strawberry.Info[Context, None]
