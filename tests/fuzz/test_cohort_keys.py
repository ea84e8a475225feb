"""Is everybody with the same cohort key told the same, text for text, whoever he is and whatever he follows?

    FUZZ_EXAMPLES=200 FUZZ_SEED=7 pytest tests/fuzz/test_cohort_keys.py -rP

A key is good if those who share it are told the same; it is of use if people who differ share it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncGenerator, Hashable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import pytest

from policies.compiler import Policies
from policies.rules import Rulebook, load_rules
from server.settings import Settings
from tests.api import running_api
from tests.fuzz.planned.company import Company, random_company, store
from tests.fuzz.planned.followers import (
    FollowAuthor,
    Followers,
    Subscription,
    Told,
    believable,
    feed,
    narrowings,
    trio,
)
from tests.fuzz.planned.knowledge import Knowledge
from tests.fuzz.planned.odd_rules import odd_rulebook
from tests.fuzz.planned.onlookers import onlookers
from tests.fuzz.runs import EXAMPLES, SECONDS, SEED
from tests.server_parts import executor_of, runtime_of

VIEWERS = 12
TRIOS_PER_SUBSCRIPTION = 4
NARROWINGS = 3
EVENTS = 40
RULEBOOKS = 5
"""How many odd ones are tried: one alone may let so few read anything that nobody shares a key and a message."""


@dataclass
class Tally:
    """What came of a comparison, by pairs of followers of one subscription."""

    first: dict[Hashable, tuple[Subscription, Told]] = field(
        default_factory=dict[Hashable, tuple[Subscription, Told]]
    )
    """By key, who had it first."""

    followers: int = 0
    planned: int = 0
    shared: int = 0
    """Pairs with one key of different people who are told something."""

    apart: int = 0
    """Pairs with different keys who are told different things."""

    differences: list[str] = field(default_factory=list[str])

    def add(self, subscription: Subscription, told: Told, others: list[Told]) -> None:
        """Compare somebody with those who follow the same way, and with whoever had his key first."""
        self.followers += 1
        self.planned += told.is_planned
        first_subscription, first = self.first.setdefault(told.key, (subscription, told))
        if (told.messages, told.missed) != (first.messages, first.missed):
            self.differences.append(
                f"{first_subscription.text}\n{subscription.text}\n{first.viewer}\n{told.viewer}\n"
                f"{first.messages}\n{told.messages}\n{first.missed}\n{told.missed}"
            )
        for other in others:
            if other.key == told.key:
                self.shared += bool(told.messages) and other.viewer != told.viewer
            else:
                self.apart += other.messages != told.messages

    def line(self) -> str:
        """Return the counts."""
        return (
            f"{self.followers} followers, {self.planned} planned, {len(self.first)} keys; pairs of different people with one"
            f" key: {self.shared}, pairs with different keys and messages: {self.apart}\n"
        )


@asynccontextmanager
async def following_company(
    settings: Settings, chance: random.Random, company: Company, rulebooks: Sequence[Rulebook]
) -> AsyncGenerator[tuple[Sequence[Followers], FollowAuthor]]:
    """Give the followers under each rulebook, and who writes what they follow."""
    async with running_api(settings.model_copy(update={"planner": True})) as api:
        await store(api.database.write, company)
        executor = executor_of(api)
        entries = feed(chance, company, EVENTS)
        runtimes = [replace(runtime_of(api), policies=Policies(each)) for each in rulebooks]
        author = FollowAuthor(executor.schema, Knowledge(company), chance)
        yield [Followers(executor, each, entries) for each in runtimes], author


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("rules", ["the real rules", "odd rules"])
async def test_those_who_share_a_key_are_told_the_same(settings: Settings, rules: str) -> None:
    chance = random.Random(f"{SEED}/cohorts/{rules}")
    company = believable(chance, random_company(chance))
    trios = [trio(chance, company, each) for each in onlookers(chance, company, VIEWERS)]
    odd = rules == "odd rules"
    rulebooks = [
        odd_rulebook(chance) if odd else Rulebook(load_rules()) for _ in range(RULEBOOKS if odd else 1)
    ]
    # Keys of different rules have nothing to do with each other.
    tallies = [Tally() for _ in rulebooks]
    async with following_company(settings, chance, company, rulebooks) as (each_followers, author):
        for nth in range(EXAMPLES):
            followers, tally = each_followers[nth % len(rulebooks)], tallies[nth % len(rulebooks)]
            subscription = author.subscription()
            several = list(islice(narrowings(chance, company, subscription), NARROWINGS))
            messages: list[Told] = []
            for viewer in chain(*chance.sample(trios, TRIOS_PER_SUBSCRIPTION)):
                for values in several:
                    if (found := await followers.told(subscription, values, viewer)) is not None:
                        tally.add(subscription, found, messages)
                        messages.append(found)
            assert tally.differences == [], tally.differences[0]
    told = "".join(tally.line() for tally in tallies)
    sys.stdout.write(told)
    assert sum(tally.planned for tally in tallies) >= 0.7 * sum(tally.followers for tally in tallies), told
    assert sum(tally.shared for tally in tallies) >= EXAMPLES, told
    assert sum(tally.apart for tally in tallies) >= 20 * EXAMPLES, told
