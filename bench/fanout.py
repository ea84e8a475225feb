"""How fast do thousands of sockets hear of what is committed, beside the limit and the peers, and what does each socket take?

Everybody follows one project. Orders are changed as soon as all have heard of their last change, and then gently.
That nobody misses or repeats anything is seen in every round (`bench.tally`).
"""

from __future__ import annotations

import resource
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median, quantiles

from bench.contenders import EOMS_NAME, MERCURIUS, TEXTBOOK
from bench.followed import IN_FLIGHT, LIMIT, Followed, check_refusal, side_by_side, told_alike
from bench.following import Audience, Heard, audience
from bench.load import Measured
from bench.processes import BenchError
from bench.results import Comparison, Goal, Outcome, compared
from bench.rounds import Series, alternate
from bench.stage import Stage

GOALS = {LIMIT: Goal(0.6), MERCURIUS: Goal(2), TEXTBOOK: Goal(6)}
LATENCY_GOAL = Goal(250, is_minimum=False)
LATENCY_GOAL_AT = 1_000
MEMORY_GOAL = Goal(40, is_minimum=False)
EVENTS_A_SECOND = 5
"""So gentle that nobody waits for the event before."""

TOO_SLOW_TO_PACE = (TEXTBOOK,)
"""Whose events would wait for those before: the wait would be told, and the machine be left busy with it."""

SPARE_FILES = 500
"""What a server needs beside its sockets."""

_LIKE = 0.25
"""By what part of EOMS's message another's may be longer or shorter."""


def fanout(stage: Stage) -> Outcome:
    """Return what came of all numbers of subscribers."""
    _allow_files(max(stage.plan.subscribers))
    parts = [_part(stage, count) for count in stage.plan.subscribers]
    return Outcome(
        "fan-out",
        f"orderChanged of one project over graphql-transport-ws; messages a second while {IN_FLIGHT} orders are changed "
        f"at once, and at {EVENTS_A_SECOND} events a second; ms from asking for a change to the last subscriber",
        tuple(series for part in parts for series in part.series),
        tuple(comparison for part in parts for comparison in part.comparisons),
        [note for part in parts for note in part.notes],
    )


def _part(stage: Stage, count: int) -> Outcome:
    """Return what came of so many subscribers to each."""
    plan, report = stage.plan, stage.report
    with side_by_side(stage.home, stage.logs) as servers, ExitStack() as stack:
        crowds = {
            each.name: stack.enter_context(audience(each.name, each.job, stage.logs)) for each in servers
        }
        memory = _seated(servers, crowds, count, stage)
        pushed: dict[str, list[Heard]] = {each.name: [] for each in servers}
        paced: dict[str, list[Heard]] = {each.name: [] for each in servers}

        def push(name: str, seconds: int) -> Measured:
            pushed[name].append(crowds[name].push(seconds))
            return _measured(pushed[name][-1])

        def pace(name: str, seconds: int) -> Measured:
            paced[name].append(crowds[name].pace(seconds, EVENTS_A_SECOND))
            return _measured(paced[name][-1])

        report(f"fan-out to {count:,}: as fast as all hear of it")
        fast = alternate(
            {name: lambda seconds, name=name: push(name, seconds) for name in crowds}, plan, report
        )
        report(f"fan-out to {count:,}: {EVENTS_A_SECOND} events a second")
        gentle = alternate(
            {
                name: lambda seconds, name=name: pace(name, seconds)
                for name in crowds
                if name not in TOO_SLOW_TO_PACE
            },
            plan,
            report,
        )
        _check_alike({name: crowd.join(0) for name, crowd in crowds.items()})
    return Outcome(
        "fan-out",
        "",
        (
            *(Series(f"{name}, {count:,}", each.rounds) for name, each in fast.items()),
            *(Series(f"{name}, {count:,}, gently", each.rounds) for name, each in gentle.items()),
        ),
        (
            *(
                compared(fast[EOMS_NAME], fast[name], goal, f"{EOMS_NAME} ÷ {name}, {count:,} subscribers")
                for name, goal in GOALS.items()
            ),
            _latency(paced[EOMS_NAME][1:], count),
            _held(memory[EOMS_NAME], count),
        ),
        [_note(count, memory, {name: each[1:] for name, each in pushed.items()})],
    )


def _seated(
    servers: Sequence[Followed], crowds: Mapping[str, Audience], count: int, stage: Stage
) -> dict[str, float]:
    """Let all subscribe; return how many KiB each subscriber takes in each server's process."""
    stage.report(f"fan-out to {count:,}: comparing the messages of {', '.join(crowds)}")
    _check_alike({name: crowd.join(1) for name, crowd in crowds.items()})
    memory: dict[str, float] = {}
    for each in servers:
        if each.name != LIMIT:
            check_refusal(each, stage.logs)
        before = each.child.memory_kib
        crowds[each.name].join(count - 1)
        memory[each.name] = (each.child.memory_kib - before) / (count - 1)
        stage.report(f"  {count:,} follow {each.name}")
    return memory


def _check_alike(messages: Mapping[str, Sequence[str]]) -> None:
    """Raise `BenchError` unless all tell the same of a hold and a resumption, in messages of about the same length."""
    ours = messages[EOMS_NAME]
    for name, theirs in messages.items():
        if told_alike(theirs) != told_alike(ours):
            raise BenchError(f"{name} tells {theirs}, and {EOMS_NAME} {ours}.")
        for one, other in zip(ours, theirs, strict=True):
            if abs(len(other.encode()) - len(one.encode())) > _LIKE * len(one.encode()):
                raise BenchError(f"A message of {name} has {len(other.encode())} bytes: {other}")


def _measured(heard: Heard) -> Measured:
    middle, last = _percentiles(heard.latencies_ms)
    return Measured(heard.messages, heard.seconds, middle, last)


def _percentiles(latencies: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, which is no more than the largest."""
    return median(latencies), quantiles(latencies, n=100, method="inclusive")[98]


def _latency(rounds: Sequence[Heard], count: int) -> Comparison:
    """Return in what time 99 of 100 gentle events reached the last subscriber, of all rounds together."""
    each = [_percentiles(heard.latencies_ms)[1] for heard in rounds]
    together = [latency for heard in rounds for latency in heard.latencies_ms]
    return Comparison(
        f"change to last of {count:,}, p99",
        _percentiles(together)[1],
        min(each),
        max(each),
        LATENCY_GOAL if count <= LATENCY_GOAL_AT else None,
        "ms",
    )


def _held(kib: float, count: int) -> Comparison:
    return Comparison(f"memory for each of {count:,}", kib, kib, kib, MEMORY_GOAL, "KiB")


def _note(count: int, memory: Mapping[str, float], pushed: Mapping[str, Sequence[Heard]]) -> str:
    """Return what one has to know of the figures: memory of all, and what the sockets' other ends took."""
    kib = ", ".join(f"{name} {each:.1f}" for name, each in memory.items())
    shares = ", ".join(
        f"{name} {median(heard.cpu_seconds / heard.seconds for heard in each):.0%}"
        for name, each in pushed.items()
    )
    return (
        f"With {count:,} subscribers each took so many KiB of its server's process: {kib}. "
        f"While messages were pushed, the process at the other end of the sockets took so much of a core: {shares}. "
        f"Not asked to keep to a pace: {', '.join(TOO_SLOW_TO_PACE)}."
    )


def _allow_files(sockets: int) -> None:
    """Let this process and those it starts have as many files open as the machine lets them."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < sockets + SPARE_FILES:
        raise BenchError(f"A process may have {most} files open; {sockets} sockets need more (ulimit -Hn).")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
