"""How does a comparison go? In rounds: each a random company with rules, viewers and documents of its own.

A round is known by seed and number, and the same round asks the same again, whatever is asked in others: a difference is
found again by its round alone.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum

import orjson

from policies.compiler import Policies
from policies.rules import Rulebook
from policies.viewer import Viewer
from server.settings import Settings
from tests.api import running_api
from tests.fuzz.planned.author import Author, Document
from tests.fuzz.planned.company import Company, random_company, store
from tests.fuzz.planned.knowledge import Knowledge
from tests.fuzz.planned.odd_rules import odd_rulebook
from tests.fuzz.planned.onlookers import onlookers
from tests.fuzz.planned.reduction import reduced
from tests.fuzz.planned.two_paths import Compared, Refused, Request, TwoPaths
from tests.server_parts import executor_of, runtime_of

VIEWERS = 16
LOOKS_PER_DOCUMENT = 3
"""How many viewers look at each document. The first sends it twice with other values, so that what was compiled serves again."""


class Kind(StrEnum):
    """What a round is about."""

    QUERIES = "queries"
    ODD_RULES = "queries under random rules"
    COMMANDS = "commands that are only tried"


_TURNS = (Kind.QUERIES, Kind.ODD_RULES, Kind.QUERIES, Kind.ODD_RULES, Kind.COMMANDS)


@dataclass(frozen=True)
class Round:
    """What is asked in one round; its number says what it is about. A look is a document as one viewer sends it."""

    seed: str
    number: int
    looks: int

    @property
    def kind(self) -> Kind:
        """Return what the round is about."""
        return _TURNS[self.number % len(_TURNS)]

    @property
    def chance(self) -> random.Random:
        """Return the chance that makes all of the round."""
        return random.Random(f"{self.seed}/{self.number}")

    @property
    def repeating(self) -> str:
        """Return the command that plays this round again."""
        return f"python -m tests.fuzz.planned --seed {self.seed} --round {self.number} --round-looks {self.looks}"


@dataclass
class Outcome:
    """What came of one round, or of several."""

    looks: int = 0
    requests: int = 0
    with_data: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    codes: Counter[str] = field(default_factory=Counter[str])
    paths: Counter[str] = field(default_factory=Counter[str])
    differences: list[str] = field(default_factory=list[str])

    def add(self, other: Outcome) -> None:
        """Count another one in."""
        self.looks += other.looks
        self.requests += other.requests
        self.with_data += other.with_data
        self.refused += other.refused
        self.codes += other.codes
        self.paths += other.paths
        self.differences += other.differences

    @property
    def planned_share(self) -> float:
        """Return which part of what was executed was one statement."""
        return self.paths["planned"] / max(1, self.paths.total())

    def told(self) -> str:
        """Return the counts on one line each."""
        return "\n".join(
            (
                f"{self.looks} documents × viewers, {self.requests} requests, {self.with_data} with data, {len(self.differences)} differences",
                f"documents refused: {_counts(self.refused)}",
                f"errors: {_counts(self.codes)}",
                f"paths: {_counts(self.paths)}",
            )
        )


async def played(round_: Round, settings: Settings, most_differences: int = 1) -> Outcome:
    """Play a round in the empty database of the settings; stop at so many differences."""
    chance = round_.chance
    company = random_company(chance)
    rulebook = odd_rulebook(chance) if round_.kind is Kind.ODD_RULES else None
    async with open_paths(settings, company, rulebook) as paths:
        game = _Game(round_, paths, company, chance)
        while game.outcome.looks < round_.looks and len(game.outcome.differences) < most_differences:
            await game.play_document()
        return game.outcome


class _Game:
    def __init__(self, round_: Round, paths: TwoPaths, company: Company, chance: random.Random) -> None:
        self.outcome = Outcome()
        self._round = round_
        self._paths = paths
        self._chance = chance
        self._knowledge = Knowledge(company)
        self._author = Author(paths.planner.schema, self._knowledge, chance)
        self._viewers = onlookers(chance, company, VIEWERS)

    async def play_document(self) -> None:
        """Write a document and send it as several viewers."""
        is_command = self._round.kind is Kind.COMMANDS
        document = self._author.command() if is_command else self._author.query()
        viewers: list[Viewer | None] = [*self._chance.sample(self._viewers, LOOKS_PER_DOCUMENT)]
        if is_command and self._chance.random() < 0.8:
            # Whoever holds all roles gets through more often.
            viewers[0] = self._viewers[0]
        if self._chance.random() < 0.02:
            viewers[1] = None
        for nth, viewer in enumerate((viewers[0], *viewers)):
            self.outcome.looks += nth > 0
            if not await self._send(document, viewer):
                # Its other requests would tell the same once more.
                return

    async def _send(self, document: Document, viewer: Viewer | None) -> bool:
        """Return whether both paths answer the same."""
        outcome = self.outcome
        sent = document.sent(self._chance)
        request = Request(document.text, document.operation_name, sent, viewer)
        before = self._paths.planner.paths.copy()
        compared = await self._paths.compare(request)
        outcome.paths += self._paths.planner.paths - before
        outcome.requests += 1
        if isinstance(compared, Refused):
            outcome.refused.update(set(compared.codes))
            return True
        outcome.codes.update(set(compared.interpreted.codes))
        if not compared.is_same:
            outcome.differences.append(await self._shown(compared))
        data = None if compared.interpreted.data is None else orjson.loads(compared.interpreted.data)
        if data is not None:
            outcome.with_data += 1
            self._knowledge.learn(document.selections, data, document.meant(sent))
        return compared.is_same

    async def _shown(self, compared: Compared) -> str:
        least = await reduced(self._paths, compared)
        return (
            f"===== request {self.outcome.requests} of {self._round}\n{compared.shown()}\n"
            f"----- reduced\n{least.shown()}\n----- again\n{self._round.repeating}\n"
        )


@asynccontextmanager
async def open_paths(
    settings: Settings, company: Company, rulebook: Rulebook | None = None
) -> AsyncGenerator[TwoPaths]:
    """Run the application twice, with planner and without, over a company; under its own rules where none are given."""
    one, other = (settings.model_copy(update={"planner": is_planner}) for is_planner in (False, True))
    async with running_api(one) as interpreter, running_api(other) as planner:
        await store(interpreter.database.write, company)
        runtime = runtime_of(planner)
        if rulebook is not None:
            runtime = replace(runtime, policies=Policies(rulebook))
        yield TwoPaths(executor_of(interpreter), executor_of(planner), runtime)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counter.most_common()) or "none"
