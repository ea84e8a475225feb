"""Does a server wear out? Its memory, its open files and its followers, asked of `/metrics` every few seconds."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import httpx

from server.stores import StoreUrls
from subscriptions.stream_store import open_client
from tests.e2e.rows import fetched

METRICS_TOKEN = "the-soak-reads-the-numbers-of-this-server"

MIB = 1024 * 1024

_GAUGES = (
    "eoms_listeners",
    "eoms_cohorts",
    "eoms_sockets_open",
    "eoms_event_streams_open",
    "eoms_events_unread",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The numbers of one moment; `messages` and `comings` are all there were until then."""

    seconds: float
    memory_bytes: float
    files: int
    followed: dict[str, int]
    """What follows and waits, by the names of the gauges."""

    messages: int
    comings: int

    @property
    def is_quiet(self) -> bool:
        """Return whether nobody follows and nothing waits."""
        return not any(self.followed.values())


@dataclass(frozen=True, slots=True)
class Rest:
    """How a server is that was left alone; `files` are those that are no connections to its stores, which are kept."""

    sample: Sample
    files: int


@dataclass
class Wear:
    """The samples of a soak."""

    client: httpx.AsyncClient
    url: str
    counts: Callable[[], tuple[int, int]]
    """Gives how many messages and comings there were until now."""

    began: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list[Sample])

    async def watch(self, seconds: float, tell: Callable[[str], None]) -> None:
        """Take samples for so long, and tell of one now and then."""
        self.began, told = time.monotonic(), 0.0
        while time.monotonic() < self.began + seconds:
            sample = await self.sample()
            self.samples.append(sample)
            if sample.seconds >= told:
                told += max(2, seconds / 60)
                tell(self.told())
            await asyncio.sleep(max(0.25, seconds / 300))

    async def sample(self) -> Sample:
        """Return the numbers of this moment."""
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        answer = (await self.client.get(f"{self.url}/metrics", headers=headers)).raise_for_status()
        lines = (line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
        numbers = {name: float(number) for name, number in lines}
        return Sample(
            time.monotonic() - self.began,
            numbers["process_resident_memory_bytes"],
            int(numbers["process_open_fds"]),
            {name: int(numbers[name]) for name in _GAUGES},
            *self.counts(),
        )

    async def rest(self, urls: StoreUrls, seconds: float, most_files: float = math.inf) -> Rest:
        """Return how it is when nobody follows and no more files are open, or how it still is after so many seconds."""
        ends_at = time.monotonic() + seconds
        while True:
            sample = await self.sample()
            files = sample.files - await store_connections(urls)
            if (sample.is_quiet and files <= most_files) or time.monotonic() > ends_at:
                return Rest(sample, files)
            await asyncio.sleep(0.2)

    def told(self) -> str:
        """Return the last sample on a line."""
        last, before = self.samples[-1], self.samples[-min(len(self.samples), 6)]
        rate = (last.messages - before.messages) / max(0.001, last.seconds - before.seconds)
        return (
            f"{last.seconds:5.0f} s  {last.memory_bytes / MIB:6.1f} MiB  {last.files} files"
            f"  {last.followed['eoms_listeners']} follow in {last.followed['eoms_cohorts']} cohorts"
            f"  {rate:,.0f} messages/s  {last.messages:,} messages  {last.comings:,} comings"
        )


async def store_connections(urls: StoreUrls) -> int:
    """Return how many connections a server has to its stores, where nobody else has any."""
    ((count,),) = await fetched(
        urls.database_url,
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    client = open_client(urls.redis_url)
    try:
        # All but the one that asks.
        return count + len(await client.client_list()) - 1
    finally:
        await client.aclose()


@dataclass(frozen=True)
class Trend:
    """How memory goes: the median and its slope over the samples, as Theil and Sen have it (median of all pairs' slopes)."""

    median_bytes: float
    slope: float
    """Bytes a second."""

    seconds: float

    @property
    def growth(self) -> float:
        """Return which part of itself it grows by over that time."""
        return self.slope * self.seconds / self.median_bytes

    def told(self) -> str:
        """Return it as a part of a sentence."""
        return f"{self.median_bytes / MIB:.1f} MiB, {self.growth:+.2%} over {self.seconds:.0f} s"


def trend(samples: Sequence[Sample]) -> Trend:
    """Return how memory goes over the samples; a few that stand out don't move it."""
    slopes = [
        (later.memory_bytes - earlier.memory_bytes) / (later.seconds - earlier.seconds)
        for earlier, later in combinations(samples, 2)
    ]
    return Trend(
        statistics.median(each.memory_bytes for each in samples),
        statistics.median(slopes),
        samples[-1].seconds - samples[0].seconds,
    )


def draw(path: Path, samples: Sequence[Sample], settled: Sequence[Sample]) -> None:
    """Draw memory, with its trend over the settled samples, and messages a second."""
    # Any, and imported by its name: only `make soak` installs matplotlib, and the checks run without it.
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    figure, (memory, rate) = pyplot.subplots(2, sharex=True, figsize=(10, 6), layout="constrained")
    times = [each.seconds for each in samples]
    memory.plot(times, [each.memory_bytes / MIB for each in samples], color="#2a7f62", label="resident")
    found = trend(settled)
    middle = statistics.median(each.seconds for each in settled)
    ends = (settled[0].seconds, settled[-1].seconds)
    line = [(found.median_bytes + found.slope * (end - middle)) / MIB for end in ends]
    memory.plot(ends, line, color="#b3402e", label=found.told())
    memory.set_ylabel("MiB")
    memory.set_ylim(bottom=0)
    memory.legend(loc="lower right")
    rates = [
        (later.messages - one.messages) / (later.seconds - one.seconds) for one, later in pairwise(samples)
    ]
    rate.plot(times[1:], rates, color="#1d2733")
    rate.set_ylabel("messages a second")
    rate.set_ylim(bottom=0)
    rate.set_xlabel("seconds")
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
