"""How is the process that holds all sockets to one server told what to do? Lines of JSON, one answer each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import ROOT, BenchError, environment

END_SECONDS = 30
CLOSED = "The server has closed a socket"
"""What a subscriber gives up with whose socket is closed."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of some seconds: messages that arrived, and for each event in how many milliseconds with the last."""

    messages: int
    seconds: float
    latencies_ms: Sequence[float]
    cpu_seconds: float = 0.0


class Audience:
    """The subscribers of one server, in a process of their own."""

    def __init__(self, name: str, process: subprocess.Popen[str], log: Path) -> None:
        self._name = name
        self._process = process
        self._log = log

    def join(self, count: int) -> Sequence[str]:
        """Let so many more subscribe; return the texts that the last ones were told of a hold and of a resumption."""
        sample: list[str] = self._ask(do="join", count=count)["sample"]
        return sample

    def push(self, seconds: float) -> Heard:
        """Have orders changed as fast as all subscribers hear of it."""
        return Heard(**self._ask(do="push", seconds=seconds))

    def pace(self, seconds: float, events_a_second: float) -> Heard:
        """Have orders changed at that pace."""
        return Heard(**self._ask(do="pace", seconds=seconds, events_a_second=events_a_second))

    def tell(self, **fields: object) -> None:
        """Send a line; raise `BenchError` where nobody is there."""
        assert self._process.stdin is not None, "opened as a pipe"
        try:
            self._process.stdin.write(json.dumps(fields) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    # Any: what the answer has depends on what was asked.
    def _ask(self, **fields: object) -> dict[str, Any]:
        self.tell(**fields)
        assert self._process.stdout is not None, "opened as a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> BenchError:
        said = self._log.read_text(errors="replace").strip()
        return BenchError(f"The subscribers of {self._name} gave up: {said[-2_000:]}")


@contextmanager
def audience(name: str, job: Mapping[str, Any], logs: Path) -> Generator[Audience]:
    """The process, without a subscriber as yet, to the end of the block."""
    log = logs / f"audience-{name.replace(' ', '-')}.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.audience"],
            cwd=ROOT,
            env=environment({}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    found = Audience(name, process, log)
    try:
        found.tell(**job)
        yield found
    finally:
        process.kill()
        process.communicate(timeout=END_SECONDS)
