"""How much does a server answer when it is asked without a pause? By wrk where there is one, else by autocannon.

What is asked is left to the benches; that the answers are right is made sure by `bench.answers` before and after.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.node import node
from bench.processes import ROOT, BenchError

_HERE = ROOT / "bench"
GRACE_SECONDS = 60
ANSWER_SECONDS = 30
"""A slower answer counts as none; both loaders' own defaults are shorter than a slow peer takes on a busy machine."""


@dataclass(frozen=True, slots=True)
class Request:
    """A POST of a JSON body without tabs and line breaks, or a GET where it is empty."""

    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """A running server with the requests that it gets in turn."""

    name: str
    url: str
    headers: Mapping[str, str]
    requests: Sequence[Request]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one load; latencies in milliseconds."""

    requests: int
    seconds: float
    median_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Return answers in a second."""
        return self.requests / self.seconds


def loader() -> str:
    """Return what loads on this machine: `wrk` or `autocannon`."""
    return "wrk" if shutil.which("wrk") else "autocannon"


def load(target: Target, seconds: int, connections: int) -> Measured:
    """Return what came of it; raise `BenchError` where a single request failed."""
    with tempfile.TemporaryDirectory(prefix="eoms-bench-") as name:
        folder = Path(name)
        _write(folder / "headers.tsv", target.headers.items())
        _write(folder / "requests.tsv", ((request.path, request.body) for request in target.requests))
        ran = subprocess.run(
            _command(target.url, seconds, connections, folder),
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds + GRACE_SECONDS,
        )
    last = ran.stdout.strip().rpartition("\n")[2]
    if ran.returncode != 0 or not last.startswith("{"):
        raise BenchError(f"{loader()} failed on {target.name}: {ran.stderr.strip() or ran.stdout.strip()}")
    said = json.loads(last)
    if said["failures"]:
        raise BenchError(f"{target.name} failed {said['failures']} of {said['requests']} requests.")
    return Measured(said["requests"], said["seconds"], said["median_ms"], said["p99_ms"])


def _command(url: str, seconds: int, connections: int, folder: Path) -> list[str]:
    if loader() == "wrk":
        script = str(_HERE / "load.lua")
        how = ["--threads=1", f"--connections={connections}", f"--duration={seconds}s"]
        how.append(f"--timeout={ANSWER_SECONDS}s")
        return ["wrk", *how, f"--script={script}", url, "--", str(folder)]
    return [
        str(node()),
        str(_HERE / "load.mjs"),
        url,
        str(seconds),
        str(connections),
        str(ANSWER_SECONDS),
        str(folder),
    ]


def _write(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    path.write_text("".join(f"{first}\t{second}\n" for first, second in rows))
