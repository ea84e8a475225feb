"""Is everybody with the same cohort key told the same, text for text, whoever he is and whatever he follows?

    FUZZ_EXAMPLES=200 FUZZ_SEED=7 pytest tests/fuzz/test_cohort_keys.py -rP

A key is good if those who share it are told the same; it is of use if people who differ share it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncGenerator, Hashable
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
    settings: Settings, chance: random.Random, company: Company, *, is_odd: bool
) -> AsyncGenerator[tuple[Followers, FollowAuthor]]:
    async with running_api(settings.model_copy(update={"planner": True})) as api:
        await store(api.database.write, company)
        rulebook = odd_rulebook(chance) if is_odd else Rulebook(load_rules())
        runtime = replace(runtime_of(api), policies=Policies(rulebook))
        executor = executor_of(api)
        author = FollowAuthor(executor.schema, Knowledge(company), chance)
        yield Followers(executor, runtime, feed(chance, company, EVENTS)), author


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("rules", ["the real rules", "odd rules"])
async def test_those_who_share_a_key_are_told_the_same(settings: Settings, rules: str) -> None:
    chance = random.Random(f"{SEED}/cohorts/{rules}")
    company = believable(chance, random_company(chance))
    trios = [trio(chance, company, each) for each in onlookers(chance, company, VIEWERS)]
    tally = Tally()
    async with following_company(settings, chance, company, is_odd=rules == "odd rules") as (
        followers,
        author,
    ):
        for _ in range(EXAMPLES):
            subscription = author.subscription()
            several = list(islice(narrowings(chance, company, subscription), NARROWINGS))
            told: list[Told] = []
            for viewer in chain(*chance.sample(trios, TRIOS_PER_SUBSCRIPTION)):
                for values in several:
                    if (found := await followers.told(subscription, values, viewer)) is not None:
                        tally.add(subscription, found, told)
                        told.append(found)
            assert tally.differences == [], tally.differences[0]
    sys.stdout.write(tally.line())
    assert tally.planned >= 0.7 * tally.followers, tally.line()
    assert tally.shared >= EXAMPLES, tally.line()
    assert tally.apart >= 20 * EXAMPLES, tally.line()
